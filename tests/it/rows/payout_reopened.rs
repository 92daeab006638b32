//! Payouts that were not paid after all, and callers who saw a payout before it changed.

use headwater::pb;
use testkit::client::Client;
use tonic::Status;

use super::payout_reserved::{
    confirm, create, due_to, give_approved, owed_in_dollars, set_policy, two_servers, usd, verify, with_another_key,
};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn reopen(client: &mut Client, payout_id: &str, reason: &str) -> Result<pb::Payout, Status> {
    let (payout_id, reason) = (payout_id.to_owned(), reason.to_owned());
    let request = pb::ReopenPayoutRequest { payout_id, reason, ..Default::default() };
    client.payouts.reopen_payout(request).await.map(|answer| answer.into_inner().payout.unwrap())
}

// The case in the field: marked paid, unpaid and paid again, and the affiliate saw three payouts.
db_test!(c5_a_payout_that_was_not_paid_after_all_is_one_payout_with_its_history, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let reward_ids = vec![give_approved(&mut shop.client, "ann", 1_000).await];
    let request = pb::MarkPaidRequest {
        affiliate: Some(shop.affiliate()),
        reward_ids,
        reference: "TRX 17".to_owned(),
        ..Default::default()
    };
    let marked = shop.client.payouts.mark_paid(request).await.unwrap().into_inner().payout.unwrap();
    let reopened = reopen(&mut shop.client, &marked.id, " sent back ").await.unwrap();
    assert_eq!((reopened.state(), reopened.reference.as_str()), (pb::PayoutState::Ready, ""));
    assert_eq!((&reopened.id, reopened.paid_time, reopened.cancel_time), (&marked.id, None, None));
    let [history] = &reopened.reopenings[..] else { panic!("{reopened:?}") };
    assert_eq!((history.reason.as_str(), history.reference.as_str()), ("sent back", "TRX 17"));
    assert_eq!((history.paid_time, history.reopen_time), (marked.paid_time, reopened.update_time));
    assert_eq!(history.reopener_key_id, marked.creator_key_id);
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 0, 0, 0, 1_000, 0, 0]);
    verify(&mut shop.client).await;
    let paid = confirm(&mut shop.client, &[&marked.id]).await.unwrap().remove(0);
    assert_eq!((paid.state(), &paid.reopenings), (pb::PayoutState::Paid, &reopened.reopenings));
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0; 7]);
    let all = shop.client.payouts.list_payouts(pb::ListPayoutsRequest::default()).await.unwrap().into_inner().payouts;
    assert_eq!(all, [paid]);
    let request = pb::CalculateCommissionsRequest {
        affiliate: Some(shop.affiliate()),
        period: Some(pb::calculate_commissions_request::Period::Interval(pb::TimeInterval::default())),
        ..Default::default()
    };
    let lines = shop.client.rewards.calculate_commissions(request).await.unwrap().into_inner().lines;
    let of_payout = lines.iter().filter(|line| line.payout_id == marked.id);
    use pb::LedgerReason::{Paid, Reopened};
    assert_eq!(of_payout.map(pb::StatementLine::reason).collect::<Vec<_>>(), [Paid, Reopened, Paid]);
    verify(&mut shop.client).await;

    // The history has an end.
    for _ in 1..20 {
        reopen(&mut shop.client, &marked.id, "again").await.unwrap();
        confirm(&mut shop.client, &[&marked.id]).await.unwrap();
    }
    let status = reopen(&mut shop.client, &marked.id, "again").await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS");
    assert!(status.message().starts_with("payout_id: was reopened 20 times"), "{}", status.message());
    verify(&mut shop.client).await;
});

db_test!(g17_who_saw_a_payout_before_it_changed_does_not_change_it, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut other = with_another_key(&mut shop.client, &server).await;
    let policy = pb::PayoutPolicy { approval_above: vec![usd(500)], ..Default::default() };
    set_policy(&mut shop.client, Some(policy)).await;
    give_approved(&mut shop.client, "ann", 501).await;
    let created = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    let payout_ids = vec![created.id.clone()];
    let approving = |etag: &str| pb::ApprovePayoutsRequest {
        payout_ids: payout_ids.clone(),
        etags: vec![etag.to_owned()],
        ..Default::default()
    };
    let status = other.payouts.approve_payouts(approving("v1")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (tonic::Code::Aborted, "ETAG_MISMATCH"));
    assert!(status.message().starts_with("etags: "), "{}", status.message());
    let approved =
        other.payouts.approve_payouts(approving(&created.etag)).await.unwrap().into_inner().payouts.remove(0);
    assert_ne!(approved.etag, created.etag);
    let confirming = |etag: &str| pb::ConfirmPayoutsRequest {
        payout_ids: payout_ids.clone(),
        etags: vec![etag.to_owned()],
        ..Default::default()
    };
    let status = other.payouts.confirm_payouts(confirming(&created.etag)).await.unwrap_err();
    assert_eq!(reason(&status), "ETAG_MISMATCH");
    let cancelling = |etag: &str| pb::CancelPayoutRequest {
        payout_id: created.id.clone(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    assert_eq!(reason(&other.payouts.cancel_payout(cancelling(&created.etag)).await.unwrap_err()), "ETAG_MISMATCH");
    let paid = other.payouts.confirm_payouts(confirming(&approved.etag)).await.unwrap().into_inner().payouts.remove(0);
    let reopening = |etag: &str| pb::ReopenPayoutRequest {
        payout_id: created.id.clone(),
        reason: "sent back".to_owned(),
        etag: etag.to_owned(),
        ..Default::default()
    };
    assert_eq!(reason(&other.payouts.reopen_payout(reopening(&approved.etag)).await.unwrap_err()), "ETAG_MISMATCH");
    // It was approved, so nobody has to approve it again.
    let ready = other.payouts.reopen_payout(reopening(&paid.etag)).await.unwrap().into_inner().payout.unwrap();
    assert_eq!(ready.state(), pb::PayoutState::Ready);
    let cancelled = other.payouts.cancel_payout(cancelling(&ready.etag)).await.unwrap().into_inner().payout.unwrap();
    assert_eq!(cancelled.state(), pb::PayoutState::Cancelled);
    let etags = [&created.etag, &approved.etag, &paid.etag, &ready.etag, &cancelled.etag];
    assert_eq!(std::collections::BTreeSet::from(etags).len(), 5);
    verify(&mut shop.client).await;
});

// Half of the callers reopen a paid payout and half confirm it, again and again: its history and the books agree with the answers.
db_test!(c5_of_64_callers_at_once_each_step_is_taken_once, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    give_approved(&mut shop.client, "ann", 800).await;
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    confirm(&mut shop.client, &[&payout.id]).await.unwrap();
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number / 2 % 2].address.clone(), shop.client.key.clone());
        let id = payout.id.clone();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            match number % 2 {
                0 => reopen(&mut client, &id, "sent back").await.map(|payout| payout.state()),
                _ => confirm(&mut client, &[&id]).await.map(|payouts| payouts[0].state()),
            }
        }));
    }
    let (mut reopened, mut paid) = (0, 0);
    for call in calls {
        match call.await.unwrap() {
            Ok(pb::PayoutState::Ready) => reopened += 1,
            Ok(_) => paid += 1,
            Err(status) => {
                assert!(["PAYOUT_STATE", "INVALID_FIELDS"].contains(&reason(&status).as_str()), "{status:?}");
            }
        }
    }
    let request = pb::GetPayoutRequest { payout_id: payout.id };
    let payout = shop.client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap();
    assert_eq!(payout.reopenings.len(), reopened);
    assert!(reopened >= 1 && (reopened == paid) == (payout.state() == pb::PayoutState::Paid), "{reopened} {paid}");
    let in_flight = if reopened == paid { 0 } else { 800 };
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 0, 0, 0, in_flight, 0, 0]);
    verify(&mut shop.client).await;
});
