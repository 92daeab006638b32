//! PostgreSQL: connecting, and the connection that writes. `trial.rs` refuses a server or a database that cannot be used.

pub(in crate::store) mod tools;
mod trial;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sea_orm::sqlx::{self, AssertSqlSafe, ConnectOptions as _, Connection};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr, Value, Values};
use sea_query_sqlx::SqlxValues;
use tokio::time::timeout;

use super::super::{StoreError, StoreOptions};
use super::{KEY_CONNECTIONS_MAX, PREPARED_STATEMENTS_MAX, WAIT};
use crate::outage::Outage;

/// Two writers: while one waits for the disk, the other computes.
pub(super) const LANES: usize = 2;

/// Write connections: one for each lane, and two for other work.
const WRITE_CONNECTIONS_MAX: usize = LANES + 2;

/// How long PostgreSQL lets a writer idle inside a transaction. A server that froze or lost its machine would otherwise hold its
/// accounts' locks for hours. A working server idles for milliseconds.
const STILL_IN_TRANSACTION_MAX: &str = "5s";

/// A connection that was unused this long is tested before it is used.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// How long an open connection may take to begin a transaction. After that it counts as lost.
const STILL_THERE: Duration = Duration::from_secs(2);

/// Each statement of a batch sees everything that was committed before it. The lock on the heads excludes other writers. The
/// isolation level is stated, because a database can have another default.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";

/// Connects for reading, and makes the connections that write. They connect at their first use. Refuses a database that cannot be
/// used.
pub(super) async fn open(
    options: &StoreOptions,
    outage: &Arc<Outage>,
) -> Result<(DatabaseConnection, DatabaseConnection, Vec<PostgresWriter>), StoreError> {
    let parsed = parse(&options.url)?;
    trial::run(&parsed).await?;
    let read = pool(&options.url, options.read_connections_max.max(1), "headwater reader", outage).await?;
    let keys = pool(&options.url, KEY_CONNECTIONS_MAX, "headwater keys", outage).await?;
    let writer = parsed
        .application_name("headwater writer")
        .statement_cache_capacity(PREPARED_STATEMENTS_MAX)
        // Writers read rows only by key. Without the last five options the planner sometimes reads a whole table when its
        // statistics are old.
        .options([
            ("idle_in_transaction_session_timeout", STILL_IN_TRANSACTION_MAX),
            ("plan_cache_mode", "force_generic_plan"),
            ("enable_seqscan", "off"),
            ("enable_hashjoin", "off"),
            ("enable_mergejoin", "off"),
            ("enable_bitmapscan", "off"),
        ]);
    let writers = (0..WRITE_CONNECTIONS_MAX).map(|_| PostgresWriter::new(writer.clone()));
    Ok((read, keys, writers.collect()))
}

/// Connections that read.
async fn pool(
    url: &str,
    connections: u32,
    name: &'static str,
    outage: &Arc<Outage>,
) -> Result<DatabaseConnection, StoreError> {
    let outage = Arc::clone(outage);
    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(WAIT)
        .test_before_acquire_if_idle_for(STALE_AFTER)
        // A connection that was lost in an outage fails no call after it.
        .map_sqlx_postgres_before_acquire(move |connection, _| {
            let is_doubted = outage.has_failed_lately();
            Box::pin(async move {
                if is_doubted {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .set_application_name(name)
        .map_sqlx_postgres_opts(|postgres| postgres.statement_cache_capacity(PREPARED_STATEMENTS_MAX));
    Ok(Database::connect(connect).await?)
}

/// Refuses a database that cannot be used.
pub(super) async fn try_out(url: &str) -> Result<(), StoreError> {
    trial::run(&parse(url)?).await
}

/// The error does not repeat the URL, which may have a password.
fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    let parsed = PgConnectOptions::from_str(url);
    let parsed = parsed.map_err(|error| StoreError::Refused(format!("the database URL is wrong: {error}")))?;
    Ok(parsed.disable_statement_logging())
}

/// A connection that writes, opened at its first use.
pub(super) struct PostgresWriter {
    options: Box<PgConnectOptions>,
    connection: Option<PgConnection>,
}

impl PostgresWriter {
    fn new(options: PgConnectOptions) -> Self {
        Self { options: Box::new(options), connection: None }
    }

    pub(super) async fn begin(&mut self) -> Result<(), DbErr> {
        if let Some(mut connection) = self.connection.take()
            && let Ok(Ok(_)) = timeout(STILL_THERE, sqlx::raw_sql(BEGIN).execute(&mut connection)).await
        {
            self.connection = Some(connection);
            return Ok(());
        }
        // There is no connection, or it was lost while it was unused. No work is lost with it.
        let beginning = async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            sqlx::raw_sql(BEGIN).execute(&mut connection).await?;
            Ok(connection)
        };
        let connection = timeout(WAIT, beginning).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(failed)?;
        self.connection = Some(connection);
        Ok(())
    }

    pub(super) async fn commit(&mut self) -> Result<(), DbErr> {
        let mut connection = self.connection.take().ok_or_else(lost)?;
        sqlx::raw_sql("COMMIT").execute(&mut connection).await.map_err(failed)?;
        self.connection = Some(connection);
        Ok(())
    }

    /// Takes out the connection of an abandoned transaction.
    pub(super) fn take(&mut self) -> Option<PgConnection> {
        self.connection.take()
    }

    /// Puts it back after the roll-back.
    pub(super) fn put_back(&mut self, connection: PgConnection) {
        self.connection = Some(connection);
    }

    pub(super) async fn close(&mut self) -> Result<(), DbErr> {
        match self.connection.take() {
            Some(connection) => connection.close().await.map_err(failed),
            None => Ok(()),
        }
    }

    pub(super) async fn execute_arrays(&mut self, sql: String, arguments: PgArguments) -> Result<(), DbErr> {
        let query = sqlx::query_with(AssertSqlSafe(sql), arguments);
        query.execute(self.connection()?).await.map_err(failed)?;
        Ok(())
    }

    /// Returns how many rows it changed.
    pub(super) async fn execute(&mut self, sql: String, values: Vec<Value>) -> Result<u64, DbErr> {
        let query = sqlx::query_with(AssertSqlSafe(sql), SqlxValues(Values(values)));
        Ok(query.execute(self.connection()?).await.map_err(failed)?.rows_affected())
    }

    pub(super) async fn query(&mut self, sql: Arc<str>, values: Vec<Value>) -> Result<Vec<PgRow>, DbErr> {
        let query = sqlx::query_with(AssertSqlSafe(sql), SqlxValues(Values(values)));
        query.fetch_all(self.connection()?).await.map_err(failed)
    }

    fn connection(&mut self) -> Result<&mut PgConnection, DbErr> {
        self.connection.as_mut().ok_or_else(lost)
    }
}

/// Rolls back and returns the connection. None when that fails or takes too long: the connection is then closed, and the database
/// rolls back.
pub(super) async fn undo(mut connection: PgConnection, limit: Duration) -> Option<PgConnection> {
    match timeout(limit, sqlx::raw_sql("ROLLBACK").execute(&mut connection)).await {
        Ok(Ok(_)) => Some(connection),
        _ => None,
    }
}

fn failed(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

fn lost() -> DbErr {
    failed(sqlx::Error::WorkerCrashed)
}
