//! `binance_usdm` under libFuzzer; run it with `scripts/fuzz binance_usdm`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tapeline_fuzz::binance_usdm(data));
