//! `ws_client` under libFuzzer; run it with `scripts/fuzz ws_client`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::ws_client(data));
