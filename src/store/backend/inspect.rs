//! Opens a database to check it, and compares its form with that of a new database. Writes nothing, so it may be used beside a
//! running server. Knows no row.
#![expect(clippy::disallowed_methods, reason = "SQL of the backend's own")]

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait};
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, Statement};
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::super::StoreError;
use super::sqlite::file::{FileLock, SqliteFiles};
use super::{
    Held, Identity, WAIT, check_versions, is_shared, known_versions, postgres, read_identity, refuse, schema_columns,
};

/// How many connections read.
const CONNECTIONS_MAX: u32 = 2;

/// How many findings of SQLite's own check are reported.
const FINDINGS_MAX: usize = 20;

/// A database that is open for reading.
pub(in crate::store) struct Inspected {
    pub(in crate::store) read: DatabaseConnection,
    pub(in crate::store) identity: Identity,
    /// Keeps servers from starting while the file is read without its locks. None beside a running server.
    pub(in crate::store) held: Option<Held>,
    /// The differences from what a server expects, in words.
    pub(in crate::store) differences: Vec<String>,
}

/// Opens the database for reading and checks its form.
pub(in crate::store) async fn open(url: &str) -> Result<Inspected, StoreError> {
    let (read, lock) =
        if url.starts_with("sqlite:") { open_sqlite(url).await? } else { (open_postgres(url).await?, None) };
    let checked = check(&read).await;
    match checked {
        Ok((identity, differences)) => {
            Ok(Inspected { read, identity, held: lock.map(Held::without_watch), differences })
        }
        Err(error) => {
            let _ = read.close().await;
            Err(error)
        }
    }
}

async fn open_sqlite(url: &str) -> Result<(DatabaseConnection, Option<FileLock>), StoreError> {
    let files = SqliteFiles::of(url)?;
    if files.is_missing() {
        return refuse(format!("there is no database {}", files.named.display()));
    }
    let (lock, is_immutable) = match files.try_lock_quietly() {
        // A server that runs has made sure that its files belong together.
        Err(_) => (None, false),
        Ok(lock) => {
            files.refuse_misfit()?;
            // Reading through a log needs its index, which the reader makes. Without commits in the log nothing is made.
            (lock, !files.has_commits_in_log()?)
        }
    };
    let mut connect = options(url);
    connect.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite.create_if_missing(false).read_only(true).immutable(is_immutable).busy_timeout(WAIT)
    });
    Ok((Database::connect(connect).await?, lock))
}

async fn open_postgres(url: &str) -> Result<DatabaseConnection, StoreError> {
    postgres::try_out(url).await?;
    let mut connect = options(url);
    connect.set_application_name("headwater check").map_sqlx_postgres_opts(|postgres: PgConnectOptions| {
        postgres.options([("default_transaction_read_only", "on")])
    });
    Ok(Database::connect(connect).await?)
}

fn options(url: &str) -> ConnectOptions {
    let mut connect = ConnectOptions::new(url);
    connect.sqlx_logging(false).max_connections(CONNECTIONS_MAX).min_connections(1).acquire_timeout(WAIT);
    connect
}

async fn check(read: &DatabaseConnection) -> Result<(Identity, Vec<String>), StoreError> {
    let mut differences = Vec::new();
    // A damaged database may fail in any of the reads below, so this comes first.
    if !is_shared(read) {
        match integrity(read).await {
            Ok(findings) => differences.extend(findings),
            // The damage is such that SQLite cannot even look for it.
            Err(StoreError::Unexpected(cause)) => {
                return refuse(format!("the database is damaged ({cause}). Restore a backup (docs/backup.md)"));
            }
            Err(error) => return Err(error),
        }
    }
    let applied = match texts(read, "SELECT version FROM seaql_migrations ORDER BY version").await {
        Ok(applied) if !applied.is_empty() => applied,
        Err(StoreError::Unavailable) => return Err(StoreError::Unavailable),
        _ if differences.is_empty() => return refuse("this is no database of Headwater: it has no migrations"),
        _ => return refuse(format!("the database is damaged: {}", differences.join("; "))),
    };
    check_versions(&applied)?;
    if applied != known_versions() {
        return refuse(
            "an older version of Headwater wrote this database. Check it with that version, or let a server of this version \
             bring it up to date at a start",
        );
    }
    differences.extend(form(read).await?);
    match read_identity(read).await? {
        Some(identity) => Ok((identity, differences)),
        None => refuse("the database has no identity: no server has ever served it"),
    }
}

/// What SQLite's own checks find in the pages, the indexes and the constraints.
async fn integrity(read: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let mut findings = texts(read, &format!("PRAGMA integrity_check({FINDINGS_MAX})")).await?;
    findings.retain(|finding| finding != "ok");
    let orphans = texts(read, "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check").await?;
    findings.extend(orphans.into_iter().map(|table| format!("a row of {table} names one that does not exist")));
    Ok(findings)
}

/// What differs from a new database: tables, columns and indexes. Types are left out, because each database has its own.
async fn form(read: &DatabaseConnection) -> Result<Vec<String>, StoreError> {
    let mut connect = ConnectOptions::new("sqlite::memory:");
    connect.sqlx_logging(false).max_connections(1);
    let model = Database::connect(connect).await?;
    // Silent, because a line that says that migrations are applied would be taken for a change of the database that is checked.
    Migrator::up(&model, None).with_subscriber(NoSubscriber::new()).await?;
    let (expected, found) = (parts(&model).await?, parts(read).await?);
    model.close().await?;
    let missing = expected.difference(&found).map(|part| format!("the schema lacks {part}"));
    let foreign = found.difference(&expected).map(|part| format!("the schema has {part}, which no server expects"));
    Ok(missing.chain(foreign).collect())
}

/// Every column and index, in words.
async fn parts(connection: &DatabaseConnection) -> Result<BTreeSet<String>, StoreError> {
    let columns = schema_columns(connection).await?.into_iter().map(|column| {
        let null = if column.is_nullable { ", which may be null" } else { "" };
        format!("the column {}.{}{null}", column.table, column.name)
    });
    let sql = if is_shared(connection) {
        "SELECT CASE i.indisunique WHEN TRUE THEN 'the unique index ' ELSE 'the index ' END || c.relname || ' of ' || t.relname \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
         JOIN pg_namespace n ON n.oid = t.relnamespace \
         WHERE n.nspname = current_schema() AND NOT i.indisprimary AND i.indisvalid AND t.relname NOT IN ('seaql_migrations', 'affiliate_search')"
    } else {
        "SELECT CASE l.\"unique\" WHEN 1 THEN 'the unique index ' ELSE 'the index ' END || l.name || ' of ' || m.name \
         FROM sqlite_master m JOIN pragma_index_list(m.name) l \
         WHERE m.type = 'table' AND l.origin = 'c' AND m.name <> 'seaql_migrations' \
         AND m.name NOT LIKE 'affiliate_search%'"
    };
    let indexes = texts(connection, sql).await?;
    Ok(columns.chain(indexes).collect())
}

/// The first column of a query.
async fn texts(connection: &DatabaseConnection, sql: &str) -> Result<Vec<String>, StoreError> {
    let rows = connection.query_all_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    rows.iter().map(|row| Ok(row.try_get_by_index(0)?)).collect()
}
