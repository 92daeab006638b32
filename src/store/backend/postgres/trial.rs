//! Tries a PostgreSQL database before it is used, and says why it cannot be. The pool's own error would be that it waited too long.

use std::io;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, Connection};
use tokio::time::{sleep, timeout};

use super::super::super::StoreError;
use super::super::{WAIT, refuse};

/// How long to wait between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// Connects and checks the settings that could lose data.
pub(super) async fn run(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = connect(options).await?;
    let checked = check(&mut connection).await;
    // The connection is of no further use, however it ends.
    let _ = connection.close().await;
    checked
}

/// Connects. A server that is just starting gets some time.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, StoreError> {
    let mut last = sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "there is no answer"));
    let connecting = async {
        loop {
            match PgConnection::connect_with(options).await {
                Ok(connection) => return Some(connection),
                Err(error) => last = error,
            }
            if !may_pass(&last) {
                return None;
            }
            sleep(PAUSE).await;
        }
    };
    match timeout(WAIT, connecting).await {
        Ok(Some(connection)) => Ok(connection),
        _ => refuse(explain(options, &last)),
    }
}

/// Whether the server may be starting, or may have a free connection soon.
fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

fn explain(options: &PgConnectOptions, error: &sqlx::Error) -> String {
    let place = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let user = options.get_username();
    let database = options.get_database().unwrap_or(user);
    match error {
        sqlx::Error::Database(error) => {
            let advice = match error.code().as_deref() {
                Some("3D000") => ". Make it first, with `createdb --encoding=UTF8 --template=template0`",
                Some("28P01" | "28000") => ". Check the user and the password in the setting `database`",
                Some("42501") => ". Grant the user the right to connect",
                _ => "",
            };
            let message = error.message();
            format!("PostgreSQL at {place} refuses user `{user}` and database `{database}`: {message}{advice}")
        }
        error => format!("cannot reach PostgreSQL at {place}: {error}. Is it running, and are host and port right?"),
    }
}

async fn check(connection: &mut PgConnection) -> Result<(), StoreError> {
    for setting in ["fsync", "synchronous_commit"] {
        if show(connection, setting).await? == "off" {
            return refuse(format!(
                "PostgreSQL's setting {setting} is off; a crash could lose confirmed writes. Switch it on"
            ));
        }
    }
    let encoding = show(connection, "server_encoding").await?;
    if encoding != "UTF8" {
        return refuse(format!(
            "the PostgreSQL database has the encoding {encoding}, which cannot store every name. Make a database with \
             `createdb --encoding=UTF8 --template=template0`"
        ));
    }
    if show(connection, "transaction_read_only").await? == "on" {
        return refuse(
            "PostgreSQL is read-only, because it is a standby or default_transaction_read_only is on. Name the primary \
             server in the setting `database`",
        );
    }
    Ok(())
}

async fn show(connection: &mut PgConnection, setting: &'static str) -> Result<String, StoreError> {
    let query = sqlx::query_scalar("SELECT current_setting($1)").bind(setting);
    query.fetch_one(connection).await.map_err(|error| super::failed(error).into())
}
