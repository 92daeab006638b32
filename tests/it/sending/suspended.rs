//! Payouts that were approved before their account was suspended, or before their affiliate left.

use headwater::pb;
use pb::EventKind::{PayoutCreated, PayoutPaid, PayoutSent, PayoutUpdated};
use testkit::client::Client;

use super::bench::{Bench, Kind};
use crate::support::database::TestDatabase;

const DAY_SECONDS: u64 = 86_400;

fn account() -> Option<pb::AccountSelector> {
    let email = "shop@owners.example".to_owned();
    Some(pb::AccountSelector { selector: Some(pb::account_selector::Selector::Email(email)) })
}

async fn operator(bench: &Bench<'_>) -> Client {
    Client::connect(&bench.server.address, &bench.server.operator_key).await.unwrap()
}

async fn suspend(bench: &Bench<'_>) {
    let request = pb::SuspendAccountRequest {
        account: account(),
        suspension_reason: "under review".to_owned(),
        ..Default::default()
    };
    operator(bench).await.accounts.suspend_account(request).await.unwrap();
}

async fn resume(bench: &Bench<'_>) {
    let request = pb::ResumeAccountRequest { account: account(), ..Default::default() };
    operator(bench).await.accounts.resume_account(request).await.unwrap();
}

/// A bench whose account is connected, because the end of a suspension wakes what the connections send.
async fn connected(database: &TestDatabase, payouts: usize) -> Bench<'_> {
    let mut bench = Bench::start(database, Kind::PayPal, payouts).await;
    let paypal = pb::PayPalCredentials {
        client_id: "shop".to_owned(),
        client_secret: "secret".to_owned(),
        ..Default::default()
    };
    let credentials = Some(pb::provider_credentials::Credentials::Paypal(paypal));
    let request = pb::SetPayoutConnectionRequest {
        credentials: Some(pb::ProviderCredentials { credentials }),
        ..Default::default()
    };
    bench.client.payouts.set_payout_connection(request).await.unwrap();
    bench
}

/// The problems of all payouts.
async fn problems(bench: &mut Bench<'_>) -> Vec<String> {
    bench.payouts().await.into_iter().filter_map(|payout| payout.problem).map(|problem| problem.code).collect()
}

db_test!(g16_a_suspended_account_pays_nobody_until_it_is_resumed, |database: TestDatabase| async move {
    let mut bench = connected(&database, 3).await;
    bench.set_balance(1_000_000).await;
    bench.create_run().await;
    suspend(&bench).await;
    for days in [0, 1, 2, 9] {
        bench.pass(days * DAY_SECONDS).await;
        assert_eq!((bench.states().await, bench.submission_count().await), (vec![("READY", 3)], 0), "{days}");
    }
    assert_eq!(problems(&mut bench).await, ["account_suspended"; 3]);
    assert!(bench.payouts().await[0].problem.as_ref().unwrap().text.contains("the account is suspended"));
    bench.check_images().await;
    resume(&bench).await;
    bench.work().await;
    assert_eq!(bench.submission_count().await, 3);
    bench.finish().await;
    bench.check_paid_once().await;
    assert_eq!(problems(&mut bench).await, [""; 0]);
    let events = bench.events().await;
    for payout in bench.payouts().await {
        // It was told once that it waits.
        assert_eq!(events[&payout.id], [PayoutCreated, PayoutUpdated, PayoutSent, PayoutPaid], "{payout:?}");
    }
    bench.check_images().await;
});

db_test!(
    g14_payouts_that_wait_for_money_are_not_sent_while_their_account_is_suspended,
    |database: TestDatabase| async move {
        let mut bench = connected(&database, 3).await;
        bench.create_run().await;
        bench.work().await;
        bench.pass(60).await;
        assert_eq!(bench.states().await, [("AWAITING_FUNDS", 3)]);
        let before = bench.submission_count().await;
        suspend(&bench).await;
        bench.set_balance(1_000_000).await;
        for _ in 0..8 {
            bench.pass(DAY_SECONDS / 2).await;
        }
        assert_eq!((bench.states().await, bench.submission_count().await), (vec![("AWAITING_FUNDS", 3)], before));
        assert_eq!(problems(&mut bench).await, ["account_suspended"; 3]);
        resume(&bench).await;
        bench.finish().await;
        bench.check_paid_once().await;
        assert_eq!(problems(&mut bench).await, [""; 0]);
    }
);

// The answer to what was asked before the suspension is still looked up, because the money may have moved.
db_test!(g16_what_the_provider_has_is_followed_while_the_account_is_suspended, |database: TestDatabase| async move {
    let mut bench = connected(&database, 2).await;
    bench.set_balance(1_000_000).await;
    bench.create_run().await;
    bench.work().await;
    assert_eq!(bench.states().await, [("PROCESSING", 2)]);
    suspend(&bench).await;
    bench.pass(60).await;
    assert_eq!((bench.states().await, bench.submission_count().await), (vec![("PAID", 2)], 2));
    resume(&bench).await;
    bench.check_paid_once().await;
});

// What was approved is owed. The owner cancels a payout that should not be sent.
db_test!(g16_payouts_of_affiliates_who_left_are_sent, |database: TestDatabase| async move {
    let mut bench = connected(&database, 3).await;
    bench.set_balance(1_000_000).await;
    bench.create_run().await;
    let by_id =
        |id: &str| Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) });
    let deactivate = pb::DeactivateAffiliateRequest {
        affiliate: by_id(&bench.owed[0].affiliate_id),
        pending_rewards: pb::PendingRewards::Keep.into(),
        ..Default::default()
    };
    bench.client.affiliates.deactivate_affiliate(deactivate).await.unwrap();
    let erase = pb::EraseAffiliateRequest { affiliate: by_id(&bench.owed[1].affiliate_id), ..Default::default() };
    bench.client.affiliates.erase_affiliate(erase).await.unwrap();
    bench.finish().await;
    bench.check_paid_once().await;
});
