//! A server that echoes, spoken to byte by byte: the cases of a conformance suite that have caught others,
//! as tests that always run (`scripts/autobahn` runs the suite itself).

use std::time::Duration;

use tapeline_ws::{Connection, Limits, Message, ReceiveError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const LIMITS: Limits =
    Limits { message: 4 << 20, fragments: 100_000, read_buffer: 4 << 10, out_queue: 8 << 20 };
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(0x80 | short as u8),
        long @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    let key = [0x5a, 0x01, 0xff, 0x80];
    bytes.extend_from_slice(&key);
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Sends every message back until there are no more.
async fn echo(mut server: Connection<DuplexStream>) {
    loop {
        let owned = match server.receive().await {
            Ok(Some(Message::Text(text))) => Ok(text.to_owned()),
            Ok(Some(Message::Binary(bytes))) => Err(bytes.to_vec()),
            Ok(Some(_)) => continue,
            Ok(None) | Err(ReceiveError::Protocol(_)) => break,
            Err(error) => panic!("{error}"),
        };
        let message = match &owned {
            Ok(text) => Message::Text(text),
            Err(bytes) => Message::Binary(bytes),
        };
        server.send(message).await.expect("sends");
    }
    server.flush().await.expect("flushes");
    server.into_io().shutdown().await.expect("hangs up");
}

/// What a server says: the first byte of a frame and its payload.
type Said = Vec<(u8, Vec<u8>)>;

fn parse(mut bytes: &[u8]) -> Said {
    let mut said = Vec::new();
    while let [first, second, rest @ ..] = bytes {
        let (length, head) = match second {
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), 2),
            127 => (u64::from_be_bytes(*rest.first_chunk().expect("a length")) as usize, 8),
            short => (usize::from(*short), 0),
        };
        said.push((*first, rest[head..head + length].to_vec()));
        bytes = &rest[head + length..];
    }
    assert!(bytes.is_empty(), "a whole number of frames");
    said
}

/// Writes `bytes` in pieces of `step`, each of which the server sees alone, and leaves the line open: what
/// the server says until it hangs up by itself.
async fn said_to(bytes: &[u8], step: usize) -> Said {
    let (near, mut far) = duplex(64 << 10);
    let server = tokio::spawn(echo(Connection::server(near, &Default::default(), LIMITS, &[])));
    let (mut ear, mut mouth) = tokio::io::split(&mut far);
    let talk = async {
        for piece in bytes.chunks(step) {
            // A server that has hung up hears no more.
            if mouth.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let mut heard = Vec::new();
    let listen = async { ear.read_to_end(&mut heard).await.map(drop) };
    let both = async { tokio::join!(talk, listen).1 };
    tokio::time::timeout(PATIENCE, both).await.expect("it hangs up in time").expect("reads");
    server.await.expect("ends");
    parse(&heard)
}

/// What the server must say, whatever the pieces are.
async fn check(frames: &[Vec<u8>], expected: &[(u8, &[u8])]) {
    let bytes = frames.concat();
    for step in [1, 2, 5, 997, usize::MAX] {
        if step < 5 && bytes.len() > 200_000 {
            continue;
        }
        let said = said_to(&bytes, step).await;
        let said: Vec<(u8, &[u8])> = said.iter().map(|(first, payload)| (*first, &payload[..])).collect();
        assert!(
            said == expected,
            "by {step}: {} frames instead of {}: {said:.200?}",
            said.len(),
            expected.len()
        );
    }
}

const GOODBYE: (u8, &[u8]) = (0x88, &[0x03, 0xe8]);
const BROKEN: (u8, &[u8]) = (0x88, &[0x03, 0xea]);
const NO_TEXT: (u8, &[u8]) = (0x88, &[0x03, 0xef]);

fn goodbye() -> Vec<u8> {
    frame(0x88, &[0x03, 0xe8])
}

#[tokio::test]
async fn messages_of_every_border_of_length_come_back() {
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536, 1 << 20] {
        let payload = vec![b'*'; length];
        for opcode in [0x81, 0x82] {
            check(&[frame(opcode, &payload), goodbye()], &[(opcode, &payload), GOODBYE]).await;
        }
    }
}

#[tokio::test]
async fn pings_are_answered_in_order_with_their_payload() {
    let longest = [0xfe; 125];
    check(&[frame(0x89, b""), goodbye()], &[(0x8a, b""), GOODBYE]).await;
    check(&[frame(0x89, &longest), goodbye()], &[(0x8a, &longest), GOODBYE]).await;
    check(&[frame(0x89, &[0; 126])], &[BROKEN]).await;
    check(&[frame(0x8a, b"nobody asked"), frame(0x89, b"p"), goodbye()], &[(0x8a, b"p"), GOODBYE]).await;
    let pings: Vec<Vec<u8>> = (b'0'..=b'9').map(|digit| vec![digit; 3]).collect();
    let frames: Vec<Vec<u8>> = pings.iter().map(|ping| frame(0x89, ping)).chain([goodbye()]).collect();
    let pongs: Vec<(u8, &[u8])> = pings.iter().map(|ping| (0x8a, &ping[..])).chain([GOODBYE]).collect();
    check(&frames, &pongs).await;
}

#[tokio::test]
async fn reserved_bits_and_opcodes_end_it_behind_what_was_right() {
    for first in
        [0xc1, 0xa1, 0x91, 0xf1, 0xc9, 0x98, 0x83, 0x84, 0x85, 0x86, 0x87, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f]
    {
        check(&[frame(first, b"")], &[BROKEN]).await;
        let frames = [frame(0x81, b"right"), frame(first, b"wrong"), frame(0x89, b"unheard")];
        check(&frames, &[(0x81, b"right"), BROKEN]).await;
    }
    check(&[vec![0x81, 2, b'h', b'i']], &[BROKEN]).await;
}

#[tokio::test]
async fn fragments_are_joined_with_control_frames_between_them() {
    let parts =
        [frame(0x01, b"one, "), frame(0x89, b"p"), frame(0x00, b"two"), frame(0x8a, b""), frame(0x80, b"")];
    check(&[parts.concat(), goodbye()], &[(0x8a, b"p"), (0x81, b"one, two"), GOODBYE]).await;
    check(&[frame(0x01, b""), frame(0x00, b""), frame(0x80, b""), goodbye()], &[(0x81, b""), GOODBYE]).await;
    // A goodbye in the middle of a message ends it.
    check(&[frame(0x01, b"half"), goodbye()], &[GOODBYE]).await;
    for wrong in [
        vec![frame(0x09, b"p"), frame(0x80, b"p")],
        vec![frame(0x0a, b"p"), frame(0x80, b"p")],
        vec![frame(0x80, b"begins nothing")],
        vec![frame(0x00, b"begins nothing"), frame(0x80, b"either")],
        vec![frame(0x01, b"begun"), frame(0x81, b"begun again")],
        vec![frame(0x01, b"begun"), frame(0x02, b"begun again")],
    ] {
        check(&wrong, &[BROKEN]).await;
    }
    let whole = vec![b'f'; 1 << 18];
    let mut frames: Vec<Vec<u8>> = whole.chunks(1000).map(|part| frame(0x00, part)).collect();
    frames[0][0] = 0x02;
    frames.extend([frame(0x80, b""), goodbye()]);
    check(&frames, &[(0x82, &whole), GOODBYE]).await;
}

#[tokio::test]
async fn text_is_judged_as_a_whole_wherever_it_is_cut() {
    let text = "κόσμε 𐀀 \u{10ffff} \u{fffe}".as_bytes();
    check(&[frame(0x81, text), goodbye()], &[(0x81, text), GOODBYE]).await;
    let mut frames: Vec<Vec<u8>> = text.iter().map(|byte| frame(0x00, &[*byte])).collect();
    frames[0][0] = 0x01;
    frames.extend([frame(0x80, b""), goodbye()]);
    check(&frames, &[(0x81, text), GOODBYE]).await;
    let surrogate = [&b"right "[..], &[0xed, 0xa0, 0x80]].concat();
    for wrong in [
        &surrogate[..],
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\xce\xba\xe1\xbd",
        b"\xfe",
        b"\xf8\x88\x80\x80\x80",
    ] {
        check(&[frame(0x81, wrong)], &[NO_TEXT]).await;
        check(&[frame(0x01, wrong), frame(0x80, b"")], &[NO_TEXT]).await;
    }
}

/// The server hangs up by itself: nothing behind the bad byte is ever sent.
#[tokio::test]
async fn wrong_text_is_refused_before_its_frame_is_complete() {
    let long = "κόσμε ".repeat(3000);
    for before in ["", "κόσμε", &long] {
        let text = [before.as_bytes(), b"\xf4\x90\x80\x80", "κόσμε".as_bytes()].concat();
        let bad = before.len() + 2;
        // In one frame of which a part is there.
        let whole = frame(0x81, &text);
        let cut = whole.len() - (text.len() - bad);
        check(&[whole[..cut].to_vec()], &[NO_TEXT]).await;
        // In a second fragment of which a part is there, cut inside the character.
        let (one, other) = text.split_at(before.len() + 1);
        let second = frame(0x80, other);
        let cut = second.len() - other.len() + 1;
        check(&[frame(0x01, one), second[..cut].to_vec()], &[NO_TEXT]).await;
    }
    // What is no text may hold what it likes, and text may go on with what it began.
    check(&[frame(0x02, b"\xf4\x90"), frame(0x80, b"\xff"), goodbye()], &[(0x82, b"\xf4\x90\xff"), GOODBYE])
        .await;
}

#[tokio::test]
async fn closes_are_answered_or_refused_and_nothing_is_heard_behind_them() {
    check(&[frame(0x88, b""), frame(0x81, b"late")], &[(0x88, b"")]).await;
    check(&[frame(0x88, b"\x03\xe8bye"), frame(0x89, b"late")], &[GOODBYE]).await;
    let longest = [&[0x03, 0xe8][..], &[b'*'; 123]].concat();
    check(&[frame(0x88, &longest)], &[GOODBYE]).await;
    check(&[frame(0x88, &[0x03])], &[BROKEN]).await;
    check(&[frame(0x88, &[0; 126])], &[BROKEN]).await;
    check(&[frame(0x88, b"\x03\xe8\xce\xba\xe1")], &[NO_TEXT]).await;
    for code in [1000u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999] {
        check(&[frame(0x88, &code.to_be_bytes())], &[(0x88, &code.to_be_bytes())]).await;
    }
    for code in [0u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535] {
        check(&[frame(0x88, &code.to_be_bytes())], &[BROKEN]).await;
    }
}
