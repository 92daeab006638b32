//! Payouts that reserve what they will pay: what is owed, who approves, and what happens when all want the same.

use headwater::pb;
use pb::reward_value::Amount;
use testkit::client::Client;
use tonic::Status;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

pub(super) fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

pub(super) fn selector(affiliate_id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(affiliate_id.to_owned())) })
}

/// Gives an affiliate with this ref_id cash.
pub(super) async fn give(client: &mut Client, ref_id: &str, cash: pb::Money, state: pb::RewardState) -> String {
    let selector = Some(pb::enrollment_selector::Selector::RefId(ref_id.to_owned()));
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(Amount::Cash(cash)) }),
        state: state.into(),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap().id
}

pub(super) async fn give_approved(client: &mut Client, ref_id: &str, amount_minor: i64) -> String {
    give(client, ref_id, usd(amount_minor), pb::RewardState::Approved).await
}

pub(super) fn due_to(affiliate_id: &str) -> pb::CreatePayoutRequest {
    pb::CreatePayoutRequest { affiliate: selector(affiliate_id), currency_code: "USD".to_owned(), ..Default::default() }
}

pub(super) async fn create(client: &mut Client, request: pb::CreatePayoutRequest) -> Result<pb::Payout, Status> {
    client.payouts.create_payout(request).await.map(|answer| answer.into_inner().payout.unwrap())
}

pub(super) async fn confirm(client: &mut Client, payout_ids: &[&str]) -> Result<Vec<pb::Payout>, Status> {
    let payout_ids = payout_ids.iter().map(|id| (*id).to_owned()).collect();
    let request = pb::ConfirmPayoutsRequest { payout_ids, ..Default::default() };
    client.payouts.confirm_payouts(request).await.map(|answer| answer.into_inner().payouts)
}

async fn approve(client: &mut Client, payout_ids: &[&str]) -> Result<Vec<pb::Payout>, Status> {
    let payout_ids = payout_ids.iter().map(|id| (*id).to_owned()).collect();
    let request = pb::ApprovePayoutsRequest { payout_ids, ..Default::default() };
    client.payouts.approve_payouts(request).await.map(|answer| answer.into_inner().payouts)
}

async fn cancel(client: &mut Client, payout_id: &str) -> Result<pb::Payout, Status> {
    let request = pb::CancelPayoutRequest { payout_id: payout_id.to_owned(), ..Default::default() };
    client.payouts.cancel_payout(request).await.map(|answer| answer.into_inner().payout.unwrap())
}

pub(super) async fn set_policy(client: &mut Client, payout_policy: Option<pb::PayoutPolicy>) -> pb::Account {
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap().into_inner().account.unwrap()
}

/// A client with another key of the account.
pub(super) async fn with_another_key(client: &mut Client, server: &TestServer) -> Client {
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Payout.into(), ..Default::default() };
    let made = client.accounts.create_api_key(request).await.unwrap().into_inner();
    Client::connect(&server.address, &made.api_key_text).await.unwrap()
}

pub(super) async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

/// The owed amounts in US cents: approved and overdue, approved and not due, unapproved and overdue, unapproved and not due, in flight, negative, and
/// how many affiliates are owed something.
pub(super) async fn owed(client: &mut Client, request: pb::GetAmountOwedRequest) -> Vec<(String, [i64; 7])> {
    let answer = client.payouts.get_amount_owed(request).await.unwrap().into_inner();
    let parts = |owed: pb::AmountOwed| {
        let amounts = [
            owed.approved_overdue,
            owed.approved_not_due,
            owed.unapproved_overdue,
            owed.unapproved_not_due,
            owed.in_flight,
            owed.negative,
        ];
        let code = amounts[0].as_ref().unwrap().currency_code.clone();
        assert!(amounts.iter().flatten().all(|amount| amount.currency_code == code));
        let [a, b, c, d, e, f] = amounts.map(|amount| amount.unwrap().amount_minor);
        (code, [a, b, c, d, e, f, owed.affiliate_count])
    };
    answer.amounts.into_iter().map(parts).collect()
}

pub(super) async fn owed_in_dollars(client: &mut Client) -> [i64; 7] {
    let request = pb::GetAmountOwedRequest { currencies: vec!["USD".to_owned()], ..Default::default() };
    owed(client, request).await.pop().map(|(_, parts)| parts).unwrap_or_default()
}

/// The server, and on PostgreSQL a second one.
pub(super) async fn two_servers(database: &TestDatabase) -> (TestServer, Option<TestServer>) {
    let first = TestServer::start(database).await;
    match database.kind {
        DatabaseKind::Sqlite => (first, None),
        DatabaseKind::Postgres => (first, Some(TestServer::start(database).await)),
    }
}

pub(super) async fn create_affiliate(client: &mut Client, ref_id: &str) -> String {
    let request = pb::CreateAffiliateRequest {
        email: format!("{ref_id}@affiliates.example"),
        ref_id: ref_id.to_owned(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id
}

db_test!(g16_a_payout_reserves_what_is_due_until_it_is_confirmed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let first = give_approved(&mut shop.client, "ann", 1_000).await;
    let second = give_approved(&mut shop.client, "ann", 250).await;
    let request = pb::CreatePayoutRequest {
        request_id: "november".to_owned(),
        note: " November ".to_owned(),
        message: "Thank you".to_owned(),
        ..due_to(&shop.affiliate_id)
    };
    let payout = create(&mut shop.client, request.clone()).await.unwrap();
    assert_eq!((payout.state(), payout.amount.clone()), (pb::PayoutState::Ready, Some(usd(1_250))));
    assert_eq!((payout.reward_count, payout.note.as_str(), payout.message.as_str()), (2, "November", "Thank you"));
    assert!(payout.creator_key_id.starts_with("key_") && payout.paid_time.is_none(), "{payout:?}");
    let again = shop.client.payouts.create_payout(request).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.payout.as_ref()), (true, Some(&payout)));
    let request = pb::ListRewardsRequest { payout_id: payout.id.clone(), ..Default::default() };
    let rewards = shop.client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    assert_eq!(rewards.iter().map(|reward| reward.id.as_str()).collect::<Vec<_>>(), [&first, &second]);
    assert!(rewards.iter().all(|reward| reward.state() == pb::RewardState::InPayout));
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 0, 0, 0, 1_250, 0, 0]);
    let balance = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(balance).await.unwrap().into_inner().balances;
    let cash = |minor| Some(pb::RewardValue { amount: Some(Amount::Cash(usd(minor))) });
    let expected = pb::Balance {
        earned: cash(1_250),
        pending: cash(0),
        owed: cash(0),
        in_flight: cash(1_250),
        in_dispute: cash(0),
        paid: cash(0),
    };
    assert_eq!(balances, [expected]);
    verify(&mut shop.client).await;

    // A later reward is in none of its payouts.
    give_approved(&mut shop.client, "ann", 99).await;
    let paid_time = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 };
    let request = pb::ConfirmPayoutsRequest {
        payout_ids: vec![payout.id.clone()],
        reference: " TRX 17 ".to_owned(),
        paid_time: Some(paid_time),
        ..Default::default()
    };
    let paid = shop.client.payouts.confirm_payouts(request).await.unwrap().into_inner().payouts.pop().unwrap();
    assert_eq!((paid.state(), paid.reference.as_str()), (pb::PayoutState::Paid, "TRX 17"));
    assert_eq!((paid.paid_time, paid.note.as_str()), (Some(paid_time), "November"));
    assert_eq!(owed_in_dollars(&mut shop.client).await, [99, 0, 0, 0, 0, 0, 1]);
    let found = pb::GetPayoutRequest { payout_id: payout.id.clone() };
    assert_eq!(shop.client.payouts.get_payout(found).await.unwrap().into_inner().payout, Some(paid));

    // The ledger and the statement have both steps.
    let request = pb::CalculateCommissionsRequest {
        affiliate: Some(shop.affiliate()),
        period: Some(pb::calculate_commissions_request::Period::Interval(pb::TimeInterval::default())),
        ..Default::default()
    };
    let lines = shop.client.rewards.calculate_commissions(request).await.unwrap().into_inner().lines;
    let lines: Vec<_> = lines.iter().filter(|line| line.payout_id == payout.id).collect();
    let reasons: Vec<_> = lines.iter().map(|line| line.reason()).collect();
    assert_eq!(reasons, [pb::LedgerReason::Reserved, pb::LedgerReason::Paid]);
    let moved = lines[0].change.as_ref().unwrap();
    assert_eq!(
        (moved.owed.clone(), moved.in_flight.clone(), moved.earned.clone()),
        (cash(-1_250), cash(1_250), cash(0))
    );
    let open = pb::ListPayoutsRequest { states: vec![pb::PayoutState::Ready.into()], ..Default::default() };
    assert_eq!(shop.client.payouts.list_payouts(open).await.unwrap().into_inner().payouts, []);
    verify(&mut shop.client).await;
});

db_test!(p30_g15_what_is_owed_is_told_by_approval_and_due_date, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let bea = create_affiliate(&mut shop.client, "bea").await;
    assert_eq!(owed(&mut shop.client, pb::GetAmountOwedRequest::default()).await, []);
    let policy = pb::PayoutPolicy { net_days: 15, method_change_hours: Some(72), ..Default::default() };
    let account = set_policy(&mut shop.client, Some(policy.clone())).await;
    assert_eq!(account.payout_policy, Some(policy));
    give_approved(&mut shop.client, "ann", 1_000).await;
    give_approved(&mut shop.client, "bea", 70).await;
    let held = give(&mut shop.client, "bea", usd(5), pb::RewardState::Pending).await;
    give(
        &mut shop.client,
        "ann",
        pb::Money { amount_minor: 7, currency_code: "EUR".to_owned() },
        pb::RewardState::Approved,
    )
    .await;
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 1_070, 0, 5, 0, 0, 2]);

    // One microsecond before it is due, and when it is.
    server.clock.advance_days(15);
    let pending = give(&mut shop.client, "ann", usd(40), pb::RewardState::Pending).await;
    give_approved(&mut shop.client, "ann", 2_000).await;
    assert_eq!(owed_in_dollars(&mut shop.client).await, [1_070, 2_000, 0, 45, 0, 0, 2]);
    let euros = pb::GetAmountOwedRequest { currencies: vec!["EUR".to_owned()], ..Default::default() };
    assert_eq!(owed(&mut shop.client, euros).await, [("EUR".to_owned(), [7, 0, 0, 0, 0, 0, 1])]);
    let of_bea = pb::GetAmountOwedRequest { affiliate: selector(&bea), ..Default::default() };
    assert_eq!(owed(&mut shop.client, of_bea).await, [("USD".to_owned(), [70, 0, 0, 5, 0, 0, 1])]);

    // Only what is due is paid, unless rewards are named.
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    assert_eq!(payout.amount, Some(usd(1_000)));
    assert_eq!(reason(&create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap_err()), "NOTHING_DUE");
    assert_eq!(owed_in_dollars(&mut shop.client).await, [70, 2_000, 0, 45, 1_000, 0, 2]);

    // A policy counts at once. No policy is the same as one with defaults.
    assert_eq!(set_policy(&mut shop.client, Some(pb::PayoutPolicy::default())).await.payout_policy, None);
    assert_eq!(owed_in_dollars(&mut shop.client).await, [2_070, 0, 0, 45, 1_000, 0, 2]);
    let request =
        pb::DenyRewardsRequest { reward_ids: vec![held, pending], reason: "test".to_owned(), ..Default::default() };
    shop.client.rewards.deny_rewards(request).await.unwrap();
    assert_eq!(owed_in_dollars(&mut shop.client).await, [2_070, 0, 0, 0, 1_000, 0, 2]);
    verify(&mut shop.client).await;
});

db_test!(g15_a_negative_balance_is_told_apart_and_held_rewards_become_overdue, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    create_affiliate(&mut shop.client, "bea").await;
    let sale = pb::RecordSaleRequest {
        event_id: "order-1".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    let made = shop.client.tracking.record_sale(sale).await.unwrap().into_inner();
    let reward_ids = vec![made.rewards[0].reward_id.clone()];
    shop.client.rewards.approve_rewards(pb::ApproveRewardsRequest { reward_ids, ..Default::default() }).await.unwrap();
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    assert_eq!(payout.amount, Some(usd(1_000)));
    confirm(&mut shop.client, &[&payout.id]).await.unwrap();
    give_approved(&mut shop.client, "bea", 300).await;
    let request = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "order-1".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    shop.client.tracking.record_refund(request).await.unwrap();
    assert_eq!(owed_in_dollars(&mut shop.client).await, [-700, 0, 0, 0, 0, -1_000, 1]);
    let status = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap_err();
    assert_eq!(reason(&status), "NOTHING_DUE");

    give(&mut shop.client, "ann", usd(60), pb::RewardState::Pending).await;
    let request = pb::DeactivateAffiliateRequest {
        affiliate: Some(shop.affiliate()),
        pending_rewards: pb::PendingRewards::Hold.into(),
        ..Default::default()
    };
    shop.client.affiliates.deactivate_affiliate(request).await.unwrap();
    assert_eq!(owed_in_dollars(&mut shop.client).await, [-700, 0, 0, 60, 0, -1_000, 1]);
    server.clock.advance_days(31);
    assert_eq!(owed_in_dollars(&mut shop.client).await, [-700, 0, 60, 0, 0, -1_000, 1]);
    verify(&mut shop.client).await;
});

db_test!(g17_above_a_limit_another_key_must_approve, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut other = with_another_key(&mut shop.client, &server).await;
    let policy = pb::PayoutPolicy { net_days: 0, approval_above: vec![usd(500)], ..Default::default() };
    set_policy(&mut shop.client, Some(policy)).await;
    let small = give_approved(&mut shop.client, "ann", 500).await;
    let large = give_approved(&mut shop.client, "ann", 501).await;
    let mut created = Vec::new();
    for (id, state) in [(small, pb::PayoutState::Ready), (large, pb::PayoutState::NeedsApproval)] {
        let request = pb::CreatePayoutRequest { reward_ids: vec![id], ..due_to(&shop.affiliate_id) };
        let payout = create(&mut shop.client, request).await.unwrap();
        assert_eq!(payout.state(), state);
        created.push(payout.id);
    }
    let [small, large] = [&created[0], &created[1]];
    assert_eq!(reason(&confirm(&mut shop.client, &[large]).await.unwrap_err()), "PAYOUT_STATE");
    assert_eq!(reason(&confirm(&mut other, &[small, large]).await.unwrap_err()), "PAYOUT_STATE");
    let status = approve(&mut shop.client, &[large]).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_OWN_APPROVAL");
    assert!(status.message().starts_with("payout_ids: payout pay_"), "{}", status.message());
    // All or none.
    assert_eq!(reason(&approve(&mut other, &[large, small]).await.unwrap_err()), "PAYOUT_STATE");
    let approved = approve(&mut other, &[large]).await.unwrap().pop().unwrap();
    assert_eq!(approved.state(), pb::PayoutState::Ready);
    assert!(approved.approve_time.is_some() && approved.approver_key_id != approved.creator_key_id);
    let paid = confirm(&mut shop.client, &[large, small]).await.unwrap();
    assert_eq!(paid.iter().map(|payout| &payout.id).collect::<Vec<_>>(), [large, small]);
    let twice = pb::PayoutPolicy { net_days: 0, approval_above: vec![usd(500), usd(501)], ..Default::default() };
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy: Some(twice), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    let status = shop.client.accounts.update_account(request).await.unwrap_err();
    assert!(status.message().starts_with("account.payout_policy.approval_above[1]: "), "{}", status.message());
    // A currency without a limit needs an approval.
    let euros = pb::Money { amount_minor: 1, currency_code: "EUR".to_owned() };
    give(&mut shop.client, "ann", euros, pb::RewardState::Approved).await;
    let request = pb::CreatePayoutRequest { currency_code: "EUR".to_owned(), ..due_to(&shop.affiliate_id) };
    let payout = create(&mut other, request).await.unwrap();
    assert_eq!(payout.state(), pb::PayoutState::NeedsApproval);
    assert_eq!(cancel(&mut other, &payout.id).await.unwrap().state(), pb::PayoutState::Cancelled);
    assert_eq!(reason(&approve(&mut shop.client, &[&payout.id]).await.unwrap_err()), "PAYOUT_STATE");
    verify(&mut shop.client).await;
});

// An affiliate has more rewards than one payout takes, and a refund of a paid one among the newest.
db_test!(g16_many_rewards_are_paid_by_several_payouts_and_refunds_first, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let sale = pb::RecordSaleRequest {
        event_id: "order-1".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    let made = shop.client.tracking.record_sale(sale).await.unwrap().into_inner();
    let reward_ids = vec![made.rewards[0].reward_id.clone()];
    shop.client.rewards.approve_rewards(pb::ApproveRewardsRequest { reward_ids, ..Default::default() }).await.unwrap();
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    confirm(&mut shop.client, &[&payout.id]).await.unwrap();
    let calls = (0..1_010).map(|_| {
        let mut client = shop.client.clone();
        async move { give_approved(&mut client, "ann", 10).await }
    });
    futures::future::join_all(calls).await;
    let request = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "order-1".to_owned(),
        amount: Some(usd(2_500)),
        ..Default::default()
    };
    shop.client.tracking.record_refund(request).await.unwrap();
    // The refund and 1,000 of the others.
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    assert_eq!((payout.amount.clone(), payout.reward_count), (Some(usd(10_000 - 500)), 1_001));
    let rest = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    assert_eq!((rest.amount.clone(), rest.reward_count), (Some(usd(100)), 10));
    assert_eq!(owed_in_dollars(&mut shop.client).await, [0, 0, 0, 0, 9_600, 0, 0]);
    confirm(&mut shop.client, &[&payout.id, &rest.id]).await.unwrap();
    verify(&mut shop.client).await;
});

db_test!(g16_of_64_payouts_at_once_exactly_one_takes_a_reward, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    for _ in 0..8 {
        give_approved(&mut shop.client, "ann", 100).await;
    }
    let mut calls = Vec::new();
    for number in 0..64 {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        let request = due_to(&shop.affiliate_id);
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            create(&mut client, request).await
        }));
    }
    let (mut made, mut refused) = (Vec::new(), Vec::new());
    for call in calls {
        match call.await.unwrap() {
            Ok(payout) => made.push(payout),
            Err(status) => refused.push(reason(&status)),
        }
    }
    assert_eq!(made.len(), 1);
    assert!(refused.iter().all(|reason| reason == "NOTHING_DUE"), "{refused:?}");
    assert_eq!(made[0].amount, Some(usd(800)));

    // Half of the callers confirm the payout, and half cancel it: one of them all succeeds.
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number / 2 % 2].address.clone(), shop.client.key.clone());
        let id = made[0].id.clone();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            let answer = match number % 2 {
                0 => cancel(&mut client, &id).await,
                _ => confirm(&mut client, &[&id]).await.map(|mut payouts| payouts.remove(0)),
            };
            answer.map(|payout| payout.state())
        }));
    }
    let mut done = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(state) => done.push(state),
            Err(status) => assert_eq!(reason(&status), "PAYOUT_STATE"),
        }
    }
    assert_eq!(done.len(), 1);
    let owed_minor = if done[0] == pb::PayoutState::Cancelled { 800 } else { 0 };
    assert_eq!(owed_in_dollars(&mut shop.client).await[..5], [owed_minor, 0, 0, 0, 0]);
    verify(&mut shop.client).await;
});

/// Records this many refunded sales of Ann: each earned 20.00, which was approved, and 18.00 of it was taken back.
async fn refunded_sales(shop: &mut Shop, count: usize) {
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(100) {
        let sold = |number: &usize| pb::RecordSaleRequest {
            event_id: format!("order-{number}"),
            ref_id: "ann".to_owned(),
            amount: Some(usd(10_000)),
            ..Default::default()
        };
        let items = part.iter().map(|number| pb::batch_item::Item::Sale(sold(number)));
        let items = items.map(|item| pb::BatchItem { item: Some(item) }).collect();
        let answer = shop.client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap();
        let reward_id = |result: pb::BatchResult| match result.answer {
            Some(pb::batch_result::Answer::Sale(sale)) => sale.rewards[0].reward_id.clone(),
            other => panic!("{other:?}"),
        };
        let reward_ids = answer.into_inner().results.into_iter().map(reward_id).collect();
        let request = pb::ApproveRewardsRequest { reward_ids, ..Default::default() };
        shop.client.rewards.approve_rewards(request).await.unwrap();
    }
    // The newest sales first, so that what was taken from the oldest ones comes last.
    let newest_first: Vec<usize> = numbers.into_iter().rev().collect();
    for part in newest_first.chunks(100) {
        let refunded = |number: &usize| pb::RecordRefundRequest {
            event_id: format!("refund-{number}"),
            sale_event_id: format!("order-{number}"),
            amount: Some(usd(9_000)),
            ..Default::default()
        };
        let items = part.iter().map(|number| pb::batch_item::Item::Refund(refunded(number)));
        let items = items.map(|item| pb::BatchItem { item: Some(item) }).collect();
        let answer = shop.client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap();
        let is_booked = |result: &pb::BatchResult| matches!(&result.answer, Some(pb::batch_result::Answer::Refund(_)));
        assert!(answer.into_inner().results.iter().all(is_booked));
    }
}

// More is taken back than the oldest thousand, and from the oldest rewards last. Each reward is paid with what takes back from it.
db_test!(g16_a_payout_takes_what_was_taken_back_however_much_it_is, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    refunded_sales(&mut shop, 1_100).await;
    let mut payouts = Vec::new();
    loop {
        match create(&mut shop.client, due_to(&shop.affiliate_id)).await {
            Ok(payout) => payouts.push(payout),
            Err(status) => {
                assert_eq!(reason(&status), "NOTHING_DUE");
                break;
            }
        }
    }
    let amounts: Vec<i64> = payouts.iter().map(|payout| payout.amount.as_ref().unwrap().amount_minor).collect();
    assert_eq!(amounts.iter().sum::<i64>(), 1_100 * 200, "{amounts:?}");
    assert!(payouts.iter().all(|payout| payout.amount.as_ref().unwrap().amount_minor == 100 * payout.reward_count));
    let report = shop.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
});
