//! Payout runs: whom they pay, and that they go on until all are paid once.

use headwater::pb;
use pb::PayoutRunVerdict as Verdict;
use pb::reward_value::Amount;
use testkit::client::Client;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

pub(super) fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

/// An affiliate's id that nobody has.
fn unknown_id() -> String {
    format!("aff_{:032x}", 7)
}

fn by_ref_id(ref_id: &str) -> pb::AffiliateSelector {
    pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::RefId(ref_id.to_owned())) }
}

pub(super) async fn create_affiliate(client: &mut Client, ref_id: &str) -> String {
    let request = pb::CreateAffiliateRequest {
        email: format!("{ref_id}@affiliates.example"),
        ref_id: ref_id.to_owned(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id
}

pub(super) async fn give(client: &mut Client, ref_id: &str, amount_minor: i64) -> String {
    let selector = Some(pb::enrollment_selector::Selector::RefId(ref_id.to_owned()));
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(Amount::Cash(usd(amount_minor))) }),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap().into_inner().reward.unwrap().id
}

/// The items of a preview: affiliate, verdict, amount and whether it needs an approval. Read in pages of two.
pub(super) async fn preview(
    client: &mut Client,
    request: pb::PreviewPayoutRunRequest,
) -> Vec<(String, Verdict, i64, bool)> {
    let (mut items, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = pb::PreviewPayoutRunRequest { page_size: 2, page_token, ..request.clone() };
        let page = client.payouts.preview_payout_run(request).await.unwrap().into_inner();
        items.extend(page.items);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let facts = |item: pb::PayoutRunItem| {
        let verdict = item.verdict();
        (item.affiliate_id, verdict, item.amount.unwrap().amount_minor, item.needs_approval)
    };
    items.into_iter().map(facts).collect()
}

pub(super) async fn start(client: &mut Client, request: pb::CreatePayoutRunRequest) -> pb::PayoutRun {
    client.payouts.create_payout_run(request).await.unwrap().into_inner().payout_run.unwrap()
}

/// Waits until all payouts of a run are created.
pub(super) async fn finished(client: &mut Client, id: &str) -> pb::PayoutRun {
    reaches(client, id, pb::PayoutRunState::Created).await
}

/// Waits until a run is in this state.
pub(super) async fn reaches(client: &mut Client, id: &str, state: pb::PayoutRunState) -> pb::PayoutRun {
    for _ in 0..600 {
        let request = pb::GetPayoutRunRequest { payout_run_id: id.to_owned() };
        let run = client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
        if run.state() == state {
            return run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the run does not end");
}

pub(super) async fn payouts_of(client: &mut Client, id: &str) -> Vec<pb::Payout> {
    let request = pb::ListPayoutsRequest { payout_run_id: id.to_owned(), page_size: 1_000, ..Default::default() };
    client.payouts.list_payouts(request).await.unwrap().into_inner().payouts
}

pub(super) async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

// The case in the field: 19 affiliates are owed 10.00, and a run for one of them paid all 19.
db_test!(c4_a_run_for_one_affiliate_never_becomes_a_run_for_all, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut ids = Vec::new();
    for number in 0..19 {
        ids.push(create_affiliate(&mut client, &format!("a{number}")).await);
        give(&mut client, &format!("a{number}"), 1_000).await;
    }
    let named = pb::PreviewPayoutRunRequest {
        currency_code: "USD".to_owned(),
        affiliate_ids: vec![ids[7].clone()],
        ..Default::default()
    };
    let items = preview(&mut client, named).await;
    assert_eq!(items.iter().map(|item| (item.1, item.2)).collect::<Vec<_>>(), [(Verdict::Pays, 1_000)]);
    let request = pb::CreatePayoutRunRequest {
        currency_code: "USD".to_owned(),
        affiliate_ids: vec![ids[7].clone()],
        ..Default::default()
    };
    // Nobody, and somebody unknown, are never all.
    let nobody = pb::CreatePayoutRunRequest { affiliate_ids: Vec::new(), ..request.clone() };
    let status = client.payouts.create_payout_run(nobody).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS");
    assert!(status.message().starts_with("affiliate_ids: "), "{}", status.message());
    let both = pb::CreatePayoutRunRequest { all_affiliates: true, ..request.clone() };
    assert_eq!(reason(&client.payouts.create_payout_run(both).await.unwrap_err()), "INVALID_FIELDS");
    let affiliate_ids = vec![ids[7].clone(), unknown_id()];
    let unknown = pb::CreatePayoutRunRequest { affiliate_ids, ..request.clone() };
    assert_eq!(reason(&client.payouts.create_payout_run(unknown).await.unwrap_err()), "AFFILIATE_NOT_FOUND");
    let unknown = pb::PreviewPayoutRunRequest {
        currency_code: "USD".to_owned(),
        affiliate_ids: vec![unknown_id()],
        ..Default::default()
    };
    assert_eq!(reason(&client.payouts.preview_payout_run(unknown).await.unwrap_err()), "AFFILIATE_NOT_FOUND");

    let run = start(&mut client, request).await;
    assert_eq!((run.all_affiliates, run.affiliate_count), (false, 1));
    let run = finished(&mut client, &run.id).await;
    assert_eq!((run.payout_count, run.total.clone()), (1, Some(usd(1_000))));
    let payouts = payouts_of(&mut client, &run.id).await;
    assert_eq!(payouts.len(), 1);
    assert_eq!((&payouts[0].affiliate_id, payouts[0].state()), (&items[0].0, pb::PayoutState::Ready));
    assert_eq!((&payouts[0].payout_run_id, &payouts[0].creator_key_id), (&run.id, &run.creator_key_id));
    let owed = client.payouts.get_amount_owed(pb::GetAmountOwedRequest::default()).await.unwrap().into_inner();
    assert_eq!((&owed.amounts[0].approved_overdue, owed.amounts[0].affiliate_count), (&Some(usd(18_000)), 18));
    verify(&mut client).await;
});

db_test!(g17_a_run_pays_what_its_preview_shows, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut ids = vec![shop.affiliate_id.clone()];
    for ref_id in ["bea", "cem", "dan", "eve"] {
        ids.push(create_affiliate(&mut shop.client, ref_id).await);
    }
    let client = &mut shop.client;
    let policy = pb::PayoutPolicy { net_days: 15, approval_above: vec![usd(2_000)], ..Default::default() };
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap();
    // Ann was paid for a sale that is refunded, Bea gets little, Cem much, and Dan's reward is not due yet. Eve gets nothing.
    let sale = pb::RecordSaleRequest {
        event_id: "order-1".to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    let made = client.tracking.record_sale(sale).await.unwrap().into_inner();
    let reward_ids = vec![made.rewards[0].reward_id.clone()];
    let request = pb::ApproveRewardsRequest { reward_ids: reward_ids.clone(), ..Default::default() };
    client.rewards.approve_rewards(request).await.unwrap();
    let affiliate = Some(by_ref_id("ann"));
    client.payouts.mark_paid(pb::MarkPaidRequest { affiliate, reward_ids, ..Default::default() }).await.unwrap();
    let refund = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "order-1".to_owned(),
        amount: Some(usd(5_000)),
        ..Default::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    give(client, "ann", 400).await;
    give(client, "bea", 499).await;
    give(client, "cem", 1_500).await;
    give(client, "cem", 501).await;
    server.clock.advance_days(15);
    give(client, "dan", 900).await;
    let expected = vec![
        (ids[0].clone(), Verdict::Negative, -600, false),
        (ids[1].clone(), Verdict::BelowMinimum, 499, false),
        (ids[2].clone(), Verdict::Pays, 2_001, true),
        (ids[3].clone(), Verdict::NothingDue, 0, false),
    ];
    let all = pb::PreviewPayoutRunRequest {
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        minimum: Some(usd(500)),
        ..Default::default()
    };
    assert_eq!(preview(client, all.clone()).await, expected);
    let named = pb::PreviewPayoutRunRequest {
        all_affiliates: false,
        affiliate_ids: vec![ids[4].clone(), ids[3].clone(), ids[2].clone()],
        minimum: None,
        ..all
    };
    let mut of_named = expected[2..].to_vec();
    of_named.push((ids[4].clone(), Verdict::NothingDue, 0, false));
    assert_eq!(preview(client, named).await, of_named);

    let request = pb::CreatePayoutRunRequest {
        request_id: "run-1".to_owned(),
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        minimum: Some(usd(500)),
        note: "November".to_owned(),
        ..Default::default()
    };
    let run = start(client, request.clone()).await;
    let run = finished(client, &run.id).await;
    assert_eq!((run.payout_count, run.total.clone()), (1, Some(usd(2_001))));
    let payouts = payouts_of(client, &run.id).await;
    assert_eq!((&payouts[0].affiliate_id, payouts[0].state()), (&ids[2], pb::PayoutState::NeedsApproval));
    assert_eq!(payouts[0].note, "November");
    // The key that created the run created its payouts.
    let approve = pb::ApprovePayoutsRequest { payout_ids: vec![payouts[0].id.clone()], ..Default::default() };
    assert_eq!(reason(&client.payouts.approve_payouts(approve).await.unwrap_err()), "PAYOUT_OWN_APPROVAL");
    let again = client.payouts.create_payout_run(request).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.payout_run.unwrap().id), (true, run.id));
    // Two runs at once pay nobody twice, and the second one finds nothing.
    let rest =
        pb::CreatePayoutRunRequest { currency_code: "USD".to_owned(), all_affiliates: true, ..Default::default() };
    let (first, second) = (start(client, rest.clone()).await, start(client, rest).await);
    let (first, second) = (finished(client, &first.id).await, finished(client, &second.id).await);
    assert_eq!((first.payout_count, second.payout_count), (1, 0));
    verify(client).await;
});

/// The server, and on PostgreSQL a second one.
pub(super) async fn two_servers(database: &TestDatabase) -> (TestServer, Option<TestServer>) {
    let first = TestServer::start(database).await;
    match database.kind {
        DatabaseKind::Sqlite => (first, None),
        DatabaseKind::Postgres => (first, Some(TestServer::start(database).await)),
    }
}

// The workers of both servers create the payouts of the same runs, more than fit into one command.
db_test!(n8_each_affiliate_is_paid_once_whoever_creates_the_payouts, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let mut client = Shop::open(&first, "shop").await.client;
    for number in 0..64 {
        create_affiliate(&mut client, &format!("a{number}")).await;
        give(&mut client, &format!("a{number}"), 100 + number).await;
    }
    let request =
        pb::CreatePayoutRunRequest { currency_code: "USD".to_owned(), all_affiliates: true, ..Default::default() };
    let mut of_second = Client::connect(&second.as_ref().unwrap_or(&first).address, &client.key).await.unwrap();
    let runs = [
        start(&mut client, request.clone()).await,
        start(&mut of_second, request.clone()).await,
        start(&mut client, request.clone()).await,
        start(&mut of_second, request).await,
    ];
    let (mut payout_count, mut total_minor, mut paid) = (0, 0, std::collections::BTreeSet::new());
    for run in runs {
        let run = finished(&mut client, &run.id).await;
        let payouts = payouts_of(&mut client, &run.id).await;
        assert_eq!(run.payout_count, i64::try_from(payouts.len()).unwrap());
        payout_count += run.payout_count;
        total_minor += run.total.unwrap().amount_minor;
        assert!(payouts.into_iter().all(|payout| paid.insert(payout.affiliate_id)));
    }
    assert_eq!((payout_count, total_minor, paid.len()), (64, 64 * 100 + 63 * 64 / 2, 64));
    verify(&mut client).await;
});

// A deactivated affiliate is owed what it earned, and the owner decides. An erased one has no destination.
db_test!(g17_a_run_for_all_leaves_out_who_is_not_active_and_names_it, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut ids = Vec::new();
    for ref_id in ["act", "off", "gone", "poor"] {
        ids.push(create_affiliate(&mut client, ref_id).await);
        give(&mut client, ref_id, if ref_id == "poor" { 100 } else { 1_000 }).await;
    }
    let selector =
        |id: &String| Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.clone())) });
    for id in [&ids[1], &ids[3]] {
        let pending_rewards = pb::PendingRewards::Keep.into();
        let request = pb::DeactivateAffiliateRequest { affiliate: selector(id), pending_rewards, ..Default::default() };
        client.affiliates.deactivate_affiliate(request).await.unwrap();
    }
    let request = pb::EraseAffiliateRequest { affiliate: selector(&ids[2]), ..Default::default() };
    client.affiliates.erase_affiliate(request).await.unwrap();

    let all = pb::PreviewPayoutRunRequest {
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        minimum: Some(usd(500)),
        ..Default::default()
    };
    let verdicts = |items: Vec<(String, Verdict, i64, bool)>| {
        items.into_iter().map(|(id, verdict, minor, _)| (id, verdict, minor)).collect::<Vec<_>>()
    };
    let of = |place: usize, verdict, minor| (ids[place].clone(), verdict, minor);
    let mut expected = vec![
        of(0, Verdict::Pays, 1_000),
        of(1, Verdict::NotActive, 1_000),
        of(2, Verdict::Erased, 1_000),
        of(3, Verdict::NotActive, 100),
    ];
    expected.sort();
    assert_eq!(verdicts(preview(&mut client, all).await), expected);
    let run = pb::CreatePayoutRunRequest {
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        minimum: Some(usd(500)),
        ..Default::default()
    };
    let run = start(&mut client, run).await;
    let run = finished(&mut client, &run.id).await;
    assert_eq!((run.payout_count, run.total.clone()), (1, Some(usd(1_000))));
    assert_eq!(payouts_of(&mut client, &run.id).await[0].affiliate_id, ids[0]);

    // A run that names them pays who was deactivated, and nobody who was erased.
    let named = pb::PreviewPayoutRunRequest {
        currency_code: "USD".to_owned(),
        affiliate_ids: ids[1..].to_vec(),
        minimum: Some(usd(500)),
        ..Default::default()
    };
    let mut expected =
        vec![of(1, Verdict::Pays, 1_000), of(2, Verdict::Erased, 1_000), of(3, Verdict::BelowMinimum, 100)];
    expected.sort();
    assert_eq!(verdicts(preview(&mut client, named).await), expected);
    let run = pb::CreatePayoutRunRequest {
        currency_code: "USD".to_owned(),
        affiliate_ids: ids[1..].to_vec(),
        minimum: Some(usd(500)),
        ..Default::default()
    };
    let run = start(&mut client, run).await;
    let run = finished(&mut client, &run.id).await;
    assert_eq!((run.payout_count, run.total.clone()), (1, Some(usd(1_000))));
    assert_eq!(payouts_of(&mut client, &run.id).await[0].affiliate_id, ids[1]);
    verify(&mut client).await;
});
