//! Load and faults against Headwater, through its public gRPC API with the generated client, from a process of its own. Each
//! command prints a line of figures at its end, and its exit status says whether the promises were kept.
#![expect(clippy::print_stdout, reason = "figures are there to be read on the terminal")]
#![expect(clippy::float_arithmetic, reason = "figures are not money")]

mod attack;
mod audit;
mod comparison;
mod feed;
mod figures;
mod follower;
mod growth;
mod journal;
mod kill;
mod lists;
mod load;
mod model;
mod payouts;
mod power;
mod proxy;
mod race;
mod restore;
mod rig;
mod search;
mod seller;
mod shop;
mod side_by_side;
mod slow_reader;
mod soak;
mod statistics;
mod storage;
mod turns;
mod value;

use clap::{Parser, Subcommand};

/// This allocator is fast, so that callers and followers use little CPU compared with the server that they measure.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Load and faults against Headwater.
#[derive(Parser)]
#[command(name = "stress")]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compares throughput and latency with those of the same machine without Headwater, or compares two builds of the server
    /// (`--server OLD --server NEW`). Ends with a table of ratios.
    SideBySide(side_by_side::Options),
    /// Sales a second on a small and on a large database. The many older sales must not slow down new ones.
    Growth(growth::Options),
    /// How fast lists by affiliate and by lead answer, long and short ones. Compares two builds if `--server` is given twice.
    Lists(lists::Options),
    /// How fast affiliates are found by a part of a name, and listed, among very many.
    Search(search::Options),
    /// How fast QueryStats answers with very many sales.
    Statistics(statistics::Options),
    /// Serves the echo that RecordClick is compared with.
    #[command(name = side_by_side::echo::COMMAND, hide = true)]
    EchoServer(side_by_side::echo::Options),
    /// Kills the server, or stops the database immediately, many times under load. Counts lost and doubled sales.
    Kill(kill::Options),
    /// Two servers on one PostgreSQL. Every sale is sent three times to both, and one of the servers is paused now and then.
    Race(race::Options),
    /// Puts back copies that were taken under load, by command and by hand. Counts readers that skipped events.
    Restore(restore::Options),
    /// Pays very many affiliates through a fake PayPal by one run, and kills the server meanwhile. Counts who was paid twice or not at all, and
    /// measures the memory and the calls of another account.
    Payouts(payouts::Options),
    /// Loses everything that was not synced to the disk. Counts the acknowledged sales that are gone.
    Power(power::Options),
    /// Followers that do not read, next to followers that do.
    SlowReader(slow_reader::Options),
    /// Mixed load for minutes; checks memory and open files.
    Soak(soak::Options),
    /// Random commands against the server and a model of it in memory.
    Model(model::Options),
    /// Attacks on the server, with a key and without, while a shop goes on as every day.
    Attack(attack::Options),
    /// Carries out one attack.
    #[command(name = attack::child::COMMAND, hide = true)]
    AttackChild(attack::child::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match CommandLine::parse().command {
        Command::SideBySide(options) => side_by_side::run(options).await,
        Command::Growth(options) => growth::run(options).await,
        Command::Lists(options) => lists::run(options).await,
        Command::Search(options) => search::run(options).await,
        Command::Statistics(options) => statistics::run(options).await,
        Command::EchoServer(options) => side_by_side::echo::serve(options).await,
        Command::Kill(options) => kill::run(options).await,
        Command::Race(options) => race::run(options).await,
        Command::Restore(options) => restore::run(options).await,
        Command::Payouts(options) => payouts::run(options).await,
        Command::Power(options) => power::run(options).await,
        Command::SlowReader(options) => slow_reader::run(options).await,
        Command::Soak(options) => soak::run(options).await,
        Command::Model(options) => model::run(options).await,
        Command::Attack(options) => attack::run(options).await,
        Command::AttackChild(options) => attack::child::run(options).await,
    }
}
