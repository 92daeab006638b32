//! The size of a database on disk. Its log is written out to the database's own files first, so that only what stays is counted.
//! Knows no table.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use testkit::postgres::Postgres;

/// How often a checkpoint is tried that a reader held up.
const CHECKPOINT_TRIES: u32 = 50;

/// A database whose size is measured.
#[derive(Clone, Copy)]
pub(crate) enum Database<'a> {
    /// The file.
    Sqlite(&'a Path),
    /// The name of a database of the cluster.
    Postgres(&'a Postgres, &'a str),
}

/// A size at one moment, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The database's files.
    database: u64,
    /// The log that the cluster has ever written. `None` on SQLite, whose log is overwritten.
    log: Option<u64>,
}

/// The growth of a database, in bytes per unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Growth {
    pub(crate) database: f64,
    pub(crate) log: Option<f64>,
}

impl Database<'_> {
    /// Makes the database write its log out, and measures it.
    pub(crate) async fn measure(self) -> anyhow::Result<Stored> {
        match self {
            Self::Sqlite(file) => tokio::task::block_in_place(|| measure_sqlite(file)),
            Self::Postgres(postgres, name) => {
                // The log's position is read first, because the checkpoint writes to the log as well.
                let log = number(postgres, name, "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn").await?;
                postgres.query(name, "CHECKPOINT").await?;
                let size = number(postgres, name, "SELECT pg_database_size(current_database())").await?;
                Ok(Stored { database: size, log: Some(log) })
            }
        }
    }
}

impl Stored {
    /// The growth since an earlier moment, in which this many units were recorded.
    pub(crate) fn growth_since(self, before: Self, units: u64) -> Growth {
        let per_unit = |now: u64, before: u64| now.saturating_sub(before) as f64 / units.max(1) as f64;
        Growth {
            database: per_unit(self.database, before.database),
            log: self.log.zip(before.log).map(|(now, before)| per_unit(now, before)),
        }
    }
}

async fn number(postgres: &Postgres, database: &str, statement: &str) -> anyhow::Result<u64> {
    let said = postgres.query(database, statement).await?;
    said.parse().with_context(|| format!("{statement}: {said}"))
}

fn measure_sqlite(file: &Path) -> anyhow::Result<Stored> {
    let connection = rusqlite::Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    for _ in 0..CHECKPOINT_TRIES {
        let is_busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get(0))?;
        if is_busy == 0 {
            return Ok(Stored { database: std::fs::metadata(file)?.len(), log: None });
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("the log of {} was not written out, because somebody kept reading", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_growth_of_a_file_is_that_of_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rows.sqlite");
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE row (content BLOB)").unwrap();
        let before = Database::Sqlite(&file).measure().await.unwrap();
        (0..1_000).for_each(|_| {
            connection.execute("INSERT INTO row VALUES (randomblob(1000))", ()).unwrap();
        });
        let growth = Database::Sqlite(&file).measure().await.unwrap().growth_since(before, 1_000);
        assert!((1_000.0..1_500.0).contains(&growth.database), "{growth:?}");
        assert_eq!(growth.log, None);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_growth_of_a_database_on_postgresql_has_its_log_apart() {
        // Without PostgreSQL there is nothing to test.
        if !Postgres::is_installed("psql") {
            return;
        }
        let postgres = Postgres::start_new().unwrap();
        postgres.create_database("rows").await.unwrap();
        postgres.query("rows", "CREATE TABLE row (content text)").await.unwrap();
        let database = Database::Postgres(&postgres, "rows");
        let before = database.measure().await.unwrap();
        let insert = "INSERT INTO row SELECT repeat(md5(n::text), 30) FROM generate_series(1, 1000) AS n";
        postgres.query("rows", &format!("ALTER TABLE row ALTER content SET STORAGE PLAIN; {insert}")).await.unwrap();
        let growth = database.measure().await.unwrap().growth_since(before, 1_000);
        assert!((960.0..2_000.0).contains(&growth.database), "{growth:?}");
        assert!(growth.log.is_some_and(|log| log > 960.0), "{growth:?}");
    }
}
