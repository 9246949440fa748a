//! The head of a request as it stands on the wire: what a parser forgives, and what two servers in a row may read
//! differently.

/// The longest name of a header that is looked for.
const LONGEST: usize = b"transfer-encoding:".len();

/// One head that is arriving.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// The first bytes of the line, in small letters, and how many bytes it has, line end apart.
    start: [u8; LONGEST],
    length: usize,
    /// The last byte was a carriage return.
    returned: bool,
    /// A line came that is not empty: those before the first one do not count.
    begun: bool,
    ended: bool,
    /// Bytes behind it.
    beyond: usize,
    /// A line ended without its carriage return.
    bare: bool,
    length_given: bool,
    encoding_given: bool,
}

/// Why a request is refused before anybody looks what it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Breach {
    /// A line ends with a bare line feed.
    BareLine,
    /// The length of the body is told in two ways.
    TwoLengths,
    /// Further bytes came before the answer.
    Pipelined,
}

impl Head {
    /// Takes in what has just been read.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        let mut rest = bytes.iter();
        while !self.ended {
            let Some(byte) = rest.next() else { return };
            match byte {
                b'\n' => self.line_end(),
                b'\r' if !self.returned => self.returned = true,
                byte => {
                    self.returned = false;
                    if let Some(place) = self.start.get_mut(self.length) {
                        *place = byte.to_ascii_lowercase();
                    }
                    self.length += 1;
                }
            }
        }
        self.beyond = self.beyond.saturating_add(rest.len());
    }

    fn line_end(&mut self) {
        self.bare |= !self.returned;
        self.ended = self.begun && self.length == 0;
        self.begun |= self.length > 0;
        let line = self.start.get(..self.length.min(LONGEST)).unwrap_or_default();
        self.length_given |= line.starts_with(b"content-length:");
        self.encoding_given |= line.starts_with(b"transfer-encoding:");
        (self.length, self.returned) = (0, false);
    }

    /// What is wrong with it, now that its request is to be answered; `body` = bytes that belong to it, where that is
    /// known.
    pub(super) fn breach(&self, body: Option<u64>) -> Option<Breach> {
        if self.bare {
            return Some(Breach::BareLine);
        }
        if self.length_given && self.encoding_given {
            return Some(Breach::TwoLengths);
        }
        let more = body.is_some_and(|body| self.beyond as u64 > body);
        // One that has no end here came behind another, while that was answered.
        (more || !self.ended).then_some(Breach::Pipelined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, body: Option<u64>, expected: Option<Breach>) {
        // However it arrives.
        for size in [1, 2, 3, 7, text.len()] {
            let mut head = Head::default();
            text.as_bytes().chunks(size.max(1)).for_each(|part| head.take(part));
            assert_eq!(head.breach(body), expected, "{text:?} by {size}");
        }
    }

    #[test]
    fn a_head_is_judged_by_what_stands_on_the_wire() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(0), None);
        check("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(0), None);
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\n", Some(2), None);
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", None, None);
        check("GET / HTTP/1.1\nHost: a\r\n\r\n", Some(0), Some(Breach::BareLine));
        check("GET / HTTP/1.1\r\nHost: a\r\n\n", Some(0), Some(Breach::BareLine));
        let both = "POST / HTTP/1.1\r\ncontent-length: 2\r\nTransfer-Encoding: chunked\r\n\r\n";
        check(both, None, Some(Breach::TwoLengths));
        check("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(0), Some(Breach::Pipelined));
        check("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}G", Some(2), Some(Breach::Pipelined));
        check("", Some(0), Some(Breach::Pipelined));
    }
}
