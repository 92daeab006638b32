//! A private PostgreSQL cluster: starts, stops and queries it. Knows nothing of its contents.

use std::io::{BufRead, BufReader, Lines, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command as BlockingCommand, Stdio};

use anyhow::{Context, bail};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr};
use tokio::process::Command;

/// How many ports are tried, because another process may take a port between our check and the server's binding.
const START_ATTEMPTS: u32 = 3;

/// The shell script that makes, runs and removes the cluster. It ends shortly after this process, even if this process is killed.
const SUPERVISOR: &str = include_str!("postgres.sh");

/// The superuser, without a password.
pub const POSTGRES_USER: &str = "headwater";

/// How a PostgreSQL server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Ends connections, writes everything out.
    Fast,
    /// Ends at once, as in a crash: the next start recovers from the log.
    Immediate,
}

/// A private PostgreSQL cluster with the default durability settings. When it is dropped or when this process ends, it is removed, or
/// stopped if it is kept.
pub struct Postgres {
    /// The folder with PostgreSQL's programs.
    pub binaries: PathBuf,
    /// The port on 127.0.0.1.
    pub port: u16,
    folder: PathBuf,
    supervisor: Child,
    commands: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Postgres {
    /// Makes and starts one.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start_new() -> anyhow::Result<Self> {
        Self::start_new_in(&std::env::temp_dir())
    }

    /// Makes and starts one with its data in a subfolder of this folder.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start_new_in(parent: &Path) -> anyhow::Result<Self> {
        Self::start_new_with(parent, &[])
    }

    /// Makes and starts one with additional settings, such as `shared_buffers=32MB`.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start_new_with(parent: &Path, settings: &[&str]) -> anyhow::Result<Self> {
        Self::start_repeatedly(|binaries| {
            let folder = tempfile::Builder::new().prefix("headwater-postgres-").tempdir_in(parent)?;
            // From here on the supervisor removes it.
            Self::try_start(binaries, folder.keep(), settings, false)
        })
    }

    /// Starts the one of this folder, and makes it if the folder is empty. It stays there when it is dropped.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start_kept_in(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let folder = std::fs::canonicalize(folder)?;
        Self::start_repeatedly(|binaries| Self::try_start(binaries, folder.clone(), &[], true))
    }

    fn start_repeatedly(start: impl Fn(&Path) -> anyhow::Result<Self>) -> anyhow::Result<Self> {
        let binaries = find_postgres().context("there is no initdb in PATH or /usr/lib/postgresql/*/bin")?;
        let mut started = start(&binaries);
        for _ in 1..START_ATTEMPTS {
            if started.is_err() {
                started = start(&binaries);
            }
        }
        started.with_context(|| format!("the cluster of {} did not start", binaries.display()))
    }

    /// Whether PostgreSQL is installed, including this program of it.
    pub fn is_installed(program: &str) -> bool {
        find_postgres().is_some_and(|folder| folder.join(program).is_file())
    }

    fn try_start(binaries: &Path, folder: PathBuf, settings: &[&str], is_kept: bool) -> anyhow::Result<Self> {
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let settings: Vec<String> = settings.iter().map(|setting| format!("-c {setting}")).collect();
        let mut supervisor = BlockingCommand::new("sh")
            .args(["-c", SUPERVISOR, "postgres.sh"])
            .arg(binaries)
            .arg(&folder)
            .arg(port.to_string())
            .arg(settings.join(" "))
            .args(is_kept.then_some("keep"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The supervisor has its own process group, because the terminal's Ctrl-C would otherwise leave the cluster behind.
            .process_group(0)
            .spawn()?;
        let commands = supervisor.stdin.take();
        let answers = supervisor.stdout.take().context("the supervisor has no standard output")?;
        let mut postgres = Self {
            binaries: binaries.to_owned(),
            port,
            folder,
            supervisor,
            commands,
            answers: BufReader::new(answers).lines(),
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
    ///
    /// # Errors
    /// It does not stop. The error has PostgreSQL's output.
    pub fn stop(&mut self, mode: StopMode) -> anyhow::Result<()> {
        match mode {
            StopMode::Fast => self.command("stop fast", "stopped"),
            StopMode::Immediate => self.command("stop immediate", "stopped"),
        }
    }

    /// Starts it after a stop, and waits until it answers.
    ///
    /// # Errors
    /// It does not start. The error has PostgreSQL's output.
    pub fn start(&mut self) -> anyhow::Result<()> {
        self.command("start", "ready")
    }

    /// The parent process of all others in the cluster.
    ///
    /// # Errors
    /// When it is not running.
    pub fn pid(&self) -> anyhow::Result<u32> {
        let text = std::fs::read_to_string(self.folder.join("data/postmaster.pid"))?;
        Ok(text.lines().next().unwrap_or_default().trim().parse()?)
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{POSTGRES_USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// One of PostgreSQL's own client programs, with the cluster's address.
    pub fn client_program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.args(["-h", "127.0.0.1", "-U", POSTGRES_USER, "-p", &self.port.to_string()]).kill_on_drop(true);
        command
    }

    /// Makes an empty database and gives its URL.
    ///
    /// # Errors
    /// When there is one of this name.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<String> {
        administer(&self.url("postgres"), &create_database(name, EMPTY)).await?;
        Ok(self.url(name))
    }

    /// Runs SQL and returns its rows, one per line, with columns separated by `|`.
    ///
    /// # Errors
    /// psql failed. The error has its output.
    pub async fn query(&self, database: &str, sql: &str) -> anyhow::Result<String> {
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
        // The supervisor stops and removes everything when its input ends. An error is ignored, because a drop cannot return it.
        self.commands = None;
        let _ = self.supervisor.wait();
    }
}

/// The folder of PostgreSQL's programs: the newest version where Debian keeps several.
fn find_postgres() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some((entry.as_ref().ok()?.file_name().to_str()?.parse().ok()?, entry.ok()?.path())))
        .collect();
    versions.sort();
    let packaged = versions.into_iter().rev().map(|(_, folder)| folder.join("bin"));
    std::env::split_paths(&path).chain(packaged).find_map(|folder| programs_of(&folder))
}

/// The folder that has all of PostgreSQL's programs: this one, or the folder of the file that its `initdb` is a symbolic link to.
/// Some machines link only a few of the programs into a folder of `PATH`.
fn programs_of(folder: &Path) -> Option<PathBuf> {
    let is_whole =
        |folder: &Path| ["initdb", "pg_ctl", "postgres", "psql"].iter().all(|program| folder.join(program).is_file());
    if is_whole(folder) {
        return Some(folder.to_owned());
    }
    let target = std::fs::canonicalize(folder.join("initdb")).ok()?;
    target.parent().filter(|linked| is_whole(linked)).map(Path::to_owned)
}

/// The template of an empty database.
pub(crate) const EMPTY: &str = "template0";

/// The statement that copies a database.
pub(crate) fn create_database(name: &str, template: &str) -> String {
    format!("CREATE DATABASE {name} TEMPLATE {template}")
}

/// Runs an administrator's statement on its own connection.
#[expect(clippy::disallowed_methods, reason = "databases are created and dropped by no query builder")]
pub(crate) async fn administer(url: &str, statement: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    let done = connection.execute_unprepared(statement).await;
    connection.close().await?;
    done.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_are_found_beside_the_target_of_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(folder.path()).unwrap();
        let [installed, linked, lonely] = ["installed", "linked", "lonely"].map(|name| root.join(name));
        for folder in [&installed, &linked, &lonely] {
            std::fs::create_dir(folder).unwrap();
        }
        for program in ["initdb", "pg_ctl", "postgres", "psql"] {
            std::fs::write(installed.join(program), "").unwrap();
        }
        std::fs::write(lonely.join("initdb"), "").unwrap();
        // A link to a link, as Debian's alternatives are.
        std::os::unix::fs::symlink(installed.join("initdb"), root.join("initdb")).unwrap();
        std::os::unix::fs::symlink("../initdb", linked.join("initdb")).unwrap();
        assert_eq!(programs_of(&installed), Some(installed.clone()));
        assert_eq!(programs_of(&linked), Some(installed));
        assert_eq!(programs_of(&lonely), None);
        assert_eq!(programs_of(&root.join("missing")), None);
    }

    #[tokio::test]
    async fn a_cluster_keeps_what_was_committed_when_it_is_stopped_at_once() {
        // Without PostgreSQL there is nothing to test.
        if !Postgres::is_installed("psql") {
            return;
        }
        let mut postgres = Postgres::start_new_with(&std::env::temp_dir(), &["work_mem=5MB"]).unwrap();
        postgres.create_database("shop").await.unwrap();
        postgres.query("shop", "CREATE TABLE sale (id int); INSERT INTO sale VALUES (7)").await.unwrap();
        let pid = postgres.pid().unwrap();
        postgres.stop(StopMode::Immediate).unwrap();
        assert!(postgres.query("shop", "SELECT id FROM sale").await.is_err());
        postgres.start().unwrap();
        assert_ne!(postgres.pid().unwrap(), pid);
        assert_eq!(postgres.query("shop", "SELECT id FROM sale").await.unwrap(), "7");
        for (setting, value) in [("fsync", "on"), ("work_mem", "5MB")] {
            assert_eq!(postgres.query("shop", &format!("SHOW {setting}")).await.unwrap(), value);
        }
        postgres.stop(StopMode::Fast).unwrap();
        let folder = postgres.data_dir();
        drop(postgres);
        assert!(!folder.exists());
    }

    #[tokio::test]
    async fn a_kept_cluster_has_its_databases_when_it_is_started_again() {
        if !Postgres::is_installed("psql") {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let postgres = Postgres::start_kept_in(folder.path()).unwrap();
        postgres.create_database("shop").await.unwrap();
        postgres.query("shop", "CREATE TABLE sale (id int); INSERT INTO sale VALUES (7)").await.unwrap();
        drop(postgres);
        let postgres = Postgres::start_kept_in(folder.path()).unwrap();
        assert_eq!(postgres.query("shop", "SELECT id FROM sale").await.unwrap(), "7");
    }
}
