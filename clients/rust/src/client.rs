//! Connecting, and the client itself.

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::call::{Caller, Rules};
use crate::calls::{AccountCalls, AffiliateCalls, FeedCalls, PayoutCalls, RewardCalls, TrackingCalls};
use crate::error::Error;
use crate::follow::{FollowOptions, Follower};
use crate::pb;

/// How long a connection, and then a TLS handshake, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that sends the API key with every call. The generated clients of [`pb`] work on it.
pub type KeyedChannel = InterceptedService<Channel, Key>;

/// Adds the API key to every call.
#[derive(Clone)]
pub struct Key(MetadataValue<Ascii>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Key")
    }
}

/// Where and how to connect.
#[derive(Clone)]
pub struct ConnectOptions {
    url: String,
    key: String,
    ca_pem: Option<Vec<u8>>,
    server_name: Option<String>,
    timeout: Duration,
}

impl ConnectOptions {
    /// The server's URL, such as `https://headwater.internal:50051`, and an API key. With `https` the server's certificate is checked
    /// against the roots of the system. With `http` the connection has no TLS, and the key can be read on the way: use it on loopback
    /// and behind a proxy that adds TLS.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        Self { url: url.into(), key: key.into(), ca_pem: None, server_name: None, timeout: Rules::DEFAULT_TIMEOUT }
    }

    /// Trusts the certificates of this PEM text, and no longer the roots of the system.
    #[must_use]
    pub fn ca_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_pem = Some(pem.into());
        self
    }

    /// Checks the server's certificate for this name, and not for the host of the URL.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// The deadline of a call with all its repeats. Default: 10 seconds. A long poll has at least `max_wait` and 5 seconds.
    /// `VerifyLedger` has no deadline, and is repeated for this long after its first failure.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn endpoint(&self) -> Result<Endpoint, Error> {
        let refused = |cause: &dyn std::error::Error| {
            Error::usage(format!("the URL {} is not such as https://headwater.internal:50051: {cause}", self.url))
        };
        let endpoint = Endpoint::from_shared(self.url.clone()).map_err(|error| refused(&error))?;
        let endpoint = endpoint
            .user_agent(concat!("headwater-rust/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| refused(&error))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        match endpoint.uri().scheme_str() {
            Some("http") if self.ca_pem.is_some() || self.server_name.is_some() => {
                Err(Error::usage("ca_pem and server_name need a URL with https".to_owned()))
            }
            Some("http") => Ok(endpoint),
            Some("https") if self.ca_pem.as_ref().is_some_and(|pem| !has_certificate(pem)) => {
                Err(Error::usage("ca_pem has no certificate in PEM".to_owned()))
            }
            Some("https") => {
                // The limit of the connection ends before the handshake begins.
                let mut tls = ClientTlsConfig::new().timeout(CONNECT_TIMEOUT);
                tls = match &self.ca_pem {
                    Some(pem) => tls.ca_certificate(Certificate::from_pem(pem)),
                    None => tls.with_native_roots(),
                };
                if let Some(name) = &self.server_name {
                    tls = tls.domain_name(name);
                }
                endpoint.tls_config(tls).map_err(|error| Error::usage(format!("TLS: {}", crate::error::chain(&error))))
            }
            _ => Err(Error::usage(format!("the URL {} begins with neither https:// nor http://", self.url))),
        }
    }
}

/// The TLS library takes a text without certificates for an empty list, which trusts nobody.
fn has_certificate(pem: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    pem.windows(BEGIN.len()).any(|window| window == BEGIN)
}

impl std::fmt::Debug for ConnectOptions {
    /// Leaves the key out, so that no log gets it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ConnectOptions").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Calls one server with one API key. A clone shares the connection; all methods may be used by many tasks at once.
#[derive(Debug, Clone)]
pub struct Client {
    caller: Caller,
    endpoint: Endpoint,
    key: Key,
}

impl Client {
    /// Connects, and checks the key with `CheckApiKey`. A wrong URL, certificate or key fails here, at once and with the cause.
    ///
    /// # Errors
    /// The URL or the PEM text cannot be used, the server cannot be reached, or it refuses the key.
    pub async fn connect(options: ConnectOptions) -> Result<Self, Error> {
        let client = Self::connect_lazy(options)?;
        let once = Caller { rules: Rules { is_repeating: false, ..client.caller.rules }, ..client.caller.clone() };
        AccountCalls::new(once).check_api_key(pb::CheckApiKeyRequest {}).await?;
        Ok(client)
    }

    /// Makes a client that connects with its first call. Use it where the server may start later than its caller.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    ///
    /// # Errors
    /// The URL, the key or the PEM text cannot be used.
    pub fn connect_lazy(options: ConnectOptions) -> Result<Self, Error> {
        let endpoint = options.endpoint()?;
        let value = format!("Bearer {}", options.key.trim());
        let mut value: MetadataValue<Ascii> =
            value.parse().map_err(|_| Error::usage("the API key has characters that no key has".to_owned()))?;
        value.set_sensitive(true);
        let key = Key(value);
        let channel = InterceptedService::new(endpoint.connect_lazy(), key.clone());
        let rules = Rules { timeout: options.timeout, is_repeating: true };
        Ok(Self { caller: Caller { channel, rules }, endpoint, key })
    }

    /// The same client with another deadline, see [`ConnectOptions::timeout`].
    ///
    /// ```no_run
    /// # async fn record(client: headwater_client::Client) -> Result<(), headwater_client::Error> {
    /// # use headwater_client::pb;
    /// let click = pb::RecordClickRequest { ref_id: "lena".to_owned(), ..pb::RecordClickRequest::default() };
    /// client.with_timeout(std::time::Duration::from_millis(300)).tracking().record_click(click).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        let mut client = self.clone();
        client.caller.rules.timeout = timeout;
        client
    }

    /// Accounts and API keys.
    pub fn accounts(&self) -> AccountCalls {
        AccountCalls::new(self.caller.clone())
    }

    /// Programs, affiliates, enrollments, links and coupons.
    pub fn affiliates(&self) -> AffiliateCalls {
        AffiliateCalls::new(self.caller.clone())
    }

    /// Pages of the feed. [`Client::follow`] follows it.
    pub fn feed(&self) -> FeedCalls {
        FeedCalls::new(self.caller.clone())
    }

    /// Payouts.
    pub fn payouts(&self) -> PayoutCalls {
        PayoutCalls::new(self.caller.clone())
    }

    /// Rewards, balances and the ledger.
    pub fn rewards(&self) -> RewardCalls {
        RewardCalls::new(self.caller.clone())
    }

    /// Clicks, leads, sales, refunds and cancellations.
    pub fn tracking(&self) -> TrackingCalls {
        TrackingCalls::new(self.caller.clone())
    }

    /// Follows the feed, on a connection of its own so that large answers of other calls do not delay it. It connects with the first
    /// [`Follower::next`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn follow(&self, options: FollowOptions) -> Follower {
        Follower::new(InterceptedService::new(self.endpoint.connect_lazy(), self.key.clone()), options)
    }

    /// The connection, for the generated clients in [`pb`]. Calls through them have no deadline, repeats or ids of their own.
    pub fn channel(&self) -> KeyedChannel {
        self.caller.channel.clone()
    }
}
