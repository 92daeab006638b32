//! The run: sets up both sides, measures them in turns so that noise affects both alike, and checks the books at the end.

use std::path::Path;
use std::sync::atomic::Ordering;

use tempfile::TempDir;
use testkit::postgres::Postgres;
use tonic::transport::Channel;

use super::commit::BareCommits;
use super::echo::EchoHost;
use super::feed::FeedBench;
use super::floors::{self, floors};
use super::ours::{CONNECTIONS, Ours};
use super::plain::{PlainPostgres, PlainSqlite};
use super::sales::{Samples, Target};
use super::table::{Figures, ratio_table};
use super::{DatabaseKind, Plan, Section};
use crate::load::Until;

/// The plain service of the database.
enum Plain {
    Postgres(PlainPostgres),
    Sqlite(PlainSqlite),
}

/// All participants of the comparison.
pub(super) struct Bench {
    plan: Plan,
    database: DatabaseKind,
    pub(super) figures: Figures,
    pub(super) ours: Ours,
    feed: Option<FeedBench>,
    plain: Plain,
    echo: EchoHost,
    echo_channels: Vec<Channel>,
    commits: BareCommits,
    /// The echo as the target of clicks.
    click_echo: Target,
    samples: Samples,
    postgres: Option<Postgres>,
    /// Dropped last.
    _folder: TempDir,
}

impl Bench {
    /// Starts and fills everything. Tests pass no binary.
    pub(super) async fn open(plan: Plan, database: DatabaseKind, binary: Option<&Path>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(&plan.folder)?;
        let postgres = match database {
            DatabaseKind::Postgres => Some(Postgres::start_new()?),
            DatabaseKind::Sqlite => None,
        };
        let (accounts, size) = (plan.accounts, plan.size);
        let plain = match &postgres {
            Some(postgres) => Plain::Postgres(PlainPostgres::prepare(postgres, folder.path(), accounts, size).await?),
            None => Plain::Sqlite(tokio::task::block_in_place(|| {
                PlainSqlite::prepare(folder.path(), accounts, size, plan.seed)
            })?),
        };
        let ours = Ours::open(postgres.as_ref(), binary, folder.path(), (accounts, size), plan.seed).await?;
        let commits = BareCommits::open(&ours.place).await?;
        let samples = ours.target.samples().await?;
        let echo = EchoHost::start(&samples.click_answer).await?;
        let echo_channels = echo.connect(CONNECTIONS).await?;
        let click_echo = echo.target_like(&ours.target, &echo_channels)?;
        let feed = if plan.wants(Section::Feed) {
            Some(FeedBench::prepare(&ours, folder.path(), size, plan.options.feed_sales).await?)
        } else {
            None
        };
        Ok(Self {
            plan,
            database,
            figures: Figures::default(),
            ours,
            feed,
            plain,
            echo,
            echo_channels,
            commits,
            click_echo,
            samples,
            postgres,
            _folder: folder,
        })
    }

    /// Runs all rounds and prints the results.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let Samples { sale_bytes: sale, click_bytes: click, .. } = &self.samples;
        println!(
            "{} accounts of {} leads; a sale is {} bytes there and {} back, a click {} and {}; {} connections",
            self.plan.accounts, self.plan.size.leads, sale.0, sale.1, click.0, click.1, CONNECTIONS
        );
        println!(
            "the plain service records a sale in one transaction on a connection for each client, into tables of its own with \
             plain indexes; they are those of Headwater in November 2026"
        );
        println!(
            "the echo of a click answers the same calls by the same clients: a client for each account, the same request, key and \
             answer; {} rounds\n",
            self.plan.options.rounds
        );
        for round in 1..=self.plan.options.rounds {
            let begun = headwater::clock::monotonic_now();
            self.round().await?;
            println!("round {round} took {:.0} s", begun.elapsed().as_secs_f64());
        }
        if self.plan.wants(Section::Bytes) {
            self.bytes().await?;
        }
        println!("\n{}", self.figures.report());
        println!("{}", ratio_table(&floors(self.database), &self.figures));
        self.check_books().await
    }

    /// The floors that were missed.
    pub(super) fn missed(&self) -> Vec<&'static str> {
        let ratios = floors(self.database);
        ratios.iter().filter(|ratio| ratio.is_missed(&self.figures)).map(|ratio| ratio.title).collect()
    }

    async fn round(&mut self) -> anyhow::Result<()> {
        if self.plan.wants(Section::Sales) {
            self.sales().await?;
        }
        if self.plan.wants(Section::Batch) {
            self.batches().await?;
        }
        if self.plan.wants(Section::Clicks) {
            self.clicks().await?;
        }
        if self.plan.wants(Section::Single) {
            self.single().await?;
        }
        if let Some(feed) = &mut self.feed {
            feed.round(&mut self.figures, self.plan.until).await?;
        }
        Ok(())
    }

    async fn sales(&mut self) -> anyhow::Result<()> {
        let is_postgres = matches!(self.plain, Plain::Postgres(_));
        self.plain_sales(floors::PLAIN_64, 64).await?;
        self.our_sales(floors::SALE_256, 256, false).await?;
        self.plain_sales(floors::PLAIN_1, 1).await?;
        self.our_sales(floors::SALE_1, 1, false).await?;
        self.plain_sales(floors::PLAIN_8, 8).await?;
        self.our_sales(floors::SALE_64, 64, false).await?;
        self.plain_sales(floors::PLAIN_32, 32).await?;
        if is_postgres {
            self.plain_sales_of_one_account().await?;
        }
        self.our_sales(floors::SALE_256_ONE_ACCOUNT, 256, true).await
    }

    /// SQLite has one writer, so the plain service is measured with one client only.
    async fn plain_sales(&mut self, name: &'static str, clients: usize) -> anyhow::Result<()> {
        let until = self.plan.until;
        match (&mut self.plain, &self.postgres) {
            (Plain::Postgres(plain), Some(postgres)) => {
                let measured = plain.measure(postgres, clients, plain.accounts(), until).await?;
                self.figures.add_plain(name, &measured);
            }
            (Plain::Sqlite(plain), _) if clients == 1 => {
                let measured = tokio::task::block_in_place(|| plain.measure(until))?;
                self.figures.add_plain(name, &measured);
            }
            _ => {}
        }
        Ok(())
    }

    async fn plain_sales_of_one_account(&mut self) -> anyhow::Result<()> {
        if let (Plain::Postgres(plain), Some(postgres)) = (&mut self.plain, &self.postgres) {
            let measured = plain.measure(postgres, 64, 1, self.plan.until).await?;
            self.figures.add_plain(floors::PLAIN_64_ONE_ACCOUNT, &measured);
        }
        Ok(())
    }

    async fn our_sales(&mut self, name: &'static str, callers: usize, one_account: bool) -> anyhow::Result<()> {
        let target = if one_account { self.ours.target.with_one_account() } else { self.ours.target.clone() };
        let measured = target.sales(callers, self.plan.until).await?;
        self.figures.add_measured(name, &measured);
        Ok(())
    }

    async fn batches(&mut self) -> anyhow::Result<()> {
        // The counterpart is measured here only if it was not measured for the sales.
        if !self.plan.wants(Section::Sales) {
            self.plain_sales(floors::PLAIN_64, 64).await?;
            self.plain_sales(floors::PLAIN_1, 1).await?;
        }
        let measured = self.ours.target.batches(8, self.plan.until).await?;
        self.figures.add_measured(floors::BATCH_8, &measured);
        Ok(())
    }

    async fn clicks(&mut self) -> anyhow::Result<()> {
        let measured = self.click_echo.clicks(256, self.plan.until).await?;
        self.figures.add_measured(floors::ECHO_256, &measured);
        let measured = self.ours.target.clicks(256, self.plan.until).await?;
        self.figures.add_measured(floors::CLICK_256, &measured);
        Ok(())
    }

    async fn single(&mut self) -> anyhow::Result<()> {
        let latencies = self.commits.measure(self.plan.until).await?;
        self.figures.add_latencies(floors::COMMIT, &latencies);
        let measured = self.echo.measure(&self.echo_channels, 1, self.plan.until, self.samples.sale_bytes).await?;
        self.figures.add_measured(floors::ECHO_1, &measured);
        if !self.plan.wants(Section::Sales) {
            self.our_sales(floors::SALE_1, 1, false).await?;
        }
        Ok(())
    }

    /// The growth of both databases by a sale. Measured once and last, because a checkpoint changes the speed of the sales after it.
    async fn bytes(&mut self) -> anyhow::Result<()> {
        let until = Until::Calls(self.plan.options.bytes_sales);
        let before = self.ours.measure_size(self.postgres.as_ref()).await?;
        let sales = self.ours.target.sales(256, until).await?.units;
        let growth = self.ours.measure_size(self.postgres.as_ref()).await?.growth_since(before, sales);
        self.figures.add_growth(floors::SALE_256, growth);
        let (name, growth) = match (&mut self.plain, &self.postgres) {
            (Plain::Sqlite(plain), _) => {
                let before = plain.database().measure().await?;
                let sales = tokio::task::block_in_place(|| plain.measure(until))?.units;
                (floors::PLAIN_1, plain.database().measure().await?.growth_since(before, sales))
            }
            (Plain::Postgres(plain), Some(postgres)) => {
                let before = plain.database(postgres).measure().await?;
                let sales = plain.measure(postgres, 64, plain.accounts(), until).await?.units;
                (floors::PLAIN_64, plain.database(postgres).measure().await?.growth_since(before, sales))
            }
            (Plain::Postgres(_), None) => return Ok(()),
        };
        self.figures.add_growth(name, growth);
        Ok(())
    }

    /// Checks on both sides that the acknowledged sales are exactly those in the database.
    async fn check_books(&self) -> anyhow::Result<()> {
        let feeds: Vec<&Target> = self.feed.iter().flat_map(FeedBench::targets).collect();
        let acknowledged = self.ours.check_books(&feeds).await?;
        let plain = match (&self.plain, &self.postgres) {
            (Plain::Sqlite(plain), _) => plain.count_sales()?,
            (Plain::Postgres(_), Some(postgres)) => PlainPostgres::count_sales(postgres).await?,
            (Plain::Postgres(_), None) => 0,
        };
        println!(
            "{acknowledged} sales acknowledged, as many in the books, ledger verified; {} clicks; {} calls repeated; \
             {plain} plain sales",
            self.ours.target.clicks.load(Ordering::Relaxed),
            self.ours.target.repeated.load(Ordering::Relaxed)
        );
        Ok(())
    }

    /// Stops the servers.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        drop(self.feed);
        self.ours.close().await
    }
}
