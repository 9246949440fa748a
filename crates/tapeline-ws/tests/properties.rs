//! Laws over arbitrary messages, cuts and garbage: what is written is read, and no input passes a
//! limit or panics.

use std::io::IoSlice;

use proptest::prelude::*;
use tapeline_ws::{Deflate, Deflater, Limits, Message, Prepared, Reader, Role, Writer};

const LIMITS: Limits = Limits { message: 20_000, fragments: 64, read_buffer: 256, out_queue: 1 << 20 };

/// A message that outlives the reader's buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owned {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

impl Owned {
    fn of(message: Message<'_>) -> Self {
        match message {
            Message::Text(text) => Self::Text(text.into()),
            Message::Binary(bytes) => Self::Binary(bytes.into()),
            Message::Ping(bytes) => Self::Ping(bytes.into()),
            Message::Pong(bytes) => Self::Pong(bytes.into()),
            Message::Close { .. } => panic!("no close was sent"),
        }
    }
}

fn message() -> impl Strategy<Value = Owned> {
    prop_oneof![
        4 => "\\PC{0,200}".prop_map(Owned::Text),
        2 => "(\\{\"price\":\"[0-9]{1,5}\"\\}){0,300}".prop_map(Owned::Text),
        2 => prop::collection::vec(any::<u8>(), 0..3000).prop_map(Owned::Binary),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Owned::Ping),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Owned::Pong),
    ]
}

fn agreement() -> impl Strategy<Value = Option<Deflate>> {
    let deflate =
        (any::<bool>(), any::<bool>(), 8u8..=15, 8u8..=15).prop_map(|(server, client, one, other)| Deflate {
            server_no_context_takeover: server,
            client_no_context_takeover: client,
            server_max_window_bits: one,
            client_max_window_bits: other,
        });
    prop::option::of(deflate)
}

/// Everything `writer` has to say, in writes of at most `step` bytes.
fn drain(writer: &mut Writer, step: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while writer.queued() > 0 {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = writer.slices(&mut slices);
        let before = bytes.len();
        for slice in &slices[..count] {
            let room = step - (bytes.len() - before);
            bytes.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        let taken = bytes.len() - before;
        writer.written(taken);
    }
    bytes
}

fn read_all(reader: &mut Reader, bytes: &[u8], cuts: &[usize]) -> Vec<Owned> {
    let mut seen = Vec::new();
    let mut rest = bytes;
    let mut cuts = cuts.iter().cycle();
    while !rest.is_empty() {
        let mut piece = &rest[..rest.len().min(*cuts.next().expect("a cut"))];
        rest = &rest[piece.len()..];
        while !piece.is_empty() {
            piece = &piece[reader.feed(piece)..];
            while let Some(message) = reader.next().expect("the frames are right") {
                seen.push(Owned::of(message));
            }
        }
    }
    seen
}

fn sent(writer: &mut Writer, message: &Owned) {
    match message {
        Owned::Text(text) => writer.text(text),
        Owned::Binary(bytes) => writer.binary(bytes),
        Owned::Ping(bytes) => writer.ping(bytes),
        Owned::Pong(bytes) => writer.pong(bytes),
    }
    .expect("there is room");
}

/// Frames as a server may cut them: the first with the type, the rest as continuations, pings between.
fn fragmented(messages: &[Owned], cuts: &[usize]) -> (Vec<u8>, Vec<Owned>) {
    let mut bytes = Vec::new();
    let mut order = Vec::new();
    let mut cuts = cuts.iter().cycle();
    let mut put = |first: u8, payload: &[u8]| {
        bytes.push(first);
        if payload.len() < 126 {
            bytes.push(payload.len() as u8);
        } else {
            bytes.push(126);
            bytes.extend_from_slice(&(payload.len() as u16).to_be_bytes());
        }
        bytes.extend_from_slice(payload);
    };
    for message in messages {
        let (opcode, payload) = match message {
            Owned::Text(text) => (1, text.as_bytes()),
            Owned::Binary(bytes) => (2, &bytes[..]),
            Owned::Ping(bytes) => (9, &bytes[..]),
            Owned::Pong(bytes) => (10, &bytes[..]),
        };
        let mut rest = payload;
        let mut first = opcode;
        for _ in 0..60 {
            let size = *cuts.next().expect("a cut");
            if opcode > 2 || size >= rest.len() {
                break;
            }
            put(first, &rest[..size]);
            put(0x89, b"between");
            order.push(Owned::Ping(b"between".into()));
            rest = &rest[size..];
            first = 0;
        }
        put(first | 0x80, rest);
        order.push(message.clone());
    }
    (bytes, order)
}

/// One text message in fragments of these sizes, and behind which byte of it each byte of the text has come.
fn text_in_fragments(payload: &[u8], sizes: &[usize], masked: bool) -> (Vec<u8>, Vec<usize>) {
    let key = if masked { [0x11, 0x80, 0xfe, 0x07] } else { [0; 4] };
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let (mut rest, mut first) = (payload, 1);
    for size in sizes.iter().cycle().take(50).chain([&usize::MAX]) {
        let (part, after) = rest.split_at((*size).min(rest.len()));
        let last = *size == usize::MAX;
        bytes.push(first | if last { 0x80 } else { 0 });
        if part.len() < 126 {
            bytes.push(part.len() as u8 | if masked { 0x80 } else { 0 });
        } else {
            bytes.push(126 | if masked { 0x80 } else { 0 });
            bytes.extend_from_slice(&(part.len() as u16).to_be_bytes());
        }
        if masked {
            bytes.extend_from_slice(&key);
        }
        for (byte, mask) in part.iter().zip(key.iter().cycle()) {
            bytes.push(byte ^ mask);
            ends.push(bytes.len());
        }
        (rest, first) = (after, 0);
    }
    (bytes, ends)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(
        messages in prop::collection::vec(message(), 0..12),
        step in 1usize..4000,
        cuts in prop::collection::vec(1usize..700, 1..6),
        deflate in agreement(),
        seed in any::<u64>(),
    ) {
        for (near, far) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
            let mut writer = Writer::new(near, 1 << 20, deflate, seed);
            let mut reader = Reader::new(far, LIMITS, deflate);
            let mut seen = Vec::new();
            // One at a time, because control frames and replaced pongs change the order otherwise.
            for message in &messages {
                sent(&mut writer, message);
                seen.extend(read_all(&mut reader, &drain(&mut writer, step), &cuts));
            }
            prop_assert_eq!(&seen, &messages);
        }
    }

    #[test]
    fn queued_together_messages_keep_their_order(
        messages in prop::collection::vec(message(), 0..40),
        step in 1usize..4000,
        deflate in agreement(),
    ) {
        let data: Vec<Owned> =
            messages.into_iter().filter(|message| matches!(message, Owned::Text(_) | Owned::Binary(_))).collect();
        let mut writer = Writer::new(Role::Client, 1 << 20, deflate, 5);
        for message in &data {
            sent(&mut writer, message);
        }
        let bytes = drain(&mut writer, step);
        let mut reader = Reader::new(Role::Server, LIMITS, deflate);
        prop_assert_eq!(read_all(&mut reader, &bytes, &[997]), data);
    }

    #[test]
    fn a_prepared_message_reads_the_same_everywhere(
        text in "([a-f]{0,5}|price){0,400}",
        deflate in agreement(),
        between in "[a-z]{0,200}",
    ) {
        let mut deflater = Deflater::new();
        let prepared = [Prepared::text(&text), Prepared::text(&text).compressed(&mut deflater)];
        for role in [Role::Server, Role::Client] {
            let far = if role == Role::Server { Role::Client } else { Role::Server };
            let mut writer = Writer::new(role, 1 << 20, deflate, 5);
            let mut expected = Vec::new();
            for form in prepared.iter().cycle().take(5) {
                writer.prepared(form).expect("there is room");
                writer.text(&between).expect("there is room");
                expected.extend([Owned::Text(text.clone()), Owned::Text(between.clone())]);
            }
            let bytes = drain(&mut writer, 1 << 20);
            let mut reader = Reader::new(far, LIMITS, deflate);
            prop_assert_eq!(read_all(&mut reader, &bytes, &[400]), expected);
        }
    }

    #[test]
    fn any_fragmentation_gives_the_same_messages(
        messages in prop::collection::vec(message(), 0..8),
        sizes in prop::collection::vec(0usize..300, 1..6),
        cuts in prop::collection::vec(1usize..700, 1..6),
    ) {
        let (bytes, order) = fragmented(&messages, &sizes);
        let mut reader = Reader::new(Role::Client, LIMITS, None);
        prop_assert_eq!(read_all(&mut reader, &bytes, &cuts), order);
        prop_assert_eq!(reader.assembling(), None);
    }

    /// Whatever the fragments, the pieces and the end: refused with the first byte that no other can make right.
    #[test]
    fn wrong_text_is_refused_with_its_first_wrong_byte(
        text in "[a-zé€\u{10348}]{0,40}",
        wrong in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        sizes in prop::collection::vec(0usize..30, 1..5),
        cuts in prop::collection::vec(1usize..20, 1..6),
    ) {
        let mut payload = text.into_bytes();
        if let Some((at, byte)) = wrong && !payload.is_empty() {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        for role in [Role::Client, Role::Server] {
            let (bytes, ends) = text_in_fragments(&payload, &sizes, role == Role::Server);
            let mut reader = Reader::new(role, LIMITS, None);
            let mut fed = 0;
            for cut in cuts.iter().cycle() {
                let next = (fed + cut).min(bytes.len());
                prop_assert_eq!(reader.feed(&bytes[fed..next]), next - fed);
                fed = next;
                let seen = ends.iter().take_while(|end| **end <= fed).count();
                let begun = match std::str::from_utf8(&payload[..seen]) {
                    Ok(_) => true,
                    Err(error) => error.error_len().is_none() && fed < bytes.len(),
                };
                let outcome = reader.next();
                prop_assert_eq!(outcome.is_ok(), begun, "{} of {} bytes, {:?}", fed, bytes.len(), outcome);
                if !begun || fed == bytes.len() {
                    break;
                }
            }
        }
    }

    #[test]
    fn garbage_neither_panics_nor_passes_the_limits(
        bytes in prop::collection::vec(any::<u8>(), 0..5000),
        start in prop::option::of(prop::sample::select(vec![0x81u8, 0x01, 0xc1, 0x41, 0x82, 0x88, 0x89])),
        length in 0u64..50_000,
        step in 1usize..900,
        deflate in agreement(),
    ) {
        let mut input = Vec::new();
        if let Some(first) = start {
            input.extend([first, 127]);
            input.extend(length.to_be_bytes());
        }
        input.extend(&bytes);
        for role in [Role::Client, Role::Server] {
            let mut reader = Reader::new(role, LIMITS, deflate);
            'input: for mut piece in input.chunks(step) {
                while !piece.is_empty() {
                    piece = &piece[reader.feed(piece)..];
                    while let Some(message) = match reader.next() {
                        Ok(message) => message,
                        Err(_) => break 'input,
                    } {
                        if let Message::Text(text) = message {
                            prop_assert!(text.len() <= LIMITS.message);
                        }
                    }
                    prop_assert!(reader.allocated() <= 3 * LIMITS.message + 1024);
                }
            }
        }
    }
}
