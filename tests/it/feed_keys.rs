//! Streams and long polls of a key that is revoked or expires meanwhile: they end at once, and the key's holder sees no later event.

use std::time::Duration;

use headwater::pb;
use headwater::pb::watch_events_response::Content;
use testkit::client::Client;
use tonic::{Code, Status, Streaming};

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::{conversion_of, from_beginning, from_latest};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

/// How long a stream may take to end. Its heartbeats come once a minute, so that none of them ends it.
const AT_ONCE: Duration = Duration::from_secs(5);

async fn record(client: &mut Client, name: &str) {
    let sale = pb::RecordSaleRequest {
        event_id: name.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    };
    client.tracking.record_sale(sale).await.unwrap();
}

/// A key to read with, and a client that has it.
async fn new_reader(server: &TestServer, admin: &mut Client, expire_seconds: Option<i64>) -> (String, Client) {
    let expire_time =
        expire_seconds.map(|seconds| prost_types::Timestamp { seconds: START_MICROS / 1_000_000 + seconds, nanos: 0 });
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Read.into(), expire_time, ..Default::default() };
    let made = admin.accounts.create_api_key(request).await.unwrap().into_inner();
    (made.api_key.unwrap().id, Client::connect(&server.address, &made.api_key_text).await.unwrap())
}

/// A stream that has caught up.
async fn watch(client: &mut Client) -> Streaming<pb::WatchEventsResponse> {
    let heartbeat_delay = Some(prost_types::Duration { seconds: 60, nanos: 0 });
    let request = pb::WatchEventsRequest { start: Some(from_latest()), heartbeat_delay, ..Default::default() };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    while !matches!(stream.message().await.unwrap().unwrap().content, Some(Content::CaughtUp(_))) {}
    stream
}

/// The error that ends the stream, after no event about a conversion.
async fn end_without_a_sale(stream: &mut Streaming<pb::WatchEventsResponse>) -> Status {
    loop {
        match tokio::time::timeout(AT_ONCE, stream.message()).await.expect("the stream ends at once") {
            Ok(Some(pb::WatchEventsResponse { content: Some(Content::Batch(batch)), .. })) => {
                assert!(batch.events.iter().all(|event| conversion_of(event).is_none()), "{batch:?}");
            }
            Ok(message) => assert!(message.is_some(), "not with OK"),
            Err(status) => return status,
        }
    }
}

fn assert_key_invalid(status: &Status) {
    assert_eq!((status.code(), reason(status).as_str()), (Code::Unauthenticated, "KEY_INVALID"));
}

async fn revoke(admin: &mut Client, api_key_id: String) {
    let request = pb::RevokeApiKeyRequest { api_key_id, ..pb::RevokeApiKeyRequest::default() };
    admin.accounts.revoke_api_key(request).await.unwrap();
}

db_test!(a_revoked_key_ends_its_streams, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = Shop::open(&server, "shop").await.client;
    // On PostgreSQL the stream is open on another server than the one that revokes the key.
    let other = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    for watched in std::iter::once(&server).chain(&other) {
        let (key_id, mut reader) = new_reader(watched, &mut admin, None).await;
        let (_, mut unconcerned) = new_reader(watched, &mut admin, None).await;
        let (mut stream, mut going_on) = (watch(&mut reader).await, watch(&mut unconcerned).await);
        revoke(&mut admin, key_id.clone()).await;
        record(&mut admin, &key_id).await;
        assert_key_invalid(&end_without_a_sale(&mut stream).await);
        // The stream of another key goes on.
        loop {
            let message = tokio::time::timeout(AT_ONCE, going_on.message()).await.unwrap().unwrap().unwrap();
            let Some(Content::Batch(batch)) = message.content else { continue };
            if batch.events.iter().any(|event| conversion_of(event).is_some()) {
                break;
            }
        }
    }
});

db_test!(a_revoked_key_ends_a_stream_that_is_far_behind, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = Shop::open(&server, "shop").await.client;
    for round in 0..8 {
        let items = (0..1_000).map(|number| pb::BatchItem {
            item: Some(pb::batch_item::Item::Sale(pb::RecordSaleRequest {
                event_id: format!("{round}-{number}"),
                coupon_code: "ANN".to_owned(),
                amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
                ..pb::RecordSaleRequest::default()
            })),
        });
        let batch = pb::BatchRecordEventsRequest { items: items.collect() };
        admin.tracking.batch_record_events(batch).await.unwrap();
    }
    let (key_id, mut reader) = new_reader(&server, &mut admin, None).await;
    let request = pb::WatchEventsRequest { start: Some(from_beginning()), ..pb::WatchEventsRequest::default() };
    let mut stream = reader.feed.watch_events(request).await.unwrap().into_inner();
    revoke(&mut admin, key_id).await;
    // The reader gets what the transport had already taken, and no more.
    let mut seen = 0;
    let status = loop {
        match tokio::time::timeout(AT_ONCE, stream.message()).await.unwrap() {
            Ok(Some(pb::WatchEventsResponse { content: Some(Content::Batch(batch)), .. })) => {
                seen += batch.events.len();
            }
            Ok(message) => assert!(message.is_some(), "not with OK"),
            Err(status) => break status,
        }
    };
    assert_key_invalid(&status);
    assert!(seen < 8_000, "{seen}");
});

db_test!(a_revoked_key_ends_its_long_poll, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = Shop::open(&server, "shop").await.client;
    let (key_id, mut reader) = new_reader(&server, &mut admin, None).await;
    let max_wait = Some(prost_types::Duration { seconds: 30, nanos: 0 });
    let request = pb::ReadEventsRequest { start: Some(from_latest()), max_wait, ..pb::ReadEventsRequest::default() };
    let waiting = tokio::spawn(async move { reader.feed.read_events(request).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished());
    revoke(&mut admin, key_id).await;
    assert_key_invalid(&tokio::time::timeout(AT_ONCE, waiting).await.unwrap().unwrap().unwrap_err());
});

db_test!(a_key_that_expires_ends_its_streams, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut admin = Shop::open(&server, "shop").await.client;
    let (_, mut reader) = new_reader(&server, &mut admin, Some(2)).await;
    let (mut idle, mut busy) = (watch(&mut reader).await, watch(&mut reader).await);
    server.clock.pass(Duration::from_secs(2));
    // Without any event.
    assert_key_invalid(&end_without_a_sale(&mut idle).await);
    record(&mut admin, "sale").await;
    assert_key_invalid(&end_without_a_sale(&mut busy).await);
});
