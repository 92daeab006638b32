//! Statements: every line, and opening balances that the lines turn into the closing ones.

use std::collections::BTreeMap;

use headwater::pb;
use pb::calculate_commissions_request::Period;
use pb::reward_value::Amount;
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use super::{Draw, affiliate, balances, timestamp, usd};
use crate::support::database::TestDatabase;
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::{Shop, sale};

const DAY_MICROS: i64 = 86_400_000_000;

pub(super) fn request(id: &str, start: Option<i64>, end: Option<i64>) -> pb::CalculateCommissionsRequest {
    let interval = pb::TimeInterval { start_time: start.map(timestamp), end_time: end.map(timestamp) };
    pb::CalculateCommissionsRequest {
        page_size: 1_000,
        affiliate: affiliate(id),
        period: Some(Period::Interval(interval)),
        ..Default::default()
    }
}

pub(super) async fn statement(
    client: &mut Client,
    request: pb::CalculateCommissionsRequest,
) -> pb::CalculateCommissionsResponse {
    client.rewards.calculate_commissions(request).await.unwrap().into_inner()
}

/// The statement of all time.
pub(super) async fn whole(client: &mut Client, id: &str) -> pb::CalculateCommissionsResponse {
    statement(client, request(id, None, None)).await
}

/// All pages as one.
async fn by_pages(client: &mut Client, first: pb::CalculateCommissionsRequest) -> pb::CalculateCommissionsResponse {
    let (mut request, mut all) = (first, Vec::new());
    loop {
        let page = statement(client, request.clone()).await;
        all.extend(page.lines.clone());
        request.page_token = page.next_page_token.clone();
        if request.page_token.is_empty() {
            return pb::CalculateCommissionsResponse { lines: all, ..page };
        }
        assert_eq!(page.lines.len(), usize::try_from(request.page_size).unwrap());
    }
}

/// The unit, and the amount of a value.
pub(super) fn amount(value: Option<&pb::RewardValue>) -> (String, i64) {
    match value.unwrap().amount.as_ref().unwrap() {
        Amount::Cash(money) => (money.currency_code.clone(), money.amount_minor),
        Amount::Points(points) => ("points".to_owned(), *points),
        other => panic!("{other:?}"),
    }
}

/// Earned, pending, owed and paid of each unit.
pub(super) fn sums<'balance>(all: impl IntoIterator<Item = &'balance pb::Balance>) -> BTreeMap<String, [i64; 4]> {
    let mut sums: BTreeMap<String, [i64; 4]> = BTreeMap::new();
    for balance in all {
        let parts = [&balance.earned, &balance.pending, &balance.owed, &balance.paid];
        for (part, value) in parts.into_iter().enumerate() {
            let (unit, minor) = amount(value.as_ref());
            sums.entry(unit).or_default()[part] += minor;
        }
    }
    sums
}

fn assert_adds_up(statement: &pb::CalculateCommissionsResponse) {
    let changes = statement.lines.iter().filter_map(|line| line.change.as_ref());
    let summed = sums(statement.opening_balances.iter().chain(changes));
    assert_eq!(summed, sums(&statement.closing_balances), "{statement:?}");
}

/// Opening and closing balances of random periods are those that were read, and the lines lead from one to the other.
pub(super) async fn check_random_periods(
    client: &mut Client,
    affiliates: &[String],
    read: &BTreeMap<i64, BTreeMap<String, Vec<pb::Balance>>>,
    draw: &mut Draw,
) {
    let times: Vec<i64> = read.keys().copied().collect();
    for _ in 0..30 {
        let (one, other) = (draw.below(times.len()), draw.below(times.len()));
        // The entries of `first` belong to the period, those of `last` do not.
        let (first, last) = (one.min(other), one.max(other));
        let id = &affiliates[draw.below(affiliates.len())];
        let (start, end) = (times[first], times[last] + i64::from(first == last));
        let found = statement(client, request(id, Some(start), Some(end))).await;
        assert_adds_up(&found);
        let before =
            |place: usize| place.checked_sub(1).map(|place| read[&times[place]][id].clone()).unwrap_or_default();
        assert_eq!(found.opening_balances, before(first), "{id} from {start}");
        assert_eq!(found.closing_balances, before(last + usize::from(first == last)), "{id} to {end}");
        let few = pb::CalculateCommissionsRequest { page_size: 3, ..request(id, Some(start), Some(end)) };
        assert_eq!(by_pages(client, few).await, found);
    }
    for id in affiliates {
        let all = whole(client, id).await;
        assert_adds_up(&all);
        assert_eq!((all.opening_balances, all.closing_balances), (Vec::new(), balances(client, id, None).await));
    }
}

/// The reason, the change of earned, pending and owed, and the event.
fn short(line: &pb::StatementLine) -> (pb::LedgerReason, [i64; 3], &str) {
    let change = line.change.as_ref().unwrap();
    let minor = |value: &Option<pb::RewardValue>| amount(value.as_ref()).1;
    let event = line.conversion.as_ref().map_or("", |conversion| conversion.event_id.as_str());
    (line.reason(), [minor(&change.earned), minor(&change.pending), minor(&change.owed)], event)
}

db_test!(g14_a_statement_has_every_line_with_what_it_was_computed_from, |database: TestDatabase| async move {
    use pb::LedgerReason::{Adjusted, Approved, Corrected, Denied, Earned, Refunded};
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (client, id) = (&mut shop.client, shop.affiliate_id.clone());
    let sold = pb::RecordSaleRequest { order_id: "order-1".to_owned(), ..sale(1) };
    let rewards = client.tracking.record_sale(sold).await.unwrap().into_inner().rewards;
    let reward_id = rewards[0].reward_id.clone();
    let approve = pb::ApproveRewardsRequest { reward_ids: vec![reward_id.clone()], ..Default::default() };
    client.rewards.approve_rewards(approve).await.unwrap();
    server.clock.advance_days(1);
    let refund = pb::RecordRefundRequest {
        event_id: "refund-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(usd(250)),
        refund_id: "r-1".to_owned(),
        ..Default::default()
    };
    client.tracking.record_refund(refund).await.unwrap();
    let correction = pb::CorrectSaleRequest {
        event_id: "correction-1".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(usd(1_500)),
        ..Default::default()
    };
    client.tracking.correct_sale(correction).await.unwrap();
    let denied = client.tracking.record_sale(sale(2)).await.unwrap().into_inner().rewards[0].reward_id.clone();
    let deny = pb::DenyRewardsRequest { reward_ids: vec![denied], reason: "a test".to_owned(), ..Default::default() };
    let middle = START_MICROS + DAY_MICROS;
    server.clock.advance_days(1);
    let end = START_MICROS + 2 * DAY_MICROS;
    let first_two = statement(client, request(&id, None, Some(end))).await;
    client.rewards.deny_rewards(deny).await.unwrap();

    let all = whole(client, &id).await;
    assert_adds_up(&all);
    let lines: Vec<_> = all.lines.iter().map(short).collect();
    assert_eq!(
        lines[..3],
        [
            (Earned, [200, 200, 0], "sale-1"),
            (Approved, [0, -200, 200], "sale-1"),
            (Refunded, [-50, 0, -50], "refund-1"),
        ]
    );
    assert_eq!((lines[3].0, lines[3].1, lines[3].2), (Corrected, [100, 0, 100], "correction-1"));
    assert_eq!(lines[4..], [(Earned, [200, 200, 0], "sale-2"), (Denied, [-200, -200, 0], "sale-2")]);
    assert!(all.lines.iter().all(|line| line.reason() != Adjusted));
    let earned = &all.lines[0];
    let calculation = earned.calculation.as_ref().unwrap();
    assert_eq!((calculation.rule(), calculation.terms_version), (pb::RewardRule::Program, 1));
    assert_eq!(calculation.base_amount, Some(usd(1_000)));
    assert_eq!(calculation.rate, Some(pb::reward_calculation::Rate::PercentPpm(200_000)));
    let event = earned.conversion.as_ref().unwrap();
    assert_eq!((event.kind(), event.order_id.as_str()), (pb::ConversionKind::Sale, "order-1"));
    assert_eq!((earned.reward_id.as_str(), earned.program_id.as_str()), (reward_id.as_str(), shop.program_id.as_str()));
    let refunded = &all.lines[2];
    assert_eq!(
        (refunded.reverses_reward_id.as_str(), amount(refunded.reward_value.as_ref()).1),
        (reward_id.as_str(), -50)
    );
    let event = refunded.conversion.as_ref().unwrap();
    assert_eq!((event.kind(), event.refund_id.as_str()), (pb::ConversionKind::Refund, "r-1"));
    let reasons: Vec<&str> = all.lines.iter().map(|line| line.deny_reason.as_str()).collect();
    assert_eq!(reasons, ["", "", "", "", "", "a test"]);

    // A period that is over stays as it is, also if a sale of its time is told now.
    assert_eq!(first_two.lines.len(), 5);
    let late = pb::RecordSaleRequest { occur_time: Some(timestamp(middle)), ..sale(3) };
    client.tracking.record_sale(late).await.unwrap();
    assert_eq!(statement(client, request(&id, None, Some(end))).await, first_two);
    let last = statement(client, request(&id, Some(end), None)).await;
    assert_eq!(last.opening_balances, first_two.closing_balances);
    assert_eq!(short(&last.lines[1]), (Earned, [200, 200, 0], "sale-3"));
    assert_adds_up(&last);
});

db_test!(g14_days_are_those_of_the_accounts_time_zone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (client, id) = (&mut shop.client, shop.affiliate_id.clone());
    let account = pb::Account { time_zone: "America/New_York".to_owned(), ..Default::default() };
    let update_mask = Some(prost_types::FieldMask { paths: vec!["time_zone".to_owned()] });
    let update = pb::UpdateAccountRequest { account: Some(account), update_mask, ..Default::default() };
    client.accounts.update_account(update).await.unwrap();
    server.clock.advance_days(30);
    // The 31st of January in UTC, and a second before and at midnight in New York.
    for (number, seconds) in [(1, 5 * 3_600 - 1), (2, 1)] {
        server.clock.pass(std::time::Duration::from_secs(seconds));
        client.tracking.record_sale(sale(number)).await.unwrap();
    }
    server.clock.advance_days(3);
    for (first, last, expected) in [
        ("2026-01-01", "2026-01-29", vec![]),
        ("2026-01-30", "2026-01-30", vec!["sale-1"]),
        ("2026-01-31", "2026-01-31", vec!["sale-2"]),
        ("2026-01-01", "2026-01-31", vec!["sale-1", "sale-2"]),
    ] {
        let days = pb::StatementDays { first_day: first.to_owned(), last_day: last.to_owned() };
        let request = pb::CalculateCommissionsRequest { period: Some(Period::Days(days)), ..request(&id, None, None) };
        let found = statement(client, request).await;
        assert_adds_up(&found);
        let events: Vec<&str> = found.lines.iter().map(|line| short(line).2).collect();
        assert_eq!(events, expected, "{first} to {last}");
    }
    // A period that is not over, and one that ends before it begins.
    for (first, last) in [("2026-02-01", "2026-02-28"), ("2026-01-31", "2026-01-30")] {
        let days = pb::StatementDays { first_day: first.to_owned(), last_day: last.to_owned() };
        let early = pb::CalculateCommissionsRequest { period: Some(Period::Days(days)), ..request(&id, None, None) };
        let refused = client.rewards.calculate_commissions(early).await.unwrap_err();
        let fields = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!((refused.code(), fields[0].field.as_str()), (Code::InvalidArgument, "days.last_day"));
    }
});

db_test!(g14_pages_of_a_statement_without_an_end_end_with_the_same_line, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (client, id) = (&mut shop.client, shop.affiliate_id.clone());
    for number in 0..40 {
        client.tracking.record_sale(sale(number)).await.unwrap();
    }
    let first = pb::CalculateCommissionsRequest { page_size: 15, ..request(&id, None, None) };
    let page = statement(client, first.clone()).await;
    client.tracking.record_sale(sale(100)).await.unwrap();
    let rest = pb::CalculateCommissionsRequest { page_token: page.next_page_token.clone(), ..first.clone() };
    let rest = by_pages(client, rest).await;
    assert_eq!((page.lines.len(), rest.lines.len()), (15, 25));
    assert_eq!(rest.closing_balances, page.closing_balances);
    assert_eq!(statement(client, first.clone()).await.closing_balances, balances(client, &id, None).await);

    // A token belongs to the affiliate and the period.
    let other_start =
        pb::CalculateCommissionsRequest { page_token: page.next_page_token, ..request(&id, Some(START_MICROS), None) };
    let refused = client.rewards.calculate_commissions(other_start).await.unwrap_err();
    assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
    // So does a token of balances to its time.
    let of_balances =
        |as_of: i64| pb::ListBalancesRequest { page_size: 1, as_of_time: Some(timestamp(as_of)), ..Default::default() };
    let by_hand = pb::CreateAffiliateRequest {
        email: "ben@affiliates.example".to_owned(),
        coupon_code: "BEN".to_owned(),
        ..Default::default()
    };
    client.affiliates.create_affiliate(by_hand).await.unwrap();
    let sold = pb::RecordSaleRequest { coupon_code: "BEN".to_owned(), ..sale(101) };
    client.tracking.record_sale(sold).await.unwrap();
    server.clock.advance_days(1);
    let as_of = START_MICROS + DAY_MICROS;
    let page_token = client.rewards.list_balances(of_balances(as_of)).await.unwrap().into_inner().next_page_token;
    assert_ne!(page_token, "");
    let again = pb::ListBalancesRequest { page_token: page_token.clone(), ..of_balances(as_of) };
    assert_eq!(client.rewards.list_balances(again).await.unwrap().into_inner().affiliates.len(), 1);
    let other = pb::ListBalancesRequest { page_token, ..of_balances(as_of - 1) };
    assert_eq!(reason(&client.rewards.list_balances(other).await.unwrap_err()), "PAGE_TOKEN_INVALID");
});
