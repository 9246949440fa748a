//! `book` under libFuzzer; run it with `scripts/fuzz book`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::book(data));
