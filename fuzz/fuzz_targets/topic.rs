//! `topic` under libFuzzer; run it with `scripts/fuzz topic`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::topic(data));
