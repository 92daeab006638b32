//! The fakes as a program that runs until it is stopped.
#![expect(clippy::print_stdout, reason = "the address is there to be read on the terminal")]

use std::net::SocketAddr;

use anyhow::Context;
use clap::Parser;
use fake_providers::{Settings, Time};

/// Payout providers on this machine, for tests of payouts.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8799")]
    address: SocketAddr,
    /// Decides ids and the faults that come by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Time stands still at this one, such as 2026-12-01T00:00:00Z, until it is moved. Without it, time runs.
    #[arg(long)]
    standing_at: Option<jiff::Timestamp>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let time = arguments.standing_at.map_or(Time::Running, |time| Time::Standing(time.as_millisecond()));
    let settings = Settings { address: arguments.address, seed: arguments.seed, time };
    let running = fake_providers::start(settings).await?;
    for part in ["paypal", "stripe", "wise", "fake"] {
        println!("{}", running.url(part));
    }
    tokio::signal::ctrl_c().await.context("cannot wait for the signal to stop")?;
    Ok(())
}
