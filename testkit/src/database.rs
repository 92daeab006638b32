//! PostgreSQL databases for tests, each for one of them: on the server that `HEADWATER_TEST_POSTGRES` names, or else on one
//! private, temporary cluster per process. Knows nothing of what is kept in them.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use anyhow::{Context, bail};
use url::Url;

use crate::postgres::{self, Postgres};
use crate::say;

/// Where databases are made.
pub struct DatabaseServer {
    admin_url: Url,
    /// None on somebody else's server. A static is not dropped: the cluster goes when the process ends.
    cluster: Option<Postgres>,
}

/// The server of this process. None where there is no PostgreSQL and none is required, which is said once on standard error.
///
/// # Errors
/// Without PostgreSQL where `HEADWATER_REQUIRE_POSTGRES` is `1`.
pub fn server() -> anyhow::Result<Option<&'static DatabaseServer>> {
    static SERVER: OnceLock<Result<DatabaseServer, String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let found = find().map_err(|error| format!("{error:#}"));
        if let Err(reason) = &found {
            say(&format!("PostgreSQL tests are skipped: {reason}"));
        }
        found
    });
    let is_required = std::env::var("HEADWATER_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    match server {
        Err(reason) if is_required => bail!("HEADWATER_REQUIRE_POSTGRES=1, but {reason}"),
        server => Ok(server.as_ref().ok()),
    }
}

fn find() -> anyhow::Result<DatabaseServer> {
    if let Some(url) = std::env::var("HEADWATER_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) {
        let admin_url = Url::parse(&url).context("HEADWATER_TEST_POSTGRES is not a URL")?;
        return Ok(DatabaseServer { admin_url, cluster: None });
    }
    // Many servers are started on it, each with connections of its own.
    let cluster = Postgres::start_new_with(&std::env::temp_dir(), &["shared_buffers=32MB"])
        .context("there is no HEADWATER_TEST_POSTGRES")?;
    let admin_url = Url::parse(&cluster.url("postgres"))?;
    Ok(DatabaseServer { admin_url, cluster: Some(cluster) })
}

impl DatabaseServer {
    /// Whether it is this process's own and goes with it.
    pub fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(&'static self) -> anyhow::Result<PostgresDatabase> {
        self.create_from(postgres::EMPTY).await
    }

    /// Makes a copy of a database that nobody is connected to.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn copy(&'static self, template: &PostgresDatabase) -> anyhow::Result<PostgresDatabase> {
        self.create_from(&template.name).await
    }

    async fn create_from(&'static self, template: &str) -> anyhow::Result<PostgresDatabase> {
        let name = format!("headwater_test_{:016x}", RandomState::new().hash_one(()));
        postgres::administer(self.admin_url.as_str(), &postgres::create_database(&name, template)).await?;
        let mut url = self.admin_url.clone();
        url.set_path(&name);
        Ok(PostgresDatabase { url: url.into(), name, server: self })
    }
}

/// A database of its own for one test. It goes when it is dropped, or with the private cluster.
pub struct PostgresDatabase {
    /// As clients name it.
    pub url: String,
    name: String,
    server: &'static DatabaseServer,
}

impl PostgresDatabase {
    /// Ends every connection to it, whatever it is doing.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn cut_connections(&self) -> anyhow::Result<()> {
        let statement =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        Ok(postgres::administer(self.server.admin_url.as_str(), &statement).await?)
    }

    fn remove(&self) -> anyhow::Result<()> {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        let removing = postgres::administer(self.server.admin_url.as_str(), &statement);
        Ok(tokio::runtime::Runtime::new()?.block_on(removing)?)
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // A private cluster goes as a whole; somebody else's server is left as it was found.
        if self.server.is_private() {
            return;
        }
        // On a thread of its own, since the test's runtime cannot be blocked on from within.
        let dropped = std::thread::scope(|scope| scope.spawn(|| self.remove()).join());
        if !matches!(dropped, Ok(Ok(()))) {
            say(&format!("could not drop the test database {}: {dropped:?}", self.name));
        }
    }
}
