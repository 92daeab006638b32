//! A server in this process, on its own empty database and with a clock that the test moves. All calls go over the wire.

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

/// The location of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Database {
    /// A file of its own.
    Sqlite,
    /// A private cluster, or a named database.
    Postgres,
}

/// The server and the resources it needs.
pub(super) struct Host {
    server: Server,
    clock: ManualClock,
    operator: Client,
    channels: Vec<Channel>,
    accounts: usize,
    /// Unique to the run, so that a database can serve several runs.
    run: u64,
    // Both are dropped after the server.
    _folder: TempDir,
    _cluster: Option<Postgres>,
}

/// The folder for databases. It is in memory if the machine has such a folder, because the results do not depend on the disk and
/// a busy disk would only slow the run.
fn parent_folder() -> PathBuf {
    let in_memory = PathBuf::from("/dev/shm");
    let can_be_used = tempfile::tempfile_in(&in_memory).is_ok();
    if can_be_used { in_memory } else { std::env::temp_dir() }
}

impl Host {
    /// Starts the server. A named PostgreSQL database must be empty or used only by this command before.
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
            // The server does no upkeep, because only the steps approve due rewards.
            "--upkeep-interval-seconds",
            "86400",
            // The limit is long, because a slow answer on a busy machine is not a difference.
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

    /// The time on the clock.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().micros()
    }

    /// Moves the clock and triggers the server's own work. The caller must tell all accounts' models.
    pub(super) async fn wait(&self, micros: i64, approves_due: bool) -> anyhow::Result<()> {
        self.clock.set(Time::from_micros(self.now() + micros));
        if approves_due {
            self.server.app().approve_due_rewards().await?;
        }
        Ok(())
    }

    /// Registers a new account.
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
