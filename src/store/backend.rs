//! Which database it is: how to connect, what to refuse, how to begin, what an error means, what the schema looks like.
//! The only file that knows, and the only one with SQL in it. Knows no table of ours but the two that make a database ours.
#![expect(clippy::disallowed_methods, reason = "the one file with SQL in it")]

pub(super) mod bulk;

use std::fs::{File, TryLockError};
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteError, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ActiveModelTrait, ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IntoActiveModel, IsolationLevel, RuntimeErr, SqliteTransactionMode, Statement,
    TransactionOptions, TransactionTrait, sqlx,
};

use super::entity::store_identity;
use super::row::RowName;
use super::{Identity, StoreError, StoreOptions, save};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;

/// Statements that a connection keeps prepared: several lengths of every list and every multi-row insert.
const PREPARED_STATEMENTS_MAX: usize = 500;

/// SQLite's page cache, of the connection that writes and of each that reads. Negative for KiB, which is SQLite's way.
const CACHE_WRITER_KIB: &str = "-131072";
const CACHE_READER_KIB: &str = "-8192";

/// After how many pages of 4 KiB SQLite folds its log into the file. Rows that are written often are folded in once.
const CHECKPOINT_PAGES: &str = "8192";

/// Writers side by side, where the database takes several: while one waits for the disk, the other computes.
const LANES: u32 = 2;

/// Connections of writers, where the database takes several: one for each lane, and two for what is done beside.
const WRITE_CONNECTIONS_MAX: u32 = LANES + 2;

/// How long to wait for a free connection, and in SQLite for a lock.
const WAIT: Duration = Duration::from_secs(5);

/// How long PostgreSQL lets a writer stand still inside a transaction. A server that froze, or whose machine is gone, would hold
/// its accounts' locks for hours otherwise; one that works pauses for milliseconds.
const STILL_IN_TRANSACTION_MAX: &str = "5s";

/// A connection that lay unused this long is tried before it is used.
const STALE_AFTER: Duration = Duration::from_secs(10);

/// The key of the lock that whoever migrates a PostgreSQL database holds. Any number that no other program uses there.
const MIGRATION_LOCK: i64 = 0x6865_6164_7761_7465;

/// An open database.
pub(super) struct Opened {
    pub(super) read: DatabaseConnection,
    pub(super) write: DatabaseConnection,
    pub(super) identity: Identity,
    pub(super) lock: Option<File>,
}

/// See [`super::Store::open`].
pub(super) async fn open(options: &StoreOptions) -> Result<Opened, StoreError> {
    let scheme = options.url.split_once(':').map_or("", |(scheme, _)| scheme);
    let (read, write, lock) = match scheme {
        "sqlite" => open_sqlite(options).await?,
        "postgres" | "postgresql" => open_postgres(options).await?,
        _ => return refuse("the database URL must begin with sqlite:// or postgres://"),
    };
    for connection in [&read, &write] {
        check_durability(connection).await?;
    }
    let identity = migrate(&write, &options.new_identity).await?;
    Ok(Opened { read, write, identity, lock })
}

fn refuse<T>(text: impl Into<String>) -> Result<T, StoreError> {
    Err(StoreError::Refused(text.into()))
}

async fn open_sqlite(
    options: &StoreOptions,
) -> Result<(DatabaseConnection, DatabaseConnection, Option<File>), StoreError> {
    let parsed = SqliteConnectOptions::from_str(&options.url)
        .map_err(|error| StoreError::Refused(format!("the database URL is wrong: {error}")))?;
    if options.url.contains(":memory:") || options.url.contains("mode=memory") {
        return refuse("a database in memory would lose everything; name a file, such as sqlite://headwater.sqlite");
    }
    let lock = lock_file(parsed.get_filename())?;

    let connect = |connections: u32, is_writer: bool| {
        let mut connect = ConnectOptions::new(&options.url);
        connect
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(WAIT)
            // A file does not hang up: connections are kept, with their prepared statements, and not tried before use.
            .test_before_acquire(false)
            .idle_timeout(None)
            .max_lifetime(None)
            // Of each connection, also one that is opened later.
            .map_sqlx_sqlite_opts(move |sqlite| {
                sqlite
                    .create_if_missing(is_writer)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .foreign_keys(true)
                    .busy_timeout(WAIT)
                    .statement_cache_capacity(PREPARED_STATEMENTS_MAX)
                    // The default of 2 MiB holds less than one batch touches.
                    .pragma("cache_size", if is_writer { CACHE_WRITER_KIB } else { CACHE_READER_KIB })
                    .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
                    // A statement that writes many rows notes every page it touches, to undo itself alone; else in a file.
                    .pragma("temp_store", "MEMORY")
                    .pragma("query_only", if is_writer { "OFF" } else { "ON" })
            });
        connect
    };
    // The writer first: it makes the file and its journal.
    let write = Database::connect(connect(1, true)).await?;
    let read = Database::connect(connect(options.read_connections_max.max(1), false)).await?;
    Ok((read, write, Some(lock)))
}

/// Locks a file beside the database for as long as it stays open. The system lets go of it however the process ends.
fn lock_file(database: &Path) -> Result<File, StoreError> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let cannot = |error: std::io::Error| {
        StoreError::Refused(format!(
            "cannot open {}: {error}; its folder must be there and be writable",
            Path::new(&path).display()
        ))
    };
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => refuse(format!(
            "another process has {} open; stop it first, or use PostgreSQL to run several servers on one database",
            database.display()
        )),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}

async fn open_postgres(
    options: &StoreOptions,
) -> Result<(DatabaseConnection, DatabaseConnection, Option<File>), StoreError> {
    let connect = |connections: u32, is_writer: bool| {
        let mut connect = ConnectOptions::new(&options.url);
        connect
            .sqlx_logging(false)
            .record_stmt_in_spans(false)
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(WAIT)
            .test_before_acquire_if_idle_for(STALE_AFTER)
            .set_application_name(if is_writer { "headwater writer" } else { "headwater reader" })
            .map_sqlx_postgres_opts(move |postgres| {
                let postgres = postgres.statement_cache_capacity(PREPARED_STATEMENTS_MAX);
                if !is_writer {
                    return postgres;
                }
                // Every statement of a writer asks for rows by their keys. Without the last five the planner, when its statistics
                // are old, reads a whole table now and then.
                postgres.options([
                    ("idle_in_transaction_session_timeout", STILL_IN_TRANSACTION_MAX),
                    ("plan_cache_mode", "force_generic_plan"),
                    ("enable_seqscan", "off"),
                    ("enable_hashjoin", "off"),
                    ("enable_mergejoin", "off"),
                    ("enable_bitmapscan", "off"),
                ])
            });
        connect
    };
    let write = Database::connect(connect(WRITE_CONNECTIONS_MAX, true)).await?;
    let read = Database::connect(connect(options.read_connections_max.max(1), false)).await?;
    Ok((read, write, None))
}

/// Refuses a database that can lose what it has confirmed.
async fn check_durability(connection: &DatabaseConnection) -> Result<(), StoreError> {
    match connection.get_database_backend() {
        DbBackend::Sqlite => {
            let synchronous: i64 = ask(connection, "PRAGMA synchronous").await?;
            if synchronous < 2 {
                return refuse("SQLite's synchronous setting is below FULL; a crash could lose confirmed writes");
            }
        }
        DbBackend::Postgres => {
            for setting in ["fsync", "synchronous_commit"] {
                let value: String = ask(connection, &format!("SHOW {setting}")).await?;
                if value == "off" {
                    return refuse(format!(
                        "PostgreSQL's setting {setting} is off; a crash could lose confirmed writes. Switch it on"
                    ));
                }
            }
        }
        other => return refuse(format!("the database {other:?} is not supported")),
    }
    Ok(())
}

async fn ask<T: sea_orm::TryGetable>(connection: &impl ConnectionTrait, sql: &str) -> Result<T, StoreError> {
    let statement = Statement::from_string(connection.get_database_backend(), sql);
    let row = connection.query_one_raw(statement).await?;
    Ok(row.ok_or_else(|| StoreError::Unexpected(format!("no answer to {sql}")))?.try_get_by_index(0)?)
}

/// Brings the schema up to date and reads or makes the identity, all or nothing, one process at a time.
async fn migrate(write: &DatabaseConnection, new_identity: &Identity) -> Result<Identity, StoreError> {
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
    let known: Vec<String> = Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
    let applied = Migrator::get_migration_models(&transaction).await?;
    if let Some(newer) = applied.iter().find(|model| !known.contains(&model.version)) {
        return refuse(format!(
            "a newer version of Headwater has changed this database ({}); run that version or a later one",
            newer.version
        ));
    }
    Migrator::up(&transaction, None).await?;
    failpoint!(BeforeIdentity);
    let identity = read_or_make_identity(&transaction, new_identity).await?;
    failpoint!(BeforeMigrationCommit);
    transaction.commit().await?;
    failpoint!(AfterMigrationCommit);
    Ok(identity)
}

async fn read_or_make_identity(
    transaction: &DatabaseTransaction,
    new_identity: &Identity,
) -> Result<Identity, StoreError> {
    const ID: i32 = 1;
    if let Some(row) = store_identity::Entity::find_by_id(ID).one(transaction).await? {
        let secret = RowName::new("store_identity", row.database_id).hash(row.secret)?;
        return Ok(Identity { database_id: row.database_id, secret });
    }
    let row =
        store_identity::Model { id: ID, database_id: new_identity.database_id, secret: new_identity.secret.to_vec() };
    row.into_active_model().insert(transaction).await?;
    // Accounts are registered under the server's own head.
    save::save_heads(transaction, [&AccountHead::new(AccountId::SERVER)]).await?;
    Ok(new_identity.clone())
}

/// Begins a transaction that may write: in SQLite with the write lock at once, since a read that turns into a write is refused
/// when another wrote meanwhile, however long one waits.
pub(super) async fn begin_write(connection: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    Ok(connection.begin_with_options(options).await?)
}

/// Begins a transaction that sees everything as it was at its first read. SQLite's do so by nature.
pub(super) async fn begin_snapshot(connection: &DatabaseConnection) -> Result<DatabaseTransaction, StoreError> {
    let options = if is_shared(connection) {
        TransactionOptions {
            isolation_level: Some(IsolationLevel::RepeatableRead),
            access_mode: Some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        }
    } else {
        TransactionOptions::default()
    };
    Ok(connection.begin_with_options(options).await?)
}

/// See [`super::Store::renew_statistics`].
pub(super) async fn renew_statistics(connection: &DatabaseConnection) -> Result<(), StoreError> {
    if is_shared(connection) {
        // The tables that grow and are asked by more than one key.
        connection
            .execute_unprepared("ANALYZE affiliate, enrollment, link, coupon, click, lead, conversion, reward, request")
            .await?;
    }
    Ok(())
}

/// See [`super::Store::lanes`].
pub(super) fn lanes(connection: &DatabaseConnection) -> usize {
    if is_shared(connection) { LANES as usize } else { 1 }
}

/// Whether other processes may write to the database too.
pub(super) fn is_shared(connection: &DatabaseConnection) -> bool {
    connection.get_database_backend() == DbBackend::Postgres
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let kind = match &error {
            DbErr::ConnectionAcquire(_) => Self::Unavailable,
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => match &**cause {
                sqlx::Error::Database(cause) => of_database(&**cause),
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Unavailable,
                _ => Self::Unexpected(error.to_string()),
            },
            _ => Self::Unexpected(error.to_string()),
        };
        match kind {
            Self::Conflict => tracing::debug!(%error, "another writer came first"),
            Self::Unavailable => tracing::warn!(%error, "the database does not answer"),
            _ => {}
        }
        kind
    }
}

fn of_database(error: &(dyn DatabaseError + 'static)) -> StoreError {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        let code: i32 = code.parse().unwrap_or_default();
        // The lower byte is the kind, the whole says more: 1555 and 2067 are the two unique constraints.
        return match (code, code & 0xff) {
            (1555 | 2067, _) => StoreError::Conflict,
            // Held by another program longer than we wait; read-only, I/O, full, cannot open.
            (_, 5 | 6 | 8 | 10 | 13 | 14) => StoreError::Unavailable,
            _ => StoreError::Unexpected(error.to_string()),
        };
    }
    match &*code {
        // Unique violation, serialization failure, deadlock, lock not available.
        "23505" | "40001" | "40P01" | "55P03" => StoreError::Conflict,
        // A read-only standby; a transaction that stood still.
        "25006" | "25P03" => StoreError::Unavailable,
        // Connection exceptions; out of disk, memory or connections; cancelled, shutting down, crashed or starting; I/O.
        code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => StoreError::Unavailable,
        _ => StoreError::Unexpected(error.to_string()),
    }
}

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaColumn {
    /// The table.
    pub table: String,
    /// The column.
    pub name: String,
    /// The database's own name of its type, in lower case.
    pub type_name: String,
    /// Whether it may be null.
    pub is_nullable: bool,
}

/// Leaves out the tables of the database itself and of the migrations.
pub(super) async fn schema_columns(connection: &DatabaseConnection) -> Result<Vec<SchemaColumn>, StoreError> {
    let sql = if is_shared(connection) {
        "SELECT table_name, column_name, lower(data_type), is_nullable = 'YES' FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name <> 'seaql_migrations' \
         ORDER BY table_name, ordinal_position"
    } else {
        "SELECT m.name, c.name, lower(c.type), c.\"notnull\" = 0 FROM sqlite_master m JOIN pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'seaql_migrations' \
         ORDER BY m.name, c.cid"
    };
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    rows.iter()
        .map(|row| {
            Ok(SchemaColumn {
                table: row.try_get_by_index(0)?,
                name: row.try_get_by_index(1)?,
                type_name: row.try_get_by_index(2)?,
                is_nullable: row.try_get_by_index(3)?,
            })
        })
        .collect()
}

/// See [`super::Store::schema_text`].
pub(super) async fn schema_text(connection: &DatabaseConnection) -> Result<String, StoreError> {
    let sql = if is_shared(connection) {
        "SELECT line FROM ( \
         SELECT table_name AS relation, 1 AS part, lpad(ordinal_position::text, 4, '0') AS place, \
         table_name || '.' || column_name || ' ' || data_type || coalesce('(' || character_maximum_length || ')', '') \
         || CASE is_nullable WHEN 'YES' THEN '' ELSE ' NOT NULL' END AS line \
         FROM information_schema.columns WHERE table_schema = current_schema() \
         UNION ALL SELECT tablename, 2, indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() \
         UNION ALL SELECT c.relname, 3, k.conname, c.relname || ': ' || pg_get_constraintdef(k.oid) \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND k.contype = 'c' \
         ) AS parts WHERE relation <> 'seaql_migrations' ORDER BY relation, part, place"
    } else {
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND tbl_name <> 'seaql_migrations' \
         ORDER BY tbl_name, type DESC, name"
    };
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    let mut text = String::new();
    for row in rows {
        let mut line: String = row.try_get_by_index(0)?;
        if line.starts_with("CREATE TABLE") {
            // A column a line, so that a change of one is seen as such.
            line = line.replace("( \"", "(\n  \"").replace(", \"", ",\n  \"");
        }
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}
