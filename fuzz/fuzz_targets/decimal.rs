//! `decimal` under libFuzzer; run it with `scripts/fuzz decimal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::decimal(data));
