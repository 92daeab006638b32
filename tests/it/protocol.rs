//! gRPC's own protocol: content types, deadlines and trailers, as seen by a client that handles none of them itself.

use std::time::Duration;

use futures::future::join_all;
use headwater::pb;
use http::StatusCode;
use pb::watch_events_response::Content;
use prost::Message as _;
use testkit::client::Client;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::feed::{from_beginning, from_latest};
use crate::support::raw::RawClient;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

const RECORD_SALE: &str = "headwater.v1.TrackingService/RecordSale";
const LIST_CONVERSIONS: &str = "headwater.v1.TrackingService/ListConversions";

async fn conversions(client: &mut Client) -> usize {
    let request = pb::ListConversionsRequest::default();
    client.tracking.list_conversions(request).await.unwrap().into_inner().conversions.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn another_content_type_than_grpc_is_answered_with_http_status_415() {
    let database = TestDatabase::sqlite().await;
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let raw = RawClient::connect(&server.address).await;
    let key = client.key.clone();
    let call = |number, content_type| {
        let (raw, key) = (raw.clone(), key.clone());
        async move {
            let headers = [("x-api-key", &*key), ("content-type", content_type)];
            // If the content type is empty, the header is not sent.
            let headers = if content_type.is_empty() { &headers[..1] } else { &headers[..] };
            raw.call(RECORD_SALE, headers, &sale(number)).await
        }
    };
    let refused = ["", "application/json", "application/grpc-web", "application/grpc-web+proto", "application/grpcx"];
    for content_type in refused {
        let answer = call(0, content_type).await;
        assert_eq!(answer.http_status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        assert!(answer.status().is_none() && answer.body.is_empty(), "{content_type}");
        assert!(answer.headers.contains_key("x-request-id"));
        // Neither the method nor the key was looked at.
        let headers = [("content-type", content_type)];
        let answer = raw.call("headwater.v1.TrackingService/Fly", &headers, &sale(0)).await;
        assert_eq!(answer.http_status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
    }
    assert_eq!(conversions(&mut client).await, 0);
    let taken = ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8", "Application/gRPC"];
    for (number, content_type) in taken.into_iter().enumerate() {
        let answer = call(number, content_type).await;
        assert_eq!(answer.http_status, StatusCode::OK, "{content_type}");
        assert_eq!(answer.status().unwrap().code(), Code::Ok, "{content_type}");
    }
    assert_eq!(conversions(&mut client).await, taken.len());
}

db_test!(a_deadline_that_passes_is_told_with_our_details, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(RawClient::connect(&server.address).await);
    }
    let key = client.key.clone();
    // This client has no deadline of its own, so that every answer is the server's.
    let call = async |number: usize| {
        let timeout = format!("{}m", 1 + number / 2 % 50);
        let headers = [("content-type", "application/grpc"), ("x-api-key", &*key), ("grpc-timeout", &*timeout)];
        let connection = &connections[number % connections.len()];
        match number % 2 {
            0 => connection.call(RECORD_SALE, &headers, &sale(number)).await,
            _ => connection.call(LIST_CONVERSIONS, &headers, &pb::ListConversionsRequest::default()).await,
        }
    };
    let numbers: Vec<usize> = (0..1_000).collect();
    for some in numbers.chunks(100) {
        for answer in join_all(some.iter().map(|number| call(*number))).await {
            let status = answer.status().unwrap();
            if status.code() != Code::Ok {
                assert_eq!((status.code(), &*reason(&status)), (Code::DeadlineExceeded, "DEADLINE_EXCEEDED"));
            }
        }
    }
    // A sale whose deadline passed can be repeated. It has one effect, whether the server carried it out or not.
    for number in numbers.iter().step_by(100) {
        client.tracking.record_sale(sale(*number)).await.unwrap();
    }
});

db_test!(a_long_poll_answers_before_its_deadline, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = Shop::open(&server, "shop").await.client;
    let raw = RawClient::connect(&server.address).await;
    let start = Some(from_latest());
    let max_wait = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    let request = pb::ReadEventsRequest { start, max_wait, ..pb::ReadEventsRequest::default() };
    for timeout in ["3S", "1500m"] {
        let headers = [("content-type", "application/grpc"), ("x-api-key", &*client.key), ("grpc-timeout", timeout)];
        let answer = raw.call("headwater.v1.FeedService/ReadEvents", &headers, &request).await;
        assert_eq!(answer.status().unwrap().code(), Code::Ok, "{timeout}");
        // The message comes after the five bytes of the frame's header.
        let page = pb::ReadEventsResponse::decode(&answer.body[5..]).unwrap();
        assert!(page.events.is_empty() && !page.next_cursor.is_empty(), "{timeout}");
    }
});

db_test!(a_stream_outlives_the_deadline_of_its_call, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let start = Some(from_beginning());
    let mut request = Request::new(pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() });
    let timeout = Duration::from_secs(2);
    request.set_timeout(timeout);
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    tokio::time::sleep(timeout).await;
    client.tracking.record_sale(sale(1)).await.unwrap();
    loop {
        let message = stream.message().await.unwrap().unwrap().content.unwrap();
        if let Content::Batch(batch) = message
            && batch.events.iter().any(|event| event.kind() == pb::EventKind::SaleRecorded)
        {
            break;
        }
    }
});

db_test!(a_trailer_tells_when_to_repeat_a_call, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--feed-streams-per-key-max", "1"]).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let pushback = |status: &Status| {
        let delay = status.metadata().get("grpc-retry-pushback-ms").map(|value| value.to_str().unwrap().to_owned());
        (reason(status), delay)
    };
    let said = |reason: &str, delay: &str| (reason.to_owned(), Some(delay.to_owned()));
    let status = client.tracking.record_sale(pb::RecordSaleRequest::default()).await.unwrap_err();
    assert_eq!(pushback(&status), said("INVALID_FIELDS", "-1"));

    let start = Some(from_latest());
    let watch = pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() };
    let _open = client.feed.watch_events(watch.clone()).await.unwrap();
    let status = client.feed.watch_events(watch).await.unwrap_err();
    assert_eq!(pushback(&status), said("TOO_MANY_STREAMS", "1000"));
});

db_test!(every_error_names_its_call, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--calls-max", "1"]).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let named = |status: &Status| {
        assert_eq!(
            status.metadata().get("x-request-id").unwrap().to_str().unwrap(),
            details_name(status),
            "{status:?}"
        );
        reason(status)
    };
    let status = client.tracking.record_sale(pb::RecordSaleRequest::default()).await.unwrap_err();
    assert_eq!(named(&status), "INVALID_FIELDS");
    // A call without a body takes the only place.
    let raw = RawClient::connect(&server.address).await;
    let status = loop {
        // It is given up after a second.
        let _begun = raw.begin(RECORD_SALE, &[("content-type", "application/grpc"), ("x-api-key", &client.key)]).await;
        match client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await {
            Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(status) => break status,
        }
    };
    assert_eq!(named(&status), "OVERLOADED");
    // A method that needs no key, with a message that is too long for it.
    let health = "grpc.health.v1.Health/Check";
    let long = tonic_health::pb::HealthCheckRequest { service: "x".repeat(5_000) };
    let status = client.call::<_, pb::CheckApiKeyResponse>(health, long).await.unwrap_err();
    assert_eq!(named(&status), "MESSAGE_TOO_LARGE");
});

/// The name of the call in the details of its error.
fn details_name(status: &Status) -> String {
    status.get_details_request_info().unwrap().request_id
}
