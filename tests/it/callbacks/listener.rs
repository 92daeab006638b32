//! The listener itself: what it serves, its limits, TLS, and how it stops.

use std::time::Duration;

use headwater::config::CommandLine;
use headwater::pb;
use http::StatusCode;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::plain::{get, post, read, send, send_on};
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;

const ON: [&str; 2] = ["--http-address", "127.0.0.1:0"];

/// A server whose database is gone already, for requests that do not read it.
async fn start(flags: &[&str]) -> (TestServer, String) {
    let database = TestDatabase::sqlite().await;
    let server = TestServer::start_with(&database, &[&ON[..], flags].concat()).await;
    let address = server.server.http_address().unwrap().to_string();
    (server, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_off_unless_it_is_set_and_serves_health_alone() {
    let database = TestDatabase::sqlite().await;
    let without = TestServer::start(&database).await;
    assert_eq!(without.server.http_address(), None);
    let other = TestDatabase::sqlite().await;
    let server = TestServer::start_with(&other, &ON).await;
    let address = server.server.http_address().unwrap().to_string();
    for (server, takes_callbacks) in [(&without, false), (&server, true)] {
        let mut client = server.new_account("shop").await;
        let info = client.accounts.get_server_info(pb::GetServerInfoRequest {}).await.unwrap().into_inner();
        assert_eq!(info.features().any(|feature| feature == pb::ServerFeature::Callbacks), takes_callbacks);
    }
    let health = send(&address, &get("/health")).await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::OK, "SERVING\n"));
    for path in ["/", "/health/", "/callbacks", "/callbacks/stripe", "/headwater.v1.AccountService/CheckApiKey"] {
        assert_eq!(send(&address, &get(path)).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(send(&address, &get("/callbacks/stripe/x")).await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(send(&address, &post("/health", &[], b"{}")).await.status, StatusCode::METHOD_NOT_ALLOWED);
    // Many requests on one connection.
    let mut connection = TcpStream::connect(&address).await.unwrap();
    for _ in 0..200 {
        assert_eq!(send_on(&mut connection, &get("/health")).await.status, StatusCode::OK);
    }
}

#[test]
fn plaintext_stays_on_this_machine() {
    let read = |arguments: &[&str]| CommandLine::read([&["headwater"], arguments].concat());
    let error = read(&["--http-address", "0.0.0.0:8080"]).unwrap_err().to_string();
    assert!(error.contains("--http-address") && error.contains("allow_plaintext"), "{error}");
    assert!(read(&["--http-address", "0.0.0.0:8080", "--allow-plaintext"]).is_ok());
    assert!(read(&["--http-address", "127.1:8080"]).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setting_that_cannot_be_used_is_named_before_the_database_is_opened() {
    let database = TestDatabase::empty_sqlite().await;
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let empty = empty.to_str().unwrap();
    for (flag, value, problem) in [
        ("--paypal-certificate-addresses", "http://api.paypal.com/certs", "must begin with https://"),
        ("--paypal-roots-file", empty, "no certificate"),
        ("--wise-callback-key-file", empty, "BEGIN PUBLIC KEY"),
        ("--wise-sandbox-callback-key-file", "/nowhere", "No such file"),
    ] {
        let settings =
            crate::support::server::settings(&database.url, folder.path(), &[&ON[..], &[flag, value]].concat());
        let started =
            headwater::server::Server::start(&settings, std::sync::Arc::new(headwater::clock::SystemClock)).await;
        let error = started.err().unwrap().to_string();
        assert!(error.contains(flag) && error.contains(problem), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_nothing_end_and_keep_nobody_out() {
    let flags = ["--http-connections-max", "6", "--first-request-seconds", "2"];
    let (_server, address) = start(&flags).await;
    let mut silent = Vec::new();
    for beginning in ["", "GET /hea", "POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\n"].repeat(10) {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(beginning.as_bytes()).await.unwrap();
        silent.push(connection);
    }
    assert_eq!(send(&address, &get("/health")).await.status, StatusCode::OK);
    for connection in &mut silent {
        // The one who said something may be told that it took too long.
        let answer = tokio::time::timeout(Duration::from_secs(20), read(connection)).await.unwrap();
        assert!(answer.is_none_or(|answer| answer.status == StatusCode::REQUEST_TIMEOUT));
    }
    // So does one that rests after a request.
    let mut resting = TcpStream::connect(&address).await.unwrap();
    assert_eq!(send_on(&mut resting, &get("/health")).await.status, StatusCode::OK);
    assert_eq!(tokio::time::timeout(Duration::from_secs(20), read(&mut resting)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_or_too_slow_is_refused() {
    let (_server, address) = start(&[]).await;
    let path = "/callbacks/stripe/x";
    let told = b"POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1048577\r\n\r\n";
    assert_eq!(send(&address, told).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let untold = "POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    let answer = send(&address, format!("{untold}{}", chunk.repeat(17)).as_bytes()).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    // The largest body is received, and its signature is missing.
    assert_eq!(send(&address, &post(path, &[], &vec![b' '; 1_048_576])).await.status, StatusCode::UNAUTHORIZED);
    let begun_at = headwater::clock::monotonic_now();
    let slow = b"POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let answer = send_on(&mut connection, slow).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
    assert!((9..20).contains(&begun_at.elapsed().as_secs()), "{:?}", begun_at.elapsed());
    assert_eq!(read(&mut connection).await, None, "the rest of the body would be taken for a request");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_of_one_address_have_a_share_of_the_memory() {
    let (_server, address) = start(&[]).await;
    let head = "POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1048576\r\n\r\n{";
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(head.as_bytes()).await.unwrap();
        held.push(connection);
    }
    let refused = async {
        let mut refused = 0;
        for connection in &mut held {
            if tokio::time::timeout(Duration::from_millis(500), read(connection)).await.is_ok() {
                refused += 1;
            }
        }
        refused
    };
    // Two thirds of 16 MiB are for one address.
    assert_eq!(refused.await, 10);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_requests_are_answered_or_cut() {
    let (_server, address) = start(&[]).await;
    let long = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET /health HTTP/1.1\r\nhost: x\r\n{}\r\n", "x: y\r\n".repeat(100));
    for request in [
        "GET /health HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: x\r\nx\r\n\r\n",
        "POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /callbacks/stripe/x HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        "no HTTP at all\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &long,
        &many,
    ] {
        let mut connection = TcpStream::connect(&address).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let answer = read(&mut connection).await;
        assert!(answer.as_ref().is_none_or(|answer| answer.status.is_client_error()), "{request:.60}: {answer:?}");
    }
    assert_eq!(send(&address, &get("/health")).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_says_so_and_waits_for_no_silent_client() {
    let (server, address) = start(&["--drain-delay-milliseconds", "1500", "--shutdown-seconds", "4"]).await;
    let mut open = TcpStream::connect(&address).await.unwrap();
    assert_eq!(send_on(&mut open, &get("/health")).await.status, StatusCode::OK);
    let mut silent = TcpStream::connect(&address).await.unwrap();
    silent.write_all(b"POST /callbacks/stripe/x HTTP/1.1\r\n").await.unwrap();
    let begun_at = headwater::clock::monotonic_now();
    let stop = tokio::spawn(server.server.stop());
    tokio::time::sleep(Duration::from_millis(700)).await;
    let health = send(&address, &get("/health")).await;
    assert_eq!((health.status, health.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n"));
    stop.await.unwrap();
    assert!(begun_at.elapsed() < Duration::from_secs(6), "{:?}", begun_at.elapsed());
    assert!(TcpStream::connect(&address).await.is_err());
    assert_eq!(read(&mut open).await, None);
}
