//! What holds for every account, whatever it does: rows N1, N2, N3 and N9. Other tests try each of them with crashes, outages and races; these
//! show them as callers see them.

use std::collections::BTreeMap;

use headwater::clock::Clock;
use headwater::pb;
use testkit::client::Client;
use tonic::Code;

use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning, from_cursor};
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

fn refund(event_id: &str, sale_event_id: &str, amount_minor: i64) -> pb::RecordRefundRequest {
    pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale_event_id.to_owned(),
        amount: usd(amount_minor),
        ..Default::default()
    }
}

async fn pending(shop: &mut Shop) -> i64 {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let answer = shop.client.rewards.get_balance(request).await.unwrap().into_inner();
    answer.balances.first().map_or(0, |balance| cash(balance.pending.as_ref()).amount_minor)
}

async fn events(client: &mut Client, start: pb::FeedStart) -> Vec<pb::Event> {
    let request = pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..Default::default() };
    client.feed.read_events(request).await.unwrap().into_inner().events
}

db_test!(n1_a_repeat_is_answered_as_the_first_call_was_for_ever, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let first = shop.client.tracking.record_sale(sale(1)).await.unwrap().into_inner();
    let taken = shop.client.tracking.record_refund(refund("refund", "sale-1", 400)).await.unwrap().into_inner();
    for days in [0, 31, 4_000] {
        server.clock.set(server.clock.now().plus_days(days));
        let again = shop.client.tracking.record_sale(sale(1)).await.unwrap().into_inner();
        assert_eq!(again, pb::RecordSaleResponse { replayed: true, ..first.clone() }, "after {days} days");
        let again = shop.client.tracking.record_refund(refund("refund", "sale-1", 400)).await.unwrap().into_inner();
        assert_eq!(again, pb::RecordRefundResponse { replayed: true, ..taken.clone() }, "after {days} days");
        let other = pb::RecordSaleRequest { amount: usd(1_001), ..sale(1) };
        let refused = shop.client.tracking.record_sale(other).await.unwrap_err();
        assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH"));
        assert_eq!(pending(&mut shop).await, 120);
    }
});

db_test!(n2_every_balance_is_a_sum_of_entries_with_two_sides, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for number in 1..=9 {
        shop.client.tracking.record_sale(sale(number)).await.unwrap();
    }
    for (event_id, sale_event_id, amount_minor) in [("r1", "sale-1", 333), ("r2", "sale-1", 667), ("r3", "sale-2", 1)] {
        shop.client.tracking.record_refund(refund(event_id, sale_event_id, amount_minor)).await.unwrap();
    }
    let request = pb::ListLedgerEntriesRequest { page_size: 1_000, ..Default::default() };
    let entries = shop.client.rewards.list_ledger_entries(request).await.unwrap().into_inner().entries;
    let mut sums: BTreeMap<i32, i64> = BTreeMap::new();
    for entry in &entries {
        let amount = cash(entry.value.as_ref()).amount_minor;
        assert!(entry.debit != entry.credit && amount > 0, "{entry:?}");
        *sums.entry(entry.debit).or_default() -= amount;
        *sums.entry(entry.credit).or_default() += amount;
    }
    assert_eq!(sums.values().sum::<i64>(), 0);
    let of_affiliate = sums[&i32::from(pb::LedgerAccount::AffiliatePending)];
    assert_eq!((of_affiliate, pending(&mut shop).await), (1_600, 1_600));
    let report = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});

db_test!(n3_the_feed_has_no_gap_and_goes_on_after_any_event, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let calls = (0..40).map(|number| {
        let mut client = shop.client.clone();
        async move { client.tracking.record_sale(sale(number)).await.unwrap() }
    });
    futures::future::join_all(calls).await;
    let all = events(&mut shop.client, from_beginning()).await;
    let sequences: Vec<i64> = all.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, (1..=i64::try_from(all.len()).unwrap()).collect::<Vec<_>>());
    let sold = all.iter().filter(|event| event.kind() == pb::EventKind::SaleRecorded).count();
    assert_eq!(sold, 40);
    for place in [0, all.len() / 2, all.len() - 2] {
        let rest = events(&mut shop.client, from_cursor(all[place].cursor.clone())).await;
        assert_eq!(rest, all[place + 1..]);
    }
});

db_test!(n9_late_events_earn_what_they_would_have_earned_in_order, |database: TestDatabase| async move {
    let mut earned = Vec::new();
    for is_in_order in [true, false] {
        let copy = database.copy().await;
        let server = TestServer::start(&copy).await;
        let mut shop = Shop::open(&server, "shop").await;
        let begun = server.clock.now();
        let at = |minutes: i64| {
            let micros = begun.plus_micros(minutes * 60 * 1_000_000).micros();
            Some(prost_types::Timestamp {
                seconds: micros.div_euclid(1_000_000),
                nanos: i32::try_from(micros.rem_euclid(1_000_000) * 1_000).unwrap(),
            })
        };
        server.clock.set(begun.plus_days(1));
        let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), occur_time: at(1), ..Default::default() };
        let tid = shop.client.tracking.record_click(click).await.unwrap().into_inner().tid;
        let by_click = pb::RecordSaleRequest {
            external_id: "customer".to_owned(),
            tid,
            coupon_code: String::new(),
            occur_time: at(10),
            ..sale(1)
        };
        let by_customer = pb::RecordSaleRequest { tid: String::new(), occur_time: at(20), ..by_click.clone() };
        let by_customer = pb::RecordSaleRequest { event_id: "sale-2".to_owned(), ..by_customer };
        let refunded = refund("refund", "sale-2", 500);
        if is_in_order {
            shop.client.tracking.record_sale(by_click).await.unwrap();
            shop.client.tracking.record_sale(by_customer).await.unwrap();
            shop.client.tracking.record_refund(refunded).await.unwrap();
        } else {
            shop.client.tracking.record_refund(refunded).await.unwrap();
            let answer = shop.client.tracking.record_sale(by_customer).await.unwrap().into_inner();
            assert!(answer.credits.is_empty(), "nobody knows yet who referred the customer");
            shop.client.tracking.record_sale(by_click).await.unwrap();
        }
        earned.push(pending(&mut shop).await);
        let report = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{:?}", report.differences);
    }
    assert_eq!(earned, [300, 300]);
});
