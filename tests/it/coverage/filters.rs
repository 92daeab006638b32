//! Filters: each filter of each read leaves exactly the rows that it names. A filter that the server reads and ignores would pass all
//! other tests.

mod shop;
mod table;

use std::collections::BTreeSet;

use prost_reflect::{FieldDescriptor, Kind, MethodDescriptor};
use serde_json::{Value as Json, json};

use super::api::{method, short_name};
use super::cases::patched;
use super::paging::rows;
use super::reads::reads;
use super::world::{Names, resolve};
use crate::support::database::TestDatabase;
use shop::Shop;
use table::{Filter, Leaves, base, filters};

/// Fields that do not say which rows are wanted, but how many, in which order, how much of each, and as of when.
const SHAPES: &[&str] = &[
    "page_size",
    "page_token",
    "order",
    "view",
    "with_total_count",
    "start",
    "max_wait",
    "heartbeat_delay",
    "max_batch_size",
    "as_of_time",
];

/// The reads whose answers have no rows of their own. They are compared with other answers.
const FIGURES: &[&str] =
    &["AffiliateService/CountAffiliates", "RewardService/QueryStats", "PayoutService/ListYearlyTotals"];

/// The filters of a read, by their paths.
fn filters_of(read: &MethodDescriptor) -> BTreeSet<String> {
    let paths = |field: FieldDescriptor| match field.kind() {
        Kind::Message(inside) if inside.name() == "EventFilter" => {
            inside.fields().map(|inner| format!("{}.{}", field.name(), inner.name())).collect()
        }
        _ => vec![field.name().to_owned()],
    };
    let input = read.input();
    input.fields().filter(|field| !SHAPES.contains(&field.name())).flat_map(paths).collect()
}

/// The path of the one filter that a request sets.
fn path_of(fields: &Json) -> String {
    let (name, value) = fields.as_object().unwrap().iter().next().unwrap();
    match value.as_object().filter(|_| name == "filter").and_then(|inside| inside.keys().next()) {
        Some(inner) => format!("{name}.{inner}"),
        None => name.clone(),
    }
}

#[test]
fn every_filter_of_every_read_is_in_the_table() {
    for read in reads().iter().filter(|read| !FIGURES.contains(&short_name(read).as_str())) {
        let name = short_name(read);
        let in_table = filters().into_iter().filter(|filter| filter.method == name);
        let in_table: BTreeSet<String> = in_table.map(|filter| path_of(&filter.fields)).collect();
        assert_eq!(in_table, filters_of(read), "{name}");
    }
}

/// The rows of an answer. Each balance is a row, because a filter may leave some balances of an affiliate.
async fn found(shop: &Shop, name: &str, fields: &Json) -> Vec<Json> {
    let read = method(name);
    let mut request = patched(&base(name), fields);
    if read.is_server_streaming() {
        request["max_batch_size"] = json!(1_000);
        let request = resolve(&request, &shop.account.names);
        let message = shop.wire.first_with("batch", shop.account.key_for(name), &read, &request).await;
        return message["batch"]["events"].as_array().unwrap().clone();
    }
    request["page_size"] = json!(1_000);
    let mut found = Vec::new();
    loop {
        let answer = shop.ask(name, &request).await;
        found.extend(rows(&read, &answer));
        // The feed has no pages, and has no more than this.
        let Some(token) = answer["next_page_token"].as_str() else { break };
        request["page_token"] = json!(token);
    }
    if name != "RewardService/ListBalances" {
        return found;
    }
    let balances = found.iter().flat_map(|row| {
        let balances = row["balances"].as_array().cloned().unwrap_or_default();
        balances.into_iter().map(|balance| json!({"affiliate_id": row["affiliate_id"], "balance": balance}))
    });
    balances.collect()
}

/// Fails unless the filter leaves its rows of `all`, and some are left, and some are not.
fn check(filter: &Filter, all: &[Json], left: &[Json], names: &Names) {
    let what = format!("{} {}", filter.method, filter.fields);
    assert!(!left.is_empty() && left.len() < all.len(), "{what}: {} of {} rows are left", left.len(), all.len());
    let expected: Vec<&Json> = match &filter.leaves {
        Leaves::At(place, value) => {
            let value = resolve(value, names);
            all.iter().filter(|row| row.pointer(place).unwrap_or(&Json::Null) == &value).collect()
        }
        Leaves::Ids(wanted) => {
            let ids: Vec<&String> = wanted.iter().map(|name| &names[*name]).collect();
            let rows: Vec<&Json> = all.iter().filter(|row| ids.iter().any(|id| row["id"] == **id)).collect();
            assert_eq!(rows.len(), ids.len(), "{what}");
            rows
        }
        Leaves::Those(takes) => all.iter().filter(|row| takes(row)).collect(),
        Leaves::Naming(wanted) => {
            let is_named = |row: &Json| wanted.iter().any(|name| row.to_string().contains(&names[*name]));
            assert!(left.iter().all(is_named), "{what}: {left:?}");
            all.iter().filter(|row| left.contains(row)).collect()
        }
    };
    assert_eq!(left.iter().collect::<Vec<_>>(), expected, "{what}");
}

db_test!(each_filter_leaves_the_rows_that_it_names, |database: TestDatabase| async move {
    let shop = Shop::open(&database).await;
    let names = &shop.account.names;
    for filter in filters() {
        let all = found(&shop, filter.method, &json!({})).await;
        let left = found(&shop, filter.method, &filter.fields).await;
        check(&filter, &all, &left, names);
        // The same affiliate or lead by each of its other identifiers.
        let (field, value) = filter.fields.as_object().unwrap().iter().next().unwrap();
        let (kind, identifiers) = match field.as_str() {
            "affiliate" | "upline" => ("affiliate", &["external_id", "email", "ref_id", "auth_token"][..]),
            "lead" => ("lead", &["external_id", "email"][..]),
            _ => continue,
        };
        assert_eq!(value["id"], format!("${{{kind}_id}}"));
        for identifier in identifiers {
            let fields = json!({field: {*identifier: format!("${{{kind}_{identifier}}}")}});
            assert_eq!(found(&shop, filter.method, &fields).await, left, "{} {fields}", filter.method);
        }
    }
});

db_test!(each_filter_of_counts_counts_the_rows_of_the_list, |database: TestDatabase| async move {
    let shop = Shop::open(&database).await;
    let count = method("AffiliateService/CountAffiliates");
    let total = |answer: Json| usize::try_from(answer["total_count"].as_i64().unwrap()).unwrap();
    let all = total(shop.ask("AffiliateService/CountAffiliates", &json!({})).await);
    let mut tried = BTreeSet::new();
    for filter in filters().iter().filter(|filter| filter.method == "AffiliateService/ListAffiliates") {
        let field = path_of(&filter.fields);
        if count.input().get_field_by_name(&field).is_none() {
            continue;
        }
        let counted = total(shop.ask("AffiliateService/CountAffiliates", &filter.fields).await);
        assert_eq!(counted, found(&shop, filter.method, &filter.fields).await.len(), "{}", filter.fields);
        assert!(0 < counted && counted < all, "{}", filter.fields);
        tried.insert(field);
    }
    assert_eq!(tried, filters_of(&count));
});

db_test!(each_total_count_counts_the_rows_of_all_pages, |database: TestDatabase| async move {
    let shop = Shop::open(&database).await;
    let counted = reads().into_iter().filter(|read| read.input().get_field_by_name("with_total_count").is_some());
    let counted: Vec<String> = counted.map(|read| short_name(&read)).collect();
    assert_eq!(counted.len(), 8, "{counted:?}");
    for name in &counted {
        let own = filters().into_iter().filter(|filter| filter.method == name && filter.fields["metadata"].is_null());
        for fields in std::iter::once(json!({})).chain(own.map(|filter| filter.fields)) {
            let rows = found(&shop, name, &fields).await.len();
            let with_count = patched(&fields, &json!({"with_total_count": true, "page_size": 1}));
            let first = shop.ask(name, &with_count).await;
            assert_eq!(first["total_count"], json!(rows), "{name} {fields}");
            // Later pages need not count again, and count the same if they do.
            let Some(token) = first["next_page_token"].as_str() else { continue };
            let next = shop.ask(name, &patched(&with_count, &json!({"page_token": token}))).await;
            assert_eq!(next["total_count"], json!(rows), "{name} {fields}");
            let plain = shop.ask(name, &patched(&fields, &json!({"page_size": 1, "page_token": token}))).await;
            assert!(plain["total_count"].is_null(), "{name} {fields}");
            assert_eq!(rows_of(name, &plain), rows_of(name, &next), "{name} {fields}");
        }
    }
});

fn rows_of(name: &str, answer: &Json) -> Vec<Json> {
    rows(&method(name), answer)
}

/// A filter of figures, and the group whose row has the same figures. The shop has figures of two days.
fn figures() -> Vec<(Json, &'static str, &'static str, &'static str)> {
    vec![
        (json!({"first_day": "2026-01-11"}), "STATISTIC_GROUP_DAY", "day", "2026-01-11"),
        (json!({"last_day": "2026-01-06"}), "STATISTIC_GROUP_DAY", "day", "2026-01-06"),
        (json!({"program_id": "${second_id}"}), "STATISTIC_GROUP_PROGRAM", "program_id", "${second_id}"),
        (
            json!({"affiliate": {"id": "${affiliate_id}"}}),
            "STATISTIC_GROUP_AFFILIATE",
            "affiliate_id",
            "${affiliate_id}",
        ),
        (json!({"link_id": "${link_id}"}), "STATISTIC_GROUP_LINK", "link_id", "${link_id}"),
        (json!({"sub_id": "mail"}), "STATISTIC_GROUP_SUB_ID", "sub_id", "mail"),
    ]
}

db_test!(each_filter_of_figures_leaves_the_figures_of_its_group, |database: TestDatabase| async move {
    let shop = Shop::open(&database).await;
    let names = &shop.account.names;
    let query = "RewardService/QueryStats";
    let rows_of = async |fields: &Json| {
        let days = json!({"first_day": "2026-01-01", "last_day": "2026-12-31"});
        let answer = shop.ask(query, &patched(&days, fields)).await;
        rows(&method(query), &answer)
    };
    let sums = rows_of(&json!({})).await;
    let mut tried = BTreeSet::from(["group_by".to_owned()]);
    for (fields, group, key, value) in figures() {
        let groups = rows_of(&json!({"group_by": [group]})).await;
        let value = resolve(&json!(value), names);
        let mut same =
            groups.iter().find(|row| row[key] == value).unwrap_or_else(|| panic!("{fields}: {groups:?}")).clone();
        same.as_object_mut().unwrap().remove(key);
        let left = rows_of(&fields).await;
        assert_eq!(left, [same], "{fields}");
        assert_ne!(left, sums, "{fields} changes nothing");
        tried.insert(path_of(&fields));
    }
    assert_eq!(tried, filters_of(&method(query)));
});
