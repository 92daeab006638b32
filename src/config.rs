//! Every setting, with its default, its unit and what it costs. A flag goes before the environment, the environment before the
//! file, the file before the default.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

/// A self-hosted affiliate and referral engine. Without a command it serves.
#[derive(Debug, Parser)]
#[command(name = "headwater", version)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// How to do it.
    #[command(flatten)]
    pub settings: Settings,
}

/// What the binary can do beside serving.
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
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// Every setting. In the TOML file each has its name as here; in the environment `HEADWATER_` and its name in capitals.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// A TOML file with settings.
    #[arg(long, global = true, env = "HEADWATER_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where to listen, address and port. Port 0 takes a free one.
    #[arg(long, global = true, env = "HEADWATER_LISTEN_ADDRESS", default_value = "127.0.0.1:50051")]
    pub listen_address: SocketAddr,

    /// The database: `sqlite` for a file in the data directory, `sqlite:///path/to/file`, or `postgres://user:password@host/name`.
    #[arg(long, global = true, env = "HEADWATER_DATABASE", default_value = "sqlite", hide_env_values = true)]
    pub database: DatabaseUrl,

    /// The directory for the embedded database and the first operator key. Made if it does not exist.
    #[arg(long, global = true, env = "HEADWATER_DATA_DIR", default_value = "headwater-data", value_name = "DIRECTORY")]
    pub data_dir: PathBuf,

    /// The TLS certificate chain, PEM. With `tls_key_file` the server speaks TLS only.
    #[arg(long, global = true, env = "HEADWATER_TLS_CERTIFICATE_FILE", value_name = "FILE", requires = "tls_key_file")]
    pub tls_certificate_file: Option<PathBuf>,

    /// The TLS private key, PEM.
    #[arg(long, global = true, env = "HEADWATER_TLS_KEY_FILE", value_name = "FILE", requires = "tls_certificate_file")]
    pub tls_key_file: Option<PathBuf>,

    /// Serve without TLS on an address that other machines can reach. Only behind a proxy that adds TLS: keys travel in the clear.
    #[arg(long, global = true, env = "HEADWATER_ALLOW_PLAINTEXT", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub allow_plaintext: bool,

    /// How many writes may wait, at least the 1,000 of one BatchRecord; more are refused at once with RESOURCE_EXHAUSTED. About
    /// 1 KiB of memory each.
    #[arg(long, global = true, env = "HEADWATER_QUEUE_COMMANDS_MAX", default_value = "8192", value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub queue_commands_max: u32,

    /// How many writes are committed together at most. More makes each commit longer, fewer makes more commits.
    #[arg(long, global = true, env = "HEADWATER_BATCH_COMMANDS_MAX", default_value = "512", value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub batch_commands_max: u32,

    /// How long a read may take, and how long a write may wait before it is begun, in seconds; a shorter deadline of the caller
    /// counts. Not for streams, long polls and VerifyLedger.
    #[arg(long, global = true, env = "HEADWATER_REQUEST_TIMEOUT_SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub request_timeout_seconds: u32,

    /// The largest message that is taken, in bytes.
    #[arg(long, global = true, env = "HEADWATER_MESSAGE_BYTES_MAX", default_value = "4194304", value_parser = clap::value_parser!(u32).range(1_024..=67_108_864))]
    pub message_bytes_max: u32,

    /// How many calls are worked on at once; more are refused with RESOURCE_EXHAUSTED. Open streams do not count.
    #[arg(long, global = true, env = "HEADWATER_CALLS_MAX", default_value = "4096", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub calls_max: u32,

    /// How many calls and streams one connection may have open at once.
    #[arg(long, global = true, env = "HEADWATER_CONNECTION_STREAMS_MAX", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connection_streams_max: u32,

    /// How often an idle connection is asked for a sign of life, in seconds.
    #[arg(long, global = true, env = "HEADWATER_KEEPALIVE_INTERVAL_SECONDS", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub keepalive_interval_seconds: u32,

    /// How long to wait for that sign, in seconds.
    #[arg(long, global = true, env = "HEADWATER_KEEPALIVE_TIMEOUT_SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub keepalive_timeout_seconds: u32,

    /// How old a connection gets before the client is asked to open a new one, in minutes, so that load spreads again.
    #[arg(long, global = true, env = "HEADWATER_CONNECTION_AGE_MINUTES", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub connection_age_minutes: u32,

    /// How many feed streams, and long polls that wait, one key may have open at this server.
    #[arg(long, global = true, env = "HEADWATER_FEED_STREAMS_PER_KEY_MAX", default_value = "128", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub feed_streams_per_key_max: u32,

    /// How old a feed stream gets before it is ended with `draining`, in seconds, give or take 10 %.
    #[arg(long, global = true, env = "HEADWATER_FEED_STREAM_AGE_SECONDS", default_value = "1800", value_parser = clap::value_parser!(u32).range(1..=604_800))]
    pub feed_stream_age_seconds: u32,

    /// How long a feed stream waits for a reader that takes nothing before it is ended with SLOW_CONSUMER, in seconds.
    #[arg(long, global = true, env = "HEADWATER_FEED_STALL_SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub feed_stall_seconds: u32,

    /// How often PostgreSQL is asked for what other server instances committed, in milliseconds.
    #[arg(long, global = true, env = "HEADWATER_FEED_POLL_MILLISECONDS", default_value = "25", value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub feed_poll_milliseconds: u32,

    /// For how many days events stay in the feed. 0 keeps them for ever.
    #[arg(long, global = true, env = "HEADWATER_EVENT_RETENTION_DAYS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub event_retention_days: u32,

    /// How often rewards whose hold period is over are approved and old rows are removed, in seconds.
    #[arg(long, global = true, env = "HEADWATER_UPKEEP_INTERVAL_SECONDS", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub upkeep_interval_seconds: u32,

    /// How many connections read from the database. Writes have their own.
    #[arg(long, global = true, env = "HEADWATER_READ_CONNECTIONS_MAX", default_value = "8", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub read_connections_max: u32,

    /// How long to wait on a stop between saying NOT_SERVING and taking no more calls, in milliseconds, so that a load balancer can
    /// notice.
    #[arg(long, global = true, env = "HEADWATER_DRAIN_DELAY_MILLISECONDS", default_value = "0", value_parser = clap::value_parser!(u32).range(0..=600_000))]
    pub drain_delay_milliseconds: u32,

    /// How long calls in progress may take on a stop, in seconds, before they are cut.
    #[arg(long, global = true, env = "HEADWATER_SHUTDOWN_SECONDS", default_value = "25", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub shutdown_seconds: u32,

    /// Whether clients may ask the server for its API (reflection v1 and v1alpha).
    #[arg(long, global = true, env = "HEADWATER_REFLECTION", default_value = "true", action = clap::ArgAction::Set)]
    pub reflection: bool,

    /// How log lines are written.
    #[arg(long, global = true, env = "HEADWATER_LOG_FORMAT", value_enum, default_value = "text")]
    pub log_format: LogFormat,

    /// What is logged, such as `info` or `info,headwater=debug`. With `headwater=debug` what a call logs names the call; a
    /// fault always does.
    #[arg(long, global = true, env = "HEADWATER_LOG_FILTER", default_value = "info")]
    pub log_filter: String,
}

/// A database URL. It may hold a password, so it is never shown as it is.
#[derive(Debug, Clone)]
pub struct DatabaseUrl(SecretString);

impl std::str::FromStr for DatabaseUrl {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let is_known = text == "sqlite"
            || ["sqlite://", "postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme));
        if is_known { Ok(Self(text.to_owned().into())) } else { Err(ConfigError::DatabaseUrl) }
    }
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
        /// What is wrong.
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
    /// Plaintext on an address that others can reach.
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
        line.settings.check()?;
        Ok(line)
    }
}

/// The settings file, looked for before anything else is read, since it gives the defaults.
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

/// The command with the file's values as defaults: so a flag and the environment go before them.
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
    fn check(&self) -> Result<(), ConfigError> {
        let is_open = !self.listen_address.ip().is_loopback();
        if is_open && self.tls_certificate_file.is_none() && !self.allow_plaintext {
            return Err(ConfigError::Plaintext(self.listen_address));
        }
        Ok(())
    }

    /// The URL to connect to. Secret: it may hold a password.
    pub fn database_url(&self) -> SecretString {
        match self.database.0.expose_secret() {
            "sqlite" => format!("sqlite://{}", self.data_dir.join("headwater.sqlite").display()).into(),
            url => url.to_owned().into(),
        }
    }

    /// The longest that a call may take.
    pub fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.request_timeout_seconds.into())
    }

    /// The settings in force as a TOML file. The database URL is masked when it holds a password.
    pub fn to_toml(&self) -> String {
        let database = masked(self.database.0.expose_secret());
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| toml::Value::from(path.display().to_string()));
        let values: [(&str, Option<toml::Value>); 24] = [
            ("listen_address", Some(self.listen_address.to_string().into())),
            ("database", Some(database.into())),
            ("data_dir", Some(self.data_dir.display().to_string().into())),
            ("tls_certificate_file", path(&self.tls_certificate_file)),
            ("tls_key_file", path(&self.tls_key_file)),
            ("allow_plaintext", Some(self.allow_plaintext.into())),
            ("queue_commands_max", Some(self.queue_commands_max.into())),
            ("batch_commands_max", Some(self.batch_commands_max.into())),
            ("request_timeout_seconds", Some(self.request_timeout_seconds.into())),
            ("message_bytes_max", Some(self.message_bytes_max.into())),
            ("calls_max", Some(self.calls_max.into())),
            ("connection_streams_max", Some(self.connection_streams_max.into())),
            ("keepalive_interval_seconds", Some(self.keepalive_interval_seconds.into())),
            ("keepalive_timeout_seconds", Some(self.keepalive_timeout_seconds.into())),
            ("connection_age_minutes", Some(self.connection_age_minutes.into())),
            ("feed_streams_per_key_max", Some(self.feed_streams_per_key_max.into())),
            ("feed_stream_age_seconds", Some(self.feed_stream_age_seconds.into())),
            ("feed_stall_seconds", Some(self.feed_stall_seconds.into())),
            ("feed_poll_milliseconds", Some(self.feed_poll_milliseconds.into())),
            ("event_retention_days", Some(self.event_retention_days.into())),
            ("upkeep_interval_seconds", Some(self.upkeep_interval_seconds.into())),
            ("read_connections_max", Some(self.read_connections_max.into())),
            ("drain_delay_milliseconds", Some(self.drain_delay_milliseconds.into())),
            ("shutdown_seconds", Some(self.shutdown_seconds.into())),
        ];
        let mut table = toml::Table::new();
        for (key, value) in values {
            if let Some(value) = value {
                table.insert(key.to_owned(), value);
            }
        }
        table.insert("reflection".to_owned(), self.reflection.into());
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        table.insert("log_format".to_owned(), format.into());
        table.insert("log_filter".to_owned(), self.log_filter.clone().into());
        table.to_string()
    }
}

/// A database URL with its password masked, wherever it stands: before the host or among the parameters.
fn masked(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return url.to_owned() };
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
        assert_eq!((settings.shutdown_seconds, settings.feed_stall_seconds), (9, 8));
        assert!(settings.allow_plaintext);
        assert_eq!(settings.request_timeout_seconds, 10);
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
            assert!(!line.settings.to_toml().contains("hunter2"), "{}", line.settings.to_toml());
        }
        assert_eq!(masked("sqlite"), "sqlite");
        assert_eq!(masked("sqlite:///var/lib/headwater.sqlite"), "sqlite:///var/lib/headwater.sqlite");
    }

    #[test]
    fn the_printed_settings_can_be_read_back() {
        let file = file(&read(&["--shutdown-seconds", "9"]).unwrap().settings.to_toml());
        let settings = read(&["--config", file.path().to_str().unwrap()]).unwrap().settings;
        assert_eq!(settings.shutdown_seconds, 9);
    }

    #[test]
    fn every_setting_has_help_and_is_printed() {
        let printed = read(&["--tls-certificate-file", "certificate.pem", "--tls-key-file", "key.pem"])
            .unwrap()
            .settings
            .to_toml();
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
        assert_eq!(read(&["demo", "--shutdown-seconds", "3"]).unwrap().settings.shutdown_seconds, 3);
        assert!(read(&["--database", "mysql://x"]).is_err());
    }
}
