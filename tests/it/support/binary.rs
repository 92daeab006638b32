//! The real binary as a process of its own. Knows how to start and stop it, not what it serves.

use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Far more than starting or stopping takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The binary with these arguments, to be run in the directory. It is killed when it is dropped.
pub(crate) fn headwater(directory: &Path, arguments: &[&str]) -> Command {
    headwater_under(directory, &[], arguments)
}

/// The same, run by another program.
fn headwater_under(directory: &Path, runner: &[&str], arguments: &[&str]) -> Command {
    let line: Vec<&str> = runner.iter().copied().chain([env!("CARGO_BIN_EXE_headwater")]).collect();
    let mut command = Command::new(line[0]);
    command.args(&line[1..]).args(arguments).current_dir(directory).stdin(Stdio::null()).kill_on_drop(true);
    // Settings of whoever runs the tests are not meant for them.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEADWATER_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the binary to its end.
pub(crate) async fn run_to_end(directory: &Path, arguments: &[&str]) -> Output {
    let output = headwater(directory, arguments).output();
    tokio::time::timeout(PATIENCE, output).await.expect("the binary ends in time").unwrap()
}

/// The binary while it serves.
pub(crate) struct Serving {
    /// Address and port.
    pub(crate) address: String,
    child: Child,
    log: JoinHandle<String>,
}

impl Serving {
    /// Starts it in the directory, with its data in `headwater-data` there unless the flags say otherwise, on a free port.
    pub(crate) async fn start(directory: &Path, flags: &[&str]) -> Self {
        Self::try_start(directory, flags, "").await.unwrap_or_else(|said| panic!("the binary did not serve:\n{said}"))
    }

    /// Starts it with failpoints, as `src/failpoint.rs` has them. One that ends before it serves gives its last words.
    pub(crate) async fn try_start(directory: &Path, flags: &[&str], failpoints: &str) -> Result<Self, String> {
        let fixed = ["--listen-address", "127.0.0.1:0", "--log-format", "json"];
        let mut command = headwater(directory, &[&fixed, flags].concat());
        Self::watch(command.env("FAILPOINTS", failpoints)).await
    }

    /// Starts it in the directory under a program that then becomes it.
    pub(crate) async fn start_under(directory: &Path, runner: &[&str]) -> Self {
        let fixed = ["--listen-address", "127.0.0.1:0", "--log-format", "json"];
        let server = Self::watch(&mut headwater_under(directory, runner, &fixed)).await;
        server.unwrap_or_else(|said| panic!("the binary did not serve:\n{said}"))
    }

    /// Waits until it serves.
    async fn watch(command: &mut Command) -> Result<Self, String> {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = String::new();
        let address = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await.unwrap() {
                said.push_str(&line);
                said.push('\n');
                let entry: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
                if entry["fields"]["message"] == "serving" {
                    return Some(entry["fields"]["address"].as_str().unwrap().to_owned());
                }
            }
            None
        });
        let Some(address) = address.await.expect("the binary serves or ends in time") else {
            let status = child.wait().await.unwrap();
            return Err(format!("{said}{status}"));
        };
        // Read on, or the process would stand still once the pipe is full.
        let log = tokio::spawn(async move {
            let _ = lines.into_inner().read_to_string(&mut said).await;
            said
        });
        Ok(Self { address, child, log })
    }

    /// The address as clients take it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Asks it to stop, and gives its exit status and all that it logged.
    pub(crate) async fn terminate(self) -> (ExitStatus, String) {
        let id = self.process_id();
        let asked = Command::new("sh").args(["-c", &format!("kill -TERM {id}")]).status().await.unwrap();
        assert!(asked.success());
        self.end().await
    }

    /// Waits until it ends by itself, and gives its exit status and all that it logged.
    pub(crate) async fn end(mut self) -> (ExitStatus, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap();
        (status, self.log.await.unwrap())
    }

    /// Ends it without a word, as a crash would.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
