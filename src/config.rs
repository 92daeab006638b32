//! Every setting, with its default, its unit and its cost. A flag overrides the environment, which overrides the file, which
//! overrides the default.

mod database;
mod environment;
mod feed;
mod file;
mod http;
mod limits;
mod listen;
mod log;
mod mail;
mod payouts;
mod place;
mod registration;
mod shutdown;
mod similar;
mod workers;
mod wrong;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Serialize;

pub use self::http::{Addresses, HttpSettings};
pub use database::{DatabaseSettings, DatabaseUrl};
pub use environment::UnknownVariable;
pub use feed::FeedSettings;
use file::FileSettings;
pub use limits::LimitSettings;
pub use listen::{ListenAddress, ListenSettings};
pub use log::{LogFormat, LogSettings};
pub use mail::{MailSettings, SmtpUrl};
pub use payouts::PayoutSettings;
pub use place::{Place, Places};
pub use registration::{Registration, RegistrationSettings};
pub use shutdown::ShutdownSettings;
pub use workers::WorkerSettings;

/// A self-hosted affiliate and referral engine. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "headwater", version)]
pub struct CommandLine {
    /// The command.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How to do it.
    #[command(flatten)]
    pub settings: Settings,
}

/// The binary's commands.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Action {
    /// Serve (the default).
    Serve,
    /// Serve, register an account and play a day of clicks, leads, sales and refunds through the public API; then stay up.
    Demo {
        /// End once the day is played: with 0 if the feed has no gap and the ledger verifies, otherwise with 1.
        #[arg(long)]
        once: bool,
    },
    /// Make a further operator key and print it, for when all are lost. On SQLite the server must be stopped for it. With an operator
    /// key, CreateApiKey makes another one while the server runs.
    CreateOperatorKey,
    /// Copy the SQLite database to a file, while a server may go on writing to it. On PostgreSQL, check the file that pg_dump
    /// has written. See docs/backup.md.
    Backup {
        /// The file to write; it must not exist. On PostgreSQL the file to check.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Put a backup in the place of the SQLite database, while no server runs. The files of before are kept under other names.
    /// On PostgreSQL, check the backup and print the command that restores it. See docs/backup.md.
    Restore {
        /// The backup.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Check the files, the schema, the books and the feed of every account, also beside a running server. Changes nothing. Exits
    /// with 1 if anything is wrong.
    Check,
    /// Print the settings in force as a TOML file, secrets masked.
    Config,
    /// Write the API's description to standard output, for grpcurl's `-protoset` and similar tools.
    Protoset,
}

/// Every setting, by section. In the TOML file, which has no sections, a setting has its field's name. In the environment it has
/// that name in capitals after `HEADWATER_`.
#[derive(Debug, Clone, Args, Serialize)]
pub struct Settings {
    /// A TOML file with settings.
    #[serde(skip)]
    #[arg(long, global = true, env = "HEADWATER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where the values come from.
    #[serde(skip)]
    #[arg(skip)]
    pub places: Places,

    /// The listener and its connections.
    #[command(flatten)]
    #[serde(flatten)]
    pub listen: ListenSettings,
    /// The listener for HTTP.
    #[command(flatten)]
    #[serde(flatten)]
    pub http: HttpSettings,
    /// The database.
    #[command(flatten)]
    #[serde(flatten)]
    pub database: DatabaseSettings,
    /// Limits of calls and of the write path.
    #[command(flatten)]
    #[serde(flatten)]
    pub limits: LimitSettings,
    /// The registration of accounts.
    #[command(flatten)]
    #[serde(flatten)]
    pub registration: RegistrationSettings,
    /// The feed.
    #[command(flatten)]
    #[serde(flatten)]
    pub feed: FeedSettings,
    /// The workers.
    #[command(flatten)]
    #[serde(flatten)]
    pub workers: WorkerSettings,
    /// Mail.
    #[command(flatten)]
    #[serde(flatten)]
    pub mail: MailSettings,
    /// Payouts.
    #[command(flatten)]
    #[serde(flatten)]
    pub payouts: PayoutSettings,
    /// The stop.
    #[command(flatten)]
    #[serde(flatten)]
    pub shutdown: ShutdownSettings,
    /// The log.
    #[command(flatten)]
    #[serde(flatten)]
    pub log: LogSettings,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The database URL has no scheme that is known.
    #[error("must be `sqlite`, `sqlite:///path/to/file` or `postgres://user:password@host/name`")]
    DatabaseUrl,
    /// The database URL has a part that cannot be used. The text has nothing of the URL, which may have a password.
    #[error("{0}")]
    DatabaseUrlPart(String),
    /// An argument that has no meaning, and may be a URL with a password, so it is not repeated.
    #[error(
        "there is an argument that is neither a command nor a setting. It is not shown, because it may have a password. \
         Name the database with --database or HEADWATER_DATABASE, and put quotation marks around the URL"
    )]
    UnexpectedSecret,
    /// The text is no address to listen on.
    #[error("must be an address or a host name, and a port, such as 127.0.0.1:50051, [::1]:50051 or localhost:50051")]
    ListenAddress,
    /// The text is no list of networks.
    #[error("must be addresses or networks with commas between, such as 10.0.0.0/8,fd00::/8; {0} is neither")]
    Networks(String),
    /// The settings file cannot be read.
    #[error("cannot read the settings file {}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        problem: String,
    },
    /// The settings file has a key that is no setting.
    #[error(
        "the settings file {}, line {line}, has `{key}`, which is no setting{}; `headwater --help` lists them",
        path.display(),
        similar.as_ref().map(|similar| format!(" (is it `{similar}`?)")).unwrap_or_default()
    )]
    UnknownKey {
        /// The file.
        path: PathBuf,
        /// The line of the key.
        line: usize,
        /// The key.
        key: String,
        /// The setting that was probably meant.
        similar: Option<String>,
    },
    /// The settings file has a value of a kind that no setting has.
    #[error("{0} must be a text, a whole number, or true or false")]
    ValueKind(Place),
    /// A value that the setting does not take.
    #[error("{place}: {problem}")]
    Value {
        /// Where the value comes from.
        place: Place,
        /// What is wrong with it.
        problem: String,
    },
    /// Plaintext on an address that other machines can reach.
    #[error(
        "{place}: {address} can be reached from other machines and all would travel in the clear, keys too: set tls_certificate_file and \
         tls_key_file, listen on 127.0.0.1, or set allow_plaintext when a proxy in front adds TLS"
    )]
    Plaintext {
        /// Where the listen address comes from.
        place: Place,
        /// The address itself, or one that the host name has.
        address: SocketAddr,
    },
    /// The command line is wrong, or help was asked for.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
}

impl CommandLine {
    /// Reads the command line, the environment and the settings file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, ConfigError> {
        let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
        let mut command = Self::command();
        let mut file = FileSettings::default();
        if let Some(path) = config_path(&arguments) {
            file = FileSettings::read(path, &command)?;
            command = file.as_defaults(command);
        }
        let explain = |error| wrong::explained(error, &Self::command(), &arguments);
        let matches = command.clone().try_get_matches_from(&arguments).map_err(explain)?;
        let mut line = Self::from_arg_matches(&matches).map_err(explain)?;
        line.settings.places = Places::of_matches(file.places, &command, &matches);
        line.settings.check()?;
        Ok(line)
    }
}

/// The environment's variables that begin with `HEADWATER_` and have no effect, because they are no settings.
pub fn unknown_variables() -> Vec<UnknownVariable> {
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let variables = variables.map(|(name, value)| (name, value.to_string_lossy().into_owned()));
    environment::unknown(variables, &CommandLine::command())
}

/// The path of the settings file. It is found before anything else is read, because the file gives the defaults.
fn config_path(arguments: &[OsString]) -> Option<PathBuf> {
    const FLAG: &str = "--config";
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == FLAG {
            return arguments.next().map(PathBuf::from);
        }
        // A path that is not valid UTF-8 can follow the flag or be in the environment.
        if let Some(path) = argument.to_str().and_then(|text| text.strip_prefix(FLAG)?.strip_prefix('=')) {
            return Some(PathBuf::from(path));
        }
    }
    std::env::var_os("HEADWATER_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

impl Settings {
    /// Checks what a single value cannot tell.
    fn check(&self) -> Result<(), ConfigError> {
        self.listen.check_tls(&self.places)?;
        let addresses =
            [("listen_address", Some(&self.listen.listen_address)), ("http_address", self.http.http_address.as_ref())];
        // A host name is checked when it is resolved.
        let literals = addresses.into_iter().filter_map(|(setting, address)| Some((setting, address?.literal()?)));
        for (setting, address) in literals {
            self.listen.check_plaintext(setting, &[address], &self.places)?;
        }
        Ok(())
    }

    /// The settings in force as a TOML file. The database URL is masked when it holds a password.
    ///
    /// # Errors
    /// A path is not valid UTF-8, which TOML requires.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        Ok(toml::Table::try_from(self)?.to_string())
    }
}

#[cfg(test)]
mod tests;
