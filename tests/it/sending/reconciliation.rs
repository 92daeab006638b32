//! Payouts compared with what their provider has. Each difference is told with both sides, and once.

use std::time::Duration;

use headwater::app::worker::reconcile_payouts;
use headwater::clock::Clock;
use headwater::pb;
use pb::{PayoutDifferenceKind, PayoutReconciliationState, ProviderPaymentState};
use serde_json::json;
use testkit::client::Client;

use super::bench::{Bench, Kind, STRIPE_KEY};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// A bench whose payouts were all paid an hour ago.
async fn paid(database: &TestDatabase, kind: Kind, payouts: usize) -> Bench<'_> {
    let mut bench = Bench::start(database, kind, payouts).await;
    bench.align_clocks().await;
    bench.connect().await;
    bench.set_balance(1_000_000).await;
    bench.create_run().await;
    bench.work().await;
    for _ in 0..3 {
        bench.pass(60).await;
    }
    assert_eq!(bench.states().await, [("PAID", payouts)], "{kind:?}");
    bench.pass(HOUR).await;
    bench
}

fn provider_of(kind: Kind) -> pb::PayoutProvider {
    match kind {
        Kind::PayPal => pb::PayoutProvider::Paypal,
        Kind::Stripe => pb::PayoutProvider::Stripe,
        Kind::Wise => pb::PayoutProvider::Wise,
    }
}

async fn get(bench: &mut Bench<'_>, id: &str) -> pb::PayoutReconciliation {
    let request = pb::GetPayoutReconciliationRequest { payout_reconciliation_id: id.to_owned() };
    let found = bench.client.payouts.get_payout_reconciliation(request).await.unwrap().into_inner();
    found.payout_reconciliation.unwrap()
}

/// Waits until the worker has looked at a reconciliation, and returns it.
async fn looked_at(bench: &mut Bench<'_>, id: &str) -> pb::PayoutReconciliation {
    for _ in 0..1_000 {
        let found = get(bench, id).await;
        if found.state() != PayoutReconciliationState::Running || !found.problem_code.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not end");
}

async fn reconcile(bench: &mut Bench<'_>) -> pb::PayoutReconciliation {
    let request = pb::ReconcilePayoutsRequest { provider: provider_of(bench.kind).into(), ..Default::default() };
    let begun = bench.client.payouts.reconcile_payouts(request).await.unwrap().into_inner();
    let begun = begun.payout_reconciliation.unwrap();
    assert_eq!(begun.state(), PayoutReconciliationState::Running);
    looked_at(bench, &begun.id).await
}

async fn list(bench: &mut Bench<'_>) -> Vec<pb::PayoutReconciliation> {
    let request = pb::ListPayoutReconciliationsRequest::default();
    bench.client.payouts.list_payout_reconciliations(request).await.unwrap().into_inner().payout_reconciliations
}

fn kinds(row: &pb::PayoutReconciliation) -> Vec<PayoutDifferenceKind> {
    row.differences.iter().map(pb::PayoutDifference::kind).collect()
}

/// The reconciliations of which the feed tells differences.
async fn told(bench: &mut Bench<'_>) -> Vec<String> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = bench.client.feed.read_events(request).await.unwrap().into_inner().events;
    let of_kind = events.into_iter().filter(|event| event.kind() == pb::EventKind::PayoutDifferencesFound);
    of_kind
        .map(|event| match event.subject {
            Some(pb::event::Subject::PayoutReconciliation(row)) => {
                assert!(row.differences.is_empty() && row.new_difference_count > 0, "{row:?}");
                row.id
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

/// Takes the money of a payout back at the provider.
async fn take_back(bench: &Bench<'_>, payout: &pb::Payout) {
    let id = &payout.provider_payment_id;
    match bench.kind {
        Kind::PayPal => {
            let owed = bench.owed.iter().find(|owed| owed.affiliate_id == payout.affiliate_id).unwrap();
            let rows = bench.get("ledger/received?provider=paypal").await;
            let row = rows.as_array().unwrap().iter().find(|row| row["receiver"] == owed.receiver.as_str()).unwrap();
            let item = row["objects"][0]["id"].as_str().unwrap_or_else(|| panic!("{row}"));
            bench.post(&format!("paypal/items/{item}"), json!({"status": "REVERSED"})).await;
        }
        Kind::Stripe => {
            bench.call("POST", &format!("stripe/v1/transfers/{id}/reversals"), "", STRIPE_KEY).await;
        }
        Kind::Wise => {
            for step in ["bounced_back", "funds_refunded"] {
                let path = format!("wise/v1/simulation/transfers/{id}/{step}");
                bench.call("GET", &path, "", super::bench::WISE_TOKEN).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g14_both_sides_agree_after_all_was_paid() {
    for kind in Kind::ALL {
        let database = TestDatabase::sqlite().await;
        let mut bench = paid(&database, kind, 3).await;
        let row = reconcile(&mut bench).await;
        let listed = if kind == Kind::PayPal { 0 } else { 3 };
        assert_eq!(row.state(), PayoutReconciliationState::Completed, "{row:?}");
        assert_eq!((row.payment_count, row.payout_count, row.unread_count), (listed, 3, 0), "{kind:?}");
        assert_eq!((row.difference_count, row.looked_at_count, row.differences.len()), (0, 0, 0), "{row:?}");
        assert!(row.end_time.is_some() && !row.creator_key_id.is_empty(), "{row:?}");
        assert_eq!(told(&mut bench).await, Vec::<String>::new());
        assert_eq!(bench.subjects().await, Vec::<String>::new());
        bench.check_paid_once().await;
        bench.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn g14_money_that_came_back_is_told_once_and_the_payout_follows() {
    for kind in Kind::ALL {
        let database = TestDatabase::sqlite().await;
        let mut bench = paid(&database, kind, 2).await;
        let payout = bench.payouts().await.remove(0);
        take_back(&bench, &payout).await;
        let row = reconcile(&mut bench).await;
        assert_eq!(kinds(&row), [PayoutDifferenceKind::ReturnedThere], "{row:?}");
        let difference = &row.differences[0];
        assert_eq!(
            (difference.payout_id.as_str(), difference.payout_state()),
            (payout.id.as_str(), pb::PayoutState::Paid)
        );
        assert_eq!(difference.payment_state(), ProviderPaymentState::Returned);
        assert_eq!(difference.payment_amount, payout.amount);
        assert!(difference.looked_at_again && row.looked_at_count == 1, "{row:?}");
        bench.work().await;
        let mut states = bench.states().await;
        states.sort_unstable();
        assert_eq!(states, [("PAID", 1), ("RETURNED", 1)], "{kind:?}");
        bench.books().await;
        let again = reconcile(&mut bench).await;
        assert_eq!((again.difference_count, again.payout_count), (0, 2), "{again:?}");
        assert_eq!(told(&mut bench).await, [row.id]);
        assert_eq!(bench.subjects().await, [format!("and payments at {} differ", kind.provider().display_name())]);
        bench.stop().await;
    }
}

async fn transfer(bench: &Bench<'_>, amount: i64, group: &str, key: &str) -> String {
    let destination = &bench.owed[0].receiver;
    let body = format!(
        "amount={amount}&currency=usd&destination={destination}&transfer_group={group}&metadata[headwater_key]={key}"
    );
    let made = bench.call("POST", "stripe/v1/transfers", &body, STRIPE_KEY).await;
    made["id"].as_str().unwrap().to_owned()
}

// Somebody pays again by hand, and another server uses the same account at the provider.
db_test!(g14_payments_that_no_payout_explains_are_told_once, |database: TestDatabase| async move {
    let mut bench = paid(&database, Kind::Stripe, 2).await;
    let payout = bench.payouts().await.remove(0);
    let second = transfer(&bench, 1_000, &payout.id, &format!("{}-a2", payout.id)).await;
    let stranger = format!("pay_{:032x}", 7);
    let unknown = transfer(&bench, 500, &stranger, &format!("{stranger}-a1")).await;
    // A transfer of the owner's own business is none of ours.
    transfer(&bench, 700, "order-7", "order-7").await;
    bench.pass(HOUR).await;
    let row = reconcile(&mut bench).await;
    assert_eq!((row.payment_count, row.payout_count), (4, 2), "{row:?}");
    let mut found: Vec<_> = row.differences.iter().map(|one| (one.kind(), one.provider_payment_id.clone())).collect();
    found.sort_unstable();
    let expected = [(PayoutDifferenceKind::SecondPayment, second), (PayoutDifferenceKind::UnknownPayment, unknown)];
    assert_eq!(found, expected);
    let of_unknown = row.differences.iter().find(|one| one.kind() == PayoutDifferenceKind::UnknownPayment).unwrap();
    assert_eq!((of_unknown.payout_id.as_str(), of_unknown.key.as_str()), ("", format!("{stranger}-a1").as_str()));
    assert_eq!(of_unknown.payment_amount.as_ref().map(|amount| amount.amount_minor), Some(500));
    assert_eq!(bench.states().await, [("PAID", 2)], "a report changes nothing");
    let again = reconcile(&mut bench).await;
    assert_eq!((again.difference_count, again.new_difference_count), (2, 0), "{again:?}");
    assert_eq!(told(&mut bench).await, [row.id]);
    assert_eq!(bench.subjects().await, ["and payments at Stripe differ"]);
});

// The list has another amount, and the provider's answers are lost or refused for a while.
db_test!(g14_what_the_provider_says_is_reported_and_a_silent_one_is_asked_again, |database: TestDatabase| async move {
    let mut bench = paid(&database, Kind::Stripe, 1).await;
    let path = "/v1/transfers";
    let rule = |fault: serde_json::Value| json!({"method": "GET", "path": path, "times": 0, "fault": fault});
    bench.fault(rule(json!({"kind": "answer_field", "pointer": "/data/0/amount", "value": 999}))).await;
    let row = reconcile(&mut bench).await;
    assert_eq!(kinds(&row), [PayoutDifferenceKind::Amount], "{row:?}");
    let amounts = [&row.differences[0].payout_amount, &row.differences[0].payment_amount];
    assert_eq!(amounts.map(|amount| amount.as_ref().unwrap().amount_minor), [1_000, 999]);
    assert!(!row.differences[0].looked_at_again, "{row:?}");

    bench.remove_faults().await;
    bench.fault(rule(json!({"kind": "error_before", "status": 500}))).await;
    let running = reconcile(&mut bench).await;
    assert_eq!(running.state(), PayoutReconciliationState::Running);
    let request = pb::ReconcilePayoutsRequest { provider: pb::PayoutProvider::Stripe.into(), ..Default::default() };
    let refused = bench.client.payouts.reconcile_payouts(request.clone()).await.unwrap_err();
    assert_eq!(reason(&refused), "PAYOUT_RECONCILIATION_RUNNING");
    bench.remove_faults().await;
    bench.pass(120).await;
    run_worker(&bench.server).await;
    let row = get(&mut bench, &running.id).await;
    assert_eq!((row.state(), row.difference_count), (PayoutReconciliationState::Completed, 0), "{row:?}");

    bench.fault(rule(json!({"kind": "expire_tokens"}))).await;
    let row = reconcile(&mut bench).await;
    assert_eq!(row.state(), PayoutReconciliationState::Failed, "{row:?}");
    assert!(!row.problem_code.is_empty() && row.end_time.is_some(), "{row:?}");
    bench.remove_faults().await;
    assert_eq!(reconcile(&mut bench).await.state(), PayoutReconciliationState::Completed);
});

/// Makes the worker run once, and waits for it.
async fn run_worker(server: &TestServer) {
    let app = server.server.app();
    let runs = || {
        let statuses = app.worker_statuses().into_iter();
        statuses.filter(|status| status.name == reconcile_payouts::NAME).map(|status| status.runs).next().unwrap()
    };
    let before = runs();
    app.wake_worker(reconcile_payouts::NAME);
    while runs() == before {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Another server, where a database may have two.
async fn second(bench: &Bench<'_>, database: &TestDatabase) -> Option<TestServer> {
    if database.kind == DatabaseKind::Postgres { Some(bench.second_server().await) } else { None }
}

/// Makes the workers of both servers run at once, and again, because one may have had to wait for the other.
async fn both(other: Option<&TestServer>, bench: &Bench<'_>) {
    let other = other.unwrap_or(&bench.server);
    other.clock.set(bench.server.clock.now());
    for _ in 0..2 {
        tokio::join!(run_worker(&bench.server), run_worker(other));
    }
}

// Two servers have the worker. A clock that jumps, or a server that was down for days, makes no further reports.
db_test!(g14_each_day_has_one_report_whatever_the_servers_and_clocks_do, |database: TestDatabase| async move {
    let mut bench = paid(&database, Kind::PayPal, 1).await;
    let other = second(&bench, &database).await;
    both(other.as_ref(), &bench).await;
    assert_eq!(list(&mut bench).await.len(), 0, "a day has not passed");
    bench.pass(DAY).await;
    for _ in 0..3 {
        both(other.as_ref(), &bench).await;
        assert_eq!(list(&mut bench).await.len(), 1);
    }
    // Down for nine days.
    bench.pass(9 * DAY).await;
    both(other.as_ref(), &bench).await;
    both(other.as_ref(), &bench).await;
    let rows = list(&mut bench).await;
    assert_eq!(rows.len(), 2);
    for row in &rows {
        assert_eq!((row.state(), row.difference_count), (PayoutReconciliationState::Completed, 0), "{row:?}");
        assert_eq!(row.creator_key_id, "", "{row:?}");
    }
    assert_eq!(rows.iter().map(|row| row.payout_count).collect::<Vec<_>>(), [1, 0], "seven days are looked at");
    let request = pb::ListPayoutConnectionsRequest::default();
    let connections = bench.client.payouts.list_payout_connections(request).await.unwrap().into_inner();
    let next = connections.payout_connections[0].next_reconciliation_time.as_ref().unwrap().seconds;
    let now = bench.server.clock.now().micros() / 1_000_000;
    assert_eq!(next - now, i64::try_from(DAY).unwrap());
});

db_test!(g14_of_sixty_four_calls_at_once_one_begins, |database: TestDatabase| async move {
    let mut bench = paid(&database, Kind::Stripe, 1).await;
    let other = second(&bench, &database).await;
    // The provider is silent, so the first one does not end meanwhile.
    let silent = json!({"kind": "error_before", "status": 500});
    bench.fault(json!({"method": "GET", "path": "/v1/transfers", "times": 0, "fault": silent})).await;
    let address = other.as_ref().map_or(&bench.server.address, |other| &other.address);
    let elsewhere = Client::connect(address, &bench.client.key).await.unwrap();
    let calls = (0..64).map(|number| {
        let mut client = if number % 2 == 0 { bench.client.payouts.clone() } else { elsewhere.payouts.clone() };
        let request = pb::ReconcilePayoutsRequest { provider: pb::PayoutProvider::Stripe.into(), ..Default::default() };
        async move { client.reconcile_payouts(request).await }
    });
    let answers = futures::future::join_all(calls).await;
    let refused: Vec<String> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(reason).collect();
    assert_eq!(refused, vec!["PAYOUT_RECONCILIATION_RUNNING"; 63]);
    assert_eq!(list(&mut bench).await.len(), 1);
});

// The differences of a wise transfer under a further key, which is a UUID that only its payout explains.
#[tokio::test(flavor = "multi_thread")]
async fn g14_further_attempts_are_recognised_at_wise() {
    let database = TestDatabase::sqlite().await;
    let mut bench = Bench::start(&database, Kind::Wise, 1).await;
    bench.align_clocks().await;
    bench.connect().await;
    bench.create_run().await;
    bench.work().await;
    bench.pass(60).await;
    assert_eq!(bench.states().await, [("AWAITING_FUNDS", 1)]);
    bench.set_balance(1_000_000).await;
    for _ in 0..4 {
        bench.pass(HOUR).await;
    }
    assert_eq!(bench.states().await, [("PAID", 1)]);
    assert!(bench.payouts().await[0].attempt_count > 1);
    let row = reconcile(&mut bench).await;
    assert_eq!((row.difference_count, row.payout_count), (0, 1), "{row:?}");
    assert!(row.payment_count >= 2, "the drafts that were given up are in the list: {row:?}");
}
