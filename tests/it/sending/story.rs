//! An owner pays 40 affiliates, and there is no money at the provider.

use headwater::pb;
use pb::EventKind::{PayoutAwaitingFunds, PayoutPaid, PayoutResumed, PayoutSent};
use pb::PayoutState;

use super::bench::{Bench, Kind};
use crate::support::database::TestDatabase;
use crate::support::server::reason;

const SIX_HOURS: u64 = 6 * 3_600;

// Elsewhere such a run fails, and days later the owner must remember it and begin anew.
db_test!(g14_forty_payouts_wait_ten_days_for_money_and_each_is_paid_once, |database: TestDatabase| async move {
    let mut bench = Bench::start(&database, Kind::PayPal, 40).await;
    let run_id = bench.create_run().await;
    bench.work().await;
    bench.pass(60).await;
    assert_eq!(bench.states().await, [("AWAITING_FUNDS", 40)]);
    assert_eq!(bench.subjects().await.len(), 1);
    let first = &bench.payouts().await[0];
    assert!(first.wait_start_time.is_some() && first.needed.is_some(), "{first:?}");
    let before = bench.submission_count().await;

    for _ in 0..40 {
        bench.pass(SIX_HOURS + 60).await;
        bench.pass(60).await;
    }
    assert_eq!(bench.states().await, [("AWAITING_FUNDS", 40)]);
    // One payout asks for all of them, every six hours.
    let probes = bench.submission_count().await - before;
    assert!((38..=45).contains(&probes), "{probes} probes in ten days");
    assert_eq!(bench.subjects().await.len(), 1);

    bench.set_balance(1_000_000).await;
    bench.finish().await;
    bench.check_paid_once().await;
    let events = bench.events().await;
    for payout in bench.payouts().await {
        // The first ones were sent before anybody knew that there is no money.
        let told: Vec<_> = events[&payout.id].iter().skip(1).copied().filter(|kind| *kind != PayoutSent).collect();
        assert_eq!(told, [PayoutAwaitingFunds, PayoutResumed, PayoutPaid], "{payout:?}");
        assert_eq!((payout.payout_run_id.as_str(), payout.wait_start_time), (run_id.as_str(), None));
    }
    assert_eq!(bench.subjects().await, ["in USD wait for money at PayPal", "in USD go on at PayPal"]);
});

#[tokio::test(flavor = "multi_thread")]
async fn g14_news_of_money_sends_what_waits_at_once() {
    for kind in Kind::ALL {
        let database = TestDatabase::sqlite().await;
        let mut bench = Bench::start(&database, kind, 3).await;
        bench.create_run().await;
        bench.work().await;
        bench.pass(60).await;
        assert_eq!(bench.states().await, [("AWAITING_FUNDS", 3)], "{kind:?}");
        bench.set_balance(1_000_000).await;
        // Nothing happens before the next probe.
        bench.pass(60).await;
        assert_eq!(bench.states().await, [("AWAITING_FUNDS", 3)], "{kind:?}");
        let provider = bench.payouts().await[0].provider;
        let request = pb::NotifyFundsAddedRequest { provider, ..Default::default() };
        let waits = bench.client.payouts.notify_funds_added(request).await.unwrap().into_inner().waits;
        assert_eq!(waits.len(), 1, "{waits:?}");
        bench.work().await;
        for _ in 0..3 {
            bench.pass(60).await;
        }
        assert_eq!(bench.states().await, [("PAID", 3)], "{kind:?}");
        bench.check_paid_once().await;
        bench.stop().await;
    }
}

db_test!(g14_a_waiting_payout_may_be_paid_by_hand_or_cancelled, |database: TestDatabase| async move {
    let mut bench = Bench::start(&database, Kind::PayPal, 3).await;
    bench.create_run().await;
    bench.work().await;
    bench.pass(60).await;
    let ids: Vec<_> = bench.payouts().await.into_iter().map(|payout| payout.id).collect();
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![ids[0].clone()], ..Default::default() };
    bench.client.payouts.confirm_payouts(request.clone()).await.unwrap();
    let request_of = |id: &String| pb::CancelPayoutRequest { payout_id: id.clone(), ..Default::default() };
    bench.client.payouts.cancel_payout(request_of(&ids[1])).await.unwrap();
    bench.set_balance(1_000_000).await;
    for _ in 0..4 {
        bench.pass(SIX_HOURS).await;
    }
    // Neither was sent afterwards.
    let rows = bench.get("ledger/received?provider=paypal").await;
    assert_eq!(rows.as_array().unwrap().len(), 1, "{rows}");
    let states: Vec<_> = bench.payouts().await.iter().map(pb::Payout::state).collect();
    assert_eq!(states, [PayoutState::Paid, PayoutState::Cancelled, PayoutState::Paid]);
    let status = bench.client.payouts.cancel_payout(request_of(&ids[2])).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_STATE");
    bench.books().await;
});

db_test!(g15_what_comes_back_is_owed_again, |database: TestDatabase| async move {
    let mut bench = Bench::start(&database, Kind::PayPal, 3).await;
    bench.set_balance(1_000_000).await;
    for (owed, status, error) in [(0, "UNCLAIMED", ""), (1, "FAILED", "RECEIVER_ACCOUNT_LOCKED")] {
        let receiver = bench.owed[owed].receiver.clone();
        let mut rule = serde_json::json!({"receiver": receiver, "status": status});
        if !error.is_empty() {
            rule["error"] = error.into();
        }
        bench.post("paypal/receivers", rule).await;
    }
    bench.create_run().await;
    bench.work().await;
    for _ in 0..3 {
        bench.pass(60).await;
    }
    let states: Vec<_> = bench.payouts().await.iter().map(pb::Payout::state).collect();
    assert_eq!(states, [PayoutState::Unclaimed, PayoutState::Failed, PayoutState::Paid]);
    let problem = bench.payouts().await[1].problem.clone().unwrap();
    let facts = (problem.code.as_str(), problem.who_must_act(), problem.provider_code.as_str());
    assert_eq!(facts, ("receiver_invalid", pb::WhoMustAct::Affiliate, "RECEIVER_ACCOUNT_LOCKED"));
    // The owner takes back what nobody claims.
    let payout_id = bench.payouts().await[0].id.clone();
    let request = pb::CancelPayoutRequest { payout_id, ..Default::default() };
    let asked = bench.client.payouts.cancel_payout(request).await.unwrap().into_inner().payout.unwrap();
    assert_eq!((asked.state(), asked.cancel_request_time.is_some()), (PayoutState::Unclaimed, true));
    bench.work().await;
    let returned = bench.payouts().await.remove(0);
    assert_eq!((returned.state(), returned.returned_amount.clone()), (PayoutState::Returned, returned.amount));
    let owed = bench.client.payouts.get_amount_owed(pb::GetAmountOwedRequest::default()).await.unwrap().into_inner();
    let amount = owed.amounts[0].approved_overdue.as_ref().unwrap().amount_minor;
    assert_eq!(amount, bench.owed[0].amount_minor + bench.owed[1].amount_minor);
    let (paid, _) = bench.books().await;
    assert_eq!(paid, i128::from(bench.owed[2].amount_minor));
    bench.check_images().await;
    // The next run pays both again.
    bench.post("paypal/receivers", serde_json::json!({"receiver": bench.owed[0].receiver, "status": "SUCCESS"})).await;
    bench.create_run().await;
    bench.work().await;
    bench.pass(60).await;
    assert_eq!(bench.payouts().await.iter().filter(|payout| payout.state() == PayoutState::Paid).count(), 2);
});
