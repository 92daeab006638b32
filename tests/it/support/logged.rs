//! The binary with its log in a file that a test reads while the binary runs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use testkit::process;
use tokio::process::Child;

use super::binary::BINARY;

/// The longest that a line of the log may take. It is many times what is needed, so that a busy machine does not fail a test.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server. It is killed when it is dropped.
pub(crate) struct Logged {
    log: PathBuf,
    child: Child,
    pub(crate) url: String,
}

/// A line of the log.
pub(crate) type Line = serde_json::Value;

impl Logged {
    /// Starts the binary in the folder, with its log in this file, and waits until it serves.
    pub(crate) async fn start(folder: &Path, log: &Path, flags: &[&str]) -> Self {
        let arguments = [&["--log-format", "json", "--listen-address", "127.0.0.1:0"], flags].concat();
        let mut command = process::command(Path::new(BINARY), &arguments);
        command.current_dir(folder).stderr(File::options().create(true).append(true).open(log).unwrap());
        let child = command.spawn().unwrap();
        let mut server = Self { log: log.to_owned(), child, url: String::new() };
        let line = server.wait_for("serving", 1).await;
        server.url = format!("http://{}", line["address"].as_str().unwrap());
        server
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The fields of all lines so far, with the level.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.log).unwrap();
        let fields = |line: &str| {
            let line: Line = serde_json::from_str(line).ok()?;
            let mut fields = line["fields"].clone();
            fields["level"] = line["level"].clone();
            Some(fields)
        };
        text.lines().filter_map(fields).collect()
    }

    /// Waits until the log has this message this many times, and returns the last one.
    pub(crate) async fn wait_for(&self, message: &str, times: usize) -> Line {
        let found = async {
            loop {
                let mut lines = self.lines();
                lines.retain(|line| line["message"] == message);
                if lines.len() >= times {
                    return lines.remove(times - 1);
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("the log has no {times} lines {message}: {:?}", self.lines()))
    }

    /// Stops it, and returns its exit code.
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        process::signal(self.pid(), "TERM").await.unwrap();
        tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}
