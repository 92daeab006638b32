//! The measured server, in its own process. Knows how it is started, not what it is asked.

use std::path::PathBuf;

use testkit::process::{ServerOptions, Serving};

use crate::rig;

/// The options of a server.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its binary; in tests `None`, for a server in this process.
    pub(super) binary: Option<PathBuf>,
    /// Its data directory.
    pub(super) data_dir: PathBuf,
    /// Its database; the embedded one when not set.
    pub(super) database: Option<String>,
}

impl Place {
    /// The embedded database's file.
    pub(super) fn sqlite_file(&self) -> PathBuf {
        self.data_dir.join("headwater.sqlite")
    }
}

/// A running server.
pub(super) struct Host {
    data_dir: PathBuf,
    running: Running,
}

enum Running {
    Process(Box<Serving>),
    #[cfg(test)]
    Here(Box<headwater::server::Server>),
}

impl Host {
    pub(super) async fn start(place: &Place) -> anyhow::Result<Self> {
        let running = match &place.binary {
            Some(binary) => {
                let options = ServerOptions {
                    data_dir: Some(place.data_dir.clone()),
                    database: place.database.clone(),
                    // The limit is raised, because the default is too low for this many followers of one account.
                    flags: vec!["--feed-streams-per-key-max".to_owned(), "200".to_owned()],
                    ..ServerOptions::new(binary)
                };
                Running::Process(Box::new(Serving::start(&options).await?))
            }
            #[cfg(test)]
            None => Running::Here(Box::new(start_here(place).await?)),
            #[cfg(not(test))]
            None => anyhow::bail!("no server binary was named"),
        };
        Ok(Self { data_dir: place.data_dir.clone(), running })
    }

    /// The address in the form that clients need.
    pub(super) fn url(&self) -> String {
        match &self.running {
            Running::Process(serving) => serving.url(),
            #[cfg(test)]
            Running::Here(server) => format!("http://{}", server.address()),
        }
    }

    /// Its process.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        match &self.running {
            Running::Process(serving) => serving.pid(),
            #[cfg(test)]
            Running::Here(_) => Ok(std::process::id()),
        }
    }

    /// The key for registering accounts.
    pub(super) fn operator_key(&self) -> anyhow::Result<String> {
        rig::operator_key(&self.data_dir)
    }

    /// Asks it to stop, and waits until it has stopped.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        match self.running {
            Running::Process(serving) => {
                let (status, log) = serving.terminate().await?;
                anyhow::ensure!(status.success(), "the server ended with {status}:\n{log}");
            }
            #[cfg(test)]
            Running::Here(server) => server.stop().await,
        }
        Ok(())
    }
}

#[cfg(test)]
async fn start_here(place: &Place) -> anyhow::Result<headwater::server::Server> {
    let data_dir = place.data_dir.to_string_lossy().into_owned();
    let mut arguments =
        ["headwater", "--listen-address", "127.0.0.1:0", "--data-dir", &data_dir].map(str::to_owned).to_vec();
    arguments.extend(["--drain-delay-milliseconds", "0"].map(str::to_owned));
    if let Some(url) = &place.database {
        arguments.extend(["--database".to_owned(), url.clone()]);
    }
    let line = headwater::config::CommandLine::read(arguments)?;
    let clock = std::sync::Arc::new(headwater::clock::SystemClock);
    Ok(headwater::server::Server::start(&line.settings, clock).await?)
}
