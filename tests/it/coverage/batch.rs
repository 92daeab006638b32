//! BatchRecordEvents answers each item as a single call would.

use serde_json::{Value as Json, json};
use tonic::Status;

use super::api::method;
use super::cases::{cases, patched};
use super::world::{World, resolve};
use crate::support::database::TestDatabase;
use crate::support::server::nameless_details;

const KINDS: &[&str] = &["click", "lead", "sale", "refund", "cancellation", "appointment", "custom_event"];

/// The field of a batch item for a recording method.
fn kind(method: &str) -> Option<&'static str> {
    let name = method.strip_prefix("TrackingService/Record")?.to_lowercase();
    KINDS.iter().find(|kind| kind.replace('_', "") == name).copied()
}

/// A status as a batch result contains it.
fn as_result(status: &Status) -> Json {
    let whole = nameless_details(status);
    let details = whole.details.into_iter().map(|any| json!({"type_url": any.type_url, "value": any.value}));
    json!({"code": status.code() as i32, "message": status.message(), "details": details.collect::<Vec<_>>()})
}

db_test!(each_item_of_a_batch_is_answered_as_its_own_call, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let account = &world.bravo;
    let (mut items, mut expected) = (Vec::new(), Vec::new());
    for case in cases() {
        let Some(kind) = kind(case.method) else { continue };
        let names = case.prepared(&world, account).await;
        let wrong = case.wrong.iter().map(|wrong| resolve(wrong, &names));
        // References to another account's objects.
        let foreign =
            case.references.iter().map(|fields| patched(&case.request(&names), &resolve(fields, &world.alpha.names)));
        let right = case.request(&names);
        for request in wrong.chain(foreign).chain([right]) {
            let result = match world.wire.call(&account.keys["admin"], &method(case.method), &request).await {
                Ok(answer) => json!({kind: patched(&answer, &json!({"replayed": true}))}),
                Err(status) => json!({"error": as_result(&status)}),
            };
            items.push(json!({kind: request}));
            expected.push(result);
        }
    }
    assert!(items.len() >= 40, "{} items", items.len());
    let answer = world.expect(account, "TrackingService/BatchRecordEvents", &json!({"items": items})).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), items.len());
    for ((item, expected), result) in items.iter().zip(&expected).zip(results) {
        let mut result = result.clone();
        if let Some(details) = result.pointer_mut("/error/details").and_then(Json::as_array_mut) {
            // RequestInfo is left out, because it has the name of the batch.
            details.retain(|detail| detail["type_url"] != "type.googleapis.com/google.rpc.RequestInfo");
        }
        assert!(result == *expected, "{item} is answered with {result} in place of {expected}");
    }
});

db_test!(a_batch_of_invalid_items_is_answered_with_their_errors, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let answer =
        world.expect(&world.alpha, "TrackingService/BatchRecordEvents", &json!({"items": [{}, {"sale": {}}]})).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        assert_eq!(result["error"]["code"], json!(tonic::Code::InvalidArgument as i32));
    }
});
