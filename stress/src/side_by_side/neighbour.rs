//! Other projects' servers, started for the run in a folder of their own. Knows no protocol.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::bail;
use tokio::process::{Child, Command};

/// A server that is killed when it is dropped.
pub(super) struct Neighbour {
    /// Where it listens on 127.0.0.1.
    pub(super) port: u16,
    _child: Child,
}

impl Neighbour {
    /// Starts the program, if it is installed, with the arguments for a folder and a port.
    pub(super) fn start(
        program: &str,
        folder: &Path,
        arguments: impl FnOnce(&str, u16) -> Vec<String>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(binary) = find(program) else { return Ok(None) };
        let folder = folder.join(program);
        std::fs::create_dir_all(&folder)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let child = Command::new(binary)
            .args(arguments(&folder.to_string_lossy(), port))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Some(Self { port, _child: child }))
    }
}

/// Retries until it succeeds, because a server needs a moment to start.
pub(super) async fn patiently<T>(mut connect: impl AsyncFnMut() -> anyhow::Result<T>) -> anyhow::Result<T> {
    const TRIES_MAX: u32 = 100;
    let mut last = None;
    for _ in 0..TRIES_MAX {
        match connect().await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    bail!("a server that was started cannot be reached: {last:?}")
}

/// Whether the program is installed.
#[cfg(test)]
pub(super) fn is_installed(program: &str) -> bool {
    find(program).is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/bin"].map(PathBuf::from))
        .chain([home.join("go/bin")])
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
