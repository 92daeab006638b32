//! The run itself: both sides set up, measured in turns so that noise hits them alike, and the books checked at the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::ensure;
use headwater::pb;
use tempfile::TempDir;
use tonic::transport::Channel;

use super::commit::BareCommits;
use super::echo::EchoHost;
use super::floors::{self, floors};
use super::host::{Host, Place};
use super::plain_postgres::PlainPostgres;
use super::plain_sqlite::PlainSqlite;
use super::sales::Target;
use super::table::{Figures, ratio_table};
use super::{DatabaseKind, Plan, Section};
use crate::client::{self, Client};
use crate::process::Postgres;
use crate::shop::Shop;

/// Connections to the server and to the echo, shared by all callers.
const CONNECTIONS: usize = 8;

/// The plain service of the database.
enum Plain {
    Postgres(PlainPostgres),
    Sqlite(PlainSqlite),
}

/// Everything that takes part.
pub(super) struct Bench {
    plan: Plan,
    pub(super) figures: Figures,
    pub(super) target: Target,
    plain: Plain,
    echo: EchoHost,
    echo_channels: Vec<Channel>,
    commits: BareCommits,
    /// Of a sale and of a click: bytes there and back.
    message_bytes: [(usize, usize); 2],
    host: Host,
    postgres: Option<Postgres>,
    /// Removed last.
    _folder: TempDir,
}

impl Bench {
    /// Starts and fills everything.
    pub(super) async fn open(plan: Plan) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(&plan.folder)?;
        let postgres = match plan.options.database {
            DatabaseKind::Postgres => Some(Postgres::start_new()?),
            DatabaseKind::Sqlite => None,
        };
        let (binary, accounts, size) = (plan.binary.as_deref(), plan.accounts, plan.size);
        let plain = match &postgres {
            Some(postgres) => {
                Plain::Postgres(PlainPostgres::prepare(postgres, binary, folder.path(), accounts, size).await?)
            }
            None => Plain::Sqlite(PlainSqlite::prepare(binary, folder.path(), accounts, size).await?),
        };
        let database = match &postgres {
            Some(postgres) => Some(postgres.create_database("ours").await?),
            None => None,
        };
        let place = Place { binary: plan.binary.clone(), data_dir: folder.path().join("ours"), database };
        let host = Host::start(&place).await?;
        let commits = BareCommits::open(&place).await?;
        let mut processes = vec![host.pid()?];
        if let Some(postgres) = &postgres {
            processes.push(postgres.pid()?);
        }
        let channels = client::connect_many(&host.url(), CONNECTIONS).await?;
        let shops = Shop::open_many(&channels[0], &host.operator_key()?, "shop", accounts, size).await?;
        let target = Target {
            channels,
            shops: Arc::new(shops),
            run: format!("sale-{}", plan.seed),
            numbers: Arc::new(AtomicU64::new(0)),
            acknowledged: Arc::new(AtomicU64::new(0)),
            clicks: Arc::new(AtomicU64::new(0)),
            processes,
        };
        let message_bytes = target.message_bytes().await?;
        let echo = EchoHost::start().await?;
        let echo_channels = echo.connect(CONNECTIONS).await?;
        Ok(Self {
            plan,
            figures: Figures::default(),
            target,
            plain,
            echo,
            echo_channels,
            commits,
            message_bytes,
            host,
            postgres,
            _folder: folder,
        })
    }

    /// All rounds, and what they came to.
    pub(super) async fn run(&mut self) -> anyhow::Result<()> {
        let [sale, click] = self.message_bytes;
        println!(
            "{} accounts of {} leads; a sale is {} bytes there and {} back, a click {} and {}; {} connections",
            self.plan.accounts, self.plan.size.leads, sale.0, sale.1, click.0, click.1, CONNECTIONS
        );
        println!("one sale adds as many rows to the same tables here and there; {} rounds\n", self.plan.options.rounds);
        for round in 1..=self.plan.options.rounds {
            let begun = headwater::clock::monotonic_now();
            self.round().await?;
            println!("round {round} took {:.0} s", begun.elapsed().as_secs_f64());
        }
        println!("\n{}", self.figures.report());
        println!("{}", ratio_table(&floors(self.plan.options.database), &self.figures));
        self.check_books().await
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

    /// SQLite has one writer: there it is measured with one client alone.
    async fn plain_sales(&mut self, name: &'static str, clients: usize) -> anyhow::Result<()> {
        let time = self.plan.time;
        match (&mut self.plain, &self.postgres) {
            (Plain::Postgres(plain), Some(postgres)) => {
                let measured = plain.measure(postgres, clients, plain.accounts(), time).await?;
                self.figures.add_measured(name, &measured, &["postgres us"]);
            }
            (Plain::Sqlite(plain), _) if clients == 1 => {
                let measured = tokio::task::block_in_place(|| plain.measure(time))?;
                self.figures.add_measured(name, &measured, &[]);
            }
            _ => {}
        }
        Ok(())
    }

    async fn plain_sales_of_one_account(&mut self) -> anyhow::Result<()> {
        if let (Plain::Postgres(plain), Some(postgres)) = (&mut self.plain, &self.postgres) {
            let measured = plain.measure(postgres, 64, 1, self.plan.time).await?;
            self.figures.add_measured(floors::PLAIN_64_ONE_ACCOUNT, &measured, &["postgres us"]);
        }
        Ok(())
    }

    async fn our_sales(&mut self, name: &'static str, callers: usize, one_account: bool) -> anyhow::Result<()> {
        let target = if one_account { self.target.with_one_account() } else { self.target.clone() };
        let measured = target.sales(callers, self.plan.time).await?;
        self.figures.add_measured(name, &measured, &["server us", "postgres us"]);
        Ok(())
    }

    async fn batches(&mut self) -> anyhow::Result<()> {
        // What it is held against, unless it was measured a moment ago.
        if !self.plan.wants(Section::Sales) {
            self.plain_sales(floors::PLAIN_64, 64).await?;
            self.plain_sales(floors::PLAIN_1, 1).await?;
        }
        let measured = self.target.batches(8, self.plan.time).await?;
        self.figures.add_measured(floors::BATCH_8, &measured, &["server us", "postgres us"]);
        Ok(())
    }

    async fn clicks(&mut self) -> anyhow::Result<()> {
        let measured = self.echo.measure(&self.echo_channels, 256, self.plan.time, self.message_bytes[1]).await?;
        self.figures.add_measured(floors::ECHO_256, &measured, &["server us"]);
        let measured = self.target.clicks(256, self.plan.time).await?;
        self.figures.add_measured(floors::CLICK_256, &measured, &["server us", "postgres us"]);
        Ok(())
    }

    async fn single(&mut self) -> anyhow::Result<()> {
        let latencies = self.commits.measure(self.plan.time).await?;
        self.figures.add_latencies(floors::COMMIT, &latencies);
        let measured = self.echo.measure(&self.echo_channels, 1, self.plan.time, self.message_bytes[0]).await?;
        self.figures.add_measured(floors::ECHO_1, &measured, &["server us"]);
        if !self.plan.wants(Section::Sales) {
            self.our_sales(floors::SALE_1, 1, false).await?;
        }
        Ok(())
    }

    /// What was acknowledged is what is there, on both sides.
    async fn check_books(&self) -> anyhow::Result<()> {
        let mut rewards = 0;
        for shop in self.target.shops.iter() {
            let mut rewards_of_shop = Client::on(&self.target.channels[0], &shop.key)?.rewards;
            let report = rewards_of_shop.verify_ledger(pb::VerifyLedgerRequest {}).await?.into_inner();
            ensure!(report.ok, "the ledger does not verify: {:?}", report.differences);
            rewards += u64::try_from(report.reward_count)?;
        }
        let acknowledged = self.target.acknowledged.load(Ordering::Relaxed);
        ensure!(rewards == acknowledged, "{acknowledged} sales were acknowledged and {rewards} are in the books");
        let plain = match (&self.plain, &self.postgres) {
            (Plain::Sqlite(plain), _) => plain.count_sales()?,
            (Plain::Postgres(_), Some(postgres)) => PlainPostgres::count_sales(postgres).await?,
            (Plain::Postgres(_), None) => 0,
        };
        println!(
            "{acknowledged} sales acknowledged, as many in the books, ledger verified; {} clicks; {plain} plain sales",
            self.target.clicks.load(Ordering::Relaxed)
        );
        Ok(())
    }

    /// Stops what it started.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        drop(self.target);
        self.host.stop().await
    }
}
