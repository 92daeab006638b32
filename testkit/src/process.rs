//! Starts, stops and kills other programs, mainly the server's binary. Knows nothing of their requests.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// The time limit for starting and stopping. Both take far less time, even on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program next to this one, such as `headwater`, unless a path is given.
///
/// # Errors
/// When it is not there.
pub fn beside_us(program: &str, given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    own.ancestors()
        .skip(1)
        // A test binary is one folder deeper.
        .take(2)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no {program} beside {}: build it, or name it", own.display()))
}

/// The options for starting a server.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Its binary.
    pub binary: PathBuf,
    /// A program to run it under, with its arguments, such as strace; empty for none.
    pub runner: Vec<String>,
    /// Its working directory; the current one when not set.
    pub directory: Option<PathBuf>,
    /// Its data directory; the binary's default when not set.
    pub data_dir: Option<PathBuf>,
    /// Its database; the embedded one in the data directory when not set.
    pub database: Option<String>,
    /// The address to listen on; port 0 picks a free one.
    pub listen_address: String,
    /// Additional flags.
    pub flags: Vec<String>,
    /// Additional environment variables.
    pub environment: Vec<(String, String)>,
}

impl ServerOptions {
    /// The binary on a free port, with defaults for everything else.
    pub fn new(binary: &Path) -> Self {
        Self {
            binary: binary.to_owned(),
            runner: Vec::new(),
            directory: None,
            data_dir: None,
            database: None,
            listen_address: "127.0.0.1:0".to_owned(),
            flags: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// The command that starts it.
    pub fn command(&self) -> Command {
        let mut line = self.runner.clone();
        line.push(self.binary.to_string_lossy().into_owned());
        line.extend(["--log-format", "json", "--listen-address", &self.listen_address].map(str::to_owned));
        if let Some(data_dir) = &self.data_dir {
            line.extend(["--data-dir".to_owned(), data_dir.to_string_lossy().into_owned()]);
        }
        if let Some(database) = &self.database {
            line.extend(["--database".to_owned(), database.clone()]);
        }
        line.extend(self.flags.iter().cloned());
        let mut command = command(Path::new(&line[0]), &line[1..]);
        command.envs(self.environment.iter().cloned());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
    }
}

/// A running gRPC server process that has logged its address. It is killed when dropped.
pub struct Serving {
    address: String,
    child: Child,
    log: JoinHandle<String>,
}

impl Serving {
    /// Starts a server and waits until it serves.
    ///
    /// # Errors
    /// It does not serve. The error has its log and how it ended.
    pub async fn start(options: &ServerOptions) -> anyhow::Result<Self> {
        Self::watch(options.command(), &options.binary).await
    }

    /// Starts any program that logs as the server does: JSON lines on standard error, including `serving` with its address.
    ///
    /// # Errors
    /// It does not serve. The error has its log and how it ended.
    pub async fn start_program(binary: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        Self::watch(command(binary, arguments), binary).await
    }

    /// Waits until it serves.
    async fn watch(mut command: Command, binary: &Path) -> anyhow::Result<Self> {
        let name = binary.display();
        let mut child = command.stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start {name}"))?;
        let stderr = child.stderr.take().context("the server has no standard error")?;
        let mut lines = BufReader::new(stderr).lines();
        let mut said = String::new();
        let serving = tokio::time::timeout(PATIENCE, async {
            while let Some(line) = lines.next_line().await? {
                said.push_str(&line);
                said.push('\n');
                if let Some(address) = served_address(&line) {
                    return Ok(address);
                }
            }
            let status = child.wait().await?;
            bail!("{name} did not serve:\n{said}{status}")
        });
        let address = serving.await.context("the server did not serve in time")??;
        // The task keeps reading, because the process would block once the pipe is full.
        let log = tokio::spawn(async move {
            let _ = lines.into_inner().read_to_string(&mut said).await;
            said
        });
        Ok(Self { address, child, log })
    }

    /// The address in the form that clients need.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Address and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// Asks it to stop. Returns its exit status and its whole log.
    ///
    /// # Errors
    /// When it has ended already, or does not end in time.
    pub async fn terminate(self) -> anyhow::Result<(ExitStatus, String)> {
        signal(self.pid()?, "TERM").await?;
        self.ended().await
    }

    /// Waits until it has ended. Returns its exit status and its whole log.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn ended(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.context("the server did not stop in time")??;
        Ok((status, self.log.await?))
    }

    /// Kills it without a clean shutdown, as in a crash. Returns its log.
    ///
    /// # Errors
    /// When it cannot be ended.
    pub async fn kill(mut self) -> anyhow::Result<String> {
        self.child.kill().await?;
        Ok(self.log.await?)
    }
}

/// A command without input and output. Its process is killed when dropped.
pub fn command<S: AsRef<std::ffi::OsStr>>(binary: &Path, arguments: &[S]) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // The caller's own settings must not reach the process.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEADWATER_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a program until it exits. Returns its output.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub async fn run_to_end(mut command: Command) -> anyhow::Result<Output> {
    let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
    Ok(tokio::time::timeout(PATIENCE, output).await.context("the program did not end in time")??)
}

fn served_address(line: &str) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields")?;
    (fields.get("message")? == "serving").then(|| fields.get("address")?.as_str().map(str::to_owned))?
}

/// Sends a signal, such as `STOP`, to a process.
///
/// # Errors
/// When there is no such process.
pub async fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    // The shell's builtin, because not every machine has a `kill` program.
    let status = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().await?;
    if !status.success() {
        bail!("cannot send {name} to process {pid}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_line_that_says_so_tells_the_address() {
        let line = r#"{"level":"INFO","fields":{"message":"serving","address":"127.0.0.1:4000"}}"#;
        assert_eq!(served_address(line).as_deref(), Some("127.0.0.1:4000"));
        assert_eq!(served_address(r#"{"fields":{"message":"stopping"}}"#), None);
        assert_eq!(served_address("serving"), None);
    }

    #[tokio::test]
    async fn a_program_that_does_not_serve_is_an_error_with_its_last_words() {
        let words = ["-c".to_owned(), "echo no port >&2; exit 3".to_owned()];
        let error = Serving::start_program(Path::new("sh"), &words).await.err().unwrap().to_string();
        assert!(error.contains("no port\n") && error.contains("exit status: 3"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_serves_is_run_by_its_runner_until_it_is_stopped() {
        let line = r#"{"fields":{"message":"serving","address":"127.0.0.1:4000"}}"#;
        // The script is the runner. It ignores the server's arguments, which follow. It serves last, because it is stopped then.
        let script = format!("echo \"$GREETING\" >&2; echo '{line}' >&2; exec sleep 60");
        let options = ServerOptions {
            runner: vec!["sh".to_owned(), "-c".to_owned(), script],
            environment: vec![("GREETING".to_owned(), "hello".to_owned())],
            ..ServerOptions::new(Path::new("server"))
        };
        let serving = Serving::start(&options).await.unwrap();
        assert_eq!((serving.address(), serving.url().as_str()), ("127.0.0.1:4000", "http://127.0.0.1:4000"));
        let (status, log) = serving.terminate().await.unwrap();
        assert!(!status.success() && log.contains("hello"), "{status}: {log}");
    }
}
