//! The listener: its address, TLS, and its connections.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::ConfigError;

/// The listener and its connections.
#[derive(Debug, Clone, Args, Serialize)]
pub struct ListenSettings {
    /// Where to listen, address and port. Port 0 takes a free one.
    #[arg(long, global = true, env = "HEADWATER_LISTEN_ADDRESS", default_value = "127.0.0.1:50051")]
    pub listen_address: SocketAddr,

    /// The TLS certificate chain, PEM. With `tls_key_file` the server speaks TLS only.
    #[arg(long, global = true, env = "HEADWATER_TLS_CERTIFICATE_FILE", value_name = "FILE", requires = "tls_key_file")]
    pub tls_certificate_file: Option<PathBuf>,

    /// The TLS private key, PEM.
    #[arg(long, global = true, env = "HEADWATER_TLS_KEY_FILE", value_name = "FILE", requires = "tls_certificate_file")]
    pub tls_key_file: Option<PathBuf>,

    /// Serve without TLS on an address that other machines can reach. Use this only behind a proxy that adds TLS, because keys
    /// are sent unencrypted.
    #[arg(long, global = true, env = "HEADWATER_ALLOW_PLAINTEXT", num_args = 0..=1, default_missing_value = "true", default_value = "false")]
    pub allow_plaintext: bool,

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

impl ListenSettings {
    /// Refuses plaintext where other machines could read it.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let is_open = !self.listen_address.ip().is_loopback();
        if is_open && self.tls_certificate_file.is_none() && !self.allow_plaintext {
            return Err(ConfigError::Plaintext(self.listen_address));
        }
        Ok(())
    }
}
