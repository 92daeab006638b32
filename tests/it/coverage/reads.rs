//! Requests that ask for rows: lists, searches, counts, figures and feeds. Each wrong field is refused and named although the others
//! are right, and an identifier of nobody finds nothing. `filters` shows what the right values do.

use std::collections::BTreeSet;

use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use serde_json::{Value as Json, json};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::api::{method, methods, reason, short_name};
use super::cases::{Case, all_fields, cases, is_one_value, leaves, patched, without_index};
use super::world::{World, resolve, unknown};
use crate::support::database::TestDatabase;

/// The fields that have no wrong value, and why.
const FREE: &[(&str, &str, &str)] = &[
    ("AffiliateService/ListAffiliates", "email_verified", "yes, no and not set each mean something"),
    ("AffiliateService/ListAffiliates", "has_sales", "yes, no and not set each mean something"),
    ("AffiliateService/ListEnrollments", "lacks_newest_agreement", "yes, no and not set each mean something"),
    ("AffiliateService/CountAffiliates", "email_verified", "yes, no and not set each mean something"),
    ("RewardService/ListBalances", "owed_only", "yes and no each mean something"),
    ("AccountService/ListApiKeys", "with_total_count", "yes and no each mean something"),
    ("AffiliateService/ListAffiliateGroups", "with_total_count", "yes and no each mean something"),
    ("AffiliateService/ListCoupons", "with_total_count", "wrong beside metadata alone, see `combinations`"),
    ("AffiliateService/ListItems", "with_total_count", "yes and no each mean something"),
    ("AffiliateService/ListLinks", "with_total_count", "yes and no each mean something"),
    ("AffiliateService/ListOffers", "with_total_count", "yes and no each mean something"),
    ("AffiliateService/ListPrograms", "with_total_count", "yes and no each mean something"),
    ("PayoutService/ListPayouts", "with_total_count", "yes and no each mean something"),
];

/// Fields that are right alone and wrong together, and the field that the answer names.
fn combinations() -> Vec<(&'static str, Json, &'static str)> {
    let backwards = json!({"start_time": {"seconds": 1_700_000_000}, "end_time": {"seconds": 1_600_000_000}});
    let empty = json!({"start_time": {"seconds": 1_700_000_000}, "end_time": {"seconds": 1_700_000_000}});
    let blank = json!({"metadata": {"tier": " "}});
    vec![
        ("AffiliateService/ListAffiliates", blank.clone(), "metadata[tier]"),
        ("AffiliateService/ListCoupons", blank.clone(), "metadata[tier]"),
        ("TrackingService/ListLeads", blank, "metadata[tier]"),
        (
            "AffiliateService/ListCoupons",
            json!({"metadata": {"tier": "gold"}, "with_total_count": true}),
            "with_total_count",
        ),
        ("TrackingService/ListClicks", json!({"occur_interval": backwards}), "occur_interval.end_time"),
        ("TrackingService/ListClicks", json!({"occur_interval": empty}), "occur_interval.end_time"),
        ("TrackingService/ListConversions", json!({"occur_interval": backwards}), "occur_interval.end_time"),
        ("TrackingService/ListConversions", json!({"occur_interval": empty}), "occur_interval.end_time"),
        ("RewardService/ListRewards", json!({"create_interval": backwards}), "create_interval.end_time"),
        ("RewardService/ListRewards", json!({"create_interval": empty}), "create_interval.end_time"),
        ("RewardService/QueryStats", json!({"first_day": "2026-02-02", "last_day": "2026-02-01"}), "last_day"),
        ("RewardService/QueryStats", json!({"first_day": "2022-01-01", "last_day": "2025-01-06"}), "last_day"),
    ]
}

/// The methods that answer with rows.
pub(super) fn reads() -> Vec<MethodDescriptor> {
    let beginnings = ["List", "Search", "Count", "Query", "Read", "Watch"];
    let is_read = |method: &MethodDescriptor| beginnings.iter().any(|word| method.name().starts_with(word));
    methods().into_iter().filter(is_read).collect()
}

pub(super) fn case_of(read: &MethodDescriptor) -> &'static Case {
    let name = short_name(read);
    cases().iter().find(|case| case.method == name).unwrap()
}

/// Each value of a request alone, in a request that has nothing else, with its path.
fn alone(request: &Json, descriptor: &MessageDescriptor) -> Vec<(Json, String)> {
    let mut found = Vec::new();
    for (name, value) in request.as_object().unwrap() {
        let field = descriptor.get_field_by_name(name).unwrap();
        match (value, field.kind()) {
            (Json::Object(set), Kind::Message(inside))
                if !set.is_empty() && !field.is_map() && !is_one_value(&inside) =>
            {
                let inside = alone(value, &inside).into_iter();
                found.extend(inside.map(|(value, path)| (json!({name: value}), format!("{name}.{path}"))));
            }
            // A longer list is wrong as a whole.
            (Json::Array(values), _) if (1..=1_000).contains(&values.len()) => {
                found.extend(values.iter().map(|value| (json!({name: [value]}), format!("{name}[0]"))));
            }
            _ => found.push((json!({name: value}), name.clone())),
        }
    }
    found
}

/// The fields that an error names.
fn named(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|details| details.field_violations).unwrap_or_default();
    violations.into_iter().map(|violation| violation.field).collect()
}

#[test]
fn a_field_of_a_read_without_a_wrong_value_says_why() {
    let mut without = BTreeSet::new();
    for read in reads() {
        let (name, input) = (short_name(&read), read.input());
        let sent = case_of(&read).wrong.iter().flat_map(|request| leaves(request, &input));
        let sent: BTreeSet<String> = sent.map(|path| without_index(&path).to_owned()).collect();
        // Page tokens have a test of their own.
        let fields = all_fields(&input).into_iter().filter(|field| !sent.contains(field) && field != "page_token");
        without.extend(fields.map(|field| (name.clone(), field)));
    }
    let said = FREE.iter().map(|(method, field, reason)| {
        assert!(!reason.is_empty(), "{method} {field}");
        ((*method).to_owned(), (*field).to_owned())
    });
    assert_eq!(without, said.collect());
}

db_test!(each_wrong_field_of_a_read_is_refused_and_named_alone, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let mut tried_count = 0;
    for read in reads() {
        let (name, case) = (short_name(&read), case_of(&read));
        let mut tried = BTreeSet::new();
        for (fields, path) in case.wrong.iter().flat_map(|wrong| alone(wrong, &read.input())) {
            if !tried.insert(fields.to_string()) {
                continue;
            }
            let what = format!("{name} {}", fields.to_string().chars().take(200).collect::<String>());
            let request = case.request_with(&fields, &world.alpha.names);
            let answer = world.wire.call(world.alpha.key_for(&name), &read, &request).await;
            let status = answer.expect_err(&what);
            assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"), "{what}");
            let [named] = &named(&status)[..] else { panic!("{what}: not one field is named: {status:?}") };
            assert!(*named == path || named == without_index(&path), "{what}: {named} is named, not {path}");
        }
        tried_count += tried.len();
    }
    assert!(tried_count > 200, "only {tried_count} values were tried");
    for (name, fields, field) in combinations() {
        let read = method(name);
        let request = case_of(&read).request_with(&fields, &world.alpha.names);
        let status = world.wire.call(world.alpha.key_for(name), &read, &request).await.expect_err(name);
        assert_eq!((status.code(), named(&status)), (Code::InvalidArgument, vec![field.to_owned()]), "{name} {fields}");
    }
});

db_test!(a_page_token_that_the_call_did_not_give_is_refused, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let names = &world.alpha.names;
    for read in reads().into_iter().filter(|read| read.input().get_field_by_name("page_token").is_some()) {
        let (name, case) = (short_name(&read), case_of(&read));
        let own = &names[&format!("{}_page_token", read.name())];
        let anothers = &world.bravo.names[&format!("{}_page_token", read.name())];
        // The list of accounts is the operator's, and the same for both.
        let wrong = [" ", "hello", &own[1..], &format!("{own}A"), anothers].map(ToOwned::to_owned);
        for token in wrong.into_iter().filter(|token| token != own) {
            let request = case.request_with(&json!({"page_token": token}), names);
            let status = world.wire.call(world.alpha.key_for(&name), &read, &request).await.expect_err(&name);
            let told = (status.code(), reason(&status), named(&status));
            let expected = (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned(), vec!["page_token".to_owned()]);
            assert_eq!(told, expected, "{name} with {token}");
        }
    }
});

db_test!(an_identifier_of_nobody_finds_nothing, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let nobodys = unknown(&world.alpha.names);
    // A stream without events says nothing until its heartbeat. ReadEvents has the same filter.
    for read in reads().into_iter().filter(|read| !read.is_server_streaming()) {
        let (name, case) = (short_name(&read), case_of(&read));
        for fields in &case.references {
            let [path] = &leaves(fields, &read.input())[..] else { panic!("{name} {fields}: not one field") };
            // Tokens and cursors are no names of objects.
            if path == "page_token" || path == "start.after_cursor" {
                continue;
            }
            let request = patched(&case.request(&world.alpha.names), &resolve(fields, &nobodys));
            let answer = world.wire.call(world.alpha.key_for(&name), &read, &request).await;
            let field = path.split('.').next().unwrap();
            let is_selector = read.input().get_field_by_name(field).is_some_and(
                |field| matches!(field.kind(), Kind::Message(inside) if inside.name().ends_with("Selector")),
            );
            // A run is what was decided, so a wrong name of it must not look like a run without payouts.
            let is_selector = is_selector || field == "payout_run_id";
            match answer {
                Ok(answer) if !is_selector => {
                    let rows = answer.as_object().unwrap().iter().filter(|(name, _)| !name.ends_with("_cursor"));
                    assert_eq!(rows.count(), 0, "{name} {request}: {answer}");
                }
                Err(status) if is_selector && status.code() == Code::NotFound => {
                    assert!(reason(&status).ends_with("_NOT_FOUND"), "{name} {request}: {status:?}");
                    assert!(status.message().starts_with(field), "{name} {request}: {}", status.message());
                }
                other => panic!("{name} {request}: {other:?}"),
            }
        }
    }
});
