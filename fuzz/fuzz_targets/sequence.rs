//! `sequence` under libFuzzer; run it with `scripts/fuzz sequence`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::sequence(data));
