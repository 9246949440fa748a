//! Walking over values that nobody asked for, without believing a byte of them.

use super::{Bad, MAX_DEPTH, number, solid, text};

/// What follows the value that `text` begins with, which lies in `outside` objects and arrays.
pub(super) fn value(text: &[u8], outside: u32) -> Result<&[u8], Bad> {
    let mut rest = text;
    // One bit for every open bracket, the innermost lowest: 1 = object.
    let (mut open, mut depth) = (0u32, outside);
    loop {
        rest = solid(rest);
        rest = match rest {
            [b'"', content @ ..] => text::skip(content)?,
            [b'-' | b'0'..=b'9', ..] => number::skip(rest)?,
            [bracket @ (b'{' | b'['), inside @ ..] => match solid(inside) {
                // The closing bracket comes two places behind the opening one in ASCII.
                [closing, behind @ ..] if *closing == bracket + 2 => behind,
                inside => {
                    depth += 1;
                    if depth > MAX_DEPTH {
                        return Err(Bad::Depth);
                    }
                    open = (open << 1) | u32::from(*bracket == b'{');
                    rest = if *bracket == b'{' { key(inside)? } else { inside };
                    continue;
                }
            },
            [b't', b'r', b'u', b'e', behind @ ..]
            | [b'f', b'a', b'l', b's', b'e', behind @ ..]
            | [b'n', b'u', b'l', b'l', behind @ ..] => behind,
            _ => return Err(Bad::Syntax),
        };
        loop {
            if depth == outside {
                return Ok(rest);
            }
            let in_object = open & 1 == 1;
            match solid(rest) {
                [b',', behind @ ..] => {
                    rest = if in_object { key(solid(behind))? } else { behind };
                    break;
                }
                [b'}', behind @ ..] if in_object => rest = behind,
                [b']', behind @ ..] if !in_object => rest = behind,
                _ => return Err(Bad::Syntax),
            }
            open >>= 1;
            depth -= 1;
        }
    }
}

/// What follows the key that `text` begins with, and its colon.
fn key(text: &[u8]) -> Result<&[u8], Bad> {
    let [b'"', content @ ..] = text else { return Err(Bad::Syntax) };
    let [b':', rest @ ..] = solid(text::skip(content)?) else { return Err(Bad::Syntax) };
    Ok(rest)
}
