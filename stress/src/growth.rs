//! `stress growth`: sales a second when there are few sales and when there are many. The last million must cost what the first
//! did. Knows nothing of why they might not.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;

use crate::figures::{self, Spread, Table, number};
use crate::load::{Measured, Until};
use crate::process::{self, Postgres};
use crate::shop::ShopSize;
use crate::side_by_side::DatabaseKind;
use crate::side_by_side::ours::Ours;
use crate::side_by_side::sales::{BATCH_SALES, Target};

/// What the rate with many sales must be of that with few.
const FLOOR: f64 = 0.85;

/// As many as `side-by-side` has.
const CALLERS: usize = 256;

/// Callers that send the batches which fill the database.
const FILLERS: usize = 8;

/// Options.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database.
    #[arg(long, value_enum)]
    database: DatabaseKind,
    /// How many sales there are at the first mark.
    #[arg(long, default_value_t = 100_000)]
    first: u64,
    /// How many there are at the second.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// How often it is measured at each mark.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// How long each measurement takes.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The server's binary; the one beside this program when not given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where SQLite's files are made; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The seed of what is sent; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("{}\n", figures::head(seed, &folder)?);
    let binary = process::beside_us("headwater", options.server.as_deref())?;
    let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(&folder)?;
    let postgres = match options.database {
        DatabaseKind::Postgres => Some(Postgres::start_new()?),
        DatabaseKind::Sqlite => None,
    };
    let size = (16, ShopSize::USUAL);
    let ours = Ours::open(postgres.as_ref(), Some(&binary), folder.path(), size, seed).await?;
    let marks = [options.first, options.rows];
    let mut rates = Vec::new();
    let mut table = Table::new(&["sales there", "sales/s", "p50 ms", "p99 ms", "server us", "postgres us"]);
    for mark in marks {
        fill(&ours.target, mark).await?;
        let mut measured = Vec::new();
        for _ in 0..options.rounds.max(1) {
            measured.push(ours.target.sales(CALLERS, Until::Time(Duration::from_secs(options.seconds))).await?);
        }
        let spread = |of: &dyn Fn(&Measured) -> f64| Spread::of(&measured.iter().map(of).collect::<Vec<f64>>());
        let text = |spread: Option<Spread>| spread.map(|spread| spread.to_string()).unwrap_or_default();
        let processor = |place: usize| spread(&|run| run.processor_micros.get(place).copied().unwrap_or(0.0));
        table.row(vec![
            number(mark as f64),
            text(spread(&Measured::per_second)),
            text(spread(&|run| run.latencies.p50())),
            text(spread(&|run| run.latencies.p99())),
            text(processor(1)),
            text(processor(2).filter(|_| postgres.is_some())),
        ]);
        rates.extend(spread(&Measured::per_second).map(|spread| spread.median));
    }
    println!("\n{table}");
    let [few, many] = rates.as_slice() else { anyhow::bail!("a mark was not measured") };
    let ratio = many / few;
    let verdict = if ratio >= FLOOR { "pass" } else { "MISS" };
    println!(
        "sales/s with {} sales beside {}: {} (at least {FLOOR}) {verdict}",
        number(options.rows as f64),
        number(options.first as f64),
        number(ratio)
    );
    ours.close().await?;
    ensure!(ratio >= FLOOR, "history slows sales down");
    Ok(())
}

/// Records sales in batches until there are so many.
async fn fill(target: &Target, sales: u64) -> anyhow::Result<()> {
    let missing = sales.saturating_sub(target.acknowledged.load(Ordering::Relaxed));
    if missing == 0 {
        return Ok(());
    }
    let filled = target.batches(FILLERS, Until::Calls(missing.div_ceil(BATCH_SALES))).await?;
    println!(
        "filled with {} sales in {:.0} s, {} a second",
        number(filled.units as f64),
        filled.seconds,
        number(filled.per_second())
    );
    Ok(())
}
