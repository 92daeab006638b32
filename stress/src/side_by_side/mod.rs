//! `stress side-by-side`: compares Headwater with the same machine without it, or with another build, in one run, in turns.
//! Connects the parts and knows the floors; measures nothing itself.

mod bytes_follower;
mod catch_up;
mod commit;
pub(crate) mod echo;
mod feed;
mod floors;
mod follower;
mod host;
mod jetstream;
mod neighbour;
pub(crate) mod ours;
mod plain;
mod redis;
mod rounds;
pub(crate) mod sales;
mod table;
mod versus;

use std::path::PathBuf;
use std::time::Duration;

use crate::load::Until;
use crate::shop::ShopSize;
use rounds::Bench;
use testkit::process;

#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// The database of both sides. With two servers and no value: both databases, one after the other.
    #[arg(long, value_enum)]
    database: Option<DatabaseKind>,
    /// The number of rounds. The figures are medians.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The duration of each measurement.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The figures to measure, separated by commas or by repeating the flag; everything when not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Section>,
    /// The server's binary; the one beside this program when not given. If the flag is given twice, the two builds are compared
    /// with each other by sales, batch, clicks and bytes. The old build is given first.
    #[arg(long)]
    server: Vec<PathBuf>,
    /// The least ratio of the new server's rate to the old one's, in the median of the rounds.
    #[arg(long, default_value_t = 0.98)]
    floor: f64,
    /// The folder for SQLite's files, and the disk whose syncs are measured; the folder for temporary files when not given.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// The number of sales in the feed that a follower catches up with.
    #[arg(long, default_value_t = 200_000)]
    feed_sales: u64,
    /// The number of sales that the growth of the database is measured with.
    #[arg(long, default_value_t = 20_000)]
    bytes_sales: u64,
    /// How many commission rules the programs of the new server have, if two servers are compared. The last one pays what the others do.
    #[arg(long, default_value_t = 0)]
    rules: usize,
    /// The seed of the requests; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

/// The database of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DatabaseKind {
    /// SQLite, a file for each side.
    Sqlite,
    /// PostgreSQL, a database for each side on one server.
    Postgres,
}

/// Groups of figures that can be selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Section {
    /// RecordSale compared with a plain service.
    Sales,
    /// BatchRecordEvents compared with a plain service.
    Batch,
    /// RecordClick compared with a bare server that answers the same calls.
    Clicks,
    /// RecordSale by one caller compared with one bare commit and one bare echo.
    Single,
    /// The bytes of a sale on disk, compared with a plain service.
    Bytes,
    /// The feed: catching up compared with JetStream and Redis Streams, and live followers.
    Feed,
}

/// The plan of a run.
#[derive(Debug, Clone)]
struct Plan {
    options: Options,
    folder: PathBuf,
    seed: u64,
    until: Until,
    accounts: usize,
    size: ShopSize,
}

impl Plan {
    fn of(options: Options) -> Self {
        Self {
            folder: options.folder.clone().unwrap_or_else(std::env::temp_dir),
            seed: options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32)),
            until: Until::Time(Duration::from_secs(options.seconds.max(1))),
            accounts: 16,
            size: ShopSize::USUAL,
            options,
        }
    }

    fn wants(&self, section: Section) -> bool {
        self.options.only.is_empty() || self.options.only.contains(&section)
    }
}

impl DatabaseKind {
    /// Its name in reports.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// The one that was asked for, or both.
    pub(crate) fn chosen(asked_for: Option<Self>) -> Vec<Self> {
        asked_for.map_or_else(|| vec![Self::Sqlite, Self::Postgres], |database| vec![database])
    }
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let plan = Plan::of(options);
    let options = &plan.options;
    match (options.server.as_slice(), options.database) {
        ([old, new], _) => versus::run(plan.clone(), [old.clone(), new.clone()]).await,
        ([] | [_], Some(database)) => run_beside_others(plan, database).await,
        ([] | [_], None) => anyhow::bail!("name the database: --database sqlite or --database postgres"),
        _ => anyhow::bail!("--server may be given twice at most"),
    }
}

async fn run_beside_others(plan: Plan, database: DatabaseKind) -> anyhow::Result<()> {
    let binary = process::beside_us("headwater", plan.options.server.first().map(PathBuf::as_path))?;
    println!("{}\n", crate::figures::head(plan.seed, &plan.folder)?);
    let mut bench = Bench::open(plan, database, Some(&binary)).await?;
    bench.run().await?;
    let missed = bench.missed();
    bench.close().await?;
    anyhow::ensure!(missed.is_empty(), "missed: {}", missed.join("; "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use testkit::postgres::Postgres;

    use super::table::{Beside, Ratio};
    use super::*;

    /// Runs everything once with a few calls of each, on a server in this process. The run itself checks that all acknowledged
    /// sales were written.
    async fn run_briefly(database: DatabaseKind) -> Bench {
        let options = Options {
            database: Some(database),
            rounds: 1,
            seconds: 1,
            only: Vec::new(),
            server: Vec::new(),
            floor: 0.0,
            folder: None,
            feed_sales: 1_000,
            bytes_sales: 200,
            rules: 0,
            seed: Some(1),
        };
        let plan = Plan {
            // The test makes a number of calls and has no time limit, so that a busy machine does as much as a quiet one.
            until: Until::Calls(50),
            accounts: 2,
            size: ShopSize { affiliates: 2, leads: 20, rules: 0 },
            ..Plan::of(options)
        };
        let mut bench = Bench::open(plan, database, None).await.unwrap();
        bench.run().await.unwrap();
        bench
    }

    /// The floors that can be measured here. A floor for a broker is skipped if the broker is not installed.
    fn measurable_floors(database: DatabaseKind) -> Vec<Ratio> {
        let is_beside_jetstream =
            |ratio: &Ratio| matches!(ratio.beside, Beside::One((floors::JETSTREAM | floors::JETSTREAM_PARSED, _)));
        let mut ratios = floors::floors(database);
        if !neighbour::is_installed(jetstream::PROGRAM) {
            ratios.retain(|ratio| !is_beside_jetstream(ratio));
        }
        ratios
    }

    /// A sale takes some kilobytes on each side, and all processes' time is the sum of each one's.
    fn assert_sizes_and_processor_time(bench: &Bench, plain: &'static str) {
        for side in [floors::SALE_256, plain] {
            let bytes = bench.figures.spread((side, table::BYTES)).unwrap().median;
            assert!((500.0..20_000.0).contains(&bytes), "{side}: {bytes} bytes");
            assert!(bench.figures.spread((side, table::IN_ALL)).is_some(), "{side}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_section_has_figures_and_every_acknowledged_sale_is_in_the_books() {
        let bench = run_briefly(DatabaseKind::Sqlite).await;
        assert_sizes_and_processor_time(&bench, floors::PLAIN_1);
        for ratio in measurable_floors(DatabaseKind::Sqlite) {
            assert!(ratio.value(&bench.figures).is_some_and(f64::is_finite), "{} was not measured", ratio.title);
        }
        assert!(bench.ours.target.acknowledged.load(Ordering::Relaxed) > 0);
        bench.close().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_on_postgresql() {
        // Without pgbench there is nothing to test.
        if !Postgres::is_installed("pgbench") {
            return;
        }
        let bench = run_briefly(DatabaseKind::Postgres).await;
        assert_sizes_and_processor_time(&bench, floors::PLAIN_64);
        assert!(bench.figures.spread((floors::SALE_256, table::LOG_BYTES)).unwrap().median > 500.0);
        for ratio in measurable_floors(DatabaseKind::Postgres) {
            assert!(ratio.value(&bench.figures).is_some_and(f64::is_finite), "{} was not measured", ratio.title);
        }
        bench.close().await.unwrap();
    }
}
