//! `binance_fetch` under libFuzzer; run it with `scripts/fuzz binance_fetch`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::binance_fetch(data));
