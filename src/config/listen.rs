//! The listener: its address, TLS, and its connections.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use ipnet::IpNet;
use serde::{Serialize, Serializer};

use super::{ConfigError, Places};

/// The listener and its connections.
#[derive(Debug, Clone, Args, Serialize)]
pub struct ListenSettings {
    /// Where to listen: an address or a host name, and a port. The server listens on every address of a host name. Port 0 takes a
    /// free one.
    #[arg(long, global = true, env = "HEADWATER_LISTEN_ADDRESS", default_value = "127.0.0.1:50051")]
    pub listen_address: ListenAddress,

    /// The TLS certificate chain, PEM. With `tls_key_file` the server speaks TLS only.
    #[arg(long, global = true, env = "HEADWATER_TLS_CERTIFICATE_FILE", value_name = "FILE")]
    pub tls_certificate_file: Option<PathBuf>,

    /// The TLS private key, PEM.
    #[arg(long, global = true, env = "HEADWATER_TLS_KEY_FILE", value_name = "FILE")]
    pub tls_key_file: Option<PathBuf>,

    /// Serve without TLS on an address that other machines can reach. Use this only behind a proxy that adds TLS, because keys
    /// are sent unencrypted.
    #[arg(long, global = true, env = "HEADWATER_ALLOW_PLAINTEXT", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub allow_plaintext: bool,

    /// The proxies in front, as addresses or networks with commas between, such as `10.0.0.0/8,fd00::/8`. A request from one of them
    /// counts as coming from the address in its header `x-forwarded-for`, so that keys with networks and limits per address work behind
    /// a proxy. The header of others is ignored.
    #[arg(long, global = true, env = "HEADWATER_TRUSTED_PROXIES", default_value = "")]
    pub trusted_proxies: Networks,

    /// How many connections may be open. The limit of open files may allow fewer; the log says so at the start. When all are open, a
    /// new one takes the place of one over which no call with a key has come, of the address that has the most of these.
    #[arg(long, global = true, env = "HEADWATER_CONNECTIONS_MAX", default_value = "2048", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_max: u32,

    /// How many connections one address may have, or one /64 network of IPv6 addresses. It never gets more than two thirds of
    /// `connections_max`.
    #[arg(long, global = true, env = "HEADWATER_CONNECTIONS_PER_ADDRESS_MAX", default_value = "1024", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_per_address_max: u32,

    /// How long a new connection may take until its first request, in seconds. A TLS handshake before it may take a
    /// third as long.
    #[arg(long, global = true, env = "HEADWATER_FIRST_REQUEST_SECONDS", default_value = "30", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub first_request_seconds: u32,

    /// How many calls and streams one connection may have open at once.
    #[arg(long, global = true, env = "HEADWATER_CONNECTION_STREAMS_MAX", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connection_streams_max: u32,

    /// How often an idle connection is pinged, in seconds.
    #[arg(long, global = true, env = "HEADWATER_KEEPALIVE_INTERVAL_SECONDS", default_value = "20", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub keepalive_interval_seconds: u32,

    /// How long to wait for the answer to a ping, in seconds.
    #[arg(long, global = true, env = "HEADWATER_KEEPALIVE_TIMEOUT_SECONDS", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=600))]
    pub keepalive_timeout_seconds: u32,

    /// The age at which a connection's client is asked to open a new one, in minutes. New connections spread the load again.
    #[arg(long, global = true, env = "HEADWATER_CONNECTION_AGE_MINUTES", default_value = "60", value_parser = clap::value_parser!(u32).range(1..=10_080))]
    pub connection_age_minutes: u32,

    /// Whether clients may ask the server for its API (reflection v1 and v1alpha).
    #[arg(long, global = true, env = "HEADWATER_REFLECTION", default_value = "true", action = clap::ArgAction::Set)]
    pub reflection: bool,
}

/// A list of networks, with commas between.
#[derive(Debug, Clone, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// The networks.
    pub fn as_slice(&self) -> &[IpNet] {
        &self.0
    }
}

impl FromStr for Networks {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let network = |text: &str| match text.parse::<IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => text.parse::<IpNet>().map_err(|_| ConfigError::Networks(text.to_owned())),
        };
        text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.iter().map(IpNet::to_string).collect::<Vec<_>>().join(","))
    }
}

impl ListenSettings {
    /// Refuses plaintext where other machines could read it. The addresses are all those that the server will listen on for this
    /// setting.
    ///
    /// # Errors
    /// [`ConfigError::Plaintext`] with the first address that is not loopback.
    pub fn check_plaintext(&self, setting: &str, addresses: &[SocketAddr], places: &Places) -> Result<(), ConfigError> {
        if self.tls_files().is_some() || self.allow_plaintext {
            return Ok(());
        }
        match addresses.iter().find(|address| !is_loopback(address.ip())) {
            Some(address) => Err(ConfigError::Plaintext { place: places.of(setting), address: *address }),
            None => Ok(()),
        }
    }

    /// Refuses a certificate without a key, and a key without a certificate.
    pub(super) fn check_tls(&self, places: &Places) -> Result<(), ConfigError> {
        let (given, missing) = match (&self.tls_certificate_file, &self.tls_key_file) {
            (Some(_), None) => ("tls_certificate_file", "tls_key_file"),
            (None, Some(_)) => ("tls_key_file", "tls_certificate_file"),
            _ => return Ok(()),
        };
        let flag = missing.replace('_', "-");
        let problem =
            format!("`{given}` needs `{missing}` too; set it with --{flag}, in the environment or in the file");
        Err(ConfigError::Value { place: places.of(given), problem })
    }

    /// The files of the certificate and of its key, if the server speaks TLS.
    pub fn tls_files(&self) -> Option<(&Path, &Path)> {
        Some((self.tls_certificate_file.as_deref()?, self.tls_key_file.as_deref()?))
    }
}

/// Whether only this machine reaches the address. An IPv4 address can be written as an IPv6 one.
fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// An address or a host name, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    text: String,
    literal: Option<SocketAddr>,
}

impl ListenAddress {
    /// The address. `None` for a host name, which must be resolved.
    pub fn literal(&self) -> Option<SocketAddr> {
        self.literal
    }

    /// The address or host name with its port, as it was set.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for ListenAddress {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let literal = text.parse().ok();
        let is_name = |host: &str| {
            let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
            // What has only digits and dots is an address with a mistake. The resolver would read `127.1` as 127.0.0.1.
            !host.is_empty() && host.chars().all(is_letter) && host.chars().any(|letter| letter.is_ascii_alphabetic())
        };
        let is_address = literal.is_some()
            || text.rsplit_once(':').is_some_and(|(host, port)| is_name(host) && port.parse::<u16>().is_ok());
        if is_address { Ok(Self { text: text.to_owned(), literal }) } else { Err(ConfigError::ListenAddress) }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
