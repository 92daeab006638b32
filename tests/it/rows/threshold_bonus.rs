//! Threshold bonuses: row P10. The scenarios `threshold_bonus*.txt` have the amounts.

use headwater::app::check;
use headwater::pb;
use headwater::store::entity::sales_tally;
use pb::{EventKind, RewardState};
use prost_types::Timestamp;
use sea_orm::sea_query::Expr;
use sea_orm::{Database, EntityTrait, QueryFilter};
use testkit::client::Client;
use tonic_types::StatusExt;

use super::affiliate::mask;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn paying(amount_minor: i64) -> Option<pb::RewardValue> {
    Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(usd(amount_minor))) })
}

fn by_count(name: &str, min_sale_count: i64, bonus_minor: i64) -> pb::ThresholdBonus {
    let period = pb::Period::Month.into();
    pb::ThresholdBonus {
        name: name.to_owned(),
        period,
        min_sale_count,
        bonus: paying(bonus_minor),
        ..Default::default()
    }
}

fn by_amount(name: &str, amount_minor: i64, bonus_minor: i64) -> pb::ThresholdBonus {
    pb::ThresholdBonus { min_sale_count: 0, min_amount: Some(usd(amount_minor)), ..by_count(name, 0, bonus_minor) }
}

/// A shop at 20 % with Ann, and with these bonuses.
async fn open(server: &TestServer, threshold_bonuses: Vec<pb::ThresholdBonus>) -> Shop {
    let terms = pb::Terms { threshold_bonuses, ..Default::default() };
    Shop::furnish_with(server.new_account("shop").await, terms).await
}

/// A sale that Ann has referred.
fn sale(number: usize, amount_minor: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("order-{number}"),
        ref_id: "ann".to_owned(),
        amount: Some(usd(amount_minor)),
        occur_time: Some(Timestamp { seconds: START_MICROS / 1_000_000, nanos: 0 }),
        ..Default::default()
    }
}

async fn record(client: &mut Client, sale: pb::RecordSaleRequest) -> pb::RecordSaleResponse {
    client.tracking.record_sale(sale).await.unwrap().into_inner()
}

async fn refund(client: &mut Client, number: usize, amount_minor: i64) -> pb::RecordRefundResponse {
    let request = pb::RecordRefundRequest {
        event_id: format!("refund-{number}"),
        sale_event_id: format!("order-{number}"),
        amount: Some(usd(amount_minor)),
        ..Default::default()
    };
    client.tracking.record_refund(request).await.unwrap().into_inner()
}

/// What Ann has earned.
async fn earned(shop: &mut Shop) -> i64 {
    let request = pb::GetBalanceRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let answer = shop.client.rewards.get_balance(request).await.unwrap().into_inner();
    answer.balances.first().map_or(0, |balance| cash(balance.earned.as_ref()).amount_minor)
}

/// The rewards that are bonuses or take one back, the oldest first.
async fn bonuses(shop: &mut Shop) -> Vec<pb::Reward> {
    let origin = pb::RewardOrigin::ByHand.into();
    let request = pb::ListRewardsRequest { origin, page_size: 1_000, ..Default::default() };
    let rewards = shop.client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    rewards.into_iter().filter(|reward| reward.threshold.is_some()).collect()
}

/// The names and values of rewards.
fn named(rewards: &[pb::Reward]) -> Vec<(&str, i64, RewardState)> {
    let one = |reward: &'_ pb::Reward| cash(reward.value.as_ref()).amount_minor;
    rewards.iter().map(|row| (row.threshold.as_ref().unwrap().name.as_str(), one(row), row.state())).collect()
}

async fn differences(server: &TestServer) -> Vec<String> {
    let app = server.server.app();
    let mut differences = Vec::new();
    for account_id in check::accounts(app.store()).await.unwrap() {
        differences.extend(check::check(app.store(), account_id).await.unwrap().differences);
    }
    differences
}

async fn explain(client: &mut Client, number: usize) -> pb::ExplainConversionResponse {
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: format!("order-{number}") };
    let selector = Some(pb::conversion_selector::Selector::RecordedEvent(event));
    let request = pb::ExplainConversionRequest { conversion: Some(pb::ConversionSelector { selector }) };
    client.tracking.explain_conversion(request).await.unwrap().into_inner()
}

// On PostgreSQL through two servers. All sales are told twice.
db_test!(p10_of_64_sales_at_once_each_bonus_is_earned_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    let never = by_amount("never", 320_001, 9_999);
    let bonuses_of_terms =
        vec![by_count("ten", 10, 500), by_count("all", 64, 700), by_amount("half", 160_000, 300), never];
    let mut shop = open(&server, bonuses_of_terms).await;
    let mut calls = Vec::new();
    for number in 0..128 {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            record(&mut client, sale(number / 2, 5_000)).await
        }));
    }
    for call in calls {
        call.await.unwrap();
    }
    let pending = RewardState::Pending;
    assert_eq!(
        named(&bonuses(&mut shop).await),
        [("ten", 500, pending), ("half", 300, pending), ("all", 700, pending)]
    );
    assert_eq!(earned(&mut shop).await, 64 * 1_000 + 1_500);
    assert_eq!(differences(&server).await, Vec::<String>::new());

    // Refunds of all at once take each bonus back once.
    let calls = (0..64).map(|number| {
        let mut client = shop.client.clone();
        async move { refund(&mut client, number, 5_000).await }
    });
    futures::future::join_all(calls).await;
    assert_eq!(earned(&mut shop).await, 0);
    let rewards = bonuses(&mut shop).await;
    assert_eq!(rewards.len(), 6, "{rewards:?}");
    assert!(rewards.iter().all(|reward| reward.state() == RewardState::Reversed));
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p10_a_bonus_says_how_it_was_reached_and_lost, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, vec![by_count("two", 2, 500), by_amount("much", 30_000, 700)]).await;
    let mut client = shop.client.clone();
    record(&mut client, sale(1, 10_000)).await;
    let reaching = record(&mut client, sale(2, 10_000)).await;
    assert_eq!(reaching.rewards.len(), 1, "the bonus is a reward of its own");
    let rewards = bonuses(&mut shop).await;
    let bonus = &rewards[0];
    let expected = pb::ThresholdReached {
        name: "two".to_owned(),
        terms_version: 1,
        period: pb::Period::Month.into(),
        period_start_day: bonus.threshold.as_ref().unwrap().period_start_day.clone(),
        min_sale_count: 2,
        min_amount: None,
        sale_count: 2,
        sales_amount: Some(usd(20_000)),
        conversion_id: reaching.conversion_id.clone(),
    };
    assert_eq!(bonus.threshold.as_ref(), Some(&expected));
    assert!(expected.period_start_day.ends_with("-01"), "{expected:?}");
    assert_eq!((bonus.conversion_id.as_str(), bonus.calculation.as_ref()), ("", None));

    // The statement has the rule, and the explanation of each sale has what was reached and what is missing.
    let interval = pb::calculate_commissions_request::Period::Interval(pb::TimeInterval::default());
    let request = pb::CalculateCommissionsRequest {
        affiliate: Some(shop.affiliate()),
        period: Some(interval),
        ..Default::default()
    };
    let statement = client.rewards.calculate_commissions(request).await.unwrap().into_inner();
    let told: Vec<_> = statement.lines.iter().filter_map(|line| line.threshold.clone()).collect();
    assert_eq!(told, std::slice::from_ref(&expected));
    let told = explain(&mut client, 1).await;
    let explained: Vec<_> = told.credits[0].threshold_bonuses.iter().collect();
    let seen: Vec<_> = explained.iter().map(|one| (one.sale_count, one.reward_id.as_str())).collect();
    assert_eq!(seen, [(2, bonus.id.as_str()), (2, "")]);
    assert_eq!(explained[0].reaching_conversion_id, reaching.conversion_id);
    let sentence = |told: &pb::ExplainConversionResponse, name: &str| {
        told.sentences.iter().find(|sentence| sentence.contains(&format!("\"{name}\""))).unwrap().clone()
    };
    assert!(sentence(&told, "much").ends_with("the affiliate has 200.00 USD; 100.00 USD are missing."));
    let told = explain(&mut client, 2).await;
    let reached = format!("the affiliate has 2 sales; this sale reached it, by the reward {}.", bonus.id);
    assert!(sentence(&told, "two").ends_with(&reached), "{}", sentence(&told, "two"));

    // A refund takes it back. The feed tells of the bonus after its sale, and of its end after the refund.
    let refunded = refund(&mut client, 1, 10_000).await;
    let rewards = bonuses(&mut shop).await;
    assert_eq!(named(&rewards), [("two", 500, RewardState::Reversed), ("two", -500, RewardState::Reversed)]);
    let lost = rewards[1].threshold.as_ref().unwrap();
    assert_eq!((lost.sale_count, lost.conversion_id.as_str()), (1, refunded.conversion_id.as_str()));
    assert_eq!(rewards[1].reverses_reward_id, bonus.id);
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    let kinds: Vec<EventKind> = events.iter().map(pb::Event::kind).collect();
    let from = kinds.iter().position(|kind| *kind == EventKind::SaleRecorded).unwrap();
    let expected = [
        EventKind::SaleRecorded,
        EventKind::SaleRecorded,
        EventKind::RewardCreated,
        EventKind::RefundRecorded,
        EventKind::SaleRefunded,
        EventKind::RewardReversed,
        EventKind::RewardCreated,
        EventKind::RewardReversed,
    ];
    assert_eq!(kinds[from..], expected);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

db_test!(p10_a_denied_bonus_is_not_earned_again_and_a_paid_one_is_owed_back, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, vec![by_count("denied", 1, 500), by_count("paid", 2, 700)]).await;
    let mut client = shop.client.clone();
    record(&mut client, sale(1, 10_000)).await;
    let ids = vec![bonuses(&mut shop).await[0].id.clone()];
    client
        .rewards
        .deny_rewards(pb::DenyRewardsRequest { reward_ids: ids, reason: "a test".to_owned(), ..Default::default() })
        .await
        .unwrap();
    refund(&mut client, 1, 10_000).await;
    assert_eq!(differences(&server).await, Vec::<String>::new());
    record(&mut client, sale(2, 10_000)).await;
    record(&mut client, sale(3, 10_000)).await;
    let rewards = bonuses(&mut shop).await;
    assert_eq!(named(&rewards), [("denied", 500, RewardState::Denied), ("paid", 700, RewardState::Pending)]);

    let ids = vec![rewards[1].id.clone()];
    let approval = pb::ApproveRewardsRequest { reward_ids: ids.clone(), ..Default::default() };
    client.rewards.approve_rewards(approval).await.unwrap();
    let payment = pb::MarkPaidRequest { affiliate: Some(shop.affiliate()), reward_ids: ids, ..Default::default() };
    client.payouts.mark_paid(payment).await.unwrap();
    refund(&mut client, 3, 10_000).await;
    let rewards = bonuses(&mut shop).await;
    let expected =
        [("denied", 500, RewardState::Denied), ("paid", 700, RewardState::Paid), ("paid", -700, RewardState::Approved)];
    assert_eq!(named(&rewards), expected);
    assert_eq!(earned(&mut shop).await, 2_000);
    // It is earned again by another sale.
    record(&mut client, sale(4, 10_000)).await;
    assert_eq!(named(&bonuses(&mut shop).await)[3], ("paid", 700, RewardState::Pending));
    assert_eq!(earned(&mut shop).await, 4_700);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

async fn update(shop: &mut Shop, terms: pb::Terms) -> Vec<String> {
    let rate = pb::commission::Rate::PercentPpm(1);
    let terms = pb::Terms { commission: Some(pb::Commission { rate: Some(rate) }), ..terms };
    let program = pb::Program { id: shop.program_id.clone(), terms: Some(terms), ..Default::default() };
    let update_mask = mask(&["terms"]);
    let request = pb::UpdateProgramRequest { program: Some(program), update_mask, ..Default::default() };
    match shop.client.affiliates.update_program(request).await {
        Ok(_) => Vec::new(),
        Err(status) => {
            let details = status.get_error_details();
            let violations = details.bad_request().unwrap().field_violations.iter();
            violations.map(|violation| violation.field.replace("program.terms.threshold_bonuses", "")).collect()
        }
    }
}

db_test!(p10_wrong_bonuses_are_refused_with_their_place, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, Vec::new()).await;
    let good = by_count("good", 1, 100);
    let points = pb::reward_value::Amount::Points(5);
    let euro = |amount_minor| pb::Money { amount_minor, currency_code: "EUR".to_owned() };
    let in_euro = pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(euro(1))) };
    for (wrong, fields) in [
        (pb::ThresholdBonus { name: " ".to_owned(), ..good.clone() }, vec!["[1].name"]),
        (pb::ThresholdBonus { name: "x".repeat(101), ..good.clone() }, vec!["[1].name"]),
        (by_count("good", 2, 100), vec!["[1].name"]),
        (pb::ThresholdBonus { period: 99, ..by_count("b", 1, 1) }, vec!["[1].period"]),
        (by_count("b", 0, 100), vec!["[1].min_sale_count"]),
        (by_count("b", 1_000_000_001, 100), vec!["[1].min_sale_count"]),
        (by_amount("b", 0, 100), vec!["[1].min_amount.amount_minor"]),
        (pb::ThresholdBonus { min_sale_count: 1, ..by_amount("b", 1, 100) }, vec!["[1].min_amount"]),
        (pb::ThresholdBonus { bonus: None, ..by_count("b", 1, 1) }, vec!["[1].bonus"]),
        (pb::ThresholdBonus { bonus: paying(0), ..by_count("b", 1, 1) }, vec!["[1].bonus.cash.amount_minor"]),
        (
            pb::ThresholdBonus { bonus: Some(pb::RewardValue { amount: Some(points) }), ..by_count("b", 1, 1) },
            vec!["[1].bonus"],
        ),
        (
            pb::ThresholdBonus { min_amount: Some(euro(1)), ..by_amount("b", 1, 1) },
            vec!["[1].min_amount.currency_code"],
        ),
        (pb::ThresholdBonus { bonus: Some(in_euro), ..by_count("b", 1, 1) }, vec!["[1].bonus.cash.currency_code"]),
    ] {
        let terms = pb::Terms { threshold_bonuses: vec![good.clone(), wrong.clone()], ..Default::default() };
        assert_eq!(update(&mut shop, terms).await, fields, "{wrong:?}");
    }
    let many = |count: i64| (1..=count).map(|number| by_count(&number.to_string(), number, 1)).collect::<Vec<_>>();
    let terms = |threshold_bonuses| pb::Terms { threshold_bonuses, ..Default::default() };
    assert_eq!(update(&mut shop, terms(many(21))).await, [""]);
    assert_eq!(update(&mut shop, terms(many(20))).await, Vec::<String>::new());
    // One sale reaches as many as there are, each once.
    let mut client = shop.client.clone();
    for number in 0..20 {
        record(&mut client, sale(number, 100)).await;
    }
    assert_eq!(bonuses(&mut shop).await.len(), 20);
});

db_test!(p10_n6_bonuses_are_simulated_over_the_history, |database: TestDatabase| async move {
    use pb::simulate_terms_response::Content;
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, vec![by_count("two", 2, 500)]).await;
    for number in 1..=3 {
        record(&mut shop.client, sale(number, 10_000)).await;
    }
    let program = pb::GetProgramRequest { program_id: shop.program_id.clone(), ..Default::default() };
    let program = shop.client.affiliates.get_program(program).await.unwrap().into_inner().program.unwrap();
    let in_force = program.terms.unwrap();
    let with = |threshold_bonuses| pb::Terms { threshold_bonuses, ..in_force.clone() };
    let proposals = [
        (in_force.clone(), 0),
        (with(Vec::new()), -500),
        (with(vec![by_count("two", 2, 800)]), 300),
        (with(vec![by_count("two", 3, 500), by_count("one", 1, 70)]), 70),
        (with(vec![by_count("four", 4, 900)]), -500),
    ];
    for (terms, expected) in proposals {
        let request = pb::SimulateTermsRequest { terms: Some(terms), ..Default::default() };
        let mut messages = shop.client.rewards.simulate_terms(request).await.unwrap().into_inner();
        let mut last = None;
        while let Some(message) = messages.message().await.unwrap() {
            last = message.content;
        }
        let Some(Content::Summary(summary)) = last else { panic!("{last:?}") };
        // A bonus belongs to no conversion.
        assert_eq!((summary.changed_conversion_count, summary.totals.len()), (0, 1));
        let minor = |amount: &Option<pb::Money>| amount.as_ref().unwrap().amount_minor;
        let total = &summary.totals[0];
        assert_eq!(minor(&total.difference_amount), expected, "{total:?}");
        assert_eq!(minor(&total.proposed_amount) - minor(&total.earned_amount), expected);
    }
});

db_test!(p10_a_tally_that_does_not_add_up_is_found, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = open(&server, vec![by_count("two", 2, 500)]).await;
    record(&mut shop.client, sale(1, 10_000)).await;
    record(&mut shop.client, sale(2, 10_000)).await;
    assert_eq!(differences(&server).await, Vec::<String>::new());
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    let change = async |column, value: Expr| {
        let update = sales_tally::Entity::update_many().col_expr(column, value);
        update.filter(sea_orm::Condition::all()).exec(&connection).await.unwrap();
    };
    change(sales_tally::Column::SaleCount, Expr::value(1)).await;
    let found = differences(&server).await;
    assert!(found.iter().any(|one| one.contains("has 1 sales of 20000 and should have 2 of 20000")), "{found:?}");
    assert!(found.iter().any(|one| one.contains("is below the threshold of the bonus `two`")), "{found:?}");
    change(sales_tally::Column::SaleCount, Expr::value(2)).await;
    change(sales_tally::Column::Bonuses, Expr::value("[1,[]]")).await;
    let found = differences(&server).await;
    assert!(found.iter().any(|one| one.ends_with("is in no tally of sales")), "{found:?}");
});
