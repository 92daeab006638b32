//! Promises of the write path that are not business rules: it refuses calls instead of growing its queue, drops calls whose
//! caller has gone, and re-runs conflicting commands.

use std::time::Duration;

use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn batch(name: usize, count: usize) -> pb::BatchRecordEventsRequest {
    let items = (0..count).map(|number| {
        let sale = pb::RecordSaleRequest {
            event_id: format!("sale-{name}-{number}"),
            coupon_code: "ANN".to_owned(),
            amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        };
        pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) }
    });
    pb::BatchRecordEventsRequest { items: items.collect() }
}

db_test!(a_full_queue_refuses_at_once_and_says_when_to_try_again, |database: TestDatabase| async move {
    const CALLS: usize = 20;
    let server = TestServer::start_with(&database, &["--queue-commands-max", "1000"]).await;
    let shop = Shop::open(&server, "shop").await;
    let mut calls = Vec::new();
    for call in 0..CALLS {
        let mut client = shop.client.clone();
        calls.push(tokio::spawn(async move { client.tracking.batch_record_events(batch(call, 1_000)).await }));
    }
    let mut recorded = 0;
    let mut refused = Vec::new();
    for (name, call) in calls.into_iter().enumerate() {
        match call.await.unwrap() {
            Ok(_) => recorded += 1,
            Err(status) => {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "OVERLOADED"));
                let details = status.get_error_details();
                let delay = details.retry_info().unwrap().retry_delay.unwrap();
                assert!(delay > Duration::ZERO && delay < Duration::from_secs(5), "{delay:?}");
                refused.push(name);
            }
        }
    }
    assert!(recorded >= 1 && !refused.is_empty(), "{recorded} recorded, {refused:?} refused");
    // Refused calls left no trace and succeed when they are tried again.
    let mut client = shop.client.clone();
    let answer = client.tracking.batch_record_events(batch(refused[0], 1_000)).await.unwrap().into_inner();
    assert!(answer.results.iter().all(|result| matches!(
        &result.answer,
        Some(pb::batch_result::Answer::Sale(sale)) if !sale.replayed
    )));
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    assert_eq!(report.entry_count, 1_000 * (recorded + 1));
});

db_test!(a_call_past_its_deadline_is_not_begun, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let mut request = Request::new(pb::RecordSaleRequest {
        event_id: "late".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    });
    // The deadline is sent only in the header. The client itself therefore does not give up first.
    request.metadata_mut().insert("grpc-timeout", "0n".parse().unwrap());
    let status = client.tracking.record_sale(request).await.unwrap_err();
    // tonic answers CANCELLED itself if it notices the deadline first.
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: "late".to_owned() };
    let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
    let status = client
        .tracking
        .get_conversion(pb::GetConversionRequest {
            conversion: Some(pb::ConversionSelector { selector }),
            ..Default::default()
        })
        .await
        .unwrap_err();
    assert_eq!(reason(&status), "CONVERSION_NOT_FOUND");
});

db_test!(clicks_with_one_id_that_race_are_one_click, |database: TestDatabase| async move {
    let first = TestServer::start(&database).await;
    let shop = Shop::open(&first, "shop").await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    // Clicks take no lock, so two servers do conflict here: one re-runs and finds the other's result.
    for round in 0..10 {
        let mut calls = Vec::new();
        for number in 0..16 {
            let address = match &second {
                Some(second) if number % 2 == 1 => second.address.clone(),
                _ => first.address.clone(),
            };
            let key = shop.client.key.clone();
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                let request = pb::RecordClickRequest {
                    event_id: format!("click-{round}"),
                    ref_id: "ann".to_owned(),
                    ..pb::RecordClickRequest::default()
                };
                client.tracking.record_click(request).await.unwrap().into_inner()
            }));
        }
        let mut answers = Vec::new();
        for call in calls {
            answers.push(call.await.unwrap());
        }
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        assert!(answers.iter().all(|answer| answer.click_id == answers[0].click_id));
    }
});

db_test!(a_batch_item_may_refer_to_an_earlier_item, |database: TestDatabase| async move {
    use pb::batch_item::Item;
    use pb::batch_result::Answer as Recorded;
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let money = |amount_minor| Some(pb::Money { amount_minor, currency_code: "USD".to_owned() });
    let sale = |event_id: &str, external_id: &str, email: &str, coupon_code: &str| {
        Item::Sale(pb::RecordSaleRequest {
            event_id: event_id.to_owned(),
            external_id: external_id.to_owned(),
            email: email.to_owned(),
            coupon_code: coupon_code.to_owned(),
            amount: money(10_000),
            ..pb::RecordSaleRequest::default()
        })
    };
    let refund = |event_id: &str, sale_event_id: &str, email: &str, amount_minor| {
        Item::Refund(pb::RecordRefundRequest {
            event_id: event_id.to_owned(),
            sale_event_id: sale_event_id.to_owned(),
            email: email.to_owned(),
            amount: money(amount_minor),
            ..pb::RecordRefundRequest::default()
        })
    };
    let mut record = async |items: Vec<Item>| {
        let items = items.into_iter().map(|item| pb::BatchItem { item: Some(item) }).collect();
        let answer =
            client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap().into_inner();
        let told = answer.results.into_iter().map(|result| match result.answer.unwrap() {
            Recorded::Sale(sale) => format!("{:?}", sale.outcome()),
            Recorded::Refund(refund) => format!("{:?} {}", refund.outcome(), refund.rewards.len()),
            other => format!("{other:?}"),
        });
        told.collect::<Vec<_>>()
    };
    // A sale that nobody referred, and its refund.
    let items = vec![sale("order-1", "stranger", "", ""), refund("refund-1", "order-1", "", 100)];
    assert_eq!(record(items).await, ["NotReferred", "NotReferred 0"]);
    // A customer known by external_id gets an email address with the second sale. A refund then names the customer by that
    // address, and it is for more than was left of that sale.
    assert_eq!(record(vec![sale("order-2", "7", "", "ANN")]).await, ["Attributed"]);
    let items = vec![
        sale("order-3", "7", "bob@shop.example", ""),
        refund("refund-2", "order-3", "", 9_000),
        refund("refund-3", "", "bob@shop.example", 5_000),
        refund("refund-4", "", "bob@shop.example", 1_000),
    ];
    assert_eq!(record(items).await, ["Attributed", "Attributed 1", "Attributed 1", "Attributed 1"]);
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});
