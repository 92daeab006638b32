//! Connections, keys and the generated clients, as any Rust backend would set them up. Knows no scenario.

use anyhow::Context;
use headwater_client::pb::account_service_client::AccountServiceClient;
use headwater_client::pb::affiliate_service_client::AffiliateServiceClient;
use headwater_client::pb::reward_service_client::RewardServiceClient;
use headwater_client::pb::tracking_service_client::TrackingServiceClient;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

/// A channel that sends a key with every call.
pub(crate) type Authorized = InterceptedService<Channel, Bearer>;

/// A batch's answer, or a page of the feed, may be larger than what clients take by default.
pub(crate) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Adds the key to every call.
#[derive(Clone)]
pub(crate) struct Bearer(MetadataValue<Ascii>);

impl Bearer {
    /// Sends this key. Not marked as sensitive, as clients of most languages have it: a connection's later calls name it by number.
    pub(crate) fn of(key: &str) -> anyhow::Result<Self> {
        Ok(Self(format!("Bearer {key}").parse().context("the key is no header value")?))
    }

    /// The connection with the key in every call.
    pub(crate) fn on(self, channel: &Channel) -> Authorized {
        InterceptedService::new(channel.clone(), self)
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// All services, called with one key over one connection.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) accounts: AccountServiceClient<Authorized>,
    pub(crate) affiliates: AffiliateServiceClient<Authorized>,
    pub(crate) tracking: TrackingServiceClient<Authorized>,
    pub(crate) rewards: RewardServiceClient<Authorized>,
}

impl Client {
    /// On a connection that is there already.
    pub(crate) fn on(channel: &Channel, key: &str) -> anyhow::Result<Self> {
        let channel = Bearer::of(key)?.on(channel);
        Ok(Self {
            accounts: AccountServiceClient::new(channel.clone()),
            affiliates: AffiliateServiceClient::new(channel.clone()),
            tracking: TrackingServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX),
            rewards: RewardServiceClient::new(channel),
        })
    }

    /// On a connection of its own.
    pub(crate) async fn connect(url: &str, key: &str) -> anyhow::Result<Self> {
        Self::on(&connect(url).await?, key)
    }
}

/// One connection.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("cannot connect to {url}"))
}

/// Several connections, since all calls of one are served under one lock.
pub(crate) async fn connect_many(url: &str, count: usize) -> anyhow::Result<Vec<Channel>> {
    let mut channels = Vec::with_capacity(count);
    for _ in 0..count {
        channels.push(connect(url).await?);
    }
    Ok(channels)
}
