//! Which database, and where files go.

use std::path::PathBuf;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

use super::ConfigError;

/// The database.
#[derive(Debug, Clone, Args, Serialize)]
pub struct DatabaseSettings {
    /// The database: `sqlite` for a file in the data directory, `sqlite:///path/to/file`, or
    /// `postgres://user:password@host/name`.
    #[arg(long, global = true, env = "HEADWATER_DATABASE", default_value = "sqlite", hide_env_values = true)]
    pub database: DatabaseUrl,

    /// The directory for the embedded database and the first operator key. Made if it does not exist.
    #[arg(long, global = true, env = "HEADWATER_DATA_DIR", default_value = "headwater-data", value_name = "DIRECTORY")]
    pub data_dir: PathBuf,

    /// How many connections read from the database. Accounts share them: one alone uses at most two thirds. Writes and look-ups of
    /// keys have their own.
    #[arg(long, global = true, env = "HEADWATER_READ_CONNECTIONS_MAX", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub read_connections_max: u32,

    /// How much SQLite writes to its log until it copies the pages of the log into the file (a checkpoint), in MiB. A larger log makes
    /// imports faster and the slowest calls slower, because the commit that fills the log waits for the copy. No effect on
    /// PostgreSQL.
    #[arg(long, global = true, env = "HEADWATER_SQLITE_CHECKPOINT_MIB", default_value = "32", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub sqlite_checkpoint_mib: u32,

    /// How long the database must fail until `grpc.health.v1.Health` says NOT_SERVING, in seconds. It says SERVING again as soon as
    /// the database works. 0: it says SERVING whether the database works or not.
    #[arg(long, global = true, env = "HEADWATER_HEALTH_OUTAGE_SECONDS", default_value = "5", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    pub health_outage_seconds: u32,
}

impl DatabaseSettings {
    /// The URL to connect to. Secret: it may hold a password.
    pub fn url(&self) -> SecretString {
        match self.database.0.expose_secret() {
            "sqlite" => format!("sqlite://{}", self.data_dir.join("headwater.sqlite").display()).into(),
            url => url.to_owned().into(),
        }
    }
}

/// A database URL. It may hold a password, so it is never shown as it is.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

impl std::str::FromStr for DatabaseUrl {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        match text.split_once("://") {
            None if text == "sqlite" => {}
            Some(("sqlite", rest)) => check_sqlite(rest)?,
            Some(("postgres" | "postgresql", rest)) => check_postgres(text, rest)?,
            _ => return Err(ConfigError::DatabaseUrl),
        }
        Ok(Self(text.to_owned().into()))
    }
}

/// The parameters of a PostgreSQL URL that have an effect. The library would log any other one with its value.
const POSTGRES_PARAMETERS: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// A file has no user and no password. Its name would be in messages.
fn check_sqlite(rest: &str) -> Result<(), ConfigError> {
    let host = rest.split('/').next().unwrap_or_default();
    match host.split_once(':').is_some_and(|(_, password)| password.contains('@')) {
        true => wrong("a SQLite database is a file, so its URL has no user, password and host".to_owned()),
        false => Ok(()),
    }
}

/// Refuses a URL in which a part of the password could be taken for something else, such as the name of the host. Messages show
/// everything but the password.
fn check_postgres(url: &str, rest: &str) -> Result<(), ConfigError> {
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (_, others) = rest.split_at(authority_end);
    if others.contains(['@', '#']) {
        return wrong(
            "it has a character that must be written in another way: in a user name or a password, write / as %2F, # as %23, \
             ? as %3F, @ as %40 and % as %25"
                .to_owned(),
        );
    }
    let parsed = match url::Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => return wrong(format!("it cannot be read: {error}. {PASSWORD_HINT}")),
    };
    let is_known = |key: &str| POSTGRES_PARAMETERS.contains(&key) || key.starts_with("options[");
    if !parsed.query_pairs().all(|(key, _)| is_known(&key)) {
        return wrong(format!(
            "it has a parameter that is none of {}. {PASSWORD_HINT}",
            POSTGRES_PARAMETERS.join(", ")
        ));
    }
    Ok(())
}

const PASSWORD_HINT: &str =
    "A special character of a password is written as % and two digits, such as %2F for / and %26 for &";

fn wrong(problem: String) -> Result<(), ConfigError> {
    Err(ConfigError::DatabaseUrlPart(problem))
}

/// Masked when it holds a password.
impl Serialize for DatabaseUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&masked(self.0.expose_secret()))
    }
}

/// A database URL with its password masked, before the host or among the parameters.
fn masked(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else {
        return if url.contains('@') { "masked".to_owned() } else { url.to_owned() };
    };
    if parsed.password().is_some() {
        // A URL with a password has a host, so a password can be set.
        let _ = parsed.set_password(Some("masked"));
    }
    if parsed.query_pairs().any(|(key, _)| key == "password") {
        let mask = |(key, value): (std::borrow::Cow<'_, str>, std::borrow::Cow<'_, str>)| {
            let value = if key == "password" { "masked".to_owned() } else { value.into_owned() };
            (key.into_owned(), value)
        };
        let pairs: Vec<(String, String)> = parsed.query_pairs().map(mask).collect();
        parsed.query_pairs_mut().clear().extend_pairs(pairs);
    }
    parsed.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_without_a_password_are_shown_as_they_are() {
        assert_eq!(masked("sqlite"), "sqlite");
        assert_eq!(masked("postgres://me@db/name?sslmode=require"), "postgres://me@db/name?sslmode=require");
        assert_eq!(masked("postgres://me:pass@word:x/name"), "masked");
        assert_eq!(masked("sqlite:///var/lib/headwater.sqlite"), "sqlite:///var/lib/headwater.sqlite");
    }
}
