//! `ws_handshake` under libFuzzer; run it with `scripts/fuzz ws_handshake`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::ws_handshake(data));
