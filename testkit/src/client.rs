//! Connections, keys and the generated clients, set up as in any Rust backend. Knows no test scenario.

use anyhow::Context;
use headwater_client::pb::account_service_client::AccountServiceClient;
use headwater_client::pb::affiliate_service_client::AffiliateServiceClient;
use headwater_client::pb::feed_service_client::FeedServiceClient;
use headwater_client::pb::payout_service_client::PayoutServiceClient;
use headwater_client::pb::reward_service_client::RewardServiceClient;
use headwater_client::pb::tracking_service_client::TrackingServiceClient;
use tonic::client::Grpc;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// A channel that sends a key with every call.
pub type Authorized = InterceptedService<Channel, Bearer>;

/// Adds the key to every call, if there is one.
#[derive(Debug, Clone)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Sends this key, or none when it is empty. The header is not marked as sensitive, because clients in most languages do not
    /// mark it either. Later calls on a connection therefore send only its index in the header table.
    ///
    /// # Errors
    /// The key cannot be sent in a header.
    pub fn of(key: &str) -> anyhow::Result<Self> {
        if key.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(format!("Bearer {key}").parse().context("the key is no header value")?)))
    }

    /// The connection with the key in every call.
    pub fn on(self, channel: &Channel) -> Authorized {
        InterceptedService::new(channel.clone(), self)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

/// All services, called with one key over one connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// The key that is sent with every call.
    pub key: String,
    /// The connection with the key.
    pub channel: Authorized,
    /// Accounts and keys.
    pub accounts: AccountServiceClient<Authorized>,
    /// Programs, affiliates and what belongs to them.
    pub affiliates: AffiliateServiceClient<Authorized>,
    /// Clicks, leads, sales, refunds, and the stream of conversions.
    pub tracking: TrackingServiceClient<Authorized>,
    /// The feed of every event.
    pub feed: FeedServiceClient<Authorized>,
    /// Rewards and the ledger.
    pub rewards: RewardServiceClient<Authorized>,
    /// Payouts.
    pub payouts: PayoutServiceClient<Authorized>,
}

impl Client {
    /// Makes the clients on an existing connection.
    ///
    /// # Errors
    /// The key cannot be sent in a header.
    pub fn on(channel: &Channel, key: &str) -> anyhow::Result<Self> {
        let channel = Bearer::of(key)?.on(channel);
        Ok(Self {
            key: key.to_owned(),
            channel: channel.clone(),
            accounts: AccountServiceClient::new(channel.clone()),
            affiliates: AffiliateServiceClient::new(channel.clone()),
            tracking: TrackingServiceClient::new(channel.clone()),
            feed: FeedServiceClient::new(channel.clone()),
            rewards: RewardServiceClient::new(channel.clone()),
            payouts: PayoutServiceClient::new(channel),
        })
    }

    /// Opens a connection and makes the clients on it.
    ///
    /// # Errors
    /// Nobody listens there, or the key cannot be sent in a header.
    pub async fn connect(url: &str, key: &str) -> anyhow::Result<Self> {
        Self::on(&connect(url).await?, key)
    }
}

impl Client {
    /// Calls a method by its name, such as `headwater.v1.TrackingService/RecordSale`.
    ///
    /// # Errors
    /// The status that the call ends with.
    #[expect(clippy::disallowed_methods, reason = "the status of a client that reached no server")]
    pub async fn call<Q, A>(&self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut client = Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!("/{method}").parse().map_err(|_| Status::unimplemented(format!("no method {method}")))?;
        client.unary(Request::new(request), path, ProstCodec::default()).await.map(Response::into_inner)
    }
}

/// Opens one connection.
///
/// # Errors
/// Nobody listens there.
pub async fn connect(url: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("cannot connect to {url}"))
}

/// Opens several connections. One connection would not be enough, because all its calls share a lock.
///
/// # Errors
/// Nobody listens there.
pub async fn connect_many(url: &str, count: usize) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::with_capacity(count);
    for _ in 0..count {
        channels.push(connect(url).await?);
    }
    Ok(channels)
}
