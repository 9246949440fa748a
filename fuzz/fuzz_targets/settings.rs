//! `settings` under libFuzzer; run it with `scripts/fuzz settings`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::settings(data));
