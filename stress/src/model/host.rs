//! A server in this process, on an empty database of its own and with a clock that we move; called over the wire like any other.

use std::path::PathBuf;
use std::sync::Arc;

use headwater::clock::{Clock, ManualClock};
use headwater::config::CommandLine;
use headwater::domain::time::Time;
use headwater::server::Server;
use tempfile::TempDir;
use testkit::client::{Client, connect_many};
use testkit::postgres::Postgres;
use tonic::transport::Channel;

use super::drive::{Distortion, Player};
use crate::rig::operator_key;

/// When the clock starts: 2026-01-01T00:00:00Z.
const START_MICROS: i64 = 1_767_225_600_000_000;

const CONNECTIONS: usize = 4;

/// Where the database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Database {
    /// A file of its own.
    Sqlite,
    /// A cluster of its own, or a database that is named.
    Postgres,
}

/// The server and what it needs.
pub(super) struct Host {
    server: Server,
    clock: ManualClock,
    operator: Client,
    channels: Vec<Channel>,
    accounts: usize,
    /// Drawn once for each run, so that a database can serve several.
    run: u64,
    // Both go after the server.
    _folder: TempDir,
    _cluster: Option<Postgres>,
}

/// Where databases are made: in memory where the machine has a folder there, since what is compared does not depend on the disk,
/// and a disk that is busy with other things would only be waited for.
fn parent_folder() -> PathBuf {
    let in_memory = PathBuf::from("/dev/shm");
    let can_be_used = tempfile::tempfile_in(&in_memory).is_ok();
    if can_be_used { in_memory } else { std::env::temp_dir() }
}

impl Host {
    /// Starts it. A PostgreSQL database that is named must be empty, or have been used by this alone.
    pub(super) async fn start(database: Database, url: Option<&str>) -> anyhow::Result<Self> {
        let parent = parent_folder();
        let folder = tempfile::Builder::new().prefix("headwater-model-").tempdir_in(&parent)?;
        let (cluster, url) = match (database, url) {
            (Database::Sqlite, None) => (None, format!("sqlite://{}", folder.path().join("model.sqlite").display())),
            (_, Some(url)) => (None, url.to_owned()),
            (Database::Postgres, None) => {
                let cluster = Postgres::start_new_in(&parent)?;
                let url = cluster.create_database("model").await?;
                (Some(cluster), url)
            }
        };
        let data_dir = folder.path().join("data");
        let flags = [
            "headwater",
            "--listen-address",
            "127.0.0.1:0",
            "--database",
            &url,
            "--data-dir",
            &data_dir.to_string_lossy(),
            // Due rewards are approved when the steps say so.
            "--upkeep-interval-seconds",
            "86400",
            // A busy machine is no difference.
            "--request-timeout-seconds",
            "600",
            "--feed-poll-milliseconds",
            "1000",
        ]
        .map(str::to_owned);
        let settings = CommandLine::read(flags.to_vec()).map_err(|error| anyhow::anyhow!("{error}"))?.settings;
        let clock = ManualClock::new(Time::from_micros(START_MICROS));
        let server = Server::start(&settings, Arc::new(clock.clone())).await?;
        let channels = connect_many(&format!("http://{}", server.address()), CONNECTIONS).await?;
        let operator = Client::on(&channels[0], &operator_key(&data_dir)?)?;
        let run = fastrand::u64(..);
        Ok(Self { server, clock, operator, channels, accounts: 0, run, _folder: folder, _cluster: cluster })
    }

    /// What the clock says.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().micros()
    }

    /// Moves the clock, and has the server do what it does by itself. All accounts' models must hear of it.
    pub(super) async fn wait(&self, micros: i64, approves_due: bool) -> anyhow::Result<()> {
        self.clock.set(Time::from_micros(self.now() + micros));
        if approves_due {
            self.server.app().approve_due_rewards().await?;
        }
        Ok(())
    }

    /// A new account.
    pub(super) async fn new_player(&mut self, distortion: Option<Distortion>) -> anyhow::Result<Player> {
        self.accounts += 1;
        let channel = &self.channels[self.accounts % self.channels.len()];
        let name = format!("shop{}-{:016x}", self.accounts, self.run);
        Player::register(channel, &self.operator, self.now(), &name, distortion).await
    }

    /// Stops the server and removes its database.
    pub(super) async fn stop(self) {
        drop((self.operator, self.channels));
        self.server.stop().await;
    }
}
