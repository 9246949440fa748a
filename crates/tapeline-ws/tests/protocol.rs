//! The rules of RFC 6455 frame by frame: what each sequence of bytes yields, and with which code it
//! is refused.

use tapeline_ws::{Deflate, Limits, Message, ProtocolError, RawMessage, Reader, Role, Writer, close_code};

const LIMITS: Limits = Limits { message: 1000, fragments: 4, read_buffer: 64, out_queue: 4000 };

/// A frame from a server, in the shortest form of its length.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..126 => bytes.push(short as u8),
        long => {
            bytes.push(126);
            bytes.extend_from_slice(&(long as u16).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// A message in words, for comparison.
fn describe(message: Message<'_>) -> String {
    match message {
        Message::Text(text) => format!("text {text}"),
        Message::Binary(bytes) => format!("binary {bytes:?}"),
        Message::Ping(payload) => format!("ping {}", String::from_utf8_lossy(payload)),
        Message::Pong(payload) => format!("pong {}", String::from_utf8_lossy(payload)),
        Message::Close { code, reason } => format!("close {code} {reason}"),
    }
}

/// As [`read`], by the way that lends text as bytes.
fn read_bytes(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<String>, ProtocolError> {
    let mut seen = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        rest = &rest[reader.feed(rest)..];
        while let Some(message) = reader.next_bytes()? {
            seen.push(describe(match message {
                RawMessage::Text(text) => Message::Text(std::str::from_utf8(text).expect("it was checked")),
                RawMessage::Binary(bytes) => Message::Binary(bytes),
                RawMessage::Ping(payload) => Message::Ping(payload),
                RawMessage::Pong(payload) => Message::Pong(payload),
                RawMessage::Close { code, reason } => Message::Close { code, reason },
            }));
        }
    }
    Ok(seen)
}

/// Feeds `bytes` in pieces of `step` and returns what came out.
fn read(reader: &mut Reader, bytes: &[u8], step: usize) -> Result<Vec<String>, ProtocolError> {
    let mut seen = Vec::new();
    for mut piece in bytes.chunks(step) {
        while !piece.is_empty() {
            let taken = reader.feed(piece);
            piece = &piece[taken..];
            while let Some(message) = reader.next()? {
                seen.push(describe(message));
            }
        }
    }
    Ok(seen)
}

fn check_as(
    role: Role,
    deflate: Option<Deflate>,
    frames: &[Vec<u8>],
    expected: Result<&[&str], ProtocolError>,
) {
    let bytes = frames.concat();
    let seen = read_bytes(&mut Reader::new(role, LIMITS, deflate), &bytes);
    let seen = seen.as_ref().map(|seen| seen.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(seen, expected.as_ref().map(|words| words.to_vec()), "as bytes: {frames:?}");
    for step in [1, 2, 3, 7, 4096] {
        let mut reader = Reader::new(role, LIMITS, deflate);
        let seen = read(&mut reader, &bytes, step);
        let seen = seen.as_ref().map(|seen| seen.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(seen, expected.as_ref().map(|words| words.to_vec()), "in steps of {step}: {frames:?}");
    }
}

fn check(frames: &[Vec<u8>], expected: Result<&[&str], ProtocolError>) {
    check_as(Role::Client, None, frames, expected);
}

fn refused(frames: &[Vec<u8>], error: ProtocolError, code: u16) {
    check(frames, Err(error));
    assert_eq!(error.close_code(), code);
}

#[test]
fn whole_messages_are_cut() {
    check(&[frame(0x81, b"hi"), frame(0x82, &[1, 2])], Ok(&["text hi", "binary [1, 2]"]));
    check(&[frame(0x81, b"")], Ok(&["text "]));
    check(&[frame(0x89, b"a"), frame(0x8a, b"b"), frame(0x81, b"c")], Ok(&["ping a", "pong b", "text c"]));
    let long = "x".repeat(300);
    check(&[frame(0x81, long.as_bytes())], Ok(&[&format!("text {long}")]));
}

#[test]
fn a_length_in_a_longer_form_than_needed_is_read() {
    check(&[vec![0x81, 126, 0, 2, b'h', b'i']], Ok(&["text hi"]));
    check(&[vec![0x81, 127, 0, 0, 0, 0, 0, 0, 0, 2, b'h', b'i']], Ok(&["text hi"]));
}

#[test]
fn fragments_are_joined_and_control_frames_pass_between_them() {
    check(&[frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c")], Ok(&["text abc"]));
    check(&[frame(0x02, &[1]), frame(0x89, b"p"), frame(0x80, &[])], Ok(&["ping p", "binary [1]"]));
    check(&[frame(0x01, b""), frame(0x80, b""), frame(0x81, b"z")], Ok(&["text ", "text z"]));
    let euro = "\u{20ac}".as_bytes();
    check(
        &[frame(0x01, &euro[..1]), frame(0x00, &euro[1..2]), frame(0x80, &euro[2..])],
        Ok(&["text \u{20ac}"]),
    );
}

#[test]
fn broken_fragmentation_is_refused() {
    refused(&[frame(0x80, b"a")], ProtocolError::UnexpectedContinuation, 1002);
    refused(&[frame(0x00, b"a")], ProtocolError::UnexpectedContinuation, 1002);
    refused(&[frame(0x01, b"a"), frame(0x81, b"b")], ProtocolError::UnfinishedMessage, 1002);
    refused(&[frame(0x01, b"a"), frame(0x02, b"b")], ProtocolError::UnfinishedMessage, 1002);
    let endless = [frame(0x01, b"a"), frame(0, b"b"), frame(0, b"c"), frame(0, b"d"), frame(0, b"e")];
    refused(&endless, ProtocolError::Fragments(4), 1008);
}

#[test]
fn reserved_bits_and_opcodes_are_refused() {
    for bits in [0x40, 0x20, 0x10, 0x70] {
        for opcode in [0x1, 0x2, 0x8, 0x9, 0xa] {
            refused(&[frame(0x80 | bits | opcode, b"")], ProtocolError::ReservedBits, 1002);
        }
    }
    for opcode in [0x3, 0x7, 0xb, 0xf] {
        refused(&[frame(0x80 | opcode, b"")], ProtocolError::ReservedOpcode(opcode), 1002);
    }
}

#[test]
fn the_compression_bit_is_for_the_first_frame_of_a_message_only() {
    let deflate = Some(Deflate::default());
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    check_as(Role::Client, deflate, &[frame(0xc1, &hello)], Ok(&["text Hello"]));
    check_as(Role::Client, deflate, &[frame(0x81, b"plain")], Ok(&["text plain"]));
    check_as(
        Role::Client,
        deflate,
        &[frame(0x41, &hello[..3]), frame(0x89, b"p"), frame(0x80, &hello[3..]), frame(0x81, b"plain")],
        Ok(&["ping p", "text Hello", "text plain"]),
    );
    let error = Err(ProtocolError::ReservedBits);
    check_as(Role::Client, deflate, &[frame(0x41, &hello[..3]), frame(0xc0, &hello[3..])], error);
    check_as(Role::Client, deflate, &[frame(0xc9, b"")], error);
    check_as(Role::Client, deflate, &[frame(0xa1, b"")], error);
    check_as(Role::Client, deflate, &[frame(0xc1, &[0xff; 8])], Err(ProtocolError::Inflate));
}

#[test]
fn control_frames_are_short_and_whole() {
    let most = "p".repeat(125);
    check(&[frame(0x89, most.as_bytes())], Ok(&[&format!("ping {most}")]));
    for opcode in [0x8, 0x9, 0xa] {
        refused(&[frame(0x80 | opcode, &[b'p'; 126])], ProtocolError::LargeControl(126), 1002);
        refused(&[frame(opcode, b"")], ProtocolError::FragmentedControl, 1002);
    }
}

#[test]
fn only_clients_mask() {
    refused(&[vec![0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]], ProtocolError::Masked, 1002);
    check_as(Role::Server, None, &[vec![0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2]], Ok(&["text hi"]));
    check_as(Role::Server, None, &[frame(0x81, b"hi")], Err(ProtocolError::Unmasked));
}

#[test]
fn text_is_utf8() {
    let bad: [&[u8]; 6] = [
        &[0xff],
        &[0xc0, 0xaf],
        &[0xed, 0xa0, 0x80],
        &[0xf4, 0x90, 0x80, 0x80],
        &[0xe2, 0x82],
        b"ok \xce\xba\xe1",
    ];
    let long = [&[b'a'; 600][..], &[0xe2, 0x28, 0xa1]].concat();
    for payload in bad.into_iter().chain([&long[..]]) {
        refused(&[frame(0x81, payload)], ProtocolError::Utf8, 1007);
        refused(&[frame(0x01, payload), frame(0x80, b"")], ProtocolError::Utf8, 1007);
    }
    // It is refused with the fragment that holds it, not with the last one.
    refused(&[frame(0x01, b"fine"), frame(0x00, &[0xff])], ProtocolError::Utf8, 1007);
}

#[test]
fn closes_are_judged() {
    check(&[frame(0x88, b"")], Ok(&["close 1005 "]));
    check(&[frame(0x88, &[0x03, 0xe8])], Ok(&["close 1000 "]));
    check(&[frame(0x88, b"\x03\xf4restart")], Ok(&["close 1012 restart"]));
    check(&[frame(0x88, b"\x0f\xa0own")], Ok(&["close 4000 own"]));
    check(&[frame(0x01, b"half"), frame(0x88, b"\x03\xe8")], Ok(&["close 1000 "]));
    refused(&[frame(0x88, &[3])], ProtocolError::CloseLength, 1002);
    refused(&[frame(0x88, b"\x03\xe8\xff")], ProtocolError::Utf8, 1007);
    for code in [0u16, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
        refused(&[frame(0x88, &code.to_be_bytes())], ProtocolError::CloseCode(code), 1002);
    }
    for code in [1000u16, 1003, 1007, 1011, 1014, 3000, 4999] {
        check(&[frame(0x88, &code.to_be_bytes())], Ok(&[&format!("close {code} ")]));
    }
}

#[test]
fn nothing_follows_a_close_and_it_does_not_fill_the_buffer() {
    check(&[frame(0x88, b""), frame(0x81, b"late"), frame(0xff, b"nonsense")], Ok(&["close 1005 "]));
    let mut reader = Reader::new(Role::Client, LIMITS, None);
    read(&mut reader, &[0x88, 0], 2).expect("closes");
    for _ in 0..100 {
        assert_eq!(reader.feed(&[0; 60]), 60, "what follows is thrown away");
        assert_eq!(reader.next(), Ok(None));
    }
    assert_eq!(reader.allocated(), LIMITS.read_buffer);
}

#[test]
fn an_error_is_repeated() {
    let mut reader = Reader::new(Role::Client, LIMITS, None);
    assert_eq!(read(&mut reader, &frame(0x83, b""), 9), Err(ProtocolError::ReservedOpcode(3)));
    assert_eq!(read(&mut reader, &frame(0x81, b"fine"), 9), Err(ProtocolError::ReservedOpcode(3)));
}

#[test]
fn size_is_refused_by_the_header_alone() {
    let too_big = ProtocolError::TooBig { limit: 1000 };
    for length in [1001u64, 65_536, 1 << 40, 1 << 63, u64::MAX] {
        let mut header = vec![0x82, 127];
        header.extend_from_slice(&length.to_be_bytes());
        refused(&[header.clone()], too_big, close_code::TOO_BIG);
        let mut reader = Reader::new(Role::Client, LIMITS, None);
        assert_eq!(read(&mut reader, &header, 10), Err(too_big));
        assert_eq!(reader.allocated(), LIMITS.read_buffer, "nothing was allocated for {length} bytes");
    }
    check(&[frame(0x82, &[0; 1000])], Ok(&[&describe(Message::Binary(&[0; 1000]))]));
    // Fragments count together.
    refused(&[frame(0x02, &[0; 600]), vec![0x80, 126, 0x01, 0x91]], too_big, 1009);
    check(&[frame(0x02, &[0; 600]), frame(0x80, &[0; 400])], Ok(&[&describe(Message::Binary(&[0; 1000]))]));
}

#[test]
fn a_promise_of_many_bytes_costs_nothing_until_they_come() {
    let limits = Limits { message: 1 << 30, ..LIMITS };
    let mut reader = Reader::new(Role::Client, limits, None);
    let mut header = vec![0x82, 127];
    header.extend_from_slice(&(1u64 << 30).to_be_bytes());
    assert_eq!(read(&mut reader, &header, 10), Ok(vec![]));
    read(&mut reader, &[0; 1000], 50).expect("waits for more");
    assert!(reader.allocated() <= 2048, "{} bytes for 1000 received", reader.allocated());
}

#[test]
fn a_full_buffer_takes_no_more_until_its_messages_are_taken() {
    let mut reader = Reader::new(Role::Client, LIMITS, None);
    let frames = frame(0x81, b"012345").repeat(8);
    assert_eq!(reader.feed(&frames), 64);
    assert_eq!(reader.feed(&frames), 0);
    assert_eq!(reader.next(), Ok(Some(Message::Text("012345"))));
    assert_eq!(reader.feed(&frames), 8);
}

#[test]
fn a_dripping_message_keeps_its_ordinal() {
    let mut reader = Reader::new(Role::Client, LIMITS, None);
    assert_eq!(reader.assembling(), None);
    read(&mut reader, &[0x81], 1).expect("waits");
    let first = reader.assembling();
    assert!(first.is_some());
    read(&mut reader, &[2, b'h'], 1).expect("waits");
    assert_eq!(reader.assembling(), first);
    read(&mut reader, b"i", 1).expect("is complete");
    assert_eq!(reader.assembling(), None);
    read(&mut reader, &frame(0x01, b"a"), 9).expect("waits");
    let second = reader.assembling();
    assert!(second.is_some() && second != first);
    read(&mut reader, &[frame(0x89, b""), frame(0x00, b"b"), frame(0x89, b"")].concat(), 9).expect("waits");
    assert_eq!(reader.assembling(), second, "pings are no progress of the message");
}

/// What `writer` has to say, taken in writes of at most `step` bytes.
fn drain(writer: &mut Writer, step: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = writer.slices(&mut slices);
        let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = all.len().min(step);
        bytes.extend_from_slice(&all[..taken]);
        if taken == 0 {
            assert_eq!(writer.queued(), 0);
            return bytes;
        }
        writer.written(taken);
    }
}

fn written(fill: impl Fn(&mut Writer)) -> Vec<String> {
    let mut first: Option<Vec<String>> = None;
    for (step, role, peer) in
        [(1, Role::Server, Role::Client), (5, Role::Client, Role::Server), (9999, Role::Server, Role::Client)]
    {
        let mut writer = Writer::new(role, LIMITS.out_queue, None, 11);
        fill(&mut writer);
        let bytes = drain(&mut writer, step);
        let seen = read(&mut Reader::new(peer, LIMITS, None), &bytes, 9999).expect("the frames are right");
        assert_eq!(first.get_or_insert_with(|| seen.clone()), &seen, "in writes of {step}");
    }
    first.unwrap_or_default()
}

#[test]
fn control_frames_go_ahead_of_data() {
    let seen = written(|writer| {
        writer.text("one").expect("queues");
        writer.text("two").expect("queues");
        writer.ping(b"p").expect("queues");
        writer.pong(b"q").expect("queues");
        writer.pong(b"r").expect("queues");
    });
    assert_eq!(seen, ["pong q", "pong r", "ping p", "text one", "text two"]);
}

#[test]
fn a_flood_of_pings_is_answered_in_a_bounded_queue() {
    let seen = written(|writer| {
        for number in 0..1000 {
            writer.pong(number.to_string().as_bytes()).expect("queues");
        }
        assert!(writer.queued() < 200);
    });
    let expected = (0..15).chain([999]).map(|number| format!("pong {number}"));
    assert_eq!(seen, expected.collect::<Vec<_>>(), "the latest ping is always answered");
}

#[test]
fn a_frame_begun_is_finished_before_a_control_frame() {
    let mut writer = Writer::new(Role::Server, LIMITS.out_queue, None, 0);
    writer.text("one").expect("queues");
    let mut slices = [std::io::IoSlice::new(&[]); 1];
    assert_eq!(writer.slices(&mut slices), 1);
    let mut bytes = slices[0][..2].to_vec();
    writer.written(2);
    writer.ping(b"p").expect("queues");
    writer.text("two").expect("queues");
    bytes.extend(drain(&mut writer, 3));
    let seen = read(&mut Reader::new(Role::Client, LIMITS, None), &bytes, 99).expect("the frames are right");
    assert_eq!(seen, ["text one", "ping p", "text two"]);
}

#[test]
fn a_close_is_the_last_word() {
    let seen = written(|writer| {
        writer.text("one").expect("queues");
        writer.close(1000, &"€".repeat(100));
        assert!(writer.text("two").is_err() && writer.ping(b"").is_err() && writer.pong(b"").is_err());
        writer.close(1001, "again");
    });
    assert_eq!(seen, ["text one".to_owned(), format!("close 1000 {}", "€".repeat(41))]);
    assert_eq!(written(|writer| writer.close(close_code::NONE, "unsent")), ["close 1005 "]);
}

#[test]
fn a_failing_connection_says_only_why() {
    let seen = written(|writer| {
        writer.text("one").expect("queues");
        writer.ping(b"p").expect("queues");
        writer.fail(1009, "too big");
    });
    assert_eq!(seen, ["close 1009 too big"]);
}

#[test]
fn the_queue_is_bounded() {
    use tapeline_ws::QueueError;
    let mut writer = Writer::new(Role::Server, 100, None, 0);
    writer.binary(&[0; 60]).expect("fits");
    assert_eq!(writer.binary(&[0; 60]), Err(QueueError::Full { queued: 62, bound: 100 }));
    assert_eq!(writer.ping(&[0; 126]), Err(QueueError::LargeControl(126)));
    for _ in 0..8 {
        writer.ping(b"").expect("several pings fit");
    }
    assert!(matches!(writer.ping(b""), Err(QueueError::Full { .. })));
    drain(&mut writer, 7);
    writer.binary(&[0; 60]).expect("there is room again");
}
