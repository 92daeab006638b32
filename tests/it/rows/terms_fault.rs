//! Faults of terms: each answer names the rule by its place, the field, and a fix. Generous terms are warned of.

use headwater_client::pb;
use pb::reward_value::Amount;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn percent(percent_ppm: i32) -> pb::Commission {
    pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) }
}

fn flat(money: pb::Money) -> pb::Commission {
    pb::Commission { rate: Some(pb::commission::Rate::Flat(money)) }
}

fn rule(name: &str) -> pb::CommissionRule {
    pb::CommissionRule { name: name.to_owned(), commission: Some(percent(1)), ..Default::default() }
}

fn rules(second: pb::CommissionRule) -> pb::Terms {
    pb::Terms { rules: vec![rule("first"), second], ..Default::default() }
}

fn condition(comparison: pb::Comparison, values: &[&str]) -> pb::Terms {
    let condition = pb::Condition {
        field: pb::ConditionField::Amount.into(),
        comparison: comparison.into(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        ..Default::default()
    };
    rules(pb::CommissionRule { condition: Some(condition), ..rule("second") })
}

fn cap(scope: pb::CapScope, period: pb::Period, maximum: pb::Money) -> pb::Terms {
    let first = pb::Cap { scope: pb::CapScope::Program.into(), maximum: Some(usd(1)), ..Default::default() };
    let second = pb::Cap { scope: scope.into(), period: period.into(), maximum: Some(maximum) };
    pb::Terms { caps: vec![first, second], ..Default::default() }
}

fn ladder(mode: pb::LadderMode, steps: Vec<pb::LadderStep>) -> pb::Terms {
    let ladder = pb::Ladder { mode: mode.into(), period: pb::Period::Month.into(), steps };
    pb::Terms { ladder: Some(ladder), ..Default::default() }
}

fn step(minimum: i64, commission: pb::Commission) -> pb::LadderStep {
    pb::LadderStep { min_amount: Some(usd(minimum)), commission: Some(commission), ..Default::default() }
}

fn bonus(min_sale_count: i64, min_amount: Option<pb::Money>, cash: pb::Money) -> pb::ThresholdBonus {
    let bonus = Some(pb::RewardValue { amount: Some(Amount::Cash(cash)) });
    pb::ThresholdBonus { name: "many".to_owned(), min_sale_count, min_amount, bonus, ..Default::default() }
}

fn bonuses(second: pb::ThresholdBonus) -> pb::Terms {
    let first = pb::ThresholdBonus { name: "first".to_owned(), ..bonus(1, None, usd(1)) };
    pb::Terms { threshold_bonuses: vec![first, second], ..Default::default() }
}

fn request(terms: pb::Terms) -> pb::CreateProgramRequest {
    pb::CreateProgramRequest {
        display_name: "Terms".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission: terms.commission.or(Some(percent(200_000))), ..terms }),
        validate_only: true,
        ..Default::default()
    }
}

/// Terms with one fault each: the field that is named, and a part of the fix.
fn faults() -> Vec<(pb::Terms, &'static str, &'static str)> {
    use pb::{CapScope, CommissionEvent, Comparison, LadderMode, Period};
    let yen = || pb::Money { amount_minor: 5, currency_code: "JPY".to_owned() };
    let of_kind = |event: CommissionEvent| pb::CommissionRule { event_kind: event.into(), ..rule("second") };
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let steps = |second| vec![step(100, percent(1)), second];
    let points = Some(pb::RewardValue { amount: Some(Amount::Points(5)) });
    let promise = pb::CustomerRewardPromise {
        event_kind: pb::CustomerRewardEvent::SignUp.into(),
        value: Some(pb::RewardValue { amount: Some(Amount::Cash(usd(5))) }),
    };
    let level = pb::UplineLevel { basis: pb::UplineBasis::Commission.into(), percent_ppm: i32::MAX };
    vec![
        (
            pb::Terms { commission: Some(percent(1_000_001)), ..Default::default() },
            "commission.percent_ppm",
            "must be 0 to",
        ),
        // The sum of these parts is larger than any number that is stored.
        (
            pb::Terms { commission: Some(percent(i32::MAX)), upline_levels: vec![level; 3], ..Default::default() },
            "upline_levels[2].percent_ppm",
            "must be 0 to",
        ),
        (pb::Terms { commission: Some(flat(yen())), ..Default::default() }, "commission.flat.currency_code", "must be"),
        (rules(rule("first")), "rules[1].name", "give each rule a name of its own"),
        (rules(rule("")), "rules[1].name", "is required"),
        (rules(pb::CommissionRule { commission: None, ..rule("second") }), "rules[1].commission", "is required"),
        (
            rules(pb::CommissionRule { commission: Some(flat(yen())), ..rule("second") }),
            "rules[1].commission.flat.currency_code",
            "must be",
        ),
        (
            rules(pb::CommissionRule { start_time: time(10), end_time: time(10), ..rule("second") }),
            "rules[1].end_time",
            "must be later",
        ),
        (
            rules(pb::CommissionRule { custom_kinds: vec!["demo".to_owned()], ..rule("second") }),
            "rules[1].custom_kinds",
            "leave it out",
        ),
        (
            rules(pb::CommissionRule {
                custom_kinds: vec!["demo".to_owned()],
                ..of_kind(CommissionEvent::CustomEvent)
            }),
            "rules[1].custom_kinds[0]",
            "must be one of the terms' custom_kinds",
        ),
        (
            rules(pb::CommissionRule { coupon_codes: vec!["A1".to_owned()], ..of_kind(CommissionEvent::Click) }),
            "rules[1].coupon_codes",
            "leave it out",
        ),
        (rules(of_kind(CommissionEvent::Click)), "rules[1].commission.percent_ppm", "set flat instead"),
        (
            rules(pb::CommissionRule { is_per_unit: true, ..rule("second") }),
            "rules[1].is_per_unit",
            "is only for a flat commission",
        ),
        (
            rules(pb::CommissionRule { first_sale_bonus: Some(usd(0)), ..rule("second") }),
            "rules[1].first_sale_bonus.amount_minor",
            "must be more than zero",
        ),
        (
            rules(pb::CommissionRule { max_customer_sales: -1, ..rule("second") }),
            "rules[1].max_customer_sales",
            "must be",
        ),
        (condition(Comparison::StartsWith, &["1"]), "rules[1].condition.comparison", "must be one of"),
        (condition(Comparison::Between, &["1"]), "rules[1].condition.values", "takes"),
        (condition(Comparison::Between, &["2", "1"]), "rules[1].condition.values[1]", "must not be less"),
        (condition(Comparison::Equal, &["many"]), "rules[1].condition.values[0]", "must be a whole number"),
        (
            rules(pb::CommissionRule { condition: Some(pb::Condition::default()), ..rule("second") }),
            "rules[1].condition",
            "must have exactly one of",
        ),
        (cap(CapScope::Unspecified, Period::Month, usd(1)), "caps[1].scope", "is required: one of"),
        (cap(CapScope::SingleEvent, Period::Month, usd(1)), "caps[1].period", "leave it out"),
        (cap(CapScope::Affiliate, Period::Month, usd(0)), "caps[1].maximum.amount_minor", "must be more than zero"),
        (cap(CapScope::Affiliate, Period::Month, yen()), "caps[1].maximum.currency_code", "must be"),
        (cap(CapScope::Program, Period::AllTime, usd(5)), "caps[1]", "keep the one with the lower maximum"),
        (ladder(LadderMode::Unspecified, steps(step(200, percent(2)))), "ladder.mode", "is required: one of"),
        (ladder(LadderMode::LevelUp, Vec::new()), "ladder.steps", "1 to 99"),
        (ladder(LadderMode::LevelUp, steps(step(100, percent(2)))), "ladder.steps[1].min_amount", "must be more than"),
        (ladder(LadderMode::Marginal, steps(step(200, flat(usd(1))))), "ladder.steps[1].commission", "percent"),
        (
            ladder(
                LadderMode::LevelUp,
                steps(pb::LadderStep { min_amount: None, min_sale_count: 5, commission: Some(percent(2)) }),
            ),
            "ladder.steps[1].min_sale_count",
            "all have min_amount",
        ),
        (
            pb::Terms {
                caps: cap(CapScope::Affiliate, Period::Month, usd(1)).caps,
                ..ladder(LadderMode::Retroactive, steps(step(200, percent(2))))
            },
            "ladder.mode",
            "caps",
        ),
        (bonuses(bonus(0, None, usd(1))), "threshold_bonuses[1].min_sale_count", "must be 1 to"),
        (bonuses(bonus(1, Some(usd(1)), usd(1))), "threshold_bonuses[1].min_amount", "has one of the two"),
        (
            bonuses(bonus(0, Some(usd(0)), usd(1))),
            "threshold_bonuses[1].min_amount.amount_minor",
            "must be more than zero",
        ),
        (bonuses(bonus(0, Some(yen()), usd(1))), "threshold_bonuses[1].min_amount.currency_code", "must be"),
        (bonuses(bonus(1, None, yen())), "threshold_bonuses[1].bonus.cash.currency_code", "must be"),
        (
            bonuses(pb::ThresholdBonus { bonus: points, ..bonus(1, None, usd(1)) }),
            "threshold_bonuses[1].bonus",
            "must be cash",
        ),
        (
            bonuses(pb::ThresholdBonus { name: "first".to_owned(), ..bonus(1, None, usd(1)) }),
            "threshold_bonuses[1].name",
            "each name occurs once",
        ),
        (
            pb::Terms { customer_reward: Some(promise), ..Default::default() },
            "customer_reward.value.cash",
            "use discount_money",
        ),
        (
            pb::Terms {
                upline_levels: vec![pb::UplineLevel { percent_ppm: 1_000_001, ..Default::default() }],
                ..Default::default()
            },
            "upline_levels[0].percent_ppm",
            "must be 0 to",
        ),
        (pb::Terms { custom_kinds: vec![String::new()], ..Default::default() }, "custom_kinds[0]", "is required"),
        (pb::Terms { precedence: vec![1], ..Default::default() }, "precedence", "once, or nothing"),
        (pb::Terms { hold_period_days: Some(-1), ..Default::default() }, "hold_period_days", "must be 0 to"),
        (
            pb::Terms { attribution_window_days: Some(0), ..Default::default() },
            "attribution_window_days",
            "must be 1 to",
        ),
    ]
}

/// The fields that an answer names, with their explanations.
async fn violations(client: &mut Client, terms: pb::Terms) -> Vec<(String, String)> {
    let Err(status) = client.affiliates.create_program(request(terms.clone())).await else {
        panic!("these terms are taken: {terms:?}")
    };
    let details = status.get_details_bad_request().unwrap_or_else(|| panic!("{status:?}"));
    details.field_violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

db_test!(every_fault_of_terms_names_its_rule_its_field_and_a_fix, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut wrong = Vec::new();
    for (terms, field, fix) in faults() {
        let found = violations(&mut client, terms).await;
        let is_named = |(path, text): &(String, String)| *path == format!("terms.{field}") && text.contains(fix);
        if !found.iter().any(is_named) {
            wrong.push(format!("{field} ({fix}): {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});

db_test!(terms_that_can_pay_more_than_they_take_in_are_warned_of, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let levels = |percent_ppm| vec![pb::UplineLevel { basis: pb::UplineBasis::SaleAmount.into(), percent_ppm }];
    let discount = |ppm| pb::CustomerRewardPromise {
        event_kind: pb::CustomerRewardEvent::FirstSale.into(),
        value: Some(pb::RewardValue { amount: Some(Amount::DiscountPercentPpm(ppm)) }),
    };
    let top = |ppm| ladder(pb::LadderMode::LevelUp, vec![step(100, percent(300_000)), step(200, percent(ppm))]);
    let bonus_of = |minor| vec![bonus(0, Some(usd(10_000)), usd(minor))];
    // The commission is 20 %. Exactly the whole amount is no mistake.
    let cases = [
        (pb::Terms { upline_levels: levels(800_000), ..Default::default() }, None),
        (pb::Terms { upline_levels: levels(800_001), ..Default::default() }, Some("upline_levels")),
        // The top step of a ladder counts, and not the first one.
        (pb::Terms { upline_levels: levels(100_000), ..top(900_000) }, None),
        (pb::Terms { upline_levels: levels(100_000), ..top(900_001) }, Some("upline_levels")),
        (pb::Terms { threshold_bonuses: bonus_of(8_000), ..Default::default() }, None),
        (pb::Terms { threshold_bonuses: bonus_of(8_001), ..Default::default() }, Some("threshold_bonuses")),
        (pb::Terms { customer_reward: Some(discount(800_000)), ..Default::default() }, None),
        (pb::Terms { customer_reward: Some(discount(800_001)), ..Default::default() }, Some("customer_reward")),
        (
            pb::Terms {
                upline_levels: levels(300_000),
                threshold_bonuses: bonus_of(3_000),
                customer_reward: Some(discount(200_001)),
                ..Default::default()
            },
            Some("customer_reward"),
        ),
    ];
    for (terms, expected) in cases {
        let answer = client.affiliates.create_program(request(terms.clone())).await.unwrap().into_inner();
        let fields: Vec<_> = answer.warnings.iter().map(|warning| warning.field.as_str()).collect();
        let expected: Vec<_> = expected.map(|field| format!("terms.{field}")).into_iter().collect();
        assert_eq!(fields, expected, "{terms:?}: {:?}", answer.warnings);
    }
});
