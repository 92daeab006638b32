//! Hostile values in every field of every request. Each is accepted or refused in our own words, and the books stay correct.

use std::collections::BTreeMap;

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value as Json, json};

use super::api::{method, reason};
use super::cases::cases;
use super::world::World;
use crate::support::database::TestDatabase;

/// Hostile values for a field, each replacing the whole field.
fn hostile(field: &FieldDescriptor) -> Vec<Json> {
    let values = match field.kind() {
        Kind::String => vec![
            json!("\u{0}"),
            json!("a\u{0}b@c.example"),
            json!("'; drop table account; --"),
            json!("%_%"),
            json!("\u{202e}\u{1f4a5}\u{301}@\u{1f4a5}.example"),
            json!("\u{1f4a5}".repeat(128)),
            json!("x".repeat(100_000)),
        ],
        Kind::Int32 => vec![json!(i32::MIN), json!(-1), json!(i32::MAX)],
        Kind::Int64 => vec![json!(i64::MIN), json!(-1), json!(i64::MAX)],
        Kind::Enum(_) => vec![json!(i32::MIN), json!(-1), json!(i32::MAX)],
        Kind::Bool => vec![json!(true), json!(false)],
        // Conditions are inside conditions.
        Kind::Message(inside) if inside == *field.parent_message() => vec![json!({})],
        Kind::Message(inside) => hostile_messages(&inside),
        other => panic!("{}: no hostile values of {other:?}", field.full_name()),
    };
    if field.is_list() {
        let many = vec![values[0].clone(); 1_001];
        return values.into_iter().map(|value| json!([value])).chain([json!(many)]).collect();
    }
    values
}

/// The message with one hostile value at a time, and without any.
fn hostile_messages(message: &MessageDescriptor) -> Vec<Json> {
    let mut found = vec![json!({})];
    for field in message.fields() {
        found.extend(hostile(&field).into_iter().map(|value| json!({field.name(): value})));
    }
    if message.name() == "Timestamp" || message.name() == "Duration" {
        found.push(json!({"seconds": i64::MAX, "nanos": i32::MAX}));
        found.push(json!({"seconds": i64::MIN, "nanos": i32::MIN}));
        found.push(json!({"seconds": 253_402_300_799_i64, "nanos": 999_999_999}));
    }
    found
}

/// `request` with `value` in a field. In a message, only the parts that the value names are replaced, so the rest stays valid.
fn with(request: &Json, name: &str, value: &Json) -> Json {
    let mut request = request.clone();
    match (request.get_mut(name), value) {
        (Some(Json::Object(there)), Json::Object(fields)) if !fields.is_empty() => {
            for (name, value) in fields {
                *there = with(&Json::Object(there.clone()), name, value).as_object().unwrap().clone();
            }
        }
        _ => request[name] = value.clone(),
    }
    request
}

db_test!(no_field_value_gives_an_internal_error, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let account = &world.alpha;
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for case in cases() {
        let method = method(case.method);
        // Made anew once a call was accepted. A refused call changes nothing, so the next one finds all as it was.
        let mut prepared = None;
        for field in method.input().fields() {
            for value in hostile(&field) {
                let names = match prepared.take() {
                    Some(names) => names,
                    None => case.prepared(&world, account).await,
                };
                let mut request = with(&case.request(&names), field.name(), &value);
                // Values of a resource are read only where the mask names them.
                if request["update_mask"].is_object()
                    && field.name() != "update_mask"
                    && let Some(fields) = value.as_object()
                {
                    request["update_mask"] = json!({"paths": fields.keys().collect::<Vec<_>>()});
                }
                // The call itself fails the test if an error is not in our own words.
                let answer = world.wire.call(account.key_for(case.method), &method, &request).await;
                if answer.is_err() {
                    prepared = Some(names);
                }
                let outcome = answer.map_or_else(|status| reason(&status), |_| "OK".to_owned());
                *outcomes.entry(outcome).or_default() += 1;
            }
        }
    }
    assert!(outcomes["OK"] > 100 && outcomes["INVALID_FIELDS"] > 300, "{outcomes:?}");
    let verified = world.expect(account, "RewardService/VerifyLedger", &json!({})).await;
    assert_eq!(verified["ok"], json!(true), "{verified}");
});
