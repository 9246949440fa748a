//! `scan` under libFuzzer; run it with `scripts/fuzz scan`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::scan(data));
