//! `feed` under libFuzzer; run it with `scripts/fuzz feed`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::feed(data));
