//! Tests of rules as messages: what is refused, with which path and fix, and that a rule is returned as it was sent.

use super::*;
use crate::domain::pricing::{Compare, ConditionField, ValueType};
use crate::rpc::call::wire_enum::WireEnum;
use pb::{CommissionEvent as Event, Comparison as Is, ConditionField as Of};

/// The violations of one rule among terms that declare the kind `demo`.
fn faults(rules: &[pb::CommissionRule]) -> Vec<String> {
    let mut fields = Fields::default();
    fields.within("terms", |fields| read(fields, rules, &["demo".to_owned()]));
    match fields.finish() {
        Ok(()) => Vec::new(),
        Err(crate::error::Error::InvalidFields(violations)) => {
            violations.into_iter().map(|one| format!("{}: {}", one.field, one.description)).collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn percent(ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(ppm)) })
}

fn flat(amount_minor: i64) -> Option<pb::Commission> {
    let flat = pb::Money { amount_minor, currency_code: "USD".to_owned() };
    Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(flat)) })
}

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

fn rule() -> pb::CommissionRule {
    pb::CommissionRule { name: "a".to_owned(), commission: percent(1), ..Default::default() }
}

fn for_event(event: Event) -> pb::CommissionRule {
    pb::CommissionRule { event_kind: event.into(), commission: flat(1), ..rule() }
}

fn compare(field: Of, comparison: Is, values: &[&str]) -> pb::Condition {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    pb::Condition { field: field.into(), comparison: comparison.into(), values, ..Default::default() }
}

fn all_of(conditions: Vec<pb::Condition>) -> pb::Condition {
    pb::Condition { all_of: conditions, ..Default::default() }
}

fn any_of(conditions: Vec<pb::Condition>) -> pb::Condition {
    pb::Condition { any_of: conditions, ..Default::default() }
}

fn on(condition: pb::Condition) -> pb::CommissionRule {
    pb::CommissionRule { condition: Some(condition), ..rule() }
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[test]
fn wrong_rules_are_refused_with_the_path_and_the_fix() {
    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let good = || compare(Of::Quantity, Is::More, &["1"]);
    let cases = [
        (pb::CommissionRule { name: " ".to_owned(), ..rule() }, "name: is required"),
        (pb::CommissionRule { name: "x".repeat(101), ..rule() }, "name: has 101 characters; at most 100 are taken"),
        (
            pb::CommissionRule { event_kind: 9, ..rule() },
            "event_kind: must be one of COMMISSION_EVENT_SALE, COMMISSION_EVENT_LEAD, COMMISSION_EVENT_APPOINTMENT, COMMISSION_EVENT_CUSTOM_EVENT",
        ),
        (pb::CommissionRule { max_customer_sales: -1, ..rule() }, "max_customer_sales: must be 0 to 1000000"),
        (pb::CommissionRule { max_customer_months: 601, ..rule() }, "max_customer_months: must be 0 to 600"),
        (
            pb::CommissionRule { max_customer_sales: 1, ..for_event(Event::Lead) },
            "max_customer_sales: is only for rules with event_kind COMMISSION_EVENT_SALE; leave it out",
        ),
        (
            pb::CommissionRule { max_customer_months: 1, ..for_event(Event::CustomEvent) },
            "max_customer_months: is only for rules with event_kind COMMISSION_EVENT_SALE; leave it out",
        ),
        (
            pb::CommissionRule { first_sale_bonus: usd(1), ..for_event(Event::Appointment) },
            "first_sale_bonus: is only for rules with event_kind COMMISSION_EVENT_SALE; leave it out",
        ),
        (
            pb::CommissionRule { first_sale_bonus: usd(0), ..rule() },
            "first_sale_bonus.amount_minor: must be more than zero; leave first_sale_bonus out for no bonus",
        ),
        (pb::CommissionRule { commission: None, ..rule() }, "commission: is required"),
        (
            pb::CommissionRule { commission: percent(1_000_001), ..rule() },
            "commission.percent_ppm: must be 0 to 1000000, in parts per million: 20 % is 200000",
        ),
        (
            pb::CommissionRule { commission: percent(1), ..for_event(Event::Lead) },
            "commission.percent_ppm: COMMISSION_EVENT_LEAD has no amount to take a part of; set flat instead",
        ),
        (
            pb::CommissionRule { commission: percent(1), ..for_event(Event::Appointment) },
            "commission.percent_ppm: COMMISSION_EVENT_APPOINTMENT has no amount to take a part of; set flat instead",
        ),
        (
            pb::CommissionRule { is_per_unit: true, ..rule() },
            "is_per_unit: is only for a flat commission: the amount of a sale is that of all its units",
        ),
        (
            pb::CommissionRule { is_per_unit: true, ..for_event(Event::CustomEvent) },
            "is_per_unit: is only for rules with event_kind COMMISSION_EVENT_SALE, which have a quantity",
        ),
        (
            pb::CommissionRule { is_per_unit: true, commission: flat(1_000_000_001), ..rule() },
            "commission.flat.amount_minor: must be at most 1000000000 for a commission per unit",
        ),
        (
            pb::CommissionRule { start_time: time(5), end_time: time(5), ..rule() },
            "end_time: must be later than start_time: it is the first moment after the rule",
        ),
        (
            pb::CommissionRule { custom_kinds: texts(&["demo"]), ..rule() },
            "custom_kinds: is only for rules with event_kind COMMISSION_EVENT_CUSTOM_EVENT; leave it out",
        ),
        (
            pb::CommissionRule { custom_kinds: texts(&["Demo", "other"]), ..for_event(Event::CustomEvent) },
            "custom_kinds[1]: must be one of the terms' custom_kinds",
        ),
        (
            pb::CommissionRule { item_skus: texts(&["MUG"]), ..for_event(Event::Lead) },
            "item_skus: is only for rules with event_kind COMMISSION_EVENT_SALE; leave it out",
        ),
        (
            pb::CommissionRule { plans: texts(&["pro"]), ..for_event(Event::Appointment) },
            "plans: is only for rules with event_kind COMMISSION_EVENT_SALE; leave it out",
        ),
        (pb::CommissionRule { coupon_codes: texts(&["ANN", ""]), ..rule() }, "coupon_codes[1]: is required"),
        (
            pb::CommissionRule { coupon_codes: texts(&["x"]), ..rule() },
            "coupon_codes[0]: must have 2 to 64 characters, and has 1",
        ),
        (pb::CommissionRule { item_skus: texts(&[""]), ..rule() }, "item_skus[0]: is required"),
        (
            pb::CommissionRule { plans: vec!["pro".to_owned(); 101], ..rule() },
            "plans: has 101 values; at most 100 are taken",
        ),
        (on(pb::Condition::default()), "condition: must have exactly one of all_of, any_of and field"),
        (
            on(pb::Condition { all_of: vec![good()], ..good() }),
            "condition: must have exactly one of all_of, any_of and field",
        ),
        (
            on(pb::Condition { all_of: vec![good()], any_of: vec![good()], ..Default::default() }),
            "condition: must have exactly one of all_of, any_of and field",
        ),
        (
            on(all_of(vec![good(), any_of(vec![all_of(vec![any_of(vec![good()])])])])),
            "condition.all_of[1].any_of[0].all_of[0]: is a list inside 3 others; at most 3 lists may be nested",
        ),
        (on(all_of(vec![good(); 51])), "condition: has 51 comparisons; at most 50 are taken"),
        (
            on(all_of(vec![compare(Of::Amount, Is::StartsWith, &["1"])])),
            "condition.all_of[0].comparison: must be one of COMPARISON_EQUAL,",
        ),
        (
            on(any_of(vec![good(), compare(Of::Plan, Is::Less, &["1"])])),
            "condition.any_of[1].comparison: must be one of COMPARISON_EQUAL, COMPARISON_NOT_EQUAL, COMPARISON_ONE_OF,",
        ),
        (
            on(compare(Of::Channel, Is::Exists, &[])),
            "condition.comparison: must be one of COMPARISON_EQUAL, COMPARISON_NOT_EQUAL, COMPARISON_ONE_OF, COMPARISON_NONE_OF for CONDITION_FIELD_CHANNEL",
        ),
        (
            on(compare(Of::CustomKind, Is::Equal, &["demo"])),
            "condition.field: CONDITION_FIELD_CUSTOM_KIND is no fact of events with event_kind COMMISSION_EVENT_SALE; compare another field",
        ),
        (
            pb::CommissionRule {
                condition: Some(all_of(vec![compare(Of::Amount, Is::More, &["1"])])),
                ..for_event(Event::Lead)
            },
            "condition.all_of[0].field: CONDITION_FIELD_AMOUNT is no fact of events with event_kind COMMISSION_EVENT_LEAD; compare another field",
        ),
        (on(compare(Of::Plan, Is::Equal, &[])), "condition.values: has 0 values; COMPARISON_EQUAL takes 1"),
        (on(compare(Of::Amount, Is::Between, &["1"])), "condition.values: has 1 values; COMPARISON_BETWEEN takes 2"),
        (on(compare(Of::Plan, Is::Exists, &["x"])), "condition.values: has 1 values; COMPARISON_EXISTS takes 0"),
        (on(compare(Of::Plan, Is::OneOf, &[])), "condition.values: has 0 values; COMPARISON_ONE_OF takes 1 to 100"),
        (on(compare(Of::Amount, Is::Between, &["2", "1"])), "condition.values[1]: must not be less than values[0]"),
        (
            on(compare(Of::Amount, Is::OneOf, &["1", "10.00"])),
            "condition.values[1]: must be a whole number of 0 to 1000000000000000, without a unit",
        ),
        (
            on(compare(Of::Quantity, Is::MultipleOf, &["0"])),
            "condition.values[0]: must be a whole number of 1 to 1000000000000000, without a unit",
        ),
        (
            on(compare(Of::Channel, Is::Equal, &["online"])),
            "condition.values[0]: must be one of SALE_CHANNEL_ONLINE, SALE_CHANNEL_POINT_OF_SALE",
        ),
        (on(compare(Of::CouponCode, Is::Contains, &[" "])), "condition.values[0]: is required"),
        (on(compare(Of::OrderId, Is::StartsWith, &[""])), "condition.values[0]: is required"),
        (on(compare(Of::EventMetadata, Is::Equal, &["gold"])), "condition.key: is required"),
        (
            on(pb::Condition { key: "a ".to_owned(), ..compare(Of::LeadMetadata, Is::Exists, &[]) }),
            "condition.key: has the key `a `; send keys of 1 to 40 characters, without blanks around them",
        ),
        (
            on(pb::Condition { key: "a".to_owned(), ..good() }),
            "condition.key: is only for texts by key, which CONDITION_FIELD_QUANTITY is not; leave it out",
        ),
        (
            on(pb::Condition { key: "a".to_owned(), ..compare(Of::EventMetadata, Is::Less, &["ten"]) }),
            "condition.values[0]: must be a whole number of 0 to 1000000000000000, without a unit",
        ),
        (
            on(pb::Condition { key: "a".to_owned(), ..compare(Of::EventMetadata, Is::After, &["2026-11-28"]) }),
            "condition.values[0]: must be a time since 1970 in RFC 3339, such as 2026-11-28T00:00:00Z",
        ),
        (
            on(compare(Of::OccurTime, Is::Between, &["2026-11-28T00:00:00Z", "2026-11-27T00:00:00Z"])),
            "condition.values[1]: must not be less than values[0]",
        ),
        (
            on(compare(Of::OccurTime, Is::Equal, &["2026-11-28T00:00:00Z"])),
            "condition.comparison: must be one of COMPARISON_BETWEEN, COMPARISON_BEFORE, COMPARISON_AFTER for CONDITION_FIELD_OCCUR_TIME",
        ),
        (
            on(compare(Of::AffiliateCountry, Is::OneOf, &["US", "UK"])),
            "condition.values[1]: must be an ISO 3166-1 code of two letters, such as US",
        ),
        (on(compare(Of::CustomerCountry, Is::Equal, &[" "])), "condition.values[0]: is required"),
        (on(compare(Of::AffiliateGroup, Is::Equal, &["gold"])), "condition.values[0]: "),
    ];
    for (wrong, expected) in cases {
        // The third of three rules, so that the path has its place.
        let others = ["first", "second"].map(|name| pb::CommissionRule { name: name.to_owned(), ..rule() });
        let found = faults(&[&others[..], &[wrong]].concat());
        let expected = format!("terms.rules[2].{expected}");
        assert!(found.len() <= 2 && found[0].starts_with(&expected), "expected {expected}, found {found:?}");
    }
}

#[test]
fn the_list_of_rules_is_bounded_and_its_names_differ() {
    assert_eq!(
        faults(&[rule(), rule()]),
        ["terms.rules[1].name: is the name of another rule; give each rule a name of its own"]
    );
    assert_eq!(faults(&vec![rule(); 101]), ["terms.rules: has 101 rules; at most 100 are taken"]);
    let long = pb::CommissionRule { item_skus: vec!["x".repeat(128); 100], ..rule() };
    let found = faults(&vec![long; 6]).concat();
    assert!(found.starts_with("terms.rules: has 7") && found.ends_with("at most 65536 are taken"), "{found}");
}

#[test]
fn every_comparison_is_taken_for_the_fields_that_it_fits() {
    for field in <ConditionField as WireEnum>::VALUES {
        let event = match field.wire_name() {
            "CONDITION_FIELD_CUSTOM_KIND" => Event::CustomEvent,
            _ => Event::Sale,
        };
        for comparison in <crate::domain::pricing::Comparison as WireEnum>::VALUES {
            let (field, wire) = (*field, comparison.number());
            let (key, numbers, texts) = Default::default();
            let compared = Compare { field, comparison: *comparison, key, numbers, texts };
            let value = match (field, compared.compares()) {
                (ConditionField::AffiliateGroup, _) => "grp_0198c0de000070008000000000000001",
                (_, ValueType::OneOfSet) => "SALE_CHANNEL_ONLINE",
                (_, ValueType::Code) => "US",
                (_, ValueType::Time) => "2026-11-28T00:00:00Z",
                _ => "10",
            };
            let values = vec![value.to_owned(); comparison.value_count().0];
            let key = if field.has_key() { "tier" } else { "" }.to_owned();
            let condition =
                pb::Condition { field: field.number(), comparison: wire, values, key, ..Default::default() };
            let sent = pb::CommissionRule { condition: Some(condition), ..for_event(event) };
            let is_taken = faults(std::slice::from_ref(&sent)).is_empty();
            assert_eq!(is_taken, comparison.fits(field.value_type()), "{sent:?}");
            if is_taken {
                let spelled_out = pb::CommissionRule { event_kind: event.into(), ..sent };
                assert_eq!(canonical(std::slice::from_ref(&spelled_out), &[]), None, "is returned as it was sent");
            }
        }
    }
}
