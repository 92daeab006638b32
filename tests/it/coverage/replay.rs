//! A repeated request has one effect and gets the first answer.

use std::time::Duration;

use serde_json::{Value as Json, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::api::{method, reason};
use super::cases::{Case, cases, patched};
use super::world::{Account, World, assert_unchanged, resolve};
use crate::support::database::TestDatabase;

/// Secrets are shown once, so a repeat's answer omits them.
pub(super) const SECRETS: &[&str] = &["api_key_text", "auth_token"];

/// An answer without these fields.
pub(super) fn without(answer: &Json, fields: &[&str]) -> Json {
    let mut answer = answer.clone();
    for field in fields {
        answer.as_object_mut().unwrap().remove(*field);
    }
    answer
}

/// The case's valid request with an idempotency key, and one with the same key and other content.
async fn request_and_other(world: &World, account: &Account, case: &Case, repeat_field: &str) -> (Json, Json) {
    let names = case.prepared(world, account).await;
    let request = case.request_with(&json!({repeat_field: "${unique}"}), &names);
    let other = patched(&request, &resolve(&case.other, &names));
    (request, other)
}

db_test!(a_repeated_request_has_one_effect_and_one_answer, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let account = &world.alpha;
    for case in cases() {
        let Some(repeat_field) = case.repeat_field() else { continue };
        let (request, other) = request_and_other(&world, account, case, repeat_field).await;
        let call =
            async |request: &Json| world.wire.call(account.key_for(case.method), &method(case.method), request).await;

        // A refused request is not remembered, so its id may be used again.
        let refused = patched(&case.wrong[0], &json!({repeat_field: request[repeat_field]}));
        assert_eq!(reason(&call(&refused).await.unwrap_err()), "INVALID_FIELDS", "{}", case.method);

        let first = call(&request).await.unwrap();
        assert!(first["replayed"].is_null(), "{} {first}", case.method);
        let mut after_first = world.snapshot(account).await;
        // A worker completes the reconciliation that the call has begun.
        for _ in 0..40 {
            let is_running = format!("{after_first:?}").contains("RECONCILIATION_STATE_RUNNING");
            if case.method != "PayoutService/ReconcilePayouts" || !is_running {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            after_first = world.snapshot(account).await;
        }
        for _ in 0..2 {
            let again = call(&request).await.unwrap();
            assert_eq!(again["replayed"], json!(true), "{}", case.method);
            let first = without(&first, SECRETS);
            assert_eq!(without(&again, &["replayed"]), first, "{}: the first answer again", case.method);
        }

        let status = call(&other).await.expect_err(case.method);
        let told = (status.code(), reason(&status));
        assert_eq!(told, (Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH".to_owned()), "{}", case.method);
        let first_id = status.get_details_error_info().unwrap().metadata["first_id"].clone();
        assert!(!first_id.is_empty(), "{}", case.method);
        // No answer shows the id if the conversion is one that nobody referred, or if the row is the account's own and has none.
        let is_told = first.to_string().contains(&first_id)
            || first["outcome"] == json!("CONVERSION_OUTCOME_NOT_REFERRED")
            || first_id.starts_with("acc_");
        assert!(is_told, "{}: {first_id} is in the first answer {first}", case.method);
        assert_unchanged(&after_first, &world.snapshot(account).await, &format!("{} repeated", case.method));
    }
});

db_test!(two_accounts_may_use_the_same_request_id, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    for case in cases().iter().filter(|case| case.method != "AccountService/RegisterAccount") {
        let Some(repeat_field) = case.repeat_field() else { continue };
        for account in [&world.alpha, &world.bravo] {
            let (request, _) = request_and_other(&world, account, case, repeat_field).await;
            let request = patched(&request, &json!({repeat_field: "the-same-in-both"}));
            let answer = world.wire.call(account.key_for(case.method), &method(case.method), &request).await.unwrap();
            assert!(answer["replayed"].is_null(), "{} {answer}", case.method);
        }
    }
});

db_test!(a_repeated_batch_is_answered_item_by_item, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let names = &world.alpha.names;
    let item = |amount_minor: i64| {
        json!({"sale": {
            "event_id": "in-a-batch",
            "external_id": names["lead_external_id"],
            "amount": {"amount_minor": amount_minor, "currency_code": "USD"},
        }})
    };
    let request = json!({"items": [item(100), item(100), item(200)]});
    let results = |answer: &Json| answer["results"].as_array().unwrap().clone();
    let first = results(&world.expect(&world.alpha, "TrackingService/BatchRecordEvents", &request).await);
    let again = results(&world.expect(&world.alpha, "TrackingService/BatchRecordEvents", &request).await);
    assert!(first[0]["sale"]["replayed"].is_null());
    for repeated in [&first[1], &again[0], &again[1]] {
        assert_eq!(repeated["sale"]["replayed"], json!(true));
        assert_eq!(without(&repeated["sale"], &["replayed"]), first[0]["sale"]);
    }
    for mismatched in [&first[2], &again[2]] {
        assert_eq!(mismatched["error"]["code"], json!(Code::FailedPrecondition as i32));
    }
});
