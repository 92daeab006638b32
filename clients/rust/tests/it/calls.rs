//! Deadlines, ids, repeats and errors of calls.

use std::time::{Duration, Instant};

use headwater_client::{Client, ConnectOptions, Error, pb};
use tonic::Code;

use crate::fake::{Act, Fake, failure, retry_after, violations};

fn sale() -> pb::RecordSaleRequest {
    pb::RecordSaleRequest { event_id: "charge-1".to_owned(), ..pb::RecordSaleRequest::default() }
}

#[tokio::test]
async fn a_call_is_repeated_with_the_same_ids() {
    let unavailable = || Act::Fail(failure(Code::Unavailable, "UNAVAILABLE", vec![], Some("1")));
    let overloaded = Act::Fail(failure(Code::ResourceExhausted, "OVERLOADED", vec![], Some("1")));
    let (client, fake) = Fake::start([unavailable(), overloaded, unavailable(), Act::Answer]).await;
    client.affiliates().create_program(pb::CreateProgramRequest::default()).await.unwrap();
    let ids: Vec<_> = fake.asked().iter().map(|asked| asked.request::<pb::CreateProgramRequest>().request_id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(ids[0].len(), 36, "a UUID");
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn only_ids_that_are_the_clients_are_filled() {
    let (client, fake) = Fake::start([Act::Answer, Act::Answer, Act::Answer, Act::Answer]).await;
    let tracking = client.tracking();
    tracking.record_click(pb::RecordClickRequest::default()).await.unwrap();
    tracking.record_sale(pb::RecordSaleRequest::default()).await.unwrap();
    let items = vec![
        pb::BatchItem { item: Some(pb::batch_item::Item::Click(pb::RecordClickRequest::default())) },
        pb::BatchItem { item: Some(pb::batch_item::Item::Sale(pb::RecordSaleRequest::default())) },
    ];
    tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap();
    let own = pb::CreateProgramRequest { request_id: "mine".to_owned(), ..pb::CreateProgramRequest::default() };
    client.affiliates().create_program(own).await.unwrap();

    let asked = fake.asked();
    assert_eq!(asked[0].request::<pb::RecordClickRequest>().event_id.len(), 36);
    assert_eq!(asked[1].request::<pb::RecordSaleRequest>().event_id, "");
    let batch = asked[2].request::<pb::BatchRecordEventsRequest>();
    let ids: Vec<usize> = batch
        .items
        .iter()
        .map(|item| match &item.item {
            Some(pb::batch_item::Item::Click(click)) => click.event_id.len(),
            Some(pb::batch_item::Item::Sale(sale)) => sale.event_id.len(),
            _ => usize::MAX,
        })
        .collect();
    assert_eq!(ids, [36, 0]);
    assert_eq!(asked[3].request::<pb::CreateProgramRequest>().request_id, "mine");
}

#[tokio::test]
async fn a_refused_call_is_not_repeated_and_its_error_is_typed() {
    let refused =
        failure(Code::InvalidArgument, "INVALID_FIELDS", vec![violations(&["event_id", "amount"])], Some("-1"));
    let (client, fake) = Fake::start([Act::Fail(refused)]).await;
    let error = client.tracking().record_sale(sale()).await.unwrap_err();
    assert_eq!(fake.asked().len(), 1);
    assert_eq!((error.code(), error.reason()), (Code::InvalidArgument, pb::ErrorReason::InvalidFields));
    let fields: Vec<_> =
        error.violations().iter().map(|wrong| (wrong.field.as_str(), wrong.description.as_str())).collect();
    assert_eq!(fields, [("event_id", "is wrong"), ("amount", "is wrong")]);
    assert_eq!(error.metadata()["key"], "value");
    assert_eq!(error.to_string(), "InvalidArgument INVALID_FIELDS: event_id: is wrong; amount: is wrong");
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn the_reason_and_not_the_code_decides_about_repeats() {
    let useless = [
        failure(Code::ResourceExhausted, "MESSAGE_TOO_LARGE", vec![], Some("-1")),
        failure(Code::Unavailable, "REWARD_STATE", vec![], None),
        failure(Code::Unavailable, "UNAVAILABLE", vec![], Some("-1")),
        failure(Code::Aborted, "ETAG_MISMATCH", vec![retry_after(Duration::ZERO)], None),
        failure(Code::NotFound, "NEWER_THAN_THIS_CLIENT", vec![], None),
    ];
    for status in useless {
        let (client, fake) = Fake::start([Act::Fail(status)]).await;
        let error = client.tracking().record_sale(sale()).await.unwrap_err();
        assert_eq!(fake.asked().len(), 1, "{error}");
    }
    let newer = Error::from(failure(Code::Unavailable, "NEWER_THAN_THIS_CLIENT", vec![], None));
    assert_eq!((newer.reason(), newer.reason_name()), (pb::ErrorReason::Unspecified, "NEWER_THAN_THIS_CLIENT"));
    assert!(newer.is_temporary(), "the code decides where the reason is not known");
}

#[tokio::test]
async fn the_servers_delay_is_kept() {
    for delay in [(vec![], Some("300")), (vec![retry_after(Duration::from_millis(300))], None)] {
        let busy = failure(Code::ResourceExhausted, "OVERLOADED", delay.0, delay.1);
        let (client, _fake) = Fake::start([Act::Fail(busy), Act::Answer]).await;
        let begun = Instant::now();
        client.tracking().record_sale(sale()).await.unwrap();
        assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_call_without_an_answer_ends_at_its_deadline() {
    let unavailable = Act::Fail(failure(Code::Unavailable, "UNAVAILABLE", vec![], Some("1")));
    let (client, fake) = Fake::start([unavailable, Act::Hang]).await;
    let error = client.with_timeout(Duration::from_millis(300)).tracking().record_sale(sale()).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("UNAVAILABLE"), "the cause is named: {error}");
    assert!(error.is_temporary());
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<Error>());
    assert_eq!(cause.map(Error::reason), Some(pb::ErrorReason::Unavailable));
    assert!(fake.asked().iter().all(|asked| asked.timeout.is_some()), "the server knows the deadline");
}

#[tokio::test]
async fn a_long_poll_may_take_longer_than_other_calls() {
    let (client, fake) = Fake::start([Act::Answer, Act::Answer]).await;
    let wait =
        pb::ReadEventsRequest { max_wait: Some(prost_types::Duration { seconds: 30, nanos: 0 }), ..Default::default() };
    client.feed().read_events(wait).await.unwrap();
    client.feed().read_events(pb::ReadEventsRequest::default()).await.unwrap();
    let seconds: Vec<u64> = fake
        .asked()
        .iter()
        .map(|asked| {
            asked.timeout.as_deref().and_then(|text| text.strip_suffix('u')).map_or(0, |text| text.parse().unwrap())
        })
        .map(|micros: u64| micros.div_ceil(1_000_000))
        .collect();
    assert_eq!(seconds, [35, 5]);
}

#[tokio::test]
async fn a_wrong_connection_fails_at_once_and_says_why() {
    let refused = Fake::default();
    let url = format!("http://{}", refused.serve().await);
    refused.push(Act::Fail(failure(Code::Unauthenticated, "KEY_INVALID", vec![], Some("-1"))));
    let error = Client::connect(ConnectOptions::new(url, "hw_tracking_1")).await.unwrap_err();
    assert_eq!(error.reason(), pb::ErrorReason::KeyInvalid);

    let begun = Instant::now();
    let error = Client::connect(ConnectOptions::new("http://127.0.0.1:1", "hw_tracking_1")).await.unwrap_err();
    assert!(error.message().contains("refused"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));

    // A server that accepts and stays silent, also for the second call over the same connection.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ConnectOptions::new(format!("https://{}", silent.local_addr().unwrap()), "hw_tracking_1");
    let client = Client::connect_lazy(options.timeout(Duration::from_millis(200))).unwrap();
    for _ in 0..2 {
        let error = client.tracking().record_sale(sale()).await.unwrap_err();
        assert_eq!(error.code(), Code::DeadlineExceeded, "{error}");
    }

    for url in ["127.0.0.1:50051", "", "ftp://127.0.0.1:1", "http://"] {
        let error = Client::connect(ConnectOptions::new(url, "hw_tracking_1")).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{url}: {error}");
    }
    let options = ConnectOptions::new("https://127.0.0.1:1", "hw_tracking_1").ca_pem("no certificate");
    assert_eq!(Client::connect(options).await.unwrap_err().code(), Code::InvalidArgument);
    let options = ConnectOptions::new("http://127.0.0.1:1", "a key\nwith lines");
    assert_eq!(Client::connect(options).await.unwrap_err().code(), Code::InvalidArgument);
}
