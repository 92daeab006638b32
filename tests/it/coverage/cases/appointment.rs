//! Appointments and custom events.

use serde_json::{Value as Json, json};

use super::{Case, case, far_ahead, long, no_time, patched};

pub(super) fn cases() -> Vec<Case> {
    let kind = json!({"custom_kind": "demo"});
    let value = json!({"amount": {"amount_minor": -1, "currency_code": "usd"}});
    vec![
        event("TrackingService/RecordAppointment", "${appointment_event_id}", &json!({}), &json!({})),
        event("TrackingService/RecordCustomEvent", "${custom_event_id}", &kind, &value)
            .not_references(&["custom_kind"]),
    ]
}

fn event(method: &'static str, event_id: &str, rest: &Json, wrong: &Json) -> Case {
    let kind = |kind: &str| if method.ends_with("CustomEvent") { json!({"custom_kind": kind}) } else { json!({}) };
    let wrong = &patched(wrong, &kind(" "));
    let valid = patched(&json!({"event_id": "${unique}", "email": "${unique}@customers.example"}), rest);
    let first = patched(&json!({"event_id": event_id, "email": "eve@${tag}.example"}), rest);
    case(method, valid)
        .furnish(method, first, &[])
        .other(json!({"first_name": "Bob"}))
        .reference(json!({"event_id": event_id}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"external_id": "${lead_external_id}"}))
        .reference(json!({"tid": "${tid}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"coupon_code": "${coupon_code}"}))
        .wrong(patched(&json!({"event_id": long(), "external_id": long(), "occur_time": far_ahead()}), wrong))
        .wrong(patched(&json!({"event_id": "", "email": "bob", "occur_time": no_time()}), &kind("")))
        .wrong(patched(&json!({"event_id": " ", "email": ""}), &kind("a b")))
        .tolerated(json!({
            "tid": long(),
            "ref_id": long(),
            "coupon_code": long(),
            "first_name": long(),
            "last_name": long(),
            "metadata": {" room": "7"},
        }))
}
