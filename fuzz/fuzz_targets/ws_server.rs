//! `ws_server` under libFuzzer; run it with `scripts/fuzz ws_server`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::ws_server(data));
