//! Tenants: another account's objects look exactly like objects that do not exist.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tonic::{Code, Status};

use super::api::{method, picture, reason};
use super::cases::{Case, cases, leaves, patched};
use super::world::{Account, Names, World, assert_unchanged, resolve, unknown};
use crate::support::database::TestDatabase;
use crate::support::golden::assert_golden_folder;

/// Fields that differ from call to call.
const RANDOM_FIELDS: &[&str] = &[
    "auth_token",
    "api_key_text",
    "text_prefix",
    "etag",
    "entry_hash",
    "cursor",
    "next_cursor",
    "head_cursor",
    "earliest_cursor",
    "next_page_token",
];

/// The case's valid request with the caller's own names, and with `fields` filled in from `others`.
fn request(case: &Case, own: &Names, fields: &Json, others: &Names) -> Json {
    let mut names = own.clone();
    names.extend(others.clone());
    patched(&case.request(own), &resolve(fields, &names))
}

/// The values of these names that a request contains.
fn taken(fields: &Json, names: &Names) -> Vec<String> {
    let text = fields.to_string();
    names.iter().filter(|(name, _)| text.contains(&format!("${{{name}}}"))).map(|(_, value)| value.clone()).collect()
}

/// The answer without random fields and without the names that were sent.
fn masked(answer: &Result<Json, Status>, sent: &[String]) -> String {
    let mut text = match answer {
        Ok(answer) => without_random(answer).to_string(),
        Err(status) => picture(status),
    };
    text = text.to_lowercase();
    for value in sent {
        text = text.replace(&value.to_lowercase(), "<sent>");
    }
    text
}

fn without_random(answer: &Json) -> Json {
    match answer {
        Json::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !RANDOM_FIELDS.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), without_random(value)))
            .collect(),
        Json::Array(values) => values.iter().map(without_random).collect(),
        Json::String(text) => {
            let is_id = text.len() == 36 && text.as_bytes()[3] == b'_';
            match text.find("unique-") {
                _ if is_id => json!(format!("{}_<id>", &text[..3])),
                Some(place) => json!(format!("{}<unique>{}", &text[..place], &text[place + "unique-000000".len()..])),
                None => answer.clone(),
            }
        }
        other => other.clone(),
    }
}

/// Fails if an answer shows anything of the other account that was not in the request.
fn assert_tells_nothing(what: &str, request: &Json, answer: &Result<Json, Status>, other: &Account) {
    let told = match answer {
        Ok(answer) => answer.to_string(),
        Err(status) => picture(status),
    };
    let (told, request) = (told.to_lowercase(), request.to_string().to_lowercase());
    for (name, value) in other.names.iter().filter(|(name, _)| !matches!(name.as_str(), "tag" | "TAG")) {
        let value = value.to_lowercase();
        assert!(
            !told.contains(&value) || request.contains(&value),
            "{what}: the answer tells the other's {name}: {told}"
        );
    }
}

/// Fails unless the error's message begins with one of the fields that were sent, or with a message that one of them is in.
fn assert_names_a_field(what: &str, status: &Status, sent: &[String]) {
    let named = status.message().split([':', ' ']).next().unwrap_or_default();
    let is_sent = sent
        .iter()
        .any(|field| field.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])));
    assert!(is_sent && !named.is_empty(), "{what}: of {sent:?}, none is named by: {}", status.message());
}

db_test!(another_accounts_objects_look_absent, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    // A cursor is signed and cannot be made up, so this one is from another database.
    let elsewhere = World::open(&TestDatabase::sqlite().await).await;
    let mut nobodys = unknown(&world.alpha.names);
    nobodys.insert("cursor".to_owned(), elsewhere.alpha.names["cursor"].clone());
    let before = world.snapshot(&world.alpha).await;
    // Reads run first and calls that create names run last. Otherwise Bravo would find its own rows under Alpha's names.
    let reads = cases().iter().filter(|case| !case.changes_something());
    let mut changes: Vec<_> = cases().iter().filter(|case| case.changes_something()).rev().collect();
    // Calls about rewards create no names.
    changes.sort_by_key(|case| !case.method.starts_with("RewardService/"));
    let mut outcomes: BTreeMap<(&str, String), String> = BTreeMap::new();
    for case in reads.chain(changes) {
        // Made anew once a call was accepted. A refused call changes nothing, so the next one finds all as it was.
        let mut prepared = None;
        for fields in &case.references {
            let mut answers = Vec::new();
            for others in [&nobodys, &world.alpha.names] {
                let own = match prepared.take() {
                    Some(own) => own,
                    None => case.prepared(&world, &world.bravo).await,
                };
                let request = request(case, &own, fields, others);
                let answer = world.wire.call(&world.bravo.keys["admin"], &method(case.method), &request).await;
                if answer.is_err() {
                    prepared = Some(own);
                }
                assert_tells_nothing(case.method, &request, &answer, &world.alpha);
                answers.push((masked(&answer, &taken(fields, others)), answer));
            }
            let [(of_nobodys, _), (of_anothers, answer)] = answers.as_slice() else { panic!("two answers") };
            assert_eq!(of_anothers, of_nobodys, "{} {fields}", case.method);
            let outcome = match answer {
                Ok(answer) => format!("Ok {}", answer["outcome"].as_str().unwrap_or_default()).trim_end().to_owned(),
                Err(status) => format!("{:?} {}", status.code(), reason(status)),
            };
            let leaves = leaves(fields, &method(case.method).input());
            if let Err(status) = answer
                && status.code() != Code::PermissionDenied
            {
                assert_names_a_field(case.method, status, &leaves);
            }
            let field = leaves.join(" ");
            outcomes.insert((case.subject, format!("{} {field}", case.method)), outcome);
        }
        // Reads take most of the time of this test, and change nothing.
        if case.changes_something() {
            let now = world.snapshot(&world.alpha).await;
            assert_unchanged(&before, &now, &format!("another account's {}", case.method));
        }
    }
    assert_unchanged(&before, &world.snapshot(&world.alpha).await, "another account's reads");
    let head =
        "The answer to a request that names another account's object: the same as if there were none of that name.\n\n";
    let mut texts: BTreeMap<&str, String> = BTreeMap::new();
    for ((subject, name), outcome) in outcomes {
        texts.entry(subject).or_insert_with(|| head.to_owned()).push_str(&format!("{name}: {outcome}\n"));
    }
    assert_golden_folder("isolation", &texts);
});

db_test!(lists_and_reads_show_only_the_callers_account, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    for (account, other) in [(&world.alpha, &world.bravo), (&world.bravo, &world.alpha)] {
        for (name, answer) in world.snapshot(account).await {
            assert_tells_nothing(&name, &Json::Null, &Ok(answer), other);
        }
    }
    // An operator key belongs to no account and sees nothing inside any.
    let operator = &world.alpha.keys["server_operator"];
    let answer = world.wire.call(operator, &method("AccountService/CheckApiKey"), &json!({})).await.unwrap();
    assert!(answer["account_id"].is_null(), "{answer}");
});
