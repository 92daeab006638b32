//! A server and its own database that can be stopped and restarted. Both keep their addresses, so that clients find them again.
//! Knows nothing of the requests.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use testkit::postgres::{Postgres, StopMode};
use testkit::process::{self, ServerOptions, Serving};

/// Ports that the system never assigns by itself. Otherwise a client that connects while the server is down could get the
/// server's port as its own.
const PORTS: std::ops::Range<u16> = 20_000..30_000;

/// The kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum DatabaseKind {
    /// A file.
    Sqlite,
    /// A private cluster.
    Postgres,
}

/// A server and its database.
pub(crate) struct Rig {
    pub(crate) options: ServerOptions,
    pub(crate) server: Option<Serving>,
    pub(crate) postgres: Option<Postgres>,
    pub(crate) folder: TempDir,
}

impl Rig {
    /// Makes the database and starts the server.
    pub(crate) async fn build(kind: DatabaseKind, binary: Option<&Path>, flags: &[&str]) -> anyhow::Result<Self> {
        Self::build_under(&[], kind, binary, flags).await
    }

    /// Makes the database and starts the server under another program, which is given with its arguments.
    pub(crate) async fn build_under(
        runner: &[String],
        kind: DatabaseKind,
        binary: Option<&Path>,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let binary = process::beside_us("headwater", binary)?;
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir()?;
        let (postgres, url) = match kind {
            DatabaseKind::Sqlite => (None, None),
            DatabaseKind::Postgres => {
                let postgres = Postgres::start_new()?;
                let url = postgres.create_database("stress").await?;
                (Some(postgres), Some(url))
            }
        };
        let options = ServerOptions {
            runner: runner.to_vec(),
            data_dir: Some(data_dir_in(&folder)),
            database: url,
            listen_address: free_address()?,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            ..ServerOptions::new(&binary)
        };
        let mut rig = Self { options, server: None, postgres, folder };
        rig.start_server().await?;
        Ok(rig)
    }

    /// Another server on the same database, with its own data directory.
    pub(crate) async fn second_server(&self) -> anyhow::Result<Serving> {
        let mut options = self.options.clone();
        options.data_dir = Some(self.folder.path().join("data-2"));
        options.listen_address = free_address()?;
        Serving::start(&options).await
    }

    /// The server's address, whether it is up or not.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.options.listen_address)
    }

    /// The data directory of the server.
    pub(crate) fn data_dir(&self) -> PathBuf {
        data_dir_in(&self.folder)
    }

    /// The key for registering accounts.
    pub(crate) fn operator_key(&self) -> anyhow::Result<String> {
        operator_key(&self.data_dir())
    }

    /// The process id of the running server.
    pub(crate) fn server_pid(&self) -> anyhow::Result<u32> {
        self.server.as_ref().context("no server is up")?.pid()
    }

    /// Starts the server after a kill, and waits until it serves.
    pub(crate) async fn start_server(&mut self) -> anyhow::Result<()> {
        self.server = Some(Serving::start(&self.options).await?);
        Ok(())
    }

    pub(crate) async fn kill_server(&mut self) -> anyhow::Result<()> {
        self.server.take().context("no server is up")?.kill().await?;
        Ok(())
    }

    /// Stops the server cleanly.
    pub(crate) async fn terminate_server(&mut self) -> anyhow::Result<()> {
        self.server.take().context("no server is up")?.terminate().await?;
        Ok(())
    }

    /// Starts the server and kills it after this time, which may be before it serves.
    pub(crate) async fn start_and_kill_server(&self, after: Duration) -> anyhow::Result<()> {
        let mut child = self.options.command().spawn()?;
        tokio::time::sleep(after).await;
        child.kill().await?;
        Ok(())
    }

    /// Stops PostgreSQL under the server.
    pub(crate) fn stop_database(&mut self, mode: StopMode) -> anyhow::Result<()> {
        let postgres = self.postgres.as_mut().context("there is no PostgreSQL")?;
        tokio::task::block_in_place(|| postgres.stop(mode))
    }

    pub(crate) fn start_database(&mut self) -> anyhow::Result<()> {
        let postgres = self.postgres.as_mut().context("there is no PostgreSQL")?;
        tokio::task::block_in_place(|| postgres.start())
    }
}

fn data_dir_in(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// The key that the first server on a database wrote to its data directory.
pub(crate) fn operator_key(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join(headwater::server::OPERATOR_KEY_FILE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// A free address of this machine.
pub(crate) fn free_address() -> anyhow::Result<String> {
    // Ports are tried in random order, because other programs look for ports too.
    let port = std::iter::repeat_with(|| fastrand::u16(PORTS))
        .take(1_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    Ok(format!("127.0.0.1:{}", port.context("no port is free")?))
}
