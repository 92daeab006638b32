//! Classifies the errors of the databases and of their drivers. Knows no statement.

use std::io;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;
use sea_orm::{DbErr, RuntimeErr, sqlx};

use super::super::StoreError;

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        let kind = Self::of(&error);
        // The outage of the database has its own lines.
        tracing::debug!(%kind, %error, "a statement failed");
        kind
    }
}

impl StoreError {
    /// The error that a failure of the database or its driver is.
    pub(in crate::store) fn of(error: &DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(_) => Self::Unavailable,
            DbErr::RecordNotInserted => Self::Conflict,
            DbErr::Conn(RuntimeErr::SqlxError(cause))
            | DbErr::Exec(RuntimeErr::SqlxError(cause))
            | DbErr::Query(RuntimeErr::SqlxError(cause)) => match &**cause {
                sqlx::Error::Database(cause) => of_database(&**cause),
                sqlx::Error::Io(cause) => match cause.kind() {
                    io::ErrorKind::StorageFull => Self::DiskFull,
                    io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
                    _ => Self::Unavailable,
                },
                sqlx::Error::Tls(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed => Self::Unavailable,
                _ => Self::Unexpected(error.to_string()),
            },
            _ => Self::Unexpected(error.to_string()),
        }
    }
}

fn of_database(error: &(dyn DatabaseError + 'static)) -> StoreError {
    let code = error.code().unwrap_or_default();
    if error.try_downcast_ref::<SqliteError>().is_some() {
        return of_sqlite(code.parse().unwrap_or_default(), || error.to_string());
    }
    match &*code {
        // Unique violation, serialization failure, deadlock, lock not available.
        "23505" | "40001" | "40P01" | "55P03" => StoreError::Conflict,
        // A standby, or a database that was made read-only.
        "25006" => StoreError::ReadOnly,
        "53100" => StoreError::DiskFull,
        // A transaction that was idle too long.
        "25P03" => StoreError::Unavailable,
        // Connection exceptions; out of memory or connections; cancelled, shutting down, crashed or starting; I/O.
        code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => StoreError::Unavailable,
        "42501" => StoreError::Refused(format!(
            "the database user lacks a right ({}). Make this user the owner of the database, or run \
             `GRANT ALL ON SCHEMA public` for it in the database",
            error.message()
        )),
        _ => StoreError::Unexpected(error.to_string()),
    }
}

/// The error of SQLite with this extended result code. The lower byte is the primary code.
pub(super) fn of_sqlite(code: i32, text: impl FnOnce() -> String) -> StoreError {
    match (code, code & 0xff) {
        // A violated primary key, a violated unique index.
        (1555 | 2067, _) => StoreError::Conflict,
        // The database is full; there is no room for the index of the write-ahead log, which SQLite reports as an I/O error.
        (4874, _) | (_, 13) => StoreError::DiskFull,
        (_, 8) => StoreError::ReadOnly,
        // Locked by another program longer than we wait; I/O, cannot open.
        (_, 5 | 6 | 10 | 14) => StoreError::Unavailable,
        _ => StoreError::Unexpected(text()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlites_codes_are_told_apart() {
        for (code, expected) in [
            (2067, StoreError::Conflict),
            (13, StoreError::DiskFull),
            (4874, StoreError::DiskFull),
            (1032, StoreError::ReadOnly),
            (778, StoreError::Unavailable),
            (5, StoreError::Unavailable),
            (787, StoreError::Unexpected("text".to_owned())),
        ] {
            assert_eq!(of_sqlite(code, || "text".to_owned()), expected, "{code}");
        }
    }
}
