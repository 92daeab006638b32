//! The server, its account, and one connection to it. They serve all inputs of a process.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use headwater::clock::ManualClock;
use headwater::config::CommandLine;
use headwater::domain::time::Time;
use headwater::pb;
use headwater::rpc::call::change::Method;
use headwater::server::{OPERATOR_KEY_FILE, Server};
use http::{HeaderMap, HeaderValue, Request};
use prost::Message;
use prost_reflect::DynamicMessage;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tonic::Status;

use super::frame;
use crate::api::{methods, name_of};
use crate::message::each_text;
use crate::value::Pool;

/// 2026-01-01T00:00:00Z.
const START_MICROS: i64 = 1_767_225_600_000_000;

/// Much longer than any call takes, so that only a call that hangs takes as long.
const CALL_SECONDS_MAX: u64 = 120;
/// How long a stream or a long poll is listened to.
const STREAM_MILLISECONDS: u64 = 20;

pub(super) static HOST: LazyLock<Host> = LazyLock::new(Host::start);

pub(super) struct Host {
    runtime: Runtime,
    address: String,
    connection: Mutex<Option<SendRequest<Bytes>>>,
    /// Keys of the account, and texts that are none.
    pub(super) keys: Vec<HeaderValue>,
    operator_key: HeaderValue,
    admin_key: HeaderValue,
    /// Texts that the server gave out: ids, page tokens, cursors, etags.
    pub(super) pool: Pool,
    pub(super) now_seconds: i64,
    _server: Server,
    _folder: TempDir,
}

/// An answer as it came.
pub(super) struct Answer {
    pub(super) http_status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    /// The status, from the trailers or, where there are none, from the headers.
    pub(super) fn status(&self) -> Option<Status> {
        Status::from_header_map(self.trailers.as_ref().unwrap_or(&self.headers))
    }

    /// The first message.
    pub(super) fn message(&self) -> Option<&[u8]> {
        let (head, rest) = self.body.split_first_chunk::<5>()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        rest.get(..length.try_into().ok()?)
    }
}

/// In memory if the machine has such a folder, because the results do not depend on the disk.
fn new_folder() -> TempDir {
    let builder = || tempfile::Builder::new().prefix("headwater-fuzz-").to_owned();
    builder().tempdir_in("/dev/shm").or_else(|_| builder().tempdir()).expect("a folder")
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text.trim()).expect("keys are plain")
}

impl Host {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let folder = new_folder();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        let database = format!("sqlite://{}", path("fuzz.sqlite"));
        let data_dir = path("data");
        let arguments =
            ["headwater", "--listen-address", "127.0.0.1:0", "--database", &database, "--data-dir", &data_dir];
        // The server does nothing by itself, and no call ends because the machine is slow.
        let quiet = ["--upkeep-interval-seconds", "86400", "--request-timeout-seconds", "600"];
        let arguments: Vec<String> = arguments.iter().chain(&quiet).map(|text| (*text).to_owned()).collect();
        let settings = CommandLine::read(arguments).expect("the settings are right").settings;
        let clock = Arc::new(ManualClock::new(Time::from_micros(START_MICROS)));
        let server = runtime.block_on(Server::start(&settings, clock)).expect("the server starts");
        let operator_key = std::fs::read_to_string(folder.path().join("data").join(OPERATOR_KEY_FILE));
        let operator_key = header(&operator_key.expect("the first start makes a key"));
        let mut host = Self {
            address: server.address().to_string(),
            runtime,
            connection: Mutex::new(None),
            keys: vec![header("hw_admin_none"), header(""), operator_key.clone()],
            admin_key: operator_key.clone(),
            operator_key,
            pool: Pool::default(),
            now_seconds: START_MICROS / 1_000_000,
            _server: server,
            _folder: folder,
        };
        host.furnish();
        host
    }

    /// The key that may call the method.
    pub(super) fn key(&self, method: &str) -> HeaderValue {
        let is_for_operators = matches!(method, "RegisterAccount" | "CreateAdminApiKey");
        if is_for_operators { self.operator_key.clone() } else { self.admin_key.clone() }
    }

    /// Calls a method. `None` for a stream or a long poll that says nothing for a while, and for a connection that the server ended.
    pub(super) fn call(&self, path: &str, headers: HeaderMap, body: Bytes, is_open_ended: bool) -> Option<Answer> {
        self.runtime.block_on(async {
            if is_open_ended {
                let limit = Duration::from_millis(STREAM_MILLISECONDS);
                return tokio::time::timeout(limit, self.send(path, headers, body, true)).await.ok().flatten();
            }
            let limit = Duration::from_secs(CALL_SECONDS_MAX);
            let answer = tokio::time::timeout(limit, self.send(path, headers, body, false)).await;
            answer.unwrap_or_else(|_| panic!("{path} is not answered"))
        })
    }

    /// The connection, or a new one if the server has ended it.
    async fn connection(&self) -> SendRequest<Bytes> {
        let kept = self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(connection) = kept
            && let Ok(ready) = connection.ready().await
        {
            return ready;
        }
        let socket = TcpStream::connect(&self.address).await.expect("the server listens");
        let (requests, connection) = h2::client::handshake(socket).await.expect("the server speaks HTTP/2");
        tokio::spawn(connection);
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(requests.clone());
        requests.ready().await.expect("a new connection is ready")
    }

    async fn send(&self, path: &str, headers: HeaderMap, body: Bytes, takes_first: bool) -> Option<Answer> {
        let mut request = Request::post(format!("http://{}/{path}", self.address)).body(()).ok()?;
        *request.headers_mut() = headers;
        let (answer, mut stream) = self.connection().await.send_request(request, false).ok()?;
        // A server that answers before the body has arrived may refuse the rest.
        let _ = stream.send_data(body, true);
        // The server's library ends a stream whose headers break the protocol.
        let (head, mut body) = answer.await.ok()?.into_parts();
        let mut received = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.ok()?;
            body.flow_control().release_capacity(data.len()).ok()?;
            received.extend(data);
            if takes_first {
                break;
            }
        }
        let trailers = if takes_first && !received.is_empty() { None } else { body.trailers().await.ok()? };
        Some(Answer { http_status: head.status.as_u16(), headers: head.headers, body: received, trailers })
    }

    /// Makes an account with some of everything, and keeps what the server gives out.
    fn furnish(&mut self) {
        let register = pb::RegisterAccountRequest {
            display_name: "Shop".to_owned(),
            email: "owner@shop.example".to_owned(),
            ..Default::default()
        };
        self.admin_key = header(&self.make(&register).api_key_text);
        for kind in
            [pb::ApiKeyKind::Tracking, pb::ApiKeyKind::Read, pb::ApiKeyKind::Publishable, pb::ApiKeyKind::Payout]
        {
            let made = self.make(&pb::CreateApiKeyRequest { kind: kind.into(), ..Default::default() });
            self.keys.push(header(&made.api_key_text));
        }
        self.keys.push(self.admin_key.clone());
        let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) });
        self.make(&pb::CreateProgramRequest {
            display_name: "Main".to_owned(),
            currency_code: "USD".to_owned(),
            landing_url: "https://shop.example/".to_owned(),
            is_default: true,
            terms: Some(pb::Terms { commission, ..Default::default() }),
            ..Default::default()
        });
        for number in 0..3 {
            self.make(&pb::CreateAffiliateRequest {
                email: format!("affiliate{number}@a.example"),
                ref_id: format!("ref-{number}"),
                coupon_code: format!("CODE{number}"),
                ..Default::default()
            });
            self.make(&pb::RecordClickRequest { ref_id: format!("ref-{number}"), ..Default::default() });
            self.make(&pb::RecordSaleRequest {
                event_id: format!("first-{number}"),
                external_id: format!("customer-{number}"),
                ref_id: format!("ref-{number}"),
                amount: Some(pb::Money { amount_minor: 10_000, currency_code: "USD".to_owned() }),
                ..Default::default()
            });
        }
        for method in methods().iter().filter(|method| method.input().get_field_by_name("page_size").is_some()) {
            let mut request = DynamicMessage::new(method.input());
            request.set_field_by_name("page_size", prost_reflect::Value::I32(1));
            let path = name_of(method);
            let answer =
                self.call(&path, self.usual_headers(method.name()), frame(0, &request.encode_to_vec()).into(), false);
            self.learn(method.output(), &answer.expect("the server answers"));
        }
    }

    fn usual_headers(&self, method: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("x-api-key", self.key(method));
        headers
    }

    fn make<M: Method>(&mut self, request: &M) -> M::Response {
        let (_, name) = M::NAME.split_once('/').expect("names have a service");
        let body = frame(0, &request.encode_to_vec());
        let answer = self.call(M::NAME, self.usual_headers(name), body.into(), false).expect("the server answers");
        let message = answer.message().unwrap_or_else(|| panic!("{}: {:?}", M::NAME, answer.status()));
        let response = M::Response::decode(message).expect("an answer can be read");
        let method = methods().iter().find(|method| name_of(method) == M::NAME).expect("a method of the API");
        self.learn(method.output(), &answer);
        response
    }

    fn learn(&mut self, output: prost_reflect::MessageDescriptor, answer: &Answer) {
        if let Some(message) = answer.message() {
            let message = DynamicMessage::decode(output, message).expect("an answer can be read");
            each_text(&message, &mut |name, text| self.pool.keep(name, text));
        }
    }
}
