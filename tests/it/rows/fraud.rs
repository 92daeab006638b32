//! Fraud rules: rows P33 and N11. The scenarios `fraud_*.txt` have each rule with its boundary.

use std::collections::{BTreeMap, BTreeSet};

use headwater::domain::time::Time;
use headwater_client::pb::replay_fraud_rules_response::Content;
use headwater_client::pb::{self, FraudRuleKind, FraudRuleMode};
use prost_types::FieldMask;
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use crate::feed_images::all_events;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::{Shop, sale};

fn rule(kind: FraudRuleKind, mode: FraudRuleMode) -> pb::FraudRule {
    pb::FraudRule { kind: kind.into(), mode: mode.into(), ..Default::default() }
}

fn velocity(maximum_sales: i32) -> pb::FraudRule {
    let period_minutes = 60;
    pb::FraudRule { maximum_sales, period_minutes, ..rule(FraudRuleKind::Velocity, FraudRuleMode::On) }
}

async fn set_rules(shop: &mut Shop, fraud_rules: Vec<pb::FraudRule>) -> pb::Program {
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), fraud_rules, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["fraud_rules".to_owned()] }),
        ..Default::default()
    };
    shop.client.affiliates.update_program(request).await.unwrap().into_inner().program.unwrap()
}

/// How many rewards are in each state.
async fn states(client: &mut Client) -> BTreeMap<String, usize> {
    let request = pb::ListRewardsRequest { page_size: 1_000, ..Default::default() };
    let rewards = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    let mut states = BTreeMap::new();
    for reward in rewards {
        *states.entry(reward.state().as_str_name().to_owned()).or_default() += 1;
    }
    states
}

async fn verify(client: &mut Client) {
    let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(report.ok, "{:?}", report.differences);
}

/// The server, and on PostgreSQL a second one.
async fn two_servers(database: &TestDatabase) -> (TestServer, Option<TestServer>) {
    let first = TestServer::start(database).await;
    match database.kind {
        DatabaseKind::Sqlite => (first, None),
        DatabaseKind::Postgres => (first, Some(TestServer::start(database).await)),
    }
}

/// Records sales at once through both servers. Returns how many were recorded, and the reasons of the others.
async fn at_once(servers: [&TestServer; 2], key: &str, sales: Vec<pb::RecordSaleRequest>) -> (usize, BTreeSet<String>) {
    let mut calls = Vec::new();
    for (number, request) in sales.into_iter().enumerate() {
        let (address, key) = (servers[number % 2].address.clone(), key.to_owned());
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            client.tracking.record_sale(request).await
        }));
    }
    let (mut recorded, mut reasons) = (0, BTreeSet::new());
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => recorded += 1,
            Err(status) => _ = reasons.insert(reason(&status)),
        }
    }
    (recorded, reasons)
}

/// Sales of an order, each under another event_id.
fn of_order(order_id: &str, count: usize) -> Vec<pb::RecordSaleRequest> {
    let one = |number| {
        let event_id = format!("{order_id}-{number}");
        pb::RecordSaleRequest { event_id, order_id: order_id.to_owned(), ..sale(number) }
    };
    (0..count).map(one).collect()
}

db_test!(p33_of_64_sales_at_once_exactly_those_above_a_limit_are_held, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::furnish(first.new_account("shop").await).await;
    let key = shop.client.key.clone();
    set_rules(&mut shop, vec![rule(FraudRuleKind::DuplicateOrder, FraudRuleMode::On)]).await;
    assert_eq!(at_once(servers, &key, of_order("held", 64)).await, (64, BTreeSet::new()));
    let of = |pending, held| {
        BTreeMap::from([("REWARD_STATE_PENDING".to_owned(), pending), ("REWARD_STATE_HELD".to_owned(), held)])
    };
    assert_eq!(states(&mut shop.client).await, of(1, 63));
    set_rules(&mut shop, vec![rule(FraudRuleKind::DuplicateOrder, FraudRuleMode::Refuse)]).await;
    let refused = BTreeSet::from(["DUPLICATE_ORDER".to_owned()]);
    assert_eq!(at_once(servers, &key, of_order("refused", 64)).await, (1, refused));
    assert_eq!(states(&mut shop.client).await, of(2, 63));
    set_rules(&mut shop, vec![velocity(10)]).await;
    for server in servers {
        server.clock.set(Time::from_micros(START_MICROS).plus_days(1));
    }
    let sales = (0..64).map(sale).collect();
    assert_eq!(at_once(servers, &key, sales).await, (64, BTreeSet::new()));
    assert_eq!(states(&mut shop.client).await, of(12, 117));
    verify(&mut shop.client).await;
});

/// What a replay says: the flagged events with whether they would be held, and the end.
async fn replay(client: &mut Client, fraud_rules: Vec<pb::FraudRule>) -> (Vec<(String, bool)>, pb::FraudReplaySummary) {
    let request = pb::ReplayFraudRulesRequest { fraud_rules, ..Default::default() };
    let mut messages = client.rewards.replay_fraud_rules(request).await.unwrap().into_inner();
    let (mut events, mut is_begun) = (Vec::new(), false);
    while let Some(message) = messages.message().await.unwrap() {
        match message.content.unwrap() {
            Content::Progress(progress) => {
                is_begun = true;
                assert!(progress.judged_conversion_count <= progress.conversion_count, "{progress:?}");
            }
            Content::Events(page) => {
                assert!(is_begun, "progress comes first");
                events.extend(page.events.into_iter().map(|event| (event.conversion_id, event.is_held)));
            }
            Content::Summary(summary) => {
                assert!(messages.message().await.unwrap().is_none(), "the summary is last");
                return (events, summary);
            }
        }
    }
    panic!("a replay without a summary");
}

/// Sales of which rules flag some: 30 of an hour, every third by Ann herself, and every fifth with the order of the one before.
fn history() -> Vec<pb::RecordSaleRequest> {
    let one = |number: usize| {
        let email = if number.is_multiple_of(3) { "Ann+1@Affiliates.example" } else { "bob@shop.example" };
        let order = if number % 5 == 4 { number - 1 } else { number };
        pb::RecordSaleRequest { email: email.to_owned(), order_id: order.to_string(), ..sale(number) }
    };
    (0..30).map(one).collect()
}

db_test!(n11_a_replay_flags_what_the_rules_would_have_flagged, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        rule(FraudRuleKind::SelfReferral, FraudRuleMode::On),
        rule(FraudRuleKind::DuplicateOrder, FraudRuleMode::Refuse),
        pb::FraudRule { mode: FraudRuleMode::Shadow.into(), ..velocity(20) },
    ];
    let held = vec![rules[0].clone(), rule(FraudRuleKind::DuplicateOrder, FraudRuleMode::On), rules[2].clone()];
    // One shop has the rules from the beginning, the other one tries them on its past.
    let mut told = [Shop::open(&server, "with").await, Shop::open(&server, "without").await];
    set_rules(&mut told[0], held.clone()).await;
    let mut flagged: [Vec<(usize, bool)>; 2] = Default::default();
    let mut numbers = BTreeMap::new();
    for (number, request) in history().into_iter().enumerate() {
        for shop in &mut told {
            let answer = shop.client.tracking.record_sale(request.clone()).await.unwrap().into_inner();
            numbers.insert(answer.conversion_id, number);
        }
    }
    let request = pb::ListConversionsRequest { page_size: 200, ..Default::default() };
    let sales = told[0].client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
    for sale in sales.iter().filter(|sale| !sale.suspicions.is_empty()) {
        let is_held = sale.rewards.iter().all(|reward| reward.state() == pb::RewardState::Held);
        flagged[0].push((numbers[&sale.id], is_held));
    }
    flagged[0].sort_unstable();
    let (events, summary) = replay(&mut told[1].client, rules.clone()).await;
    flagged[1] = events.iter().map(|(id, is_held)| (numbers[id], *is_held)).collect();
    assert_eq!(flagged[0], flagged[1]);
    let counts = summary.rule_counts.iter().map(|count| count.flagged_credit_count).collect::<Vec<_>>();
    assert_eq!(counts, [10, 6, 10], "10 by Ann, 6 with an order of before, and all after the 20th");
    assert_eq!((summary.judged_conversion_count, summary.judged_credit_count), (30, 30));
    let held_count = flagged[1].iter().filter(|(_, is_held)| *is_held).count();
    assert_eq!(summary.held_credit_count, i64::try_from(held_count).unwrap());
    // A reward of 20 % of 10 dollars each.
    let held_minor: Vec<_> = summary.held_amounts.iter().map(|amount| amount.amount_minor).collect();
    assert_eq!(held_minor, [200 * summary.held_credit_count]);
    // The replay has written nothing.
    let pending = BTreeMap::from([("REWARD_STATE_PENDING".to_owned(), 30)]);
    assert_eq!(states(&mut told[1].client).await, pending);
    // What was held finds the same again, and a rule that is off flags nothing.
    assert_eq!(replay(&mut told[0].client, held).await.1.flagged_credit_count, summary.flagged_credit_count);
    let off = vec![rule(FraudRuleKind::SelfReferral, FraudRuleMode::Off)];
    assert_eq!(replay(&mut told[1].client, off).await.1.flagged_credit_count, 0);
    let nothing = pb::ReplayFraudRulesRequest::default();
    let status = told[1].client.rewards.replay_fraud_rules(nothing).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
});

db_test!(p33_rules_that_do_not_fit_are_named_by_rule_and_field, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let on = |kind| rule(kind, FraudRuleMode::On);
    let fraud_rules = vec![
        pb::FraudRule::default(),
        pb::FraudRule { minimum_seconds: 1, ..rule(FraudRuleKind::SelfReferral, FraudRuleMode::Refuse) },
        pb::FraudRule { minimum_seconds: 86_401, maximum_sales: 1, ..on(FraudRuleKind::QuickSale) },
        pb::FraudRule { maximum_sales: 101, country_codes: vec!["US".to_owned()], ..on(FraudRuleKind::Velocity) },
        pb::FraudRule { country_codes: vec!["usa".to_owned()], ..on(FraudRuleKind::BannedCountry) },
        pb::FraudRule { referrers: vec!["a b".to_owned()], ..on(FraudRuleKind::BannedReferrer) },
        on(FraudRuleKind::BannedReferrer),
    ];
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), fraud_rules, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["fraud_rules".to_owned()] }),
        ..Default::default()
    };
    let status = shop.client.affiliates.update_program(request).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<&str> = violations.iter().filter_map(|one| one.field.strip_prefix("program.fraud_rules")).collect();
    let expected = [
        "[0].kind",
        "[0].mode",
        "[1].mode",
        "[1].minimum_seconds",
        "[2].minimum_seconds",
        "[2].maximum_sales",
        "[3].period_minutes",
        "[3].maximum_sales",
        "[3].country_codes",
        "[4].country_codes[0]",
        "[5].referrers[0]",
        "[6].kind",
        "[6].referrers",
    ];
    let sorted = |mut fields: Vec<&str>| {
        fields.sort_unstable();
        fields.join(" ")
    };
    assert_eq!(sorted(fields), sorted(expected.to_vec()));
});

db_test!(p33_evidence_is_shown_where_a_person_decides_and_names_nobody, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let program = set_rules(&mut shop, vec![rule(FraudRuleKind::SelfReferral, FraudRuleMode::On)]).await;
    assert_eq!(program.fraud_rules, [rule(FraudRuleKind::SelfReferral, FraudRuleMode::On)]);
    let request = pb::RecordSaleRequest { email: "ann+shop@affiliates.example".to_owned(), ..sale(1) };
    let answer = shop.client.tracking.record_sale(request).await.unwrap().into_inner();
    let reward_id = answer.rewards[0].reward_id.clone();
    let request = pb::GetRewardRequest { reward_id: reward_id.clone(), ..Default::default() };
    let reward = shop.client.rewards.get_reward(request).await.unwrap().into_inner().reward.unwrap();
    let kinds: Vec<_> = reward.suspicion.iter().map(pb::FraudFlag::kind).collect();
    assert_eq!((reward.state(), kinds), (pb::RewardState::Held, vec![FraudRuleKind::SelfReferral]));
    let explain = |id: &str| pb::ExplainConversionRequest {
        conversion: Some(pb::ConversionSelector {
            selector: Some(pb::conversion_selector::Selector::Id(id.to_owned())),
        }),
    };
    let told = shop.client.tracking.explain_conversion(explain(&answer.conversion_id)).await.unwrap().into_inner();
    let evidence = format!(
        "The fraud rule self_referral held the reward {reward_id}, because the customer has an email address of the affiliate."
    );
    assert!(told.sentences.contains(&evidence), "{:#?}", told.sentences);
    assert!(told.actions().any(|action| action == pb::ExplanationAction::ReleaseRewards));

    let released = pb::ReleaseRewardsRequest {
        reward_ids: vec![reward_id.clone()],
        reason: "Ann buys for a customer".to_owned(),
        ..Default::default()
    };
    let nameless = pb::ReleaseRewardsRequest { reason: String::new(), ..released.clone() };
    let status = shop.client.rewards.release_rewards(nameless).await.unwrap_err();
    assert!(status.message().contains("self_referral"), "{status:?}");
    let rewards = shop.client.rewards.release_rewards(released).await.unwrap().into_inner().rewards;
    assert_eq!(rewards[0].release_reason, "Ann buys for a customer");
    assert_eq!(rewards[0].suspicion.len(), 1, "the evidence stays");

    // Neither the evidence in the feed nor the reason of a person has personal data.
    let events = all_events(&mut shop.client).await;
    let texts: Vec<_> = events.iter().map(|event| format!("{event:?}")).collect();
    assert!(texts.iter().any(|text| text.contains("FraudFlag")));
    assert!(texts.iter().all(|text| !text.contains("ann+shop") && !text.contains("Ann buys") && !text.contains("a…@")));
    verify(&mut shop.client).await;
});
