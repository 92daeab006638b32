//! Tests of the choice among rules, without a set.

use std::collections::BTreeMap;

use super::*;
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::money::{Currency, Rounding};
use crate::domain::program::{AttributionModel, TermsDraft, TermsReach};
use crate::domain::time::Time;

fn usd() -> Currency {
    "USD".parse().unwrap()
}

fn rule(name: &str, ppm: i32) -> CommissionRule {
    CommissionRule {
        name: name.into(),
        event_kind: CommissionEvent::Sale,
        custom_kinds: Vec::new(),
        coupon_codes: Vec::new(),
        item_skus: Vec::new(),
        plans: Vec::new(),
        condition: None,
        starts_at: None,
        ends_at: None,
        commission: Commission::PercentPpm(ppm),
        is_per_unit: false,
        max_customer_sales: None,
        max_customer_months: None,
        first_sale_bonus: None,
    }
}

fn terms(commission_rules: Vec<CommissionRule>) -> Terms {
    use crate::domain::attribution::AttributionSource::{Click, Coupon, LeadBinding};
    Terms {
        ends_at: None,
        scheduled_at: None,
        withdrawn_at: None,
        yields_to: Vec::new(),
        account_id: AccountId::SERVER,
        program_id: ProgramId::from_uuid(uuid::Uuid::from_u128(1)),
        version: 3,
        starts_at: Time::from_micros(0),
        rules: TermsDraft {
            reach: TermsReach::NewSales,
            commission: Commission::PercentPpm(100_000),
            hold_period_days: 30,
            attribution_model: AttributionModel::LastClick,
            attribution_window_days: 60,
            new_customers_only: false,
            precedence: [LeadBinding, Coupon, Click],
            rounding: Rounding::HalfEven,
            custom_kinds: Vec::new(),
            commission_rules,
            upline_levels: Vec::new(),
            caps: Vec::new(),
            ladder: None,
            customer_reward: None,
            enrollment_bonus: None,
            threshold_bonuses: Vec::new(),
            sales_tallies: Vec::new(),
        },
    }
}

static NO_TEXTS: BTreeMap<String, String> = BTreeMap::new();

/// The facts of a sale whose texts are all this one.
fn facts(text: &str) -> Facts<'_> {
    Facts {
        event_kind: CommissionEvent::Sale,
        amount: Some(Money::new(10_000, usd())),
        line_amount: None,
        quantity: 3,
        channel: "online",
        coupon_code: text,
        item_sku: text,
        plan: text,
        collections: &[],
        custom_kind: "",
        order_id: text,
        metadata: &NO_TEXTS,
        country_code: "",
        noted: None,
        occurred_at: Time::from_micros(1_000),
        customer_sale: None,
        program_currency: usd(),
    }
}

fn value(terms: &Terms, facts: &Facts<'_>, own: Option<Commission>) -> Option<i64> {
    let own = OwnRates { enrollment: own, coupon: None };
    price(terms, facts, own, 1_000_000).unwrap().map(|priced| priced.value.amount_minor)
}

#[test]
fn the_steps_of_the_table_take_precedence_in_their_order() {
    let texts = || vec!["X".to_owned()];
    let rules = [
        rule("any", 110_000),
        CommissionRule { plans: texts(), ..rule("plan", 120_000) },
        CommissionRule { item_skus: texts(), ..rule("item", 130_000) },
        CommissionRule { coupon_codes: texts(), ..rule("coupon", 140_000) },
    ];
    // Of any two, in both orders of the list, the later one of these wins.
    for (place, weaker) in rules.iter().enumerate() {
        for (step, stronger) in rules.iter().enumerate().skip(place + 1) {
            let expected = Some(1_100 + 100 * i64::try_from(step).unwrap());
            for list in [vec![weaker.clone(), stronger.clone()], vec![stronger.clone(), weaker.clone()]] {
                assert_eq!(value(&terms(list), &facts("X"), None), expected);
            }
        }
        let own = Some(Commission::PercentPpm(150_000));
        assert_eq!(value(&terms(vec![weaker.clone()]), &facts("X"), own), Some(1_500));
    }
    assert_eq!(value(&terms(Vec::new()), &facts("X"), None), Some(1_000));
}

#[test]
fn other_events_earn_by_rules_only() {
    let lead = Facts { event_kind: CommissionEvent::Lead, amount: None, ..facts("") };
    let own = Some(Commission::PercentPpm(150_000));
    assert_eq!(value(&terms(vec![rule("sale", 110_000)]), &lead, own), None);
    let flat = Commission::Flat(Money::new(200, usd()));
    let rules = vec![CommissionRule { event_kind: CommissionEvent::Lead, commission: flat, ..rule("lead", 0) }];
    let priced = price(&terms(rules), &lead, OwnRates { enrollment: own, coupon: None }, 500_000).unwrap().unwrap();
    assert_eq!((priced.value.amount_minor, priced.calculation.base_amount), (100, Money::new(0, usd())));
    let custom = Facts { event_kind: CommissionEvent::CustomEvent, amount: None, ..facts("") };
    let rules = vec![CommissionRule { event_kind: CommissionEvent::CustomEvent, ..rule("custom", 500_000) }];
    assert_eq!(value(&terms(rules), &custom, None), None);
}

#[test]
fn an_amount_per_unit_that_does_not_fit_is_an_overflow() {
    let per_unit = |amount_minor| CommissionRule {
        commission: Commission::Flat(Money::new(amount_minor, usd())),
        is_per_unit: true,
        ..rule("unit", 0)
    };
    assert_eq!(value(&terms(vec![per_unit(5)]), &facts(""), None), Some(15));
    assert_eq!(price(&terms(vec![per_unit(i64::MAX)]), &facts(""), OwnRates::default(), 1_000_000), Err(Overflow));
}

#[test]
fn the_table_of_comparisons_is_closed() {
    use Comparison as Is;
    let numbers = [Is::Less, Is::LessOrEqual, Is::More, Is::MoreOrEqual, Is::Between, Is::MultipleOf];
    let texts = [Is::StartsWith, Is::Contains];
    let optional = [Is::Exists, Is::NotExists];
    let times = [Is::Before, Is::After];
    for comparison in Comparison::ALL.iter().copied() {
        let is_of_times = times.contains(&comparison);
        let is_for_all = !numbers.contains(&comparison) && !texts.contains(&comparison) && !is_of_times;
        assert_eq!(comparison.fits(ValueType::Number), is_for_all || numbers.contains(&comparison));
        assert_eq!(comparison.fits(ValueType::Text), is_for_all || texts.contains(&comparison));
        assert_eq!(comparison.fits(ValueType::OneOfSet), is_for_all && !optional.contains(&comparison));
        assert_eq!(comparison.fits(ValueType::Code), is_for_all);
        assert_eq!(comparison.fits(ValueType::Time), is_of_times || comparison == Is::Between);
        assert!(comparison.fits(ValueType::Any));
    }
}
