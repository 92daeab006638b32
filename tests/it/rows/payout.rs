//! Payouts: what is marked as paid, and what is refused.

use headwater::pb;
use pb::reward_value::Amount;
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn money(amount_minor: i64, code: &str) -> pb::Money {
    pb::Money { amount_minor, currency_code: code.to_owned() }
}

/// Gives an affiliate with this ref_id a reward.
async fn give(client: &mut Client, ref_id: &str, amount: Amount, state: pb::RewardState) -> String {
    let selector = Some(pb::enrollment_selector::Selector::RefId(ref_id.to_owned()));
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(amount) }),
        state: state.into(),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap().id
}

fn paid(shop: &Shop, reward_ids: &[&str]) -> pb::MarkPaidRequest {
    let reward_ids = reward_ids.iter().map(|id| (*id).to_owned()).collect();
    pb::MarkPaidRequest { affiliate: Some(shop.affiliate()), reward_ids, ..Default::default() }
}

async fn mark_paid(client: &mut Client, request: pb::MarkPaidRequest) -> Result<pb::Payout, Status> {
    client.payouts.mark_paid(request).await.map(|answer| answer.into_inner().payout.unwrap())
}

/// What is owed to the shop's affiliate, and what is paid, in US cents.
async fn owed_and_paid(shop: &mut Shop) -> (i64, i64) {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let balances = shop.client.rewards.get_balance(request).await.unwrap().into_inner().balances;
    let cents = |value: &Option<pb::RewardValue>| match value.as_ref().unwrap().amount.as_ref().unwrap() {
        Amount::Cash(money) if money.currency_code == "USD" => Some(money.amount_minor),
        _ => None,
    };
    let mut found = balances.iter().filter_map(|balance| cents(&balance.owed).zip(cents(&balance.paid)));
    found.next().unwrap_or_default()
}

async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

async fn reward(client: &mut Client, id: &str) -> pb::Reward {
    let request = pb::GetRewardRequest { reward_id: id.to_owned(), ..Default::default() };
    client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap()
}

db_test!(u9_one_payout_groups_the_rewards_that_were_paid, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let approved = pb::RewardState::Approved;
    let first = give(&mut shop.client, "ann", Amount::Cash(money(1_000, "USD")), approved).await;
    let second = give(&mut shop.client, "ann", Amount::Cash(money(250, "USD")), approved).await;
    let unpaid = give(&mut shop.client, "ann", Amount::Cash(money(99, "USD")), approved).await;
    let request = pb::MarkPaidRequest {
        request_id: "pay-1".to_owned(),
        amount: Some(money(1_250, "USD")),
        reference: " TRX 17 ".to_owned(),
        note: "November".to_owned(),
        message: "Thank you, Ann".to_owned(),
        paid_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        ..paid(&shop, &[&first, &second])
    };
    let payout = mark_paid(&mut shop.client, request.clone()).await.unwrap();
    assert!(payout.id.starts_with("pay_"), "{}", payout.id);
    assert_eq!((&payout.affiliate_id, payout.amount.clone()), (&shop.affiliate_id, Some(money(1_250, "USD"))));
    assert_eq!((payout.state(), payout.provider()), (pb::PayoutState::Paid, pb::PayoutProvider::Manual));
    assert_eq!((payout.reward_count, payout.reference.as_str()), (2, "TRX 17"));
    assert_eq!((payout.note.as_str(), payout.message.as_str()), ("November", "Thank you, Ann"));
    assert_eq!(payout.paid_time.unwrap().seconds, 1_700_000_000);
    assert_eq!(owed_and_paid(&mut shop).await, (99, 1_250));
    for id in [&first, &second] {
        let reward = reward(&mut shop.client, id).await;
        assert_eq!((reward.state(), &reward.payout_id), (pb::RewardState::Paid, &payout.id));
    }
    assert_eq!(reward(&mut shop.client, &unpaid).await.payout_id, "");

    // A repeat pays nothing.
    let again = shop.client.payouts.mark_paid(request).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.payout.as_ref()), (true, Some(&payout)));
    assert_eq!(owed_and_paid(&mut shop).await, (99, 1_250));

    let request = pb::GetPayoutRequest { payout_id: payout.id.clone() };
    assert_eq!(shop.client.payouts.get_payout(request).await.unwrap().into_inner().payout, Some(payout.clone()));
    let request = pb::ListRewardsRequest { payout_id: payout.id.clone(), ..Default::default() };
    let rewards = shop.client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    assert_eq!(rewards.iter().map(|reward| &reward.id).collect::<Vec<_>>(), [&first, &second]);

    let entries = pb::ListLedgerEntriesRequest { order: pb::ListOrder::NewestFirst.into(), ..Default::default() };
    let entries = shop.client.rewards.list_ledger_entries(entries).await.unwrap().into_inner().entries;
    let entry = &entries[0];
    assert_eq!((entry.payout_id.as_str(), entry.reward_id.as_str()), (payout.id.as_str(), ""));
    assert_eq!(
        (entry.debit(), entry.credit(), entry.reason()),
        (pb::LedgerAccount::AffiliatePayable, pb::LedgerAccount::ProviderCash, pb::LedgerReason::Paid)
    );
    let request = pb::CalculateCommissionsRequest {
        affiliate: Some(shop.affiliate()),
        period: Some(pb::calculate_commissions_request::Period::Interval(pb::TimeInterval::default())),
        ..Default::default()
    };
    let lines = shop.client.rewards.calculate_commissions(request).await.unwrap().into_inner().lines;
    let line = lines.last().unwrap();
    assert_eq!((line.payout_id.as_str(), line.reason()), (payout.id.as_str(), pb::LedgerReason::Paid));
    verify(&mut shop.client).await;
});

db_test!(g18_what_cannot_be_paid_is_named_and_nothing_is_paid, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let request = pb::CreateAffiliateRequest {
        email: "bea@affiliates.example".to_owned(),
        ref_id: "bea".to_owned(),
        ..Default::default()
    };
    shop.client.affiliates.create_affiliate(request).await.unwrap();
    let cash = |amount_minor| Amount::Cash(money(amount_minor, "USD"));
    let (approved, pending) = (pb::RewardState::Approved, pb::RewardState::Pending);
    let good = give(&mut shop.client, "ann", cash(1_000), approved).await;
    let done = give(&mut shop.client, "ann", cash(100), approved).await;
    let request = paid(&shop, &[&done]);
    mark_paid(&mut shop.client, request).await.unwrap();
    let bad = [
        (give(&mut shop.client, "ann", cash(200), pending).await, "is pending"),
        (give(&mut shop.client, "ann", cash(200), pb::RewardState::Denied).await, "is denied"),
        (give(&mut shop.client, "bea", cash(200), approved).await, "is another affiliate's"),
        (give(&mut shop.client, "ann", Amount::Points(5), approved).await, "is no cash"),
        (give(&mut shop.client, "ann", Amount::Cash(money(7, "EUR")), approved).await, "is in another currency"),
        (done, "is paid already"),
    ];
    let mut ids = vec![good.as_str()];
    ids.extend(bad.iter().map(|(id, _)| id.as_str()));
    let request = paid(&shop, &ids);
    let status = mark_paid(&mut shop.client, request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "REWARDS_NOT_PAYABLE"));
    assert!(status.message().starts_with("reward_ids: reward rwd_"), "{}", status.message());
    let details = status.get_error_details();
    let violations = &details.precondition_failure().unwrap().violations;
    assert_eq!(violations.len(), bad.len(), "{violations:?}");
    for ((id, fault), violation) in bad.iter().zip(violations) {
        assert_eq!(&violation.subject, id);
        assert!(violation.description.starts_with(fault), "{violation:?}");
    }
    // The first reward in cash says the currency, wherever it stands.
    let request = paid(&shop, &[&bad[3].0, &good]);
    let status = mark_paid(&mut shop.client, request).await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["reward_count"], "1");
    assert_eq!(owed_and_paid(&mut shop).await, (1_000, 100));
    assert_eq!(reward(&mut shop.client, &good).await.state(), pb::RewardState::Approved);

    // No reward at all, an unknown one, an unknown affiliate, another sum.
    let request = paid(&shop, &[]);
    let status = mark_paid(&mut shop.client, request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    assert!(status.message().starts_with("reward_ids: "), "{}", status.message());
    let unknown = format!("rwd_{:032x}", 1);
    let request = paid(&shop, &[&good, &unknown]);
    assert_eq!(reason(&mark_paid(&mut shop.client, request).await.unwrap_err()), "REWARD_NOT_FOUND");
    let request = pb::MarkPaidRequest { amount: Some(money(999, "USD")), ..paid(&shop, &[&good]) };
    let status = mark_paid(&mut shop.client, request).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_AMOUNT");
    assert_eq!(status.get_error_details().error_info().unwrap().metadata["sum_minor"], "1000");
    let soon = prost_types::Timestamp { seconds: 4_000_000_000, nanos: 0 };
    let request = pb::MarkPaidRequest { paid_time: Some(soon), ..paid(&shop, &[&good]) };
    assert_eq!(reason(&mark_paid(&mut shop.client, request).await.unwrap_err()), "INVALID_FIELDS");
    assert_eq!(owed_and_paid(&mut shop).await, (1_000, 100));
    verify(&mut shop.client).await;
});

db_test!(g16_a_refund_after_the_payment_reduces_the_next_one, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let sold = |number: usize, amount_minor: i64| pb::RecordSaleRequest {
        amount: Some(money(amount_minor, "USD")),
        ..sale(number)
    };
    let mut ids = Vec::new();
    for (number, amount_minor) in [(1, 10_000), (2, 4_000), (3, 18_000)] {
        let answer = shop.client.tracking.record_sale(sold(number, amount_minor)).await.unwrap().into_inner();
        let reward_ids = vec![answer.rewards[0].reward_id.clone()];
        let request = pb::ApproveRewardsRequest { reward_ids: reward_ids.clone(), ..Default::default() };
        shop.client.rewards.approve_rewards(request).await.unwrap();
        ids.extend(reward_ids);
    }
    let request = paid(&shop, &[&ids[0]]);
    mark_paid(&mut shop.client, request).await.unwrap();
    let (_, paid_minor) = owed_and_paid(&mut shop).await;
    let request = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(money(10_000, "USD")),
        ..Default::default()
    };
    let taken = shop.client.tracking.record_refund(request).await.unwrap().into_inner().rewards[0].reward_id.clone();
    let (owed_minor, _) = owed_and_paid(&mut shop).await;
    // The two other sales are owed, less what the refund took back.
    assert_eq!(owed_minor, (4_000 + 18_000) * paid_minor / 10_000 - paid_minor);
    let request = paid(&shop, &[&ids[1], &ids[2]]);
    let status = mark_paid(&mut shop.client, request).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_ABOVE_OWED");
    let metadata = status.get_error_details().error_info().unwrap().metadata.clone();
    assert_eq!(metadata["owed_minor"], owed_minor.to_string());
    // A payout is more than zero.
    let request = paid(&shop, &[&ids[1], &taken]);
    assert_eq!(reason(&mark_paid(&mut shop.client, request).await.unwrap_err()), "INVALID_FIELDS");
    let request = paid(&shop, &[&ids[1], &ids[2], &taken]);
    let payout = mark_paid(&mut shop.client, request).await.unwrap();
    assert_eq!((payout.amount, payout.reward_count), (Some(money(owed_minor, "USD")), 3));
    assert_eq!(owed_and_paid(&mut shop).await, (0, paid_minor + owed_minor));
    let request =
        pb::ListPayoutsRequest { affiliate: Some(shop.affiliate()), with_total_count: true, ..Default::default() };
    let listed = shop.client.payouts.list_payouts(request).await.unwrap().into_inner();
    assert_eq!((listed.payouts.len(), listed.total_count), (2, Some(2)));
    verify(&mut shop.client).await;
});

db_test!(g18_a_reward_is_paid_once_whoever_says_it_first, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let approved = pb::RewardState::Approved;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(give(&mut shop.client, "ann", Amount::Cash(money(100, "USD")), approved).await);
    }
    let calls = (0..64_usize).map(|number| {
        let mut client = shop.client.clone();
        let request = paid(&shop, &[&ids[number % 8], &ids[(number + 1) % 8]]);
        async move { mark_paid(&mut client, request).await }
    });
    let answers = futures::future::join_all(calls).await;
    let (paid, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert!((1..=4).contains(&paid.len()), "{}", paid.len());
    assert!(refused.iter().all(|answer| reason(answer.as_ref().unwrap_err()) == "REWARDS_NOT_PAYABLE"));
    let paid = i64::try_from(paid.len()).unwrap() * 200;
    assert_eq!(owed_and_paid(&mut shop).await, (800 - paid, paid));
    verify(&mut shop.client).await;
});
