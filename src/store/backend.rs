//! The database backends: connecting, refusing unsafe databases, beginning transactions, classifying errors, reading the schema.
//! Only this file and its folder contain SQL and know which database is in use. They know no table but the two that a new
//! database starts with.
#![expect(clippy::disallowed_methods, reason = "the one file with SQL in it")]

pub(super) mod backup;
pub(super) mod bulk;
mod fault;
pub(super) mod inspect;
pub(super) mod keys;
pub(super) mod kind;
pub(super) mod lane;
pub(super) mod postgres;
pub(super) mod restore;
mod schema;
pub(super) mod search;
mod sqlite;
pub(super) mod table;
pub(super) mod watched;

use std::sync::Arc;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, SimpleExpr};
use sea_orm::{
    AccessMode, ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend,
    EntityTrait, IntoActiveModel, IsolationLevel, SqliteTransactionMode, Statement, TransactionOptions,
    TransactionTrait,
};

use super::entity::store_identity;
use super::row::RowName;
use super::{Identity, StoreError, StoreOptions, account_head, entity};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::outage::Outage;
use lane::{Lanes, Writer};
pub use schema::SchemaColumn;
pub(super) use schema::{schema_columns, schema_text};
use sqlite::SqliteWriter;
use sqlite::file::{FileLock, SqliteFiles};
pub(super) use sqlite::watch::FileFault;
use sqlite::watch::Watch;
use watched::Watched;

/// Whether a column of bytes has these bytes anywhere.
pub(super) fn bytes_contain(connection: &impl ConnectionTrait, column: impl ColumnTrait, part: &[u8]) -> SimpleExpr {
    // Both functions return the position, counted from 1, or 0 if there is none. PostgreSQL's function needs its schema in front,
    // because `position` alone is a keyword with a syntax of its own.
    let place = match connection.get_database_backend() {
        DbBackend::Postgres => "pg_catalog.position",
        _ => "instr",
    };
    let column = Expr::col(column.as_column_ref());
    Expr::from(Func::cust(place).arg(column).arg(part.to_vec())).gt(0)
}

/// Whether a column of bytes has one of these bytes at this place, counted from 0.
pub(super) fn byte_is_one_of(
    column: impl ColumnTrait,
    place: usize,
    bytes: impl IntoIterator<Item = u8>,
) -> SimpleExpr {
    let place = i32::try_from(place).unwrap_or(i32::MAX).saturating_add(1);
    let byte = Func::cust("substr").arg(Expr::col(column.as_column_ref())).arg(place).arg(1);
    Expr::from(byte).is_in(bytes.into_iter().map(|byte| vec![byte]))
}

/// Whether a column of text has this text anywhere.
pub(super) fn text_contains(connection: &impl ConnectionTrait, column: impl ColumnTrait, part: &str) -> SimpleExpr {
    let place = match connection.get_database_backend() {
        DbBackend::Postgres => "strpos",
        _ => "instr",
    };
    let column = Expr::col(column.as_column_ref());
    Expr::from(Func::cust(place).arg(column).arg(part)).gt(0)
}

/// How many prepared statements a connection caches: enough for every insert, and for several lengths of every list.
const PREPARED_STATEMENTS_MAX: usize = 500;

/// How many connections look up keys. A look-up reads one row, and its result is cached.
const KEY_CONNECTIONS_MAX: u32 = 2;

/// How long to wait for a free connection, and in SQLite for a lock.
const WAIT: Duration = Duration::from_secs(5);

/// The key of the advisory lock that is held while a PostgreSQL database is migrated. It can be any number that no other program
/// uses there.
const MIGRATION_LOCK: i64 = 0x6865_6164_7761_7465;

/// An open database.
pub(super) struct Opened {
    pub(super) read: Watched,
    pub(super) keys: Watched,
    pub(super) lanes: Lanes,
    pub(super) outage: Arc<Outage>,
    pub(super) identity: Identity,
    /// Of a SQLite database.
    pub(super) held: Option<Held>,
    pub(super) file_fault: Arc<FileFault>,
}

/// What a process holds of a SQLite database while it is open. The watch ends before the lock is released.
pub(super) struct Held {
    _watch: Option<Watch>,
    _lock: FileLock,
}

impl Held {
    /// For a process that only reads.
    fn without_watch(lock: FileLock) -> Self {
        Self { _watch: None, _lock: lock }
    }
}

/// See [`super::Store::open`].
pub(super) async fn open(options: &StoreOptions) -> Result<Opened, StoreError> {
    let scheme = options.url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "sqlite" => open_sqlite(options).await,
        "postgres" | "postgresql" => open_postgres(options).await,
        _ => refuse("the database URL must begin with sqlite:// or postgres://"),
    }
}

async fn open_sqlite(options: &StoreOptions) -> Result<Opened, StoreError> {
    let files = SqliteFiles::of(&options.url)?;
    // Even the lock would leave a file behind.
    if !options.may_be_new && files.is_missing() {
        return Err(StoreError::New);
    }
    let lock = files.lock()?;
    files.check(&lock)?;
    files.make_privately()?;
    files.make_private();
    let file_fault = Arc::new(FileFault::default());
    // The writer is the first to open the database and the last to close it, also if the start fails.
    let writer = SqliteWriter::open(&files, options.sqlite_checkpoint_mib, Arc::clone(&file_fault));
    let writer = writer.map_err(|error| files.explain_open(error))?;
    let maker = sqlite::connect(&options.url, 1, true).await?;
    let migrated = migrate(&maker, options).await;
    maker.close().await?;
    let identity = migrated?;
    writer.begin_run()?;
    let read = sqlite::connect(&options.url, Ord::max(options.read_connections_max, 1), false).await?;
    let keys = sqlite::connect(&options.url, KEY_CONNECTIONS_MAX, false).await?;
    if let Err(error) = lock.name_database(identity.database_id) {
        tracing::warn!(%error, "cannot note the database in its lock file");
    }
    let held = Held { _watch: Some(Watch::start(&files, &lock, Arc::clone(&file_fault))?), _lock: lock };
    let writers = vec![Writer::Sqlite(writer)];
    Ok(opened(read, keys, writers, Arc::default(), identity, Some(held), file_fault))
}

async fn open_postgres(options: &StoreOptions) -> Result<Opened, StoreError> {
    let outage = Arc::default();
    let (read, keys, writers) = postgres::open(options, &outage).await?;
    let identity = migrate(&read, options).await?;
    let writers = writers.into_iter().map(Writer::Postgres).collect();
    Ok(opened(read, keys, writers, outage, identity, None, Arc::default()))
}

fn opened(
    read: DatabaseConnection,
    keys: DatabaseConnection,
    writers: Vec<Writer>,
    outage: Arc<Outage>,
    identity: Identity,
    held: Option<Held>,
    file_fault: Arc<FileFault>,
) -> Opened {
    let [read, keys] = [read, keys].map(|connection| Watched::new(connection, Arc::clone(&outage)));
    Opened { read, keys, lanes: Lanes::new(writers, Arc::clone(&outage)), outage, identity, held, file_fault }
}

fn refuse<T>(text: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Refused(text.into()))
}

async fn ask<T: sea_orm::TryGetable>(connection: &impl ConnectionTrait, sql: &str) -> Result<T, StoreError> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await?;
    Ok(row.ok_or_else(|| StoreError::Unexpected(format!("no answer to {sql}")))?.try_get_by_index(0)?)
}

/// Migrates the schema, then reads or creates the identity. One transaction does both, in one process at a time.
async fn migrate(write: &DatabaseConnection, options: &StoreOptions) -> Result<Identity, StoreError> {
    let transaction = begin_write(write).await?;
    if is_shared(write) {
        let lock = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_advisory_xact_lock($1)",
            [MIGRATION_LOCK.into()],
        );
        transaction.query_one_raw(lock).await?;
    }
    failpoint!(BeforeMigration);
    let applied = Migrator::get_migration_models(&transaction).await?;
    check_versions(&applied.iter().map(|model| model.version.clone()).collect::<Vec<_>>())?;
    if applied.is_empty() && !options.may_be_new {
        return Err(StoreError::New);
    }
    Migrator::up(&transaction, None).await?;
    failpoint!(BeforeIdentity);
    let identity = read_or_make_identity(&transaction, &options.new_identity).await?;
    failpoint!(BeforeMigrationCommit);
    transaction.commit().await?;
    failpoint!(AfterMigrationCommit);
    Ok(identity)
}

/// Refuses a database that has migrations which this program does not know.
fn check_versions(applied: &[String]) -> Result<(), StoreError> {
    let known = known_versions();
    match applied.iter().find(|version| !known.contains(version)) {
        None => Ok(()),
        Some(newer) => refuse(format!(
            "a newer version of Headwater has changed this database ({newer}); run that version or a later one"
        )),
    }
}

fn known_versions() -> Vec<String> {
    Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect()
}

async fn read_or_make_identity(
    transaction: &DatabaseTransaction,
    new_identity: &Identity,
) -> Result<Identity, StoreError> {
    if let Some(identity) = read_identity(transaction).await? {
        return Ok(identity);
    }
    let row = store_identity::Model {
        id: IDENTITY_ID,
        database_id: new_identity.database_id,
        secret: new_identity.secret.to_vec(),
    };
    row.into_active_model().insert(transaction).await?;
    // Accounts are registered under the server's own head.
    let head: entity::account_head::Model = account_head::head_to_row(&AccountHead::new(AccountId::SERVER));
    head.into_active_model().insert(transaction).await?;
    Ok(new_identity.clone())
}

/// The id of the one row.
const IDENTITY_ID: i32 = 1;

async fn read_identity(connection: &impl ConnectionTrait) -> Result<Option<Identity>, StoreError> {
    let Some(row) = store_identity::Entity::find_by_id(IDENTITY_ID).one(connection).await? else { return Ok(None) };
    let secret = RowName::new("store_identity", row.database_id).hash(row.secret)?;
    Ok(Some(Identity { database_id: row.database_id, secret }))
}

/// Begins a transaction that may write. Used only before the lanes exist. In SQLite it takes the write lock at once.
async fn begin_write(connection: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(connection.begin_with_options(options).await?)
}

/// Begins a transaction that sees the database as it was at its first read. In SQLite every transaction is like that.
pub(super) async fn begin_snapshot(connection: &Watched) -> Result<DatabaseTransaction, StoreError> {
    let options = if is_shared(connection.inner()) {
        TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        }
    } else {
        TransactionOptions::default()
    };
    Ok(connection.note(connection.inner().begin_with_options(options).await)?)
}

/// Tables with at least this many rows are left to autovacuum, which samples more rows and runs once a minute.
const ROWS_KNOWN_WELL: f32 = 100_000.0;

/// See [`super::Store::renew_statistics`].
pub(super) async fn renew_statistics(connection: &DatabaseConnection, tables: &[&str]) -> Result<(), StoreError> {
    if !is_shared(connection) {
        return Ok(());
    }
    for table in tables {
        let rows: f32 =
            ask(connection, &format!("SELECT reltuples FROM pg_class WHERE oid = '{table}'::regclass")).await?;
        if rows < ROWS_KNOWN_WELL {
            // Sample 3,000 rows, not the default 30,000: accurate enough, and 0.06 s of CPU instead of 0.65 s. Both statements
            // are sent as one message, which makes them one transaction. Each table has its own transaction.
            let statement = format!("SET LOCAL default_statistics_target = 10; ANALYZE {table}");
            connection.execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}

/// See [`super::Store::lanes`].
pub(super) fn lanes(connection: &DatabaseConnection) -> usize {
    if is_shared(connection) { postgres::LANES } else { 1 }
}

/// Whether other processes may write to the database too.
pub(super) fn is_shared(connection: &DatabaseConnection) -> bool {
    connection.get_database_backend() == DbBackend::Postgres
}
