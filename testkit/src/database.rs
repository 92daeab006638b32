//! PostgreSQL databases, one for each test. They are made on the server that `HEADWATER_TEST_POSTGRES` names, or else on a
//! private, temporary cluster of the process. Knows nothing of their contents.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use anyhow::{Context, bail};
use url::Url;

use crate::postgres::{self, Postgres};
use crate::say;

/// The server that databases are made on.
pub struct DatabaseServer {
    admin_url: Url,
    /// `None` on somebody else's server. The cluster is removed when the process ends and not by a drop, because statics are not
    /// dropped.
    cluster: Option<Postgres>,
}

/// The server of this process. If PostgreSQL is neither present nor required, it writes one line to standard error and returns
/// `None`.
///
/// # Errors
/// PostgreSQL is missing although `HEADWATER_REQUIRE_POSTGRES` is `1`.
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
    // The shared buffers are small, because many servers run on the cluster, each with several connections.
    let cluster = Postgres::start_new_with(&std::env::temp_dir(), &["shared_buffers=32MB"])
        .context("there is no HEADWATER_TEST_POSTGRES")?;
    let admin_url = Url::parse(&cluster.url("postgres"))?;
    Ok(DatabaseServer { admin_url, cluster: Some(cluster) })
}

impl DatabaseServer {
    /// Whether the cluster belongs to this process and is removed with it.
    pub fn is_private(&self) -> bool {
        self.cluster.is_some()
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn create(&'static self) -> anyhow::Result<PostgresDatabase> {
        self.create_from(postgres::EMPTY).await
    }

    /// Makes an empty database with an encoding other than UTF8.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn create_encoded(&'static self, encoding: &str) -> anyhow::Result<PostgresDatabase> {
        // Only these locales allow every encoding.
        self.create_from(&format!("{} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'", postgres::EMPTY)).await
    }

    /// Copies a database, which must have no connections.
    ///
    /// # Errors
    /// The server refuses.
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

/// A database for one test. It is removed when dropped, or with the private cluster.
pub struct PostgresDatabase {
    /// The URL for clients.
    pub url: String,
    name: String,
    server: &'static DatabaseServer,
}

impl PostgresDatabase {
    /// Terminates every connection to it.
    ///
    /// # Errors
    /// The server refuses.
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
        // A private cluster is removed as a whole. On somebody else's server the database is dropped.
        if self.server.is_private() {
            return;
        }
        // The database is dropped on a separate thread, because this thread cannot wait inside the test's runtime.
        let dropped = std::thread::scope(|scope| scope.spawn(|| self.remove()).join());
        if !matches!(dropped, Ok(Ok(()))) {
            say(&format!("could not drop the test database {}: {dropped:?}", self.name));
        }
    }
}
