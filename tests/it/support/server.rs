//! A Headwater server in this process, listening on a free port, on a database of its own and with a clock that the test moves;
//! and clients of it. Everything goes over the wire.

use std::path::Path;
use std::sync::Arc;

use headwater::clock::ManualClock;
use headwater::config::{CommandLine, Settings};
use headwater::domain::time::Time;
use headwater::pb;
use headwater::pb::account_service_client::AccountServiceClient;
use headwater::pb::affiliate_service_client::AffiliateServiceClient;
use headwater::pb::reward_service_client::RewardServiceClient;
use headwater::pb::tracking_service_client::TrackingServiceClient;
use headwater::server::{OPERATOR_KEY_FILE, Server};
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use super::database::TestDatabase;

/// Day 0 of tests: 2026-01-01T00:00:00Z.
pub(crate) const START_MICROS: i64 = 1_767_225_600_000_000;

/// A server and what it needs. Dropping it leaves the server to end with the test.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) address: String,
    pub(crate) operator_key: String,
    /// Goes when the server does.
    _data_dir: TempDir,
}

impl TestServer {
    pub(crate) async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, &[]).await
    }

    /// Starts with further flags.
    pub(crate) async fn start_with(database: &TestDatabase, flags: &[&str]) -> Self {
        let data_dir = tempfile::Builder::new().prefix("headwater-data-").tempdir().unwrap();
        let settings = settings(&database.url, data_dir.path(), flags);
        let clock = ManualClock::new(Time::from_micros(START_MICROS));
        let server = Server::start(&settings, Arc::new(clock.clone())).await.unwrap();
        let address = format!("http://{}", server.address());
        // A second server on one database finds the operator key made.
        let operator_key = std::fs::read_to_string(data_dir.path().join(OPERATOR_KEY_FILE)).unwrap_or_default();
        Self { server, clock, address, operator_key: operator_key.trim().to_owned(), _data_dir: data_dir }
    }

    /// Registers an account and gives a client with its admin key.
    pub(crate) async fn new_account(&self, name: &str) -> TestClient {
        TestClient::register(&self.address, &self.operator_key, name).await
    }
}

pub(crate) fn settings(database_url: &str, data_dir: &Path, flags: &[&str]) -> Settings {
    let fixed = [
        "headwater",
        "--listen-address",
        "127.0.0.1:0",
        "--database",
        database_url,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    // Tests approve due rewards when they mean to.
    let upkeep = ["--upkeep-interval-seconds", "86400"];
    let upkeep = if flags.contains(&upkeep[0]) { &[][..] } else { &upkeep[..] };
    let arguments: Vec<String> = fixed.iter().chain(upkeep).chain(flags).map(|text| (*text).to_owned()).collect();
    CommandLine::read(arguments).unwrap().settings
}

type Authorized = InterceptedService<Channel, ApiKey>;

/// Adds the key to every call; nothing when there is none.
#[derive(Clone)]
pub(crate) struct ApiKey(Option<MetadataValue<Ascii>>);

impl Interceptor for ApiKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("x-api-key", key.clone());
        }
        Ok(request)
    }
}

/// The generated clients of all services, on one connection with one key.
#[derive(Clone)]
pub(crate) struct TestClient {
    pub(crate) key: String,
    channel: Authorized,
    pub(crate) accounts: AccountServiceClient<Authorized>,
    pub(crate) affiliates: AffiliateServiceClient<Authorized>,
    pub(crate) tracking: TrackingServiceClient<Authorized>,
    pub(crate) rewards: RewardServiceClient<Authorized>,
}

impl TestClient {
    /// A client with this key; without one when it is empty.
    pub(crate) async fn connect(address: &str, key: &str) -> Self {
        Self::try_connect(address, key).await.unwrap()
    }

    /// Registers an account and gives a client with its admin key.
    pub(crate) async fn register(address: &str, operator_key: &str, name: &str) -> Self {
        let mut operator = Self::connect(address, operator_key).await;
        let request = pb::RegisterAccountRequest {
            display_name: name.to_owned(),
            email: format!("{name}@owners.example"),
            ..pb::RegisterAccountRequest::default()
        };
        let registered = operator.accounts.register_account(request).await.unwrap().into_inner();
        Self::connect(address, &registered.api_key_text).await
    }

    /// As `connect`, of a server that may not be up.
    pub(crate) async fn try_connect(address: &str, key: &str) -> Result<Self, tonic::transport::Error> {
        let channel = Endpoint::from_shared(address.to_owned()).unwrap().connect().await?;
        Ok(Self::on(channel, key))
    }

    /// On a connection that was made in a special way.
    pub(crate) fn on(channel: Channel, key: &str) -> Self {
        let sent = ApiKey((!key.is_empty()).then(|| key.parse().unwrap()));
        Self {
            key: key.to_owned(),
            channel: InterceptedService::new(channel.clone(), sent.clone()),
            accounts: AccountServiceClient::with_interceptor(channel.clone(), sent.clone()),
            affiliates: AffiliateServiceClient::with_interceptor(channel.clone(), sent.clone()),
            tracking: TrackingServiceClient::with_interceptor(channel.clone(), sent.clone()),
            rewards: RewardServiceClient::with_interceptor(channel, sent),
        }
    }
}

impl TestClient {
    /// Calls a method by its name, such as `headwater.v1.TrackingService/RecordSale`.
    pub(crate) async fn call<Q, A>(&self, method: &str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = format!("/{method}").parse().unwrap();
        let codec = tonic_prost::ProstCodec::default();
        client.unary(Request::new(request), path, codec).await.map(tonic::Response::into_inner)
    }
}

/// The reason in a status' ErrorInfo; fails for a status without one.
pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("an error without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "headwater.dev");
    info.reason.clone()
}
