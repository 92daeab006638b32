//! Every setting, with its default, its unit and its cost. A flag overrides the environment, which overrides the file, which
//! overrides the default.

mod database;
mod feed;
mod limits;
mod listen;
mod log;
mod shutdown;
mod workers;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use serde::Serialize;

pub use database::{DatabaseSettings, DatabaseUrl};
pub use feed::FeedSettings;
pub use limits::LimitSettings;
pub use listen::ListenSettings;
pub use log::{LogFormat, LogSettings};
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
    /// Make a further operator key and print it, for when the first one is lost.
    CreateOperatorKey,
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

    /// The listener and its connections.
    #[command(flatten)]
    #[serde(flatten)]
    pub listen: ListenSettings,
    /// The database.
    #[command(flatten)]
    #[serde(flatten)]
    pub database: DatabaseSettings,
    /// Limits of calls and of the write path.
    #[command(flatten)]
    #[serde(flatten)]
    pub limits: LimitSettings,
    /// The feed.
    #[command(flatten)]
    #[serde(flatten)]
    pub feed: FeedSettings,
    /// The workers.
    #[command(flatten)]
    #[serde(flatten)]
    pub workers: WorkerSettings,
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
    /// The settings file cannot be read.
    #[error("cannot read the settings file {path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        problem: String,
    },
    /// The settings file has a key that is no setting.
    #[error("the settings file {path} has `{key}`, which is no setting; `headwater --help` lists them")]
    UnknownKey {
        /// The file.
        path: String,
        /// The key.
        key: String,
    },
    /// The settings file has a value of a kind that no setting has.
    #[error("the settings file {path}: `{key}` must be a text, a whole number, or true or false")]
    ValueKind {
        /// The file.
        path: String,
        /// The key.
        key: String,
    },
    /// Plaintext on an address that other machines can reach.
    #[error(
        "{0} can be reached from other machines and keys would travel in the clear: set tls_certificate_file and tls_key_file, \
         listen on 127.0.0.1, or set allow_plaintext when a proxy in front adds TLS"
    )]
    Plaintext(SocketAddr),
    /// The command line is wrong, or help was asked for.
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
}

impl CommandLine {
    /// Reads the command line, the environment and the settings file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn read(arguments: impl IntoIterator<Item = String> + Clone) -> Result<Self, ConfigError> {
        let mut command = Self::command();
        if let Some(path) = config_path(&arguments.clone().into_iter().collect::<Vec<_>>()) {
            command = with_file(command, &path)?;
        }
        let line = Self::from_arg_matches(&command.try_get_matches_from(arguments)?)?;
        line.settings.listen.check()?;
        Ok(line)
    }
}

/// The path of the settings file. It is found before anything else is read, because the file gives the defaults.
fn config_path(arguments: &[String]) -> Option<String> {
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--config" {
            return arguments.next().cloned();
        }
        if let Some(path) = argument.strip_prefix("--config=") {
            return Some(path.to_owned());
        }
    }
    std::env::var("HEADWATER_CONFIG").ok().filter(|path| !path.is_empty())
}

/// Makes the file's values the defaults of the command, so that a flag and the environment override them.
fn with_file(mut command: clap::Command, path: &str) -> Result<clap::Command, ConfigError> {
    let unreadable = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
    for (key, value) in table {
        let is_setting = key != "config" && command.get_arguments().any(|argument| argument.get_id() == key.as_str());
        if !is_setting {
            return Err(ConfigError::UnknownKey { path: path.to_owned(), key });
        }
        let value = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(truth) => truth.to_string(),
            _ => return Err(ConfigError::ValueKind { path: path.to_owned(), key }),
        };
        command = command.mut_arg(&key, |argument| argument.default_value(value));
    }
    Ok(command)
}

impl Settings {
    /// The settings in force as a TOML file. The database URL is masked when it holds a password.
    ///
    /// # Errors
    /// A path is not valid UTF-8, which TOML requires.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        Ok(toml::Table::try_from(self)?.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<CommandLine, ConfigError> {
        CommandLine::read(
            std::iter::once("headwater").chain(arguments.iter().copied()).map(str::to_owned).collect::<Vec<_>>(),
        )
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let file = file("shutdown_seconds = 7\nfeed_stall_seconds = 8\nallow_plaintext = true\n");
        let path = file.path().to_str().unwrap();
        let settings = read(&["--config", path, "--shutdown-seconds", "9"]).unwrap().settings;
        assert_eq!((settings.shutdown.shutdown_seconds, settings.feed.feed_stall_seconds), (9, 8));
        assert!(settings.listen.allow_plaintext);
        assert_eq!(settings.limits.request_timeout_seconds, 10);
    }

    #[test]
    fn a_key_that_is_no_setting_is_named() {
        let file = file("shutdown_second = 7\n");
        let error = read(&["--config", file.path().to_str().unwrap()]).unwrap_err();
        assert!(error.to_string().contains("`shutdown_second`"), "{error}");
    }

    #[test]
    fn plaintext_is_for_loopback_unless_allowed() {
        let error = read(&["--listen-address", "0.0.0.0:50051"]).unwrap_err();
        assert!(matches!(error, ConfigError::Plaintext(_)));
        assert!(error.to_string().contains("allow_plaintext"), "{error}");
        assert!(read(&["--listen-address", "0.0.0.0:50051", "--allow-plaintext"]).is_ok());
        assert!(read(&["--listen-address", "[::1]:0"]).is_ok());
    }

    #[test]
    fn a_password_is_not_shown() {
        for url in [
            "postgres://me:hunter2@localhost/headwater",
            "postgres://localhost/headwater?user=me&password=hunter2&sslmode=require",
        ] {
            let line = read(&["--database", url]).unwrap();
            assert!(!format!("{line:?}").contains("hunter2"));
            let printed = line.settings.to_toml().unwrap();
            assert!(!printed.contains("hunter2"), "{printed}");
        }
    }

    #[test]
    fn the_printed_settings_can_be_read_back() {
        let file = file(&read(&["--shutdown-seconds", "9"]).unwrap().settings.to_toml().unwrap());
        let settings = read(&["--config", file.path().to_str().unwrap()]).unwrap().settings;
        assert_eq!(settings.shutdown.shutdown_seconds, 9);
    }

    #[test]
    fn every_setting_has_help_and_is_printed() {
        let printed = read(&["--tls-certificate-file", "certificate.pem", "--tls-key-file", "key.pem"])
            .unwrap()
            .settings
            .to_toml()
            .unwrap();
        for argument in CommandLine::command().get_arguments() {
            let name = argument.get_id().as_str();
            assert!(argument.get_help().is_some(), "{name} has no help");
            if !matches!(name, "config" | "help" | "version") {
                assert!(printed.contains(&format!("{name} =")), "{name} is not printed");
            }
        }
    }

    #[test]
    fn commands_are_known() {
        assert_eq!(read(&[]).unwrap().action, None);
        assert_eq!(read(&["demo", "--once"]).unwrap().action, Some(Action::Demo { once: true }));
        assert_eq!(read(&["demo", "--shutdown-seconds", "3"]).unwrap().settings.shutdown.shutdown_seconds, 3);
        assert!(read(&["--database", "mysql://x"]).is_err());
    }
}
