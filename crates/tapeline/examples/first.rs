//! Every trade of one symbol, one JSON line each.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let hub = tapeline::Hub::new(tapeline::HubConfig::of_process()?);
    let mut trades = hub.trades("binance", "BTCUSDT").await?;
    while let Some(update) = trades.next().await {
        println!("{}", update.json());
    }
    Ok(())
}
