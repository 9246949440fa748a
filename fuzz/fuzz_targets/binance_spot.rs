//! `binance_spot` under libFuzzer; run it with `scripts/fuzz binance_spot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::binance_spot(data));
