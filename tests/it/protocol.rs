//! gRPC's own protocol: content types, deadlines and trailers, as clients see them that do nothing for themselves.

use std::time::Duration;

use futures::future::join_all;
use headwater::pb;
use pb::watch_conversions_response::Message;
use tonic::{Code, Request};

use crate::support::database::TestDatabase;
use crate::support::raw::RawClient;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

const RECORD_SALE: &str = "headwater.v1.TrackingService/RecordSale";
const LIST_CONVERSIONS: &str = "headwater.v1.TrackingService/ListConversions";

fn sale(number: usize) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("sale-{number}"),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

db_test!(a_deadline_that_passes_is_told_with_our_details, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut connections = Vec::new();
    for _ in 0..4 {
        connections.push(RawClient::connect(&server.address).await);
    }
    let key = client.key.clone();
    // It does not end its calls by itself, so that every answer is the server's.
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
    // A sale that was too late can be repeated: it has one effect, whether the server carried it out or not.
    for number in numbers.iter().step_by(100) {
        client.tracking.record_sale(sale(*number)).await.unwrap();
    }
});

db_test!(a_stream_outlives_the_deadline_of_its_call, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let start = Some(pb::watch_conversions_request::Start::Beginning(()));
    let mut request = Request::new(pb::WatchConversionsRequest { start, ..pb::WatchConversionsRequest::default() });
    let timeout = Duration::from_secs(2);
    request.set_timeout(timeout);
    let mut stream = client.tracking.watch_conversions(request).await.unwrap().into_inner();
    tokio::time::sleep(timeout).await;
    client.tracking.record_sale(sale(1)).await.unwrap();
    loop {
        let message = stream.message().await.unwrap().unwrap().message.unwrap();
        if let Message::Batch(batch) = message
            && batch.events.iter().any(|event| event.r#type() == pb::EventType::SaleRecorded)
        {
            break;
        }
    }
});
