//! The states of affiliates, and what becomes of the pending rewards of one that is deactivated.

use headwater::pb;
use pb::{AffiliateState, PendingRewards, RewardState};
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use super::affiliate::{by_email, create, get, new, profile};
use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

pub(super) async fn deactivate(client: &mut Client, email: &str, pending_rewards: PendingRewards) -> pb::Affiliate {
    let request = pb::DeactivateAffiliateRequest {
        affiliate: by_email(email),
        pending_rewards: pending_rewards.into(),
        reason: "left".to_owned(),
        ..Default::default()
    };
    client.affiliates.deactivate_affiliate(request).await.unwrap().into_inner().affiliate.unwrap()
}

async fn approve(client: &mut Client, email: &str) -> pb::Affiliate {
    let request = pb::ApproveAffiliateRequest { affiliate: by_email(email), ..Default::default() };
    client.affiliates.approve_affiliate(request).await.unwrap().into_inner().affiliate.unwrap()
}

db_test!(p15_applications_are_decided_with_a_reason, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let applied = pb::CreateAffiliateRequest {
        state: AffiliateState::Applied.into(),
        profile: Some(profile()),
        coupon_code: "CID".to_owned(),
        ..new("cid@affiliates.example")
    };
    let applied = create(&mut client, applied).await.affiliate.unwrap();
    assert_eq!(applied.state(), AffiliateState::Applied);
    let sold = pb::RecordSaleRequest { coupon_code: "CID".to_owned(), ..sale(1) };
    let sold = client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!(sold.outcome(), pb::ConversionOutcome::NotReferred);

    server.clock.advance_days(1);
    let reject = pb::RejectAffiliateRequest {
        affiliate: by_email("cid@affiliates.example"),
        reason: " no site ".to_owned(),
        etag: applied.etag.clone(),
        ..Default::default()
    };
    let rejected = client.affiliates.reject_affiliate(reject.clone()).await.unwrap().into_inner().affiliate.unwrap();
    assert_eq!((rejected.state(), rejected.state_reason.as_str()), (AffiliateState::Rejected, "no site"));
    assert_ne!(rejected.state_time, applied.state_time);
    let status = client.affiliates.reject_affiliate(reject).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let without_reason =
        pb::RejectAffiliateRequest { affiliate: by_email("cid@affiliates.example"), ..Default::default() };
    let status = client.affiliates.reject_affiliate(without_reason).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "reason");

    // The decision may be changed, and the reason goes.
    let active = approve(&mut client, "cid@affiliates.example").await;
    assert_eq!((active.state(), active.state_reason.as_str()), (AffiliateState::Active, ""));
    let sold = pb::RecordSaleRequest { coupon_code: "CID".to_owned(), ..sale(2) };
    let sold = client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!(sold.outcome(), pb::ConversionOutcome::Attributed);
    let reject = pb::RejectAffiliateRequest {
        affiliate: by_email("cid@affiliates.example"),
        reason: "late".to_owned(),
        ..Default::default()
    };
    let status = client.affiliates.reject_affiliate(reject).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "AFFILIATE_STATE"));
    let info = status.get_details_error_info().unwrap();
    assert_eq!((info.metadata["state"].as_str(), &info.metadata["affiliate_id"]), ("active", &applied.id));
});

db_test!(g5_f5_a_deactivated_affiliate_keeps_its_history, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    for number in 1..=3 {
        client.tracking.record_sale(sale(number)).await.unwrap();
    }
    let inactive = deactivate(client, "ann@affiliates.example", PendingRewards::Keep).await;
    assert_eq!((inactive.state(), inactive.state_reason.as_str()), (AffiliateState::Inactive, "left"));
    assert_eq!(inactive.pending_rewards(), PendingRewards::Keep);
    let list = pb::ListRewardsRequest { affiliate: Some(affiliate), ..Default::default() };
    let rewards = client.rewards.list_rewards(list).await.unwrap().into_inner().rewards;
    assert!(rewards.len() == 3 && rewards.iter().all(|reward| reward.state() == RewardState::Pending));
    let sold = client.tracking.record_sale(sale(4)).await.unwrap().into_inner();
    assert_eq!(sold.outcome(), pb::ConversionOutcome::NotReferred);
    let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..Default::default() };
    assert_eq!(reason(&client.tracking.record_click(click).await.unwrap_err()), "LINK_NOT_FOUND");
    // The rewards that were kept are approved in time.
    server.clock.advance_days(40);
    server.server.app().approve_due_rewards().await.unwrap();
    let found = get(client, by_email("ann@affiliates.example")).await.unwrap();
    assert_eq!(cash(found.balances[0].owed.as_ref()).amount_minor, 600);
    assert!(client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner().ok);
});

db_test!(g5_a_deactivation_may_deny_what_is_pending, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    let mut reward_ids = Vec::new();
    for number in 1..=4 {
        let sold = client.tracking.record_sale(sale(number)).await.unwrap().into_inner();
        reward_ids.push(sold.rewards[0].reward_id.clone());
    }
    // One is approved, and one is refunded in part: what the refund took back is denied with its reward.
    let request = pb::ApproveRewardsRequest { reward_ids: vec![reward_ids[0].clone()], ..Default::default() };
    client.rewards.approve_rewards(request).await.unwrap();
    let refund = pb::RecordRefundRequest {
        event_id: "refund".to_owned(),
        sale_event_id: "sale-2".to_owned(),
        amount: Some(pb::Money { amount_minor: 300, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    server.clock.advance_days(1);
    let request = pb::DeactivateAffiliateRequest {
        request_id: "leave".to_owned(),
        affiliate: by_email("ann@affiliates.example"),
        pending_rewards: PendingRewards::Deny.into(),
        reason: "fraud".to_owned(),
        ..Default::default()
    };
    let inactive = client.affiliates.deactivate_affiliate(request.clone()).await.unwrap().into_inner();
    assert_eq!(inactive.affiliate.as_ref().unwrap().pending_rewards(), PendingRewards::Deny);
    let list = pb::ListRewardsRequest { affiliate: Some(affiliate), ..Default::default() };
    let rewards = client.rewards.list_rewards(list.clone()).await.unwrap().into_inner().rewards;
    assert_eq!(rewards.len(), 5);
    for reward in &rewards {
        let expected = if reward.id == reward_ids[0] { RewardState::Approved } else { RewardState::Denied };
        assert_eq!(reward.state(), expected);
        assert_eq!(reward.deny_reason, if expected == RewardState::Denied { "fraud" } else { "" });
    }

    // A repeat does not touch what the affiliate earns after a return.
    server.clock.advance_days(1);
    approve(client, "ann@affiliates.example").await;
    client.tracking.record_sale(sale(5)).await.unwrap();
    let again = client.affiliates.deactivate_affiliate(request).await.unwrap().into_inner();
    // No answer is stored with the reason, because it may have personal data.
    let first = pb::Affiliate { state_reason: String::new(), ..inactive.affiliate.unwrap() };
    assert!(again.replayed && again.affiliate == Some(first));
    let pending = pb::ListRewardsRequest { states: vec![RewardState::Pending.into()], ..list };
    assert_eq!(client.rewards.list_rewards(pending).await.unwrap().into_inner().rewards.len(), 1);

    // The event has no reason, because it may have personal data.
    let images = deactivated(client).await;
    let [image] = &images[..] else { panic!("{images:?}") };
    assert_eq!((image.pending_rewards(), image.state_reason.as_str()), (PendingRewards::Deny, ""));
    assert!(client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner().ok);

    for (pending_rewards, field) in [(PendingRewards::Unspecified, "pending_rewards"), (PendingRewards::Deny, "reason")]
    {
        let request = pb::DeactivateAffiliateRequest {
            affiliate: by_email("ann@affiliates.example"),
            pending_rewards: pending_rewards.into(),
            ..Default::default()
        };
        let status = client.affiliates.deactivate_affiliate(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
});

/// The images of the affiliates that were deactivated, from the feed.
async fn deactivated(client: &mut Client) -> Vec<pb::Affiliate> {
    let request = pb::ReadEventsRequest {
        start: Some(from_beginning()),
        filter: Some(pb::EventFilter { kinds: vec![pb::EventKind::AffiliateDeactivated.into()], ..Default::default() }),
        ..Default::default()
    };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let image = |event: pb::Event| match event.subject {
        Some(pb::event::Subject::Affiliate(image)) => image,
        other => panic!("{other:?}"),
    };
    events.into_iter().map(image).collect()
}

// An affiliate is deactivated with 10.00 pending: the choice of what becomes of it is in the call, in the affiliate and in the event.
db_test!(g5_f5_c17_a_deactivation_keeps_holds_or_denies_what_is_pending, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    for (choice, state, pending, owed_later) in [
        (PendingRewards::Keep, RewardState::Pending, 1_000, 1_000),
        (PendingRewards::Hold, RewardState::Held, 1_000, 0),
        (PendingRewards::Deny, RewardState::Denied, 0, 0),
    ] {
        let mut client = Shop::open(&server, choice.as_str_name()).await.client;
        let amount = Some(pb::Money { amount_minor: 5_000, currency_code: "USD".to_owned() });
        client.tracking.record_sale(pb::RecordSaleRequest { amount, ..sale(1) }).await.unwrap();
        let inactive = deactivate(&mut client, "ann@affiliates.example", choice).await;
        assert_eq!((inactive.state(), inactive.pending_rewards()), (AffiliateState::Inactive, choice));
        let told: Vec<_> = deactivated(&mut client).await.iter().map(pb::Affiliate::pending_rewards).collect();
        assert_eq!(told, [choice]);
        assert_eq!(rewards_in(&mut client, state).await.len(), 1, "{choice:?}");
        let balances = get(&mut client, by_email("ann@affiliates.example")).await.unwrap().balances;
        assert_eq!(cash(balances[0].pending.as_ref()).amount_minor, pending, "{choice:?}");
        server.clock.advance_days(40);
        server.server.app().approve_due_rewards().await.unwrap();
        let balances = get(&mut client, by_email("ann@affiliates.example")).await.unwrap().balances;
        assert_eq!(cash(balances[0].owed.as_ref()).amount_minor, owed_later, "{choice:?}");
        assert!(client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner().ok);
    }
});

/// The rewards of Ann, by state.
async fn rewards_in(client: &mut Client, state: RewardState) -> Vec<pb::Reward> {
    let request = pb::ListRewardsRequest {
        affiliate: by_email("ann@affiliates.example"),
        states: vec![state.into()],
        ..Default::default()
    };
    client.rewards.list_rewards(request).await.unwrap().into_inner().rewards
}

db_test!(g5_a_deactivation_may_hold_what_is_pending, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for number in 1..=3 {
        client.tracking.record_sale(sale(number)).await.unwrap();
    }
    let refund = |event_id: &str, amount_minor| pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: "sale-2".to_owned(),
        amount: Some(pb::Money { amount_minor, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    client.tracking.record_refund(refund("refund-1", 300)).await.unwrap();
    server.clock.advance_days(1);
    deactivate(&mut client, "ann@affiliates.example", PendingRewards::Hold).await;
    let held = rewards_in(&mut client, RewardState::Held).await;
    assert_eq!(held.len(), 4, "with what the refund took back");

    // Held rewards are not approved, neither in time nor by hand, and are still in the pending balance.
    server.clock.advance_days(60);
    server.server.app().approve_due_rewards().await.unwrap();
    assert_eq!(rewards_in(&mut client, RewardState::Held).await, held);
    let ids: Vec<String> =
        held.iter().filter(|reward| reward.reverses_reward_id.is_empty()).map(|reward| reward.id.clone()).collect();
    let request = pb::ApproveRewardsRequest { reward_ids: ids.clone(), ..Default::default() };
    let status = client.rewards.approve_rewards(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REWARD_STATE"));
    let balances = get(&mut client, by_email("ann@affiliates.example")).await.unwrap().balances;
    assert_eq!(cash(balances[0].pending.as_ref()).amount_minor, 540);

    // Refunds take them back like pending ones, and a person may deny one.
    client.tracking.record_refund(refund("refund-2", 700)).await.unwrap();
    assert_eq!(rewards_in(&mut client, RewardState::Reversed).await.len(), 3);
    let request =
        pb::DenyRewardsRequest { reward_ids: vec![ids[0].clone()], reason: "fraud".to_owned(), ..Default::default() };
    client.rewards.deny_rewards(request).await.unwrap();

    // What is released is pending, and approved because its time has come.
    let request = pb::ReleaseRewardsRequest {
        request_id: "release".to_owned(),
        reward_ids: vec![ids[2].clone()],
        reason: String::new(),
    };
    let released = client.rewards.release_rewards(request.clone()).await.unwrap().into_inner().rewards;
    assert_eq!((released.len(), released[0].state()), (1, RewardState::Pending));
    assert!(client.rewards.release_rewards(request).await.unwrap().into_inner().replayed);
    server.server.app().approve_due_rewards().await.unwrap();
    assert_eq!(rewards_in(&mut client, RewardState::Approved).await.len(), 1);
    assert_eq!(rewards_in(&mut client, RewardState::Held).await, []);
    let verified = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(verified.ok, "{:?}", verified.differences);

    // Only held rewards are released, all or none.
    let request = pb::ReleaseRewardsRequest { reward_ids: vec![ids[0].clone()], ..Default::default() };
    let status = client.rewards.release_rewards(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REWARD_STATE"));
});
