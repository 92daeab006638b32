//! Our side of the comparison: a server on its own database, with merchants in it. Does not know what is measured.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use headwater_client::pb;
use testkit::client::{self, Client};
use testkit::postgres::Postgres;

use super::host::{Host, Place};
use super::sales::Target;
use crate::shop::{Shop, ShopSize};
use crate::storage::{Database, Stored};

/// Connections to the server, and to its counterpart, shared by all callers.
pub(crate) const CONNECTIONS: usize = 8;

/// The name of the server's database on PostgreSQL.
const OUR_DATABASE: &str = "ours";

/// A server and the target of the load.
pub(crate) struct Ours {
    /// The name of its folder, and of its database on PostgreSQL.
    name: String,
    pub(super) place: Place,
    pub(super) host: Host,
    pub(crate) target: Target,
    operator_key: String,
}

impl Ours {
    /// Starts the server on a new database (SQLite without `postgres`) and opens this many merchants. Tests pass no binary.
    pub(crate) async fn open(
        postgres: Option<&Postgres>,
        binary: Option<&Path>,
        folder: &Path,
        shops: (usize, ShopSize),
        seed: u64,
    ) -> anyhow::Result<Self> {
        Self::open_as(OUR_DATABASE, postgres, binary, folder, shops, seed).await
    }

    /// Starts the server with another name for its database and folder.
    pub(crate) async fn open_as(
        name: &str,
        postgres: Option<&Postgres>,
        binary: Option<&Path>,
        folder: &Path,
        (accounts, size): (usize, ShopSize),
        seed: u64,
    ) -> anyhow::Result<Self> {
        let database = match postgres {
            Some(postgres) => Some(postgres.create_database(name).await?),
            None => None,
        };
        let ours = Self::start(name, (postgres, database), binary, folder, seed).await?;
        let channel = ours.target.channels.first().context("there is no connection")?;
        let shops = Shop::open_many(channel, &ours.operator_key, "shop", accounts, size).await?;
        Ok(ours.with_shops(shops, seed))
    }

    /// Starts the server on the database that an earlier run has left in this folder, with the merchants of that time.
    pub(crate) async fn reopen(
        postgres: Option<&Postgres>,
        binary: &Path,
        folder: &Path,
        shops: Vec<Shop>,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let database = postgres.map(|postgres| postgres.url(OUR_DATABASE));
        let ours = Self::start(OUR_DATABASE, (postgres, database), Some(binary), folder, seed).await?;
        Ok(ours.with_shops(shops, seed))
    }

    fn with_shops(self, mut shops: Vec<Shop>, seed: u64) -> Self {
        shops.iter_mut().for_each(|shop| shop.seed = seed);
        Self { target: self.target.with_shops(shops), ..self }
    }

    /// Starts the server without merchants.
    async fn start(
        name: &str,
        (postgres, database): (Option<&Postgres>, Option<String>),
        binary: Option<&Path>,
        folder: &Path,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let place = Place { binary: binary.map(Path::to_owned), data_dir: folder.join(name), database };
        let host = Host::start(&place).await?;
        let mut processes = vec![host.pid()?];
        if let Some(postgres) = postgres {
            processes.push(postgres.pid()?);
        }
        let channels = client::connect_many(&host.url(), CONNECTIONS).await?;
        let operator_key = host.operator_key()?;
        let target = Target {
            url: host.url(),
            channels,
            shops: Arc::new(Vec::new()),
            run: format!("sale-{seed}"),
            numbers: Arc::new(AtomicU64::new(0)),
            acknowledged: Arc::new(AtomicU64::new(0)),
            clicks: Arc::new(AtomicU64::new(0)),
            repeated: Arc::new(AtomicU64::new(0)),
            processes,
        };
        Ok(Self { name: name.to_owned(), place, host, target, operator_key })
    }

    /// Measures the size of its database.
    pub(crate) async fn measure_size(&self, postgres: Option<&Postgres>) -> anyhow::Result<Stored> {
        let file = self.place.sqlite_file();
        match postgres {
            Some(postgres) => Database::Postgres(postgres, &self.name).measure().await,
            None => Database::Sqlite(&file).measure().await,
        }
    }

    /// Makes PostgreSQL finish the work that is left over from filling the database. Otherwise that work would slow down what is
    /// measured next.
    pub(crate) async fn settle(&self, postgres: Option<&Postgres>) -> anyhow::Result<()> {
        let Some(postgres) = postgres else { return Ok(()) };
        for work in ["VACUUM (ANALYZE)", "CHECKPOINT"] {
            postgres.query(&self.name, work).await?;
        }
        Ok(())
    }

    pub(crate) async fn close(self) -> anyhow::Result<()> {
        drop(self.target);
        self.host.stop().await
    }

    /// The same target, with a new merchant as its only one.
    pub(crate) async fn another_shop(&self, name: &str, size: ShopSize) -> anyhow::Result<Target> {
        let channel = self.target.channels.first().context("there is no connection")?;
        Ok(self.target.with_shops(vec![Shop::open(channel, &self.operator_key, name, size).await?]))
    }

    /// Checks that the server has exactly the acknowledged sales of its merchants and these. Returns their number.
    pub(crate) async fn check_books(&self, others: &[&Target]) -> anyhow::Result<u64> {
        let channel = self.target.channels.first().context("there is no connection")?;
        let mut rewards = 0;
        for shop in self.target.shops.iter().chain(others.iter().flat_map(|other| other.shops.iter())) {
            let mut rewards_of_shop = Client::on(channel, &shop.key)?.rewards;
            let report = rewards_of_shop.verify_ledger(pb::VerifyLedgerRequest {}).await?.into_inner();
            ensure!(report.ok, "the ledger does not verify: {:?}", report.differences);
            rewards += u64::try_from(report.reward_count)?;
        }
        let acknowledged = self.target.acknowledged.load(Ordering::Relaxed);
        ensure!(rewards == acknowledged, "{acknowledged} sales were acknowledged and {rewards} are in the books");
        Ok(acknowledged)
    }
}
