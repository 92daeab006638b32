//! Commission rules that ask for the earlier sales of the customer: rows P7, P8, P10 and P21.

use headwater::app::check;
use headwater::pb;
use headwater::store::entity::{conversion, lead};
use prost_types::Timestamp;
use sea_orm::EntityTrait;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::cash;
use crate::support::server::{START_MICROS, TestServer};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

fn rule(name: &str, percent_ppm: i32) -> pb::CommissionRule {
    pb::CommissionRule { name: name.to_owned(), commission: percent(percent_ppm), ..Default::default() }
}

/// A shop at 20 % with Ann, and with these rules.
async fn open(server: &TestServer, rules: Vec<pb::CommissionRule>) -> Shop {
    let terms = pb::Terms { rules, ..Default::default() };
    Shop::furnish_with(server.new_account("shop").await, terms).await
}

/// A sale of 100.00 to a customer whom Ann has referred, so many days after the beginning.
fn sale(event_id: &str, customer: &str, day: i64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        external_id: customer.to_owned(),
        ref_id: "ann".to_owned(),
        amount: Some(usd(10_000)),
        occur_time: Some(Timestamp { seconds: START_MICROS / 1_000_000 + day * 86_400, nanos: 0 }),
        ..Default::default()
    }
}

async fn earned(client: &mut Client, sale: pb::RecordSaleRequest) -> Vec<i64> {
    let answer = client.tracking.record_sale(sale).await.unwrap().into_inner();
    answer.rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).collect()
}

async fn refund(client: &mut Client, event_id: &str, sale: &str) {
    let request = pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale.to_owned(),
        amount: Some(usd(10_000)),
        ..Default::default()
    };
    client.tracking.record_refund(request).await.unwrap();
}

/// What all rewards come to.
async fn sum(client: &mut Client) -> i64 {
    let request = pb::ListRewardsRequest { page_size: 1_000, ..Default::default() };
    let rewards = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    rewards.iter().map(|reward| cash(reward.value.as_ref()).amount_minor).sum()
}

async fn differences(server: &TestServer) -> Vec<String> {
    let app = server.server.app();
    let mut differences = Vec::new();
    for account_id in check::accounts(app.store()).await.unwrap() {
        differences.extend(check::check(app.store(), account_id).await.unwrap().differences);
    }
    differences
}

fn later(server: &TestServer, days: i64) {
    server.clock.set(headwater::domain::time::Time::from_micros(START_MICROS + days * 86_400_000_000));
}

db_test!(p8_recurring_commissions_end_after_so_many_sales_or_months, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    later(&server, 700);
    let limited = pb::CommissionRule { max_customer_sales: 3, max_customer_months: 12, ..rule("start", 300_000) };
    let mut client = open(&server, vec![limited, rule("afterwards", 50_000)]).await.client;
    assert_eq!(earned(&mut client, sale("a1", "bob", 0)).await, [3_000]);
    assert_eq!(earned(&mut client, sale("a3", "bob", 60)).await, [3_000]);
    assert_eq!(earned(&mut client, sale("a4", "bob", 90)).await, [3_000]);
    // One is told late, so the third of before is the fourth. It is told again and changes nothing more.
    for _ in 0..2 {
        assert_eq!(earned(&mut client, sale("a2", "bob", 31)).await, [3_000]);
        assert_eq!(sum(&mut client).await, 3 * 3_000 + 500);
    }
    assert_eq!(earned(&mut client, sale("a5", "bob", 120)).await, [500]);
    // 2026-01-01 and 12 months: the 31st of December counts and the 1st of January does not.
    assert_eq!(earned(&mut client, sale("e1", "eve", 0)).await, [3_000]);
    assert_eq!(earned(&mut client, sale("e2", "eve", 364)).await, [3_000]);
    assert_eq!(earned(&mut client, sale("e3", "eve", 365)).await, [500]);
    // A refund of the first makes room for one that is told afterwards.
    refund(&mut client, "r1", "a1").await;
    assert_eq!(earned(&mut client, sale("a6", "bob", 121)).await, [500]);
    refund(&mut client, "r2", "a2").await;
    refund(&mut client, "r3", "a3").await;
    assert_eq!(earned(&mut client, sale("a7", "bob", 122)).await, [500], "a4, a5 and a6 were before it");
    refund(&mut client, "r4", "a4").await;
    refund(&mut client, "r5", "a5").await;
    assert_eq!(earned(&mut client, sale("a8", "bob", 123)).await, [3_000], "only a6 and a7 were");
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});

// On PostgreSQL through two servers. All are told twice.
db_test!(
    p8_of_64_sales_of_a_customer_at_once_exactly_as_many_as_the_limit_are_paid,
    |database: TestDatabase| async move {
        let server = TestServer::start(&database).await;
        later(&server, 100);
        let limited = pb::CommissionRule { max_customer_sales: 7, ..rule("start", 300_000) };
        let mut shop = open(&server, vec![limited, rule("afterwards", 0)]).await;
        let second = match database.kind {
            DatabaseKind::Sqlite => None,
            DatabaseKind::Postgres => Some(TestServer::start(&database).await),
        };
        let servers = [&server, second.as_ref().unwrap_or(&server)];
        later(servers[1], 100);
        let mut calls = Vec::new();
        for number in 0..128_usize {
            let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
            // Their times are in another order than their numbers.
            let day = i64::try_from(number / 2 * 37 % 64).unwrap();
            let request = sale(&format!("sale-{}", number / 2), "bob", day);
            calls.push(tokio::spawn(async move {
                let mut client = Client::connect(&address, &key).await.unwrap();
                client.tracking.record_sale(request).await.unwrap();
            }));
        }
        for call in calls {
            call.await.unwrap();
        }
        assert_eq!(sum(&mut shop.client).await, 7 * 3_000);
        // It is the first seven that are paid.
        let request = pb::ListConversionsRequest { page_size: 1_000, ..Default::default() };
        let sales = shop.client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
        let is_paid =
            |sale: &&pb::Conversion| sale.rewards.iter().any(|reward| reward.state() == pb::RewardState::Pending);
        let mut paid: Vec<_> = sales.iter().filter(is_paid).map(|sale| sale.occur_time.unwrap().seconds).collect();
        paid.sort_unstable();
        assert_eq!(paid, (0..7).map(|day| START_MICROS / 1_000_000 + day * 86_400).collect::<Vec<_>>());
        assert_eq!(differences(&server).await, Vec::<String>::new());
    }
);

db_test!(p10_the_bonus_for_a_first_sale_is_paid_once_and_refunded_with_it, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    later(&server, 100);
    let first = pb::CommissionRule { first_sale_bonus: Some(usd(500)), ..rule("first", 100_000) };
    let mut client = open(&server, vec![first]).await.client;
    for _ in 0..3 {
        assert_eq!(earned(&mut client, sale("a2", "bob", 2)).await, [1_500]);
    }
    assert_eq!(earned(&mut client, sale("a3", "bob", 3)).await, [1_000]);
    // An earlier sale is the first one. The bonus goes over to it.
    assert_eq!(earned(&mut client, sale("a1", "bob", 1)).await, [1_500]);
    assert_eq!(sum(&mut client).await, 3 * 1_000 + 500);
    let event = pb::RecordedEvent { kind: pb::ConversionKind::Sale.into(), event_id: "a1".to_owned() };
    let selector = pb::conversion_selector::Selector::RecordedEvent(event);
    let conversion = Some(pb::ConversionSelector { selector: Some(selector) });
    let request = pb::GetConversionRequest { conversion, ..Default::default() };
    let conversion = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    let request = pb::GetRewardRequest { reward_id: conversion.rewards[0].id.clone(), ..Default::default() };
    let reward = client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let calculation = reward.calculation.unwrap();
    assert_eq!(calculation.first_sale_bonus, Some(usd(500)));
    assert_eq!(calculation.rate, Some(pb::reward_calculation::Rate::PercentPpm(100_000)));
    refund(&mut client, "r1", "a1").await;
    assert_eq!(sum(&mut client).await, 2 * 1_000);
    // Amounts of two currencies are not added.
    let euros = pb::Money { currency_code: "EUR".to_owned(), ..usd(10_000) };
    let sold = pb::RecordSaleRequest { amount: Some(euros), ..sale("e1", "eve", 1) };
    assert_eq!(earned(&mut client, sold).await, [1_000]);
    assert_eq!(differences(&server).await, Vec::<String>::new());
    // A bonus in another currency than the program's is refused.
    let euros = Some(pb::Money { currency_code: "EUR".to_owned(), ..usd(500) });
    let rules = vec![pb::CommissionRule { first_sale_bonus: euros, ..rule("first", 100_000) }];
    let terms = pb::Terms { commission: percent(0), rules, ..Default::default() };
    let request = pb::CreateProgramRequest {
        display_name: "euros".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(terms),
        ..Default::default()
    };
    let refused = client.affiliates.create_program(request).await.unwrap_err();
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "terms.rules[0].first_sale_bonus.currency_code");
});

db_test!(p21_a_customer_is_paid_for_by_its_first_sale_only_or_for_life, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    later(&server, 100);
    let once = pb::CommissionRule { max_customer_sales: 1, ..rule("once", 300_000) };
    let mut client = open(&server, vec![once, rule("nothing else", 0)]).await.client;
    assert_eq!(earned(&mut client, sale("a1", "bob", 1)).await, [3_000]);
    assert!(earned(&mut client, sale("a2", "bob", 2)).await.is_empty());
    assert_eq!(earned(&mut client, sale("e1", "eve", 3)).await, [3_000]);
    assert_eq!(differences(&server).await, Vec::<String>::new());
    // Without limits a customer is paid for for life, and nothing is counted.
    let terms = pb::Terms { rules: vec![rule("for life", 100_000)], ..Default::default() };
    let mut client = Shop::furnish_with(server.new_account("other").await, terms).await.client;
    for (number, day) in [1, 50, 99].into_iter().enumerate() {
        assert_eq!(earned(&mut client, sale(&format!("b{number}"), "cid", day)).await, [1_000]);
    }
    let store = server.server.app().store();
    let snapshot = store.snapshot().await.unwrap();
    let connection = headwater::store::Source::connection(&snapshot);
    let sales = conversion::Entity::find().all(connection).await.unwrap();
    let is_plain = |sale: &&conversion::Model| !sale.order_details.contains("customer_sale");
    assert_eq!(sales.iter().filter(is_plain).count(), 3, "only the sales of the other shop are counted");
    let leads = lead::Entity::find().all(connection).await.unwrap();
    assert_eq!(leads.iter().filter(|lead| lead.details.is_none()).count(), 1);
});

db_test!(p7_conditions_on_the_number_of_the_sale_and_the_age_of_the_customer, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    later(&server, 400);
    let condition = |field: pb::ConditionField, comparison: pb::Comparison, value: &str| pb::Condition {
        field: field.into(),
        comparison: comparison.into(),
        values: vec![value.to_owned()],
        ..Default::default()
    };
    use pb::{Comparison as Is, ConditionField as Of};
    let third = condition(Of::CustomerSaleNumber, Is::MultipleOf, "3");
    let old = condition(Of::CustomerAgeMonths, Is::MoreOrEqual, "6");
    let young = condition(Of::CustomerAgeDays, Is::Less, "10");
    let rules = vec![
        pb::CommissionRule { condition: Some(third), ..rule("third", 500_000) },
        pb::CommissionRule { condition: Some(old), ..rule("old", 10_000) },
        pb::CommissionRule { condition: Some(young), ..rule("young", 100_000) },
    ];
    let mut client = open(&server, rules).await.client;
    for (number, day, expected) in [(1, 0, 1_000), (2, 9, 1_000), (3, 10, 5_000), (4, 11, 2_000), (5, 181, 100)] {
        assert_eq!(earned(&mut client, sale(&format!("a{number}"), "bob", day)).await, [expected], "{number}");
    }
    // Without a customer there is no number, and no comparison with one holds.
    let till = pb::RecordSaleRequest { external_id: String::new(), ..sale("till", "", 0) };
    assert_eq!(earned(&mut client, till).await, [2_000]);
    assert_eq!(differences(&server).await, Vec::<String>::new());
});
