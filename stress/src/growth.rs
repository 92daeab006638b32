//! `stress growth`: compares sales per second on a database with few sales and on one with many. Later sales must cost about the
//! same as the first. Does not know why they would differ.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::ensure;
use testkit::postgres::Postgres;
use testkit::process;

use crate::figures::{self, Spread, Table, number};
use crate::load::{Measured, Until};
use crate::shop::ShopSize;
use crate::side_by_side::DatabaseKind;
use crate::side_by_side::ours::{OUR_DATABASE, Ours};
use crate::side_by_side::sales::{BATCH_SALES, Target};

/// The least allowed ratio of the rate with many sales to the rate with few.
const FLOOR: f64 = 0.85;

/// The number of callers, the same as in `side-by-side`.
const CALLERS: usize = 256;

/// Callers that send batches to fill the database.
const FILLERS: usize = 8;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database.
    #[arg(long, value_enum)]
    database: DatabaseKind,
    /// The number of sales in the small database.
    #[arg(long, default_value_t = 100_000)]
    first: u64,
    /// The number of sales in the large database.
    #[arg(long, default_value_t = 5_000_000)]
    rows: u64,
    /// Rounds; each measures both in turn.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Duration of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The server's binary; the one beside this program when not given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where SQLite's files are made; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The seed of the requests; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("{}\n", figures::head(seed, &folder)?);
    let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(&folder)?;
    let few = Mark::open(&options, options.first, &folder.path().join("few"), seed).await?;
    let many = Mark::open(&options, options.rows, &folder.path().join("many"), seed).await?;
    let mut marks = [few, many];
    for mark in &marks {
        mark.settle().await?;
    }
    // The two take turns, because the speed of a shared machine varies from minute to minute.
    for round in 0..options.rounds.max(1) as usize {
        for place in [round % 2, (round + 1) % 2] {
            marks[place].measure(Until::Time(Duration::from_secs(options.seconds))).await?;
        }
    }
    let mut table = Table::new(&["sales there", "sales/s", "p50 ms", "p99 ms", "server us", "postgres us"]);
    marks.iter().for_each(|mark| table.row(mark.figures()));
    println!("\n{table}");
    let [few, many] = &marks;
    let ratio = many.per_second() / few.per_second();
    let verdict = if ratio >= FLOOR { "pass" } else { "MISS" };
    println!(
        "sales/s with {} sales beside {}: {} (at least {FLOOR}) {verdict}",
        number(options.rows as f64),
        number(options.first as f64),
        number(ratio)
    );
    for mark in marks {
        mark.ours.close().await?;
    }
    ensure!(ratio >= FLOOR, "history slows sales down");
    Ok(())
}

/// A server with this many sales, on its own database or cluster.
struct Mark {
    sales: u64,
    ours: Ours,
    measured: Vec<Measured>,
    /// Dropped after the server.
    postgres: Option<Postgres>,
}

impl Mark {
    async fn open(options: &Options, sales: u64, folder: &Path, seed: u64) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let binary = process::beside_us("headwater", options.server.as_deref())?;
        let postgres = match options.database {
            DatabaseKind::Postgres => Some(Postgres::start_new()?),
            DatabaseKind::Sqlite => None,
        };
        let ours = Ours::open(postgres.as_ref(), Some(&binary), folder, (16, ShopSize::USUAL), seed).await?;
        fill(&ours.target, sales).await?;
        Ok(Self { sales, ours, measured: Vec::new(), postgres })
    }

    /// Makes the database finish the work that is left over from filling it. Otherwise that work would slow down the few measured
    /// sales.
    async fn settle(&self) -> anyhow::Result<()> {
        let Some(postgres) = &self.postgres else { return Ok(()) };
        for work in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
            postgres.query(OUR_DATABASE, work).await?;
        }
        Ok(())
    }

    async fn measure(&mut self, until: Until) -> anyhow::Result<()> {
        self.measured.push(self.ours.target.sales(CALLERS, until).await?);
        Ok(())
    }

    fn spread(&self, of: impl Fn(&Measured) -> f64) -> Option<Spread> {
        Spread::of(&self.measured.iter().map(of).collect::<Vec<f64>>())
    }

    fn per_second(&self) -> f64 {
        self.spread(Measured::per_second).map_or(0.0, |spread| spread.median)
    }

    fn figures(&self) -> Vec<String> {
        let text = |spread: Option<Spread>| spread.map(|spread| spread.to_string()).unwrap_or_default();
        let processor = |place: usize| self.spread(|run| run.processor_micros.get(place).copied().unwrap_or(0.0));
        vec![
            format!(
                "{} .. {}",
                number(self.sales as f64),
                number(self.ours.target.acknowledged.load(Ordering::Relaxed) as f64)
            ),
            text(self.spread(Measured::per_second)),
            text(self.spread(|run| run.latencies.p50())),
            text(self.spread(|run| run.latencies.p99())),
            text(processor(1)),
            text(processor(2).filter(|_| self.postgres.is_some())),
        ]
    }
}

/// Records sales in batches until there are this many.
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
