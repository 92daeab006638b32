//! The generated clients of all services with a key, set up as in any Rust backend.

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::error;
use crate::pb::account_service_client::AccountServiceClient;
use crate::pb::affiliate_service_client::AffiliateServiceClient;
use crate::pb::feed_service_client::FeedServiceClient;
use crate::pb::payout_service_client::PayoutServiceClient;
use crate::pb::reward_service_client::RewardServiceClient;
use crate::pb::tracking_service_client::TrackingServiceClient;

type Authorized = InterceptedService<Channel, Bearer>;

/// Adds the key to every call.
#[derive(Clone)]
pub(super) struct Bearer(MetadataValue<Ascii>);

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// All services, called with one key.
#[derive(Clone)]
#[cfg_attr(not(feature = "demo-payouts"), expect(dead_code, reason = "only the demo's payouts call PayoutService"))]
pub(super) struct Client {
    pub(super) accounts: AccountServiceClient<Authorized>,
    pub(super) affiliates: AffiliateServiceClient<Authorized>,
    pub(super) tracking: TrackingServiceClient<Authorized>,
    pub(super) feed: FeedServiceClient<Authorized>,
    pub(super) payouts: PayoutServiceClient<Authorized>,
    pub(super) rewards: RewardServiceClient<Authorized>,
}

impl Client {
    pub(super) async fn connect(address: &str, key: &str) -> Result<Self, Status> {
        let unreachable = |error: &dyn std::fmt::Display| {
            error::Error::Internal(format!("cannot connect: {error}")).into_status(&error::CallName::default())
        };
        let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| unreachable(&error))?;
        let channel = endpoint.connect().await.map_err(|error| unreachable(&error))?;
        let mut bearer: MetadataValue<Ascii> = format!("Bearer {key}").parse().map_err(|error| unreachable(&error))?;
        bearer.set_sensitive(true);
        let bearer = Bearer(bearer);
        Ok(Self {
            accounts: AccountServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            affiliates: AffiliateServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            tracking: TrackingServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            feed: FeedServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            payouts: PayoutServiceClient::with_interceptor(channel.clone(), bearer.clone()),
            rewards: RewardServiceClient::with_interceptor(channel, bearer),
        })
    }
}
