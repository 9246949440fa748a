//! How fast a house lives in virtual time: `cargo run --release -p tapeline-sim --example house -- [SECONDS]`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;
use tapeline_sim::house::{House, HouseOptions, Say};
use tapeline_sim::{MarketOptions, Symbol};

#[allow(clippy::print_stdout, reason = "a program that tells what it measured")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seconds: u64 = std::env::args().nth(1).map_or(Ok(3_600), |count| count.parse())?;
    for symbols in [3, 10] {
        let listed: Vec<Symbol> = Symbol::ten(false).into_iter().take(symbols).collect();
        let names = listed.iter().flat_map(|symbol| {
            ["depth@100ms", "trade", "bookTicker", "aggTrade"]
                .map(|name| format!("{}@{name}", symbol.stream()))
        });
        let target = format!("/stream?streams={}", names.collect::<Vec<_>>().join("/"));
        let mut options = HouseOptions::new(MarketOptions { symbols: listed, ..MarketOptions::default() });
        options.ping_every = std::time::Duration::MAX;
        let mut house = House::new(options);
        house
            .connect(0, IpAddr::V4(Ipv4Addr::LOCALHOST), &target)
            .map_err(|reply| reply.status.to_string())?;
        let (started, mut frames, mut bytes) = (Instant::now(), 0_u64, 0);
        while let Some(at) = house.deadline().filter(|at| *at < seconds * 1_000_000_000) {
            house.advance(at);
            while let Some((_, say)) = house.next_output() {
                frames += 1;
                bytes += if let Say::Text(text) = say { text.len() } else { 0 };
            }
        }
        let took = started.elapsed().as_secs_f64();
        println!(
            "{symbols} symbols: {seconds} s in {took:.2} s, {:.0} times real time, {:.0} frames a second of the house, {} MB",
            seconds as f64 / took,
            frames as f64 / seconds as f64,
            bytes / 1_000_000
        );
    }
    Ok(())
}
