//! `stress growth`: compares sales per second on a database with few sales and on one with many. Both have the same customers and
//! affiliates. Later sales must cost about the same as the first. Does not know why they would differ.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, ensure};
use headwater::clock;
use tempfile::TempDir;
use testkit::postgres::Postgres;
use testkit::process;

use crate::comparison::range;
use crate::figures::{self, Spread, Table, number};
use crate::load::{Measured, Until};
use crate::shop::ShopSize;
use crate::side_by_side::DatabaseKind;
use crate::side_by_side::ours::Ours;
use crate::side_by_side::sales::{BATCH_SALES, Target};
use crate::storage::Growth;

/// The number of accounts, the same as in `side-by-side`.
const ACCOUNTS: usize = 16;

/// The number of callers, the same as in `side-by-side`.
const CALLERS: usize = 256;

/// Callers that send batches to fill the database.
const FILLERS: usize = 8;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database; both, one after the other, when not given.
    #[arg(long, value_enum)]
    database: Option<DatabaseKind>,
    /// The number of customers, who are spread over 16 accounts. Each sale is of a random one.
    #[arg(long, default_value_t = 16_000)]
    customers: usize,
    /// The number of affiliates, who are spread over the same accounts. The customers are bound to them in turn.
    #[arg(long, default_value_t = 160)]
    affiliates: usize,
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
    /// The least allowed ratio of the rate with many sales to the rate with few, in the median of the rounds.
    #[arg(long, default_value_t = 0.85)]
    floor: f64,
    /// The server's binary; the one beside this program when not given.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Where the databases are made; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The seed of the requests; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let folder = options.folder.clone().unwrap_or_else(std::env::temp_dir);
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    let size = options.size_of_an_account();
    println!("{}", figures::head(seed, &folder)?);
    println!("{ACCOUNTS} accounts, each of {} customers and {} affiliates", size.leads, size.affiliates);
    let mut missed = Vec::new();
    let databases = DatabaseKind::chosen(options.database);
    let mut lines = Vec::new();
    for database in databases {
        println!("\n{}", database.title());
        let ratio = compare(&options, database, &folder, seed).await?;
        let is_kept = ratio.median >= options.floor;
        if !is_kept {
            missed.push(database.title());
        }
        lines.push(format!(
            "{}: sales/s with {} sales beside {}: {:.3} ({}), at least {}: {}",
            database.title(),
            number(options.rows as f64),
            number(options.first as f64),
            ratio.median,
            range(ratio),
            options.floor,
            if is_kept { "pass" } else { "MISS" }
        ));
    }
    println!("\n{}", lines.join("\n"));
    ensure!(missed.is_empty(), "history slows sales down on {}", missed.join(" and "));
    Ok(())
}

/// Measures both databases in turns, and returns the ratio of their rates over the rounds.
async fn compare(options: &Options, database: DatabaseKind, folder: &Path, seed: u64) -> anyhow::Result<Spread> {
    let few = Mark::open(options, database, options.first, folder, seed).await?;
    let many = Mark::open(options, database, options.rows, folder, seed).await?;
    let mut marks = [few, many];
    // The two take turns, because the speed of a shared machine varies from minute to minute.
    for round in 0..options.rounds.max(1) as usize {
        for place in [round % 2, (round + 1) % 2] {
            marks[place].measure(Until::Time(Duration::from_secs(options.seconds))).await?;
        }
    }
    let headings = ["sales there", "sales/s", "p50 ms", "p99 ms", "client us", "server us", "postgres us", "in all us"];
    let mut table = Table::new(&[&headings[..], &["bytes a sale", "log bytes a sale"]].concat());
    marks.iter().for_each(|mark| table.row(mark.figures()));
    println!("\n{table}");
    let [few, many] = &marks;
    let pairs = many.measured.iter().zip(&few.measured);
    let ratios: Vec<f64> = pairs.map(|(many, few)| many.per_second() / few.per_second().max(f64::EPSILON)).collect();
    for mark in marks {
        mark.ours.close().await?;
    }
    Spread::of(&ratios).context("nothing was measured")
}

impl Options {
    /// The customers and affiliates of one account, at least one of each.
    fn size_of_an_account(&self) -> ShopSize {
        ShopSize {
            affiliates: self.affiliates.div_ceil(ACCOUNTS).max(1),
            leads: self.customers.div_ceil(ACCOUNTS).max(1),
            rules: 0,
        }
    }
}

/// A server with this many sales, on its own database or cluster.
struct Mark {
    sales: u64,
    ours: Ours,
    measured: Vec<Measured>,
    /// By one of the sales that it was filled with.
    growth: Growth,
    /// Dropped after the server.
    postgres: Option<Postgres>,
    /// Dropped last.
    _folder: TempDir,
}

impl Mark {
    async fn open(
        options: &Options,
        database: DatabaseKind,
        sales: u64,
        parent: &Path,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let binary = process::beside_us("headwater", options.server.as_deref())?;
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(parent)?;
        let postgres = match database {
            DatabaseKind::Postgres => Some(Postgres::start_new_in(parent)?),
            DatabaseKind::Sqlite => None,
        };
        let begun = clock::monotonic_now();
        let size = options.size_of_an_account();
        let ours = Ours::open(postgres.as_ref(), Some(&binary), folder.path(), (ACCOUNTS, size), seed).await?;
        println!("made the customers and affiliates in {:.0} s", begun.elapsed().as_secs_f64());
        let before = ours.measure_size(postgres.as_ref()).await?;
        fill(&ours.target, sales).await?;
        let recorded = ours.target.acknowledged.load(Ordering::Relaxed);
        let growth = ours.measure_size(postgres.as_ref()).await?.growth_since(before, recorded);
        ours.settle(postgres.as_ref()).await?;
        Ok(Self { sales, ours, measured: Vec::new(), growth, postgres, _folder: folder })
    }

    async fn measure(&mut self, until: Until) -> anyhow::Result<()> {
        self.measured.push(self.ours.target.sales(CALLERS, until).await?);
        Ok(())
    }

    fn spread(&self, of: impl Fn(&Measured) -> f64) -> Option<Spread> {
        Spread::of(&self.measured.iter().map(of).collect::<Vec<f64>>())
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
            text(processor(0)),
            text(processor(1)),
            text(processor(2).filter(|_| self.postgres.is_some())),
            text(self.spread(|run| run.processor_micros.iter().sum())),
            number(self.growth.database),
            self.growth.log.map(number).unwrap_or_default(),
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
