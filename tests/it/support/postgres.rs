//! A PostgreSQL server for the tests: the one that `HEADWATER_TEST_POSTGRES` names, or else one private, temporary
//! cluster per test process. Knows nothing of Headwater's tables.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbErr};
use url::Url;

/// The shell program that makes, runs and removes the cluster. A static has no `Drop`, and a killed process runs none.
const SUPERVISOR: &str = include_str!("postgres.sh");

/// Another process may take the port between our looking and the server's binding.
const START_ATTEMPTS: u32 = 3;

/// Where databases can be created.
struct Server {
    admin_url: Url,
    /// Of a private cluster: its standard input is what keeps the cluster alive.
    supervisor: Option<Child>,
}

/// An empty database of its own for one test.
pub(super) struct PostgresDatabase {
    pub(super) url: String,
    name: String,
    server: &'static Server,
}

impl PostgresDatabase {
    /// `None` where there is no PostgreSQL, which is said once on standard error.
    ///
    /// # Panics
    ///
    /// Without PostgreSQL where `HEADWATER_REQUIRE_POSTGRES` is `1`, and where the server refuses.
    pub(super) async fn create() -> Option<PostgresDatabase> {
        let server = server()?;
        let name = format!("headwater_test_{:016x}", RandomState::new().hash_one(()));
        let statement = format!("CREATE DATABASE {name} TEMPLATE template0");
        administer(&server.admin_url, &statement).await.unwrap();
        let mut url = server.admin_url.clone();
        url.set_path(&name);
        Some(PostgresDatabase { url: url.into(), name, server })
    }

    pub(super) async fn cut_connections(&self) {
        let statement =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        administer(&self.server.admin_url, &statement).await.unwrap();
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // A private cluster goes as a whole; somebody else's server is left as it was found.
        if self.server.supervisor.is_some() {
            return;
        }
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let admin_url = &self.server.admin_url;
        // On a thread of its own, since the test's runtime cannot be blocked on from within.
        let dropped = std::thread::scope(|scope| {
            let drop = || tokio::runtime::Runtime::new().unwrap().block_on(administer(admin_url, &statement));
            scope.spawn(drop).join()
        });
        if !matches!(dropped, Ok(Ok(()))) {
            say(&format!("could not drop the test database {}: {dropped:?}", self.name));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "databases are created and dropped by no query builder")]
async fn administer(admin_url: &Url, statement: &str) -> Result<(), DbErr> {
    let mut options = ConnectOptions::new(admin_url.as_str());
    options.max_connections(1).sqlx_logging(false);
    let connection = Database::connect(options).await?;
    connection.execute_unprepared(statement).await?;
    connection.close().await
}

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let found = find();
        if let Err(reason) = &found {
            say(&format!("PostgreSQL tests are skipped: {reason}"));
        }
        found
    });
    let required = std::env::var("HEADWATER_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    match server {
        Err(reason) if required => panic!("HEADWATER_REQUIRE_POSTGRES=1, but {reason}"),
        server => server.as_ref().ok(),
    }
}

fn find() -> Result<Server, String> {
    if let Some(url) = std::env::var("HEADWATER_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) {
        let admin_url = Url::parse(&url).map_err(|error| format!("HEADWATER_TEST_POSTGRES is not a URL: {error}"))?;
        return Ok(Server { admin_url, supervisor: None });
    }
    let Some(binaries) = find_binaries() else {
        return Err("there is no initdb in PATH or /usr/lib/postgresql/*/bin, and no HEADWATER_TEST_POSTGRES".into());
    };
    let mut started = start(&binaries);
    for _ in 1..START_ATTEMPTS {
        if started.is_err() {
            started = start(&binaries);
        }
    }
    started.map_err(|error| format!("the cluster of {} did not start: {error}", binaries.display()))
}

/// The folder with PostgreSQL's own programs: the newest version where Debian keeps several.
fn find_binaries() -> Option<PathBuf> {
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
        .find(|folder| ["initdb", "pg_ctl", "postgres"].iter().all(|program| folder.join(program).is_file()))
}

fn start(binaries: &Path) -> Result<Server, String> {
    let folder = tempfile::Builder::new().prefix("headwater-postgres-").tempdir().map_err(|error| error.to_string())?;
    let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    let port = port.map_err(|error| error.to_string())?.port();
    let mut supervisor = Command::new("sh")
        .args(["-c", SUPERVISOR, "postgres.sh"])
        .arg(binaries)
        // From here on the supervisor's to remove.
        .arg(folder.keep())
        .arg(port.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        // Out of reach of the terminal's Ctrl-C, which would leave the cluster behind.
        .process_group(0)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut said = Vec::new();
    for line in supervisor.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(|error| error.to_string())?;
        if line == "ready" {
            let url = format!("postgres://headwater@127.0.0.1:{port}/postgres");
            let admin_url = Url::parse(&url).map_err(|error| error.to_string())?;
            return Ok(Server { admin_url, supervisor: Some(supervisor) });
        }
        said.push(line);
    }
    supervisor.wait().map_err(|error| error.to_string())?;
    Err(said.join(" | "))
}

/// One line past the test harness's capture, so that it is seen when every test passes.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
