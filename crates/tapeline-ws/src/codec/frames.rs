//! Whole frames as a server sends them, for those who keep their own queues.

use bytes::Bytes;

use super::close_code;
use super::header::{self, CLOSE, CONTROL_MAX, FIN, HEADER_MAX, PING, PONG, TEXT};

/// A text message that `write` appends to what it is given.
pub fn text(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    text_in(&mut Vec::new(), write)
}

/// As [`text`], with a buffer that is used again: the frame is one allocation of its own size.
pub fn text_in(buffer: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    buffer.clear();
    buffer.resize(HEADER_MAX, 0);
    write(buffer);
    let mut head = Vec::with_capacity(HEADER_MAX);
    header::write(&mut head, FIN | TEXT, buffer.len() - HEADER_MAX, None);
    let from = HEADER_MAX - head.len();
    buffer[from..HEADER_MAX].copy_from_slice(&head);
    Bytes::copy_from_slice(&buffer[from..])
}

/// A ping. At most 125 bytes of `payload` are sent.
pub fn ping(payload: &[u8]) -> Bytes {
    control(PING, payload)
}

/// A pong. At most 125 bytes of `payload` are sent.
pub fn pong(payload: &[u8]) -> Bytes {
    control(PONG, payload)
}

/// A close. `reason` is cut to 123 bytes; a `code` that may not be sent makes the frame empty.
pub fn close(code: u16, reason: &str) -> Bytes {
    control(CLOSE, &farewell(code, reason))
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    let payload = &payload[..payload.len().min(CONTROL_MAX)];
    let mut frame = Vec::with_capacity(payload.len() + HEADER_MAX);
    header::write(&mut frame, FIN | opcode, payload.len(), None);
    frame.extend_from_slice(payload);
    frame.into()
}

/// The payload of a close frame.
pub(super) fn farewell(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = Vec::with_capacity(CONTROL_MAX);
    if close_code::may_be_sent(code) {
        payload.extend_from_slice(&code.to_be_bytes());
        payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(CONTROL_MAX - 2)]);
    }
    payload
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::super::{Limits, Message, Reader, Role};
    use super::*;

    fn read(frame: &[u8], expected: Message<'_>) {
        let mut reader = Reader::new(Role::Client, Limits::client(), None);
        assert_eq!(reader.feed(frame), frame.len());
        assert_eq!(reader.next().unwrap(), Some(expected));
        assert_eq!(reader.buffered(), 0);
    }

    #[test]
    fn frames_are_read_as_what_they_were_made_of() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = "x".repeat(length);
            read(&text(|out| out.extend_from_slice(payload.as_bytes())), Message::Text(&payload));
        }
        read(&ping(b"now"), Message::Ping(b"now"));
        read(&pong(&[7; 200]), Message::Pong(&[7; 125]));
        let long = "é".repeat(100);
        read(&close(4001, &long), Message::Close { code: 4001, reason: &long[..122] });
        read(&close(1005, ""), Message::Close { code: close_code::NONE, reason: "" });
    }
}
