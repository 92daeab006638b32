//! Each kind of key may make exactly the calls published in `golden/permissions.txt`, checked on the wire.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::api::{method, methods, reason, short_name};
use super::cases::{Case, cases};
use super::keys::requests;
use super::world::{World, assert_unchanged};
use crate::support::database::TestDatabase;

/// The methods that each kind of key may call, from the golden file.
fn published() -> BTreeMap<String, BTreeSet<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden/permissions.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let head = rows.iter().find(|row| row.first() == Some(&"method")).unwrap();
    let mut published: BTreeMap<String, BTreeSet<String>> =
        head[1..].iter().map(|kind| ((*kind).to_owned(), BTreeSet::new())).collect();
    let mut listed = BTreeSet::new();
    for row in &rows {
        let Some(name) = row.first().and_then(|name| name.strip_prefix("headwater.v1.")) else { continue };
        listed.insert(name.to_owned());
        for (kind, may) in head[1..].iter().zip(&row[1..]) {
            if *may == "yes" {
                published.get_mut(*kind).unwrap().insert(name.to_owned());
            }
        }
    }
    let methods: BTreeSet<String> = methods().iter().map(short_name).collect();
    assert_eq!(listed, methods, "the table lists every method");
    published
}

db_test!(each_kind_of_key_may_call_what_is_published_and_nothing_else, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let published = published();
    let requests = requests(&world, &world.alpha).await;
    let before = world.snapshot(&world.alpha).await;
    for (kind, allowed) in &published {
        for (case, request) in requests.iter().filter(|(case, _)| !allowed.contains(case.method)) {
            let answer = world.wire.call(&world.alpha.keys[kind.as_str()], &method(case.method), request).await;
            let status = answer.expect_err(&format!("a key of kind {kind} called {}", case.method));
            let told = (status.code(), reason(&status));
            assert_eq!(told, (Code::PermissionDenied, "KEY_KIND_NOT_ALLOWED".to_owned()), "{kind} {}", case.method);
            let metadata = status.get_details_error_info().unwrap().metadata;
            assert_eq!(metadata["key_kind"], *kind);
            assert_eq!(metadata["method"], format!("headwater.v1.{}", case.method));
        }
    }
    assert_unchanged(&before, &world.snapshot(&world.alpha).await, "calls with a key of the wrong kind");

    for (kind, allowed) in &published {
        for case in cases().iter().filter(|case| allowed.contains(case.method)) {
            let request = match kind.as_str() {
                "server_operator" => operator_request(&world, case).await,
                _ => case.request(&case.prepared(&world, &world.alpha).await),
            };
            let answer = world.wire.call(&world.alpha.keys[kind.as_str()], &method(case.method), &request).await;
            answer.unwrap_or_else(|status| panic!("{kind} {} {request}: {status:?}", case.method));
        }
    }
});

/// A request that an operator key may make. Its calls about keys are about operator keys.
async fn operator_request(world: &World, case: &Case) -> Json {
    let another = json!({"kind": "API_KEY_KIND_SERVER_OPERATOR"});
    match case.method {
        "AccountService/CreateApiKey" => another,
        "AccountService/GetApiKey" | "AccountService/UpdateApiKey" | "AccountService/RevokeApiKey" => {
            let create = method("AccountService/CreateApiKey");
            let made = world.wire.call(&world.alpha.keys["server_operator"], &create, &another).await.unwrap();
            let id = &made["api_key"]["id"];
            match case.method {
                "AccountService/UpdateApiKey" => {
                    json!({"api_key": {"id": id, "display_name": "Ada"}, "update_mask": {"paths": ["display_name"]}})
                }
                _ => json!({"api_key_id": id}),
            }
        }
        _ => case.request(&case.prepared(world, &world.alpha).await),
    }
}

db_test!(a_key_is_told_what_it_may_call, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    for (kind, allowed) in published() {
        let key = &world.alpha.keys[kind.as_str()];
        let answer = world.wire.call(key, &method("AccountService/CheckApiKey"), &json!({})).await.unwrap();
        let told: BTreeSet<String> = answer["allowed_methods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap().trim_start_matches("headwater.v1.").to_owned())
            .collect();
        assert_eq!(told, allowed, "{kind}");
        assert_eq!(answer["api_key"]["kind"], json!(format!("API_KEY_KIND_{}", kind.to_uppercase())));
    }
});

#[test]
fn tracking_and_publishable_keys_can_only_record() {
    let published = published();
    for (kind, what) in [("tracking", "Record"), ("publishable", "RecordClick")] {
        let about_nobody = ["AccountService/CheckApiKey", "AccountService/GetServerInfo"];
        // What a shop's backend tells beside what is called Record.
        let told_too = ["BatchRecordEvents", "OpenDispute", "ResolveDispute", "UndoRefund"];
        for name in published[kind].iter().filter(|name| !about_nobody.contains(&name.as_str())) {
            let call = name.strip_prefix("TrackingService/").unwrap_or_else(|| panic!("{kind} keys may call {name}"));
            assert!(
                call.starts_with(what) || (kind == "tracking" && told_too.contains(&call)),
                "{kind} keys may call {name}"
            );
        }
    }
}

db_test!(a_publishable_key_does_not_see_the_affiliate_of_a_link, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let record_click = method("TrackingService/RecordClick");
    let request = json!({"ref_id": world.alpha.names["link_code"]});
    let answer = world.wire.call(&world.alpha.keys["publishable"], &record_click, &request).await.unwrap();
    assert!(answer["affiliate_id"].is_null(), "{answer}");
    let answer = world.wire.call(&world.alpha.keys["tracking"], &record_click, &request).await.unwrap();
    assert_eq!(answer["affiliate_id"], world.alpha.names["affiliate_id"].as_str());
});
