//! The server's binary and PostgreSQL as processes of their own: how to start, stop and kill them. Knows nothing of what is
//! sent to them.

use std::io::{BufRead, BufReader as BlockingBufReader, Lines, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child as BlockingChild, ChildStdin, ChildStdout, Command as BlockingCommand, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Far more than starting or stopping takes on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Another process may take the port between our looking and the server's binding.
const START_ATTEMPTS: u32 = 3;

/// The shell program that makes, runs and removes the cluster: it outlives us by no more than a moment, however we end.
const POSTGRES_SUPERVISOR: &str = include_str!("postgres.sh");

/// A program that lies beside this one, such as `headwater`, unless a path is given.
pub(crate) fn beside_us(program: &str, given: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    own.ancestors()
        .skip(1)
        // A test lies one folder deeper.
        .take(2)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no {program} beside {}: build it, or name it", own.display()))
}

/// How to start a server.
#[derive(Debug, Clone)]
pub(crate) struct ServerOptions {
    /// Its binary.
    pub(crate) binary: PathBuf,
    /// Its data directory.
    pub(crate) data_dir: PathBuf,
    /// Its database; the embedded one in the data directory when not set.
    pub(crate) database: Option<String>,
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen_address: String,
    /// Further flags.
    pub(crate) flags: Vec<String>,
}

impl ServerOptions {
    /// The binary on this data directory and database, on a free port.
    pub(crate) fn new(binary: &Path, data_dir: &Path, database: Option<&str>) -> Self {
        Self {
            binary: binary.to_owned(),
            data_dir: data_dir.to_owned(),
            database: database.map(str::to_owned),
            listen_address: "127.0.0.1:0".to_owned(),
            flags: Vec::new(),
        }
    }

    /// All of that as the binary takes it.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let data_dir = self.data_dir.to_string_lossy();
        let fixed = ["--log-format", "json", "--listen-address", &self.listen_address, "--data-dir", &data_dir]
            .map(str::to_owned);
        let database = self.database.iter().flat_map(|url| ["--database".to_owned(), url.clone()]);
        fixed.into_iter().chain(database).chain(self.flags.iter().cloned()).collect()
    }
}

/// A process that serves gRPC and said so. It is killed when it is dropped.
pub(crate) struct Serving {
    address: String,
    child: Child,
    log: JoinHandle<String>,
}

impl Serving {
    /// Starts a Headwater server and waits until it serves.
    pub(crate) async fn start(options: &ServerOptions) -> anyhow::Result<Self> {
        Self::start_program(&options.binary, &options.arguments()).await
    }

    /// Starts any program that logs as the server does: JSON lines on standard error, among them `serving` with its address.
    pub(crate) async fn start_program(binary: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let mut child = command(binary, arguments)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", binary.display()))?;
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
            bail!("{} did not serve:\n{said}", binary.display())
        });
        let address = serving.await.context("the server did not serve in time")??;
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

    /// Address and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().context("the server has ended")
    }

    /// Asks it to stop, and gives its exit status and all that it logged.
    pub(crate) async fn terminate(self) -> anyhow::Result<(ExitStatus, String)> {
        signal(self.pid()?, "TERM").await?;
        self.ended().await
    }

    /// Waits until it has ended, and gives its exit status and all that it logged.
    pub(crate) async fn ended(mut self) -> anyhow::Result<(ExitStatus, String)> {
        let status =
            tokio::time::timeout(PATIENCE, self.child.wait()).await.context("the server did not stop in time")??;
        Ok((status, self.log.await?))
    }

    /// Ends it without a word, as a crash would, and gives what it logged.
    pub(crate) async fn kill(mut self) -> anyhow::Result<String> {
        self.child.kill().await?;
        Ok(self.log.await?)
    }
}

/// A program without input and output, to be started. It is killed when it is dropped.
pub(crate) fn command(binary: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    // Settings of whoever runs this are not meant for it.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HEADWATER_") {
            command.env_remove(name);
        }
    }
    command
}

fn served_address(line: &str) -> Option<String> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = entry.get("fields")?;
    (fields.get("message")? == "serving").then(|| fields.get("address")?.as_str().map(str::to_owned))?
}

/// Sends a signal, such as `STOP`, to a process.
pub(crate) async fn signal(pid: u32, name: &str) -> anyhow::Result<()> {
    let status = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().await?;
    if !status.success() {
        bail!("cannot send {name} to process {pid}");
    }
    Ok(())
}

/// The key that the first server on a database left in its data directory.
pub(crate) fn operator_key(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join(headwater::server::OPERATOR_KEY_FILE);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.trim().to_owned())
}

/// How a PostgreSQL server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopMode {
    /// Ends connections, writes everything out.
    Fast,
    /// As a crash: the next start recovers from the log.
    Immediate,
}

/// A private, temporary PostgreSQL cluster with PostgreSQL's own settings of durability. It is removed when it is dropped.
pub(crate) struct Postgres {
    /// The folder with PostgreSQL's programs.
    pub(crate) binaries: PathBuf,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
    folder: PathBuf,
    supervisor: BlockingChild,
    commands: Option<ChildStdin>,
    answers: Lines<BlockingBufReader<ChildStdout>>,
}

/// The user that may do everything there, without a password.
pub(crate) const POSTGRES_USER: &str = "headwater";

impl Postgres {
    /// Makes and starts one.
    pub(crate) fn start_new() -> anyhow::Result<Self> {
        Self::start_new_in(&std::env::temp_dir())
    }

    /// Makes and starts one whose data lies in a folder of this folder.
    pub(crate) fn start_new_in(parent: &Path) -> anyhow::Result<Self> {
        let binaries = find_postgres().context("there is no initdb in PATH or /usr/lib/postgresql/*/bin")?;
        let mut started = Self::try_start(&binaries, parent);
        for _ in 1..START_ATTEMPTS {
            if started.is_err() {
                started = Self::try_start(&binaries, parent);
            }
        }
        started
    }

    /// Whether PostgreSQL is installed, and this program of its with it.
    #[cfg(test)]
    pub(crate) fn is_installed(program: &str) -> bool {
        find_postgres().is_some_and(|folder| folder.join(program).is_file())
    }

    fn try_start(binaries: &Path, parent: &Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("headwater-stress-").tempdir_in(parent)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let mut supervisor = BlockingCommand::new("sh")
            .args(["-c", POSTGRES_SUPERVISOR, "postgres.sh"])
            .arg(binaries)
            // From here on the supervisor's to remove.
            .arg(folder.path())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Out of reach of the terminal's Ctrl-C, which would leave the cluster behind.
            .process_group(0)
            .spawn()?;
        let folder = folder.keep();
        let commands = supervisor.stdin.take();
        let answers = supervisor.stdout.take().context("the supervisor has no standard output")?;
        let mut postgres = Self {
            binaries: binaries.to_owned(),
            port,
            folder,
            supervisor,
            commands,
            answers: BlockingBufReader::new(answers).lines(),
        };
        postgres.expect_answer("ready")?;
        Ok(postgres)
    }

    fn expect_answer(&mut self, expected: &str) -> anyhow::Result<()> {
        let mut said = Vec::new();
        for line in self.answers.by_ref() {
            let line = line?;
            if line == expected {
                return Ok(());
            }
            said.push(line);
        }
        bail!("PostgreSQL is not {expected}: {}", said.join(" | "))
    }

    fn command(&mut self, command: &str, answer: &str) -> anyhow::Result<()> {
        let commands = self.commands.as_mut().context("the supervisor has ended")?;
        writeln!(commands, "{command}")?;
        self.expect_answer(answer)
    }

    /// Stops it, and waits until it has stopped.
    pub(crate) fn stop(&mut self, mode: StopMode) -> anyhow::Result<()> {
        match mode {
            StopMode::Fast => self.command("stop fast", "stopped"),
            StopMode::Immediate => self.command("stop immediate", "stopped"),
        }
    }

    /// Starts it after a stop, and waits until it answers.
    pub(crate) fn start(&mut self) -> anyhow::Result<()> {
        self.command("start", "ready")
    }

    /// The process that all others of the cluster are children of.
    pub(crate) fn pid(&self) -> anyhow::Result<u32> {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        Ok(text.lines().next().unwrap_or_default().trim().parse()?)
    }

    /// Where the data lies.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A database as clients name it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{POSTGRES_USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// One of PostgreSQL's own client programs, told where the cluster is.
    pub(crate) fn client_program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.args(["-h", "127.0.0.1", "-U", POSTGRES_USER, "-p", &self.port.to_string()]).kill_on_drop(true);
        command
    }

    /// Makes an empty database and gives its URL.
    pub(crate) async fn create_database(&self, name: &str) -> anyhow::Result<String> {
        self.query("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        Ok(self.url(name))
    }

    /// Runs SQL and gives what it returned, a row a line, columns between `|`.
    pub(crate) async fn query(&self, database: &str, sql: &str) -> anyhow::Result<String> {
        let mut command = self.client_program("psql");
        let output =
            command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]).output();
        let output = output.await?;
        if !output.status.success() {
            bail!("{sql}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The end of its input tells the supervisor to stop and remove everything. Whether that went well, nobody is left to ask.
        self.commands = None;
        let _ = self.supervisor.wait();
    }
}

/// The folder with PostgreSQL's own programs: the newest version where Debian keeps several.
fn find_postgres() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry.as_ref().ok()?.file_name().to_str()?.parse().ok()?, entry.ok()?.path())))
        .collect();
    versions.sort();
    let packaged = versions.into_iter().rev().map(|(_, folder)| folder.join("bin"));
    std::env::split_paths(&path)
        .chain(packaged)
        .find(|folder| ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|program| folder.join(program).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cluster_keeps_what_was_committed_when_it_is_stopped_at_once() {
        // Where there is no PostgreSQL, there is nothing to try.
        if !Postgres::is_installed("psql") {
            return;
        }
        let mut postgres = Postgres::start_new().unwrap();
        postgres.create_database("shop").await.unwrap();
        postgres.query("shop", "CREATE TABLE sale (id int); INSERT INTO sale VALUES (7)").await.unwrap();
        let pid = postgres.pid().unwrap();
        postgres.stop(StopMode::Immediate).unwrap();
        assert!(postgres.query("shop", "SELECT id FROM sale").await.is_err());
        postgres.start().unwrap();
        assert_ne!(postgres.pid().unwrap(), pid);
        assert_eq!(postgres.query("shop", "SELECT id FROM sale").await.unwrap(), "7");
        assert_eq!(postgres.query("shop", "SHOW fsync").await.unwrap(), "on");
        postgres.stop(StopMode::Fast).unwrap();
        let folder = postgres.data_dir();
        drop(postgres);
        assert!(!folder.exists());
    }

    #[test]
    fn only_the_line_that_says_so_tells_the_address() {
        let line = r#"{"level":"INFO","fields":{"message":"serving","address":"127.0.0.1:4000"}}"#;
        assert_eq!(served_address(line).as_deref(), Some("127.0.0.1:4000"));
        assert_eq!(served_address(r#"{"fields":{"message":"stopping"}}"#), None);
        assert_eq!(served_address("serving"), None);
    }
}
