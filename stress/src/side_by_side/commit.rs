//! One bare commit on the same database through the store's driver: one row in one transaction. Knows no table of ours.

use headwater::clock;
use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{self, ConnectOptions, Connection};

use super::host::Place;
use crate::figures::Latencies;
use crate::load::Until;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS bare_commit (id BIGINT PRIMARY KEY, note TEXT NOT NULL)";
const INSERT: &str = "INSERT INTO bare_commit (id, note) VALUES ($1, $2)";

/// A connection to either database.
pub(super) enum BareCommits {
    Sqlite(SqliteConnection, i64),
    Postgres(PgConnection, i64),
}

impl BareCommits {
    /// Connects, and makes a table besides the existing ones.
    pub(super) async fn open(place: &Place) -> anyhow::Result<Self> {
        match &place.database {
            None => {
                let options = SqliteConnectOptions::new()
                    .filename(place.data_dir.join("bare-commit.sqlite"))
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                let mut connection = options.connect().await?;
                sqlx::query(TABLE).execute(&mut connection).await?;
                Ok(Self::Sqlite(connection, 0))
            }
            Some(url) => {
                let mut connection = PgConnection::connect(url).await?;
                sqlx::query(TABLE).execute(&mut connection).await?;
                Ok(Self::Postgres(connection, 0))
            }
        }
    }

    /// Commits one row after the other.
    pub(super) async fn measure(&mut self, until: Until) -> anyhow::Result<Latencies> {
        const NOTE: &str = "one row, one transaction";
        let mut latencies = Latencies::new();
        let begun = clock::monotonic_now();
        while until.goes_on(begun, latencies.count()) {
            let before = clock::monotonic_now();
            match self {
                Self::Sqlite(connection, number) => {
                    *number += 1;
                    sqlx::query(INSERT).bind(*number).bind(NOTE).execute(connection).await?;
                }
                Self::Postgres(connection, number) => {
                    *number += 1;
                    sqlx::query(INSERT).bind(*number).bind(NOTE).execute(connection).await?;
                }
            }
            latencies.record(before.elapsed());
        }
        Ok(latencies)
    }
}
