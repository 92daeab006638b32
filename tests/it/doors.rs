//! Connections and calls that take a place and do nothing with it. They keep nobody out, they end by themselves, and a stop does
//! not wait for them.

use std::any::Any;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use headwater::pb;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use crate::support::certificate::make_certificates;
use crate::support::database::TestDatabase;
use crate::support::feed::{from_beginning, from_latest};
use crate::support::raw::RawClient;
use crate::support::server::{TestServer, reason, register};
use crate::support::shop::{Shop, sale};

const RECORD_SALE: &str = "headwater.v1.TrackingService/RecordSale";
const HEALTH_CHECK: &str = "grpc.health.v1.Health/Check";
const HEALTH_WATCH: &str = "grpc.health.v1.Health/Watch";
const REFLECTION: &str = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const GRPC: (&str, &str) = ("content-type", "application/grpc");

/// The beginning of every HTTP/2 connection, and the first frame, which has no settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Far longer than anything here takes, and far shorter than what the server would wait for without the limits.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<F: Future>(future: F, what: &str) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.address.trim_start_matches("http://")).await.unwrap()
}

/// Whether the server has closed the connection. What it sends before is ignored.
async fn is_closed(mut connection: TcpStream) {
    let mut bytes = [0; 1_000];
    while !matches!(connection.read(&mut bytes).await, Ok(0) | Err(_)) {}
}

db_test!(a_connection_without_a_request_ends, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--first-request-seconds", "1"]).await;
    let silent = connect(&server).await;
    let mut half = connect(&server).await;
    half.write_all(&PREFACE[..10]).await.unwrap();
    let mut whole = connect(&server).await;
    whole.write_all(PREFACE).await.unwrap();
    whole.write_all(SETTINGS).await.unwrap();
    for connection in [silent, half, whole] {
        soon(is_closed(connection), "the end of a connection without a request").await;
    }
    // A connection with a request stays.
    let mut client = server.new_account("shop").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap();
});

/// A server that speaks TLS, and the folder of its certificate. `None` without openssl.
async fn start_with_tls(flags: &[&str]) -> Option<(TestServer, TempDir)> {
    let folder = TempDir::new().unwrap();
    if !make_certificates(folder.path()).await {
        return None;
    }
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let tls = ["--tls-certificate-file", &certificate, "--tls-key-file", &key];
    let database = TestDatabase::sqlite().await;
    Some((TestServer::start_with(&database, &[&tls[..], flags].concat()).await, folder))
}

/// Connects with the authority in the folder.
async fn connect_with_tls(server: &TestServer, folder: &Path) -> Result<Channel, tonic::transport::Error> {
    let authority = Certificate::from_pem(std::fs::read(folder.join("authority.pem")).unwrap());
    let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
    let address = server.address.replace("http://", "https://");
    Endpoint::from_shared(address).unwrap().tls_config(tls).unwrap().connect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_stands_still_ends() {
    let Some((server, folder)) = start_with_tls(&["--first-request-seconds", "3"]).await else { return };
    let mut half = connect(&server).await;
    half.write_all(&[22, 3, 1, 0, 200, 1, 0]).await.unwrap();
    soon(is_closed(half), "the end of half a handshake").await;
    connect_with_tls(&server, folder.path()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_without_a_restart() {
    let Some((server, folder)) = start_with_tls(&[]).await else { return };
    let before = TempDir::new().unwrap();
    std::fs::copy(folder.path().join("authority.pem"), before.path().join("authority.pem")).unwrap();
    // A file that cannot be used changes nothing.
    std::fs::write(folder.path().join("server.pem"), "no certificate").unwrap();
    server.server.reload_certificate();
    connect_with_tls(&server, before.path()).await.unwrap();
    assert!(make_certificates(folder.path()).await);
    server.server.reload_certificate();
    connect_with_tls(&server, folder.path()).await.unwrap();
    connect_with_tls(&server, before.path()).await.unwrap_err();
}

db_test!(newcomers_take_the_place_of_silent_connections, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--connections-max", "12"]).await;
    let mut old = server.new_account("old").await;
    let mut silent = Vec::new();
    for _ in 0..30 {
        silent.push(connect(&server).await);
    }
    let mut new = server.new_account("new").await;
    for client in [&mut old, &mut new] {
        client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap();
    }
    soon(is_closed(silent.swap_remove(0)), "the end of the oldest").await;
});

db_test!(calls_without_a_body_keep_nobody_out, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--calls-max", "40"]).await;
    let mut victim = Shop::open(&server, "victim").await.client;
    let hog = Shop::open(&server, "hog").await.client;
    let raw = RawClient::connect(&server.address).await;
    let mut begun = Vec::new();
    // Without a key: more than the places for health checks.
    for _ in 0..100 {
        begun.push(raw.begin(HEALTH_CHECK, &[GRPC]).await);
    }
    let answer =
        soon(raw.call(HEALTH_CHECK, &[GRPC], &tonic_health::pb::HealthCheckRequest::default()), "health").await;
    assert_eq!(answer.status().unwrap().code(), Code::Ok);
    // With a key: more than the account's share of the calls.
    let key = ("x-api-key", hog.key.as_str());
    for _ in 0..100 {
        begun.push(raw.begin(RECORD_SALE, &[GRPC, key]).await);
    }
    for number in 0..20 {
        soon(victim.tracking.record_sale(sale(number)), "a sale").await.unwrap();
    }
    // Places are short, so calls without a body are given up, and the hog is served again.
    let mut hog = hog;
    let until = async {
        while let Err(status) = hog.tracking.record_sale(sale(0)).await {
            assert_eq!(reason(&status), "OVERLOADED");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(until, "the end of the calls without a body").await;
});

db_test!(a_call_that_waits_for_events_takes_no_place, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--calls-max", "1"]).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let max_wait = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    let request = pb::ReadEventsRequest { start: Some(from_latest()), max_wait, ..Default::default() };
    let mut waiting = client.clone();
    let waiting = tokio::spawn(async move {
        loop {
            match waiting.feed.read_events(request.clone()).await {
                Ok(answer) => return answer.into_inner().events.len(),
                Err(status) => assert_eq!(reason(&status), "OVERLOADED"),
            }
        }
    });
    let mut number = 0;
    while !waiting.is_finished() {
        match client.tracking.record_sale(sale(number)).await {
            Ok(_) => number += 1,
            Err(status) => assert_eq!(reason(&status), "OVERLOADED"),
        }
    }
    assert!(soon(waiting, "the waiting call").await.unwrap() > 0);
});

db_test!(an_account_leaves_streams_to_others, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--feed-streams-max", "9"]).await;
    let watch = || pb::WatchEventsRequest { start: Some(from_latest()), ..pb::WatchEventsRequest::default() };
    let mut open = Vec::new();
    let mut hog = server.new_account("hog").await;
    let refusal = loop {
        match hog.feed.watch_events(watch()).await {
            Ok(stream) => open.push(stream),
            Err(status) => break status,
        }
    };
    assert_eq!((open.len(), reason(&refusal).as_str()), (6, "TOO_MANY_STREAMS"));
    server.new_account("victim").await.feed.watch_events(watch()).await.unwrap();
});

db_test!(an_answer_that_nobody_takes_ends, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--feed-stall-seconds", "1"]).await;
    let client = server.new_account("shop").await;
    let raw = RawClient::connect_with_window(&server.address, 10).await;
    let key = ("x-api-key", client.key.as_str());
    let programs = pb::ListProgramsRequest::default();
    let watch = pb::WatchEventsRequest { start: Some(from_beginning()), ..pb::WatchEventsRequest::default() };
    for answer in [
        raw.ask("headwater.v1.AccountService/CheckApiKey", &[GRPC, key], &programs).await,
        raw.ask("headwater.v1.FeedService/WatchEvents", &[GRPC, key], &watch).await,
    ] {
        let mut body = answer.await.unwrap().into_body();
        // The data that fits into the window comes, and is never acknowledged.
        let end = async { while let Some(Ok(_)) = body.data().await {} };
        soon(end, "the end of an answer that nobody takes").await;
    }
});

db_test!(a_feed_stream_of_which_nothing_was_ever_taken_ends_early, |database: TestDatabase| async move {
    // A reader that has taken a message would have 80 seconds.
    let server = TestServer::start_with(&database, &["--feed-stall-seconds", "8"]).await;
    let client = server.new_account("shop").await;
    let raw = RawClient::connect_with_window(&server.address, 0).await;
    let watch = pb::WatchEventsRequest { start: Some(from_beginning()), ..pb::WatchEventsRequest::default() };
    let key = ("x-api-key", client.key.as_str());
    let answer = raw.ask("headwater.v1.FeedService/WatchEvents", &[GRPC, key], &watch).await;
    let mut body = answer.await.unwrap().into_body();
    let end = soon(body.data(), "the end of the stream").await;
    assert!(matches!(end, Some(Err(error)) if error.is_reset()));
});

db_test!(millions_of_empty_items_are_refused_before_they_take_memory, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = server.new_account("shop").await;
    let items = vec![pb::BatchItem::default(); 1_000_000];
    let status = client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"));
    let items = vec![pb::BatchItem::default(); 1_001];
    let status = client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS");
});

/// A client that is silent or frozen in one way, with what it has open. It is frozen until the value is dropped.
async fn freeze(server: &TestServer, key: &str, how: &str) -> Box<dyn Any + Send> {
    let key = ("x-api-key", key);
    let raw = RawClient::connect_with_window(&server.address, 10).await;
    let watch = pb::WatchEventsRequest { start: Some(from_beginning()), ..pb::WatchEventsRequest::default() };
    match how {
        "silent" => Box::new(connect(server).await),
        "half a preface" => {
            let mut connection = connect(server).await;
            connection.write_all(&PREFACE[..10]).await.unwrap();
            Box::new(connection)
        }
        "an idle client that answers no ping" => {
            let mut connection = connect(server).await;
            connection.write_all(PREFACE).await.unwrap();
            connection.write_all(SETTINGS).await.unwrap();
            Box::new(connection)
        }
        "a call without a body" => Box::new((raw.begin(RECORD_SALE, &[GRPC, key]).await, raw)),
        "a health check without a body" => Box::new((raw.begin(HEALTH_CHECK, &[GRPC]).await, raw)),
        "a reflection stream" => Box::new((raw.begin(REFLECTION, &[GRPC]).await, raw)),
        "a watched health" => {
            let request = tonic_health::pb::HealthCheckRequest::default();
            Box::new((raw.ask(HEALTH_WATCH, &[GRPC], &request).await, raw))
        }
        "a feed that nobody reads" => {
            let method = "headwater.v1.FeedService/WatchEvents";
            Box::new((raw.ask(method, &[GRPC, key], &watch).await, raw))
        }
        "an answer that nobody takes" => {
            let request = pb::CheckApiKeyRequest {};
            let method = "headwater.v1.AccountService/CheckApiKey";
            Box::new((raw.ask(method, &[GRPC, key], &request).await, raw))
        }
        other => panic!("{other} is not known"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_no_silent_or_frozen_client() {
    for how in [
        "silent",
        "half a preface",
        "an idle client that answers no ping",
        "a call without a body",
        "a health check without a body",
        "a reflection stream",
        "a watched health",
        "a feed that nobody reads",
        "an answer that nobody takes",
    ] {
        let database = TestDatabase::sqlite().await;
        // A stop that waited for the client would take ten minutes.
        let server = TestServer::start_with(&database, &["--shutdown-seconds", "600"]).await;
        let client = register(&server.address, &server.operator_key, "shop").await;
        let open = freeze(&server, &client.key, how).await;
        // The server has got what the client sent.
        let mut other = server.new_account("other").await;
        other.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        soon(server.server.stop(), &format!("the stop with {how}")).await;
        drop(open);
    }
}
