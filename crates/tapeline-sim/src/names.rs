//! Stream names: which spellings mean one stream, and which base of the futures host carries it.

/// The name under which a stream is found: the update speeds of the depth diff stream are one family.
///
/// A recording holds one speed; whoever asks for another of them still wants these frames.
pub(crate) fn family(name: &str) -> &str {
    if let Some((symbol, speed)) = name.split_once("@depth")
        && matches!(speed, "@0ms" | "@100ms" | "@250ms" | "@500ms")
    {
        return &name[..symbol.len() + "@depth".len()];
    }
    name
}

/// Which streams a path carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    /// All of the market: spot, and recordings that are older than the split.
    Whole,
    /// The futures `/public` base: books and quotes, and by observation trades.
    Public,
    /// The futures `/market` base: everything else.
    Market,
}

impl Base {
    /// Whether data of `name` ever comes on this base. A stream on the wrong base is acknowledged and mute,
    /// which is what the venue does since its notice of 2026-03-06.
    pub(crate) fn carries(self, name: &str) -> bool {
        let channel = name.split_once('@').map_or(name, |(_, channel)| channel);
        let public = name == "!bookTicker"
            || channel == "bookTicker"
            || channel == "trade"
            || channel.starts_with("depth")
            || channel.starts_with("rpiDepth");
        match self {
            Self::Whole => true,
            Self::Public => public,
            Self::Market => !public,
        }
    }
}

/// Decodes `%xx`; anything that is not an escape, or not UTF-8 afterwards, stays as it was.
pub(crate) fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match escape.filter(|_| bytes[at] == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_of_the_depth_diff_are_one_family() {
        for name in [
            "btcusdt@depth",
            "btcusdt@depth@0ms",
            "btcusdt@depth@100ms",
            "btcusdt@depth@250ms",
            "btcusdt@depth@500ms",
        ] {
            assert_eq!(family(name), "btcusdt@depth", "{name}");
        }
        for name in
            ["btcusdt@depth5", "btcusdt@depth5@100ms", "btcusdt@depth@1s", "btcusdt@trade", "!miniTicker@arr"]
        {
            assert_eq!(family(name), name);
        }
    }

    #[test]
    fn futures_bases_split_the_streams() {
        let check = |name: &str, public: bool| {
            assert!(Base::Whole.carries(name));
            assert_eq!((Base::Public.carries(name), Base::Market.carries(name)), (public, !public), "{name}");
        };
        check("btcusdt@bookTicker", true);
        check("!bookTicker", true);
        check("btcusdt@depth@100ms", true);
        check("btcusdt@depth20@500ms", true);
        check("btcusdt@trade", true);
        check("btcusdt@aggTrade", false);
        check("btcusdt@markPrice@1s", false);
        check("!miniTicker@arr", false);
        check("btcusdt@kline_1m", false);
    }

    #[test]
    fn escapes_are_decoded_and_nothing_else() {
        let check = |text: &str, expected: &str| assert_eq!(percent_decoded(text), expected);
        check("btcusdt%40trade%2Fethusdt%40trade", "btcusdt@trade/ethusdt@trade");
        check("%21ticker@arr", "!ticker@arr");
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("%ff", "%ff");
    }
}
