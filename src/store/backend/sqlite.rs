//! SQLite: the connections that read, and the one that writes. The latter runs on its caller's thread, because a statement takes a
//! few microseconds and a message to another thread ten times as long. The files are in the folder.

pub(super) mod file;
pub(super) mod header;
mod log;
pub(super) mod watch;

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags};
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr, RuntimeErr, Value, sqlx};
use tokio::time::Instant;
use uuid::Uuid;

use super::super::StoreError;
use super::fault::of_sqlite;
use super::kind::Kind;
use super::{PREPARED_STATEMENTS_MAX, WAIT, refuse};
use crate::clock;
use file::SqliteFiles;
use watch::FileFault;

/// The page caches of the write connection and of each read connection. SQLite takes KiB as negative numbers. The default of 2
/// MiB holds less than one batch touches. A larger cache would not help, because a commit sometimes scans all of it. The
/// system caches what readers read, so that theirs may be small.
const CACHE_WRITER_KIB: i64 = -32_768;
const CACHE_READER_KIB: &str = "-4096";

/// SQLite counts its log in pages. This many of 4 KiB are a MiB.
const PAGES_PER_MIB: i64 = 256;

/// The same while checkpoints are kept short. Copying this much takes some milliseconds.
const SHORT_CHECKPOINT_MIB: u32 = 4;

/// A log is begun anew if it is this many times as long as it becomes without readers.
const LOG_LONG_TIMES: u64 = 2;

/// How often the length of the log is looked at, and how long beginning it anew waits for readers.
const LOG_LOOK: Duration = Duration::from_secs(1);
const LOG_WAIT: Duration = Duration::from_millis(100);

/// Opens pooled connections: those that read, or the one that creates the file and its schema.
pub(super) async fn connect(url: &str, connections: u32, may_write: bool) -> Result<DatabaseConnection, StoreError> {
    let mut connect = ConnectOptions::new(url);
    connect
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(WAIT)
        // Connections to a file are not lost, so they are kept with their prepared statements and not tested before use.
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        // Applies to every connection, including one that the pool opens later.
        .map_sqlx_sqlite_opts(move |sqlite| {
            sqlite
                .create_if_missing(may_write)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(WAIT)
                .statement_cache_capacity(PREPARED_STATEMENTS_MAX)
                .pragma("cache_size", CACHE_READER_KIB)
                .pragma("query_only", if may_write { "OFF" } else { "ON" })
        });
    Ok(Database::connect(connect).await?)
}

/// The connection that writes.
pub(super) struct SqliteWriter {
    /// None once it is closed.
    connection: Option<Connection>,
    checkpoint_mib: u32,
    file_fault: Arc<FileFault>,
    /// The file of the log, and when its length was last looked at.
    log: PathBuf,
    log_looked_at: Instant,
    /// A log longer than this is begun anew.
    log_bytes_long: u64,
    /// Whether the present transaction overwrites all that it removes.
    overwrites_removed: bool,
    /// Whether the log has contents that must not stay there.
    log_must_be_emptied: bool,
}

impl SqliteWriter {
    /// Copies the log into the file whenever it has `checkpoint_mib`.
    pub(super) fn open(
        files: &SqliteFiles,
        checkpoint_mib: u32,
        file_fault: Arc<FileFault>,
    ) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&files.main, flags).map_err(failed)?;
        let settings = || {
            connection.busy_timeout(WAIT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            connection.pragma_update(None, "cache_size", CACHE_WRITER_KIB)?;
            connection.pragma_update(None, "wal_autocheckpoint", PAGES_PER_MIB * i64::from(checkpoint_mib))?;
            // Otherwise SQLite would write the data for rolling back a single statement to a file.
            connection.pragma_update(None, "temp_store", "MEMORY")?;
            // Overwrites removed rows where this costs no page more.
            connection.pragma_update(None, "secure_delete", "FAST")?;
            connection.pragma_query_value(None, "synchronous", |row| row.get::<_, i64>(0))
        };
        if settings().map_err(failed)? < 2 {
            return refuse("SQLite's synchronous setting is below FULL; a crash could lose confirmed writes");
        }
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
        let log_looked_at = clock::monotonic_now();
        let log_bytes_long = (LOG_LONG_TIMES * u64::from(checkpoint_mib)) << 20;
        Ok(Self {
            connection: Some(connection),
            checkpoint_mib,
            file_fault,
            log: files.log(),
            log_looked_at,
            log_bytes_long,
            overwrites_removed: false,
            log_must_be_emptied: false,
        })
    }

    /// Marks the database for this run, see `header.rs`.
    pub(super) fn begin_run(&self) -> Result<(), StoreError> {
        match &self.connection {
            Some(connection) => Ok(header::begin_run(connection).map_err(failed)?),
            None => Err(closed().into()),
        }
    }

    /// Takes the write lock at once. A transaction that reads first and writes later fails if another one wrote in between,
    /// however long it waits.
    pub(super) fn begin(&mut self) -> Result<(), DbErr> {
        if let Some(fault) = self.file_fault.text() {
            return Err(unavailable(ErrorKind::Other, fault.to_owned()));
        }
        if self.overwrites_removed {
            // The transaction before was rolled back.
            self.overwrite_removed(false)?;
        }
        self.run("BEGIN IMMEDIATE")
    }

    pub(super) fn commit(&mut self) -> Result<(), DbErr> {
        self.run("COMMIT").inspect_err(|_| self.undo())?;
        let has_erased = std::mem::take(&mut self.overwrites_removed);
        if has_erased {
            self.overwrite_removed(false)?;
        }
        self.begin_log_anew(has_erased);
        Ok(())
    }

    /// Copies the log in small parts, which take more time in all because a page is copied more often, or in large ones again.
    pub(super) fn keep_checkpoints_short(&self, are_short: bool) {
        let Some(connection) = &self.connection else { return };
        let short = if are_short { SHORT_CHECKPOINT_MIB } else { u32::MAX };
        let pages = PAGES_PER_MIB * i64::from(self.checkpoint_mib.min(short));
        if let Err(error) = connection.pragma_update(None, "wal_autocheckpoint", pages) {
            tracing::warn!(%error, "cannot set how much log SQLite writes between checkpoints");
        }
    }

    /// Whether the present transaction overwrites all that it removes. Else SQLite leaves the contents of pages that become free as they
    /// are, and writes these pages less often.
    pub(super) fn overwrite_removed(&mut self, all: bool) -> Result<(), DbErr> {
        self.overwrites_removed = all;
        let sql = if all { "PRAGMA secure_delete = ON" } else { "PRAGMA secure_delete = FAST" };
        self.query(sql, &[], &[Kind::BigInteger]).map(|_| ())
    }

    /// Empties the log after the commit of the present transaction, or at a later commit if readers still need it.
    pub(super) fn empty_log_afterwards(&mut self) {
        self.log_must_be_emptied = true;
    }

    /// Begins the log at its beginning again if it has become long. SQLite does so by itself at a moment without readers, and
    /// readers that follow each other closely leave none.
    fn begin_log_anew(&mut self, at_once: bool) {
        let now = clock::monotonic_now();
        if now < self.log_looked_at + LOG_LOOK && !at_once {
            return;
        }
        self.log_looked_at = now;
        let Some(connection) = &self.connection else { return };
        let is_long = || std::fs::metadata(&self.log).is_ok_and(|log| log.len() > self.log_bytes_long);
        if self.log_must_be_emptied || is_long() {
            let sql = if self.log_must_be_emptied {
                "PRAGMA wal_checkpoint(TRUNCATE)"
            } else {
                "PRAGMA wal_checkpoint(RESTART)"
            };
            // New readers read the file and no log while this waits for the others. If it does not succeed, the next look tries
            // again.
            let is_busy = connection
                .busy_timeout(LOG_WAIT)
                .and_then(|()| connection.query_row(sql, [], |row| row.get::<_, i64>(0)));
            tracing::debug!(?is_busy, "the log of SQLite was long, or had to be emptied");
            self.log_must_be_emptied &= !matches!(is_busy, Ok(0));
            if let Err(error) = connection.busy_timeout(WAIT) {
                tracing::warn!(%error, "cannot set how long SQLite waits for a lock");
            }
        }
    }

    /// Rolls back.
    pub(super) fn undo(&self) {
        let Some(connection) = self.connection.as_ref().filter(|connection| !connection.is_autocommit()) else {
            return;
        };
        if let Err(error) = connection.execute_batch("ROLLBACK") {
            tracing::error!(%error, "cannot roll back");
        }
    }

    pub(super) fn close(&mut self) -> Result<(), DbErr> {
        let Some(connection) = self.connection.take() else { return Ok(()) };
        // The last connection copies the log into the database and removes it. It must not if the database would not say that it
        // has no log any more, or if the names belong to files of others now.
        let ended = match self.file_fault.text() {
            None => header::end_run(&connection),
            Some(_) => Ok(()),
        };
        if ended.is_err() || self.file_fault.text().is_some() {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        }
        connection.close().map_err(|(_, error)| failed(error))?;
        ended.map_err(failed)
    }

    fn run(&self, sql: &str) -> Result<(), DbErr> {
        self.prepare(sql)?.raw_execute().map(|_| ()).map_err(failed)
    }

    /// Returns how many rows it changed.
    pub(super) fn execute(&self, sql: &str, values: &[Value]) -> Result<u64, DbErr> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, values)?;
        let count = statement.raw_execute().map_err(failed)?;
        Ok(count.try_into().unwrap_or(u64::MAX))
    }

    /// Returns how many rows it changed, those of the tables behind a virtual table too.
    pub(super) fn execute_counting_all(&self, sql: &str) -> Result<u64, DbErr> {
        let connection = self.connection.as_ref().ok_or_else(closed)?;
        let before = connection.total_changes();
        self.prepare(sql)?.raw_execute().map_err(failed)?;
        Ok(connection.total_changes().saturating_sub(before))
    }

    /// Runs the statement once per row. A statement that writes many rows would save each page before changing it, because it
    /// must be able to roll back by itself.
    pub(super) fn execute_rows(&self, sql: &str, width: usize, values: &[Value]) -> Result<(), DbErr> {
        let mut statement = self.prepare(sql)?;
        for row in values.chunks(width.max(1)) {
            bind(&mut statement, row)?;
            statement.raw_execute().map_err(failed)?;
        }
        Ok(())
    }

    /// The rows that a query finds, with columns of these kinds.
    pub(super) fn query(&self, sql: &str, values: &[Value], kinds: &[Kind]) -> Result<Vec<Vec<Value>>, DbErr> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, values)?;
        let mut found = statement.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = found.next().map_err(failed)? {
            let mut values = Vec::with_capacity(kinds.len());
            for (place, kind) in kinds.iter().enumerate() {
                values.push(value(*kind, row.get_ref(place).map_err(failed)?)?);
            }
            rows.push(values);
        }
        Ok(rows)
    }

    fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, DbErr> {
        let connection = self.connection.as_ref().ok_or_else(closed)?;
        connection.prepare_cached(sql).map_err(failed)
    }
}

impl Drop for SqliteWriter {
    /// A start that failed, or a store that was not closed, ends its run too.
    fn drop(&mut self) {
        self.undo();
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the database did not close cleanly");
        }
    }
}

fn bind(statement: &mut CachedStatement<'_>, values: &[Value]) -> Result<(), DbErr> {
    for (value, place) in values.iter().zip(1..) {
        let value = match value {
            Value::Uuid(value) => value.as_ref().map_or(ValueRef::Null, |value| ValueRef::Blob(value.as_bytes())),
            Value::String(value) => value.as_ref().map_or(ValueRef::Null, |value| ValueRef::Text(value.as_bytes())),
            Value::Bytes(value) => value.as_ref().map_or(ValueRef::Null, |value| ValueRef::Blob(value)),
            Value::BigInt(value) => value.map_or(ValueRef::Null, ValueRef::Integer),
            Value::Int(value) => value.map_or(ValueRef::Null, |value| ValueRef::Integer(value.into())),
            Value::Bool(value) => value.map_or(ValueRef::Null, |value| ValueRef::Integer(value.into())),
            Value::BigUnsigned(value) => match value.map(i64::try_from) {
                Some(Ok(value)) => ValueRef::Integer(value),
                Some(Err(_)) => return Err(unexpected(format!("{value:?} as a value"))),
                None => ValueRef::Null,
            },
            other => return Err(unexpected(format!("{other:?} as a value"))),
        };
        statement.raw_bind_parameter(place, ToSqlOutput::Borrowed(value)).map_err(failed)?;
    }
    Ok(())
}

/// Converts a value that was read from a column of this kind.
fn value(kind: Kind, value: ValueRef<'_>) -> Result<Value, DbErr> {
    Ok(match (kind, value) {
        (Kind::Uuid, ValueRef::Null) => Value::Uuid(None),
        (Kind::Uuid, ValueRef::Blob(bytes)) => {
            Value::Uuid(Some(Uuid::from_slice(bytes).map_err(|error| unexpected(error.to_string()))?))
        }
        (Kind::Text, ValueRef::Null) => Value::String(None),
        (Kind::Text, ValueRef::Text(text)) => {
            let text = std::str::from_utf8(text).map_err(|error| unexpected(error.to_string()))?;
            Value::String(Some(text.to_owned()))
        }
        (Kind::Boolean, ValueRef::Null) => Value::Bool(None),
        (Kind::Boolean, ValueRef::Integer(number)) => Value::Bool(Some(number != 0)),
        (Kind::Bytes, ValueRef::Null) => Value::Bytes(None),
        (Kind::Bytes, ValueRef::Blob(bytes)) => Value::Bytes(Some(bytes.to_owned())),
        (Kind::Integer, ValueRef::Null) => Value::Int(None),
        (Kind::Integer, ValueRef::Integer(number)) => {
            Value::Int(Some(number.try_into().map_err(|_| unexpected(format!("{number} in a small column")))?))
        }
        (Kind::BigInteger, ValueRef::Null) => Value::BigInt(None),
        (Kind::BigInteger, ValueRef::Integer(number)) => Value::BigInt(Some(number)),
        (_, other) => return Err(unexpected(format!("a value of type {}", other.data_type()))),
    })
}

/// Maps a failure to the `DbErr` that `StoreError` is made from.
fn failed(error: rusqlite::Error) -> DbErr {
    let rusqlite::Error::SqliteFailure(cause, _) = &error else { return unexpected(error.to_string()) };
    let kind = match of_sqlite(cause.extended_code, String::new) {
        StoreError::Conflict => return DbErr::RecordNotInserted,
        StoreError::DiskFull => ErrorKind::StorageFull,
        StoreError::ReadOnly => ErrorKind::ReadOnlyFilesystem,
        StoreError::Unavailable => ErrorKind::Other,
        _ => return unexpected(error.to_string()),
    };
    unavailable(kind, error.to_string())
}

fn closed() -> DbErr {
    unavailable(ErrorKind::Other, "the database is closed".to_owned())
}

fn unavailable(kind: ErrorKind, text: String) -> DbErr {
    let cause = std::io::Error::new(kind, text);
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(sqlx::Error::Io(cause))))
}

fn unexpected(text: String) -> DbErr {
    DbErr::Exec(RuntimeErr::Internal(text))
}
