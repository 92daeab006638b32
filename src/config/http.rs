//! The listener for HTTP, and how callbacks of payout providers are recognised.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use serde::{Serialize, Serializer};

use super::ListenAddress;

/// Where PayPal's certificates are, live and in the sandbox. Each has two hosts.
const PAYPAL_CERTIFICATES: &str = "https://api.paypal.com/v1/notifications/certs,https://api-m.paypal.com/v1/notifications/certs,\
     https://api.sandbox.paypal.com/v1/notifications/certs,https://api-m.sandbox.paypal.com/v1/notifications/certs";

/// The listener for HTTP.
#[derive(Debug, Clone, Args, Serialize)]
pub struct HttpSettings {
    /// Where to listen for HTTP/1.1: callbacks of payout providers, and `/health` for load balancers. An address or a host name, and a
    /// port. It speaks TLS if `tls_certificate_file` is set. Not set: the server does not listen for HTTP.
    #[arg(long, global = true, env = "HEADWATER_HTTP_ADDRESS", value_name = "ADDRESS")]
    pub http_address: Option<ListenAddress>,

    /// How many connections for HTTP may be open. When all are, a new one takes the place of the oldest of the address that has the
    /// most.
    #[arg(long, global = true, env = "HEADWATER_HTTP_CONNECTIONS_MAX", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub http_connections_max: u32,

    /// The addresses below which PayPal keeps the certificates that it signs callbacks with, with commas between. A certificate from
    /// elsewhere is not fetched.
    #[arg(long, global = true, env = "HEADWATER_PAYPAL_CERTIFICATE_ADDRESSES", default_value = PAYPAL_CERTIFICATES, value_name = "URLS")]
    pub paypal_certificate_addresses: Addresses,

    /// The authorities whose signature PayPal's certificates must have, PEM. Not set: those that the system trusts.
    #[arg(long, global = true, env = "HEADWATER_PAYPAL_ROOTS_FILE", value_name = "FILE")]
    pub paypal_roots_file: Option<PathBuf>,

    /// The public key that Wise signs callbacks with, PEM. Not set: the one that Wise has published.
    #[arg(long, global = true, env = "HEADWATER_WISE_CALLBACK_KEY_FILE", value_name = "FILE")]
    pub wise_callback_key_file: Option<PathBuf>,

    /// The same of Wise's sandbox, for test accounts.
    #[arg(long, global = true, env = "HEADWATER_WISE_SANDBOX_CALLBACK_KEY_FILE", value_name = "FILE")]
    pub wise_sandbox_callback_key_file: Option<PathBuf>,
}

/// A list of texts, with commas between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(Vec<String>);

impl Addresses {
    /// The texts.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl FromStr for Addresses {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.split(',').map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()))
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.join(","))
    }
}
