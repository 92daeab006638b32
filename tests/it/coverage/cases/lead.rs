//! Leads, and their cancellations.

use serde_json::json;

use super::{Case, case, far_ahead, long, no_time};

pub(super) fn cases() -> Vec<Case> {
    vec![
        lead(),
        cancellation(),
        case("TrackingService/GetLead", json!({"lead": {"id": "${lead_id}"}}))
            .lead_reference()
            .wrong(json!({"lead": {"id": "led_1"}}))
            .wrong(json!({"lead": null}))
            .wrong_leads(&json!({})),
        case("TrackingService/ListLeads", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({"page_size": -1, "order": 99, "states": [0, 99], "affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
    ]
}

fn lead() -> Case {
    case("TrackingService/RecordLead", json!({"event_id": "${unique}", "email": "${unique}@customers.example"}))
        .other(json!({"first_name": "Bob"}))
        .reference(json!({"event_id": "${lead_event_id}"}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"external_id": "${lead_external_id}"}))
        .reference(json!({"tid": "${tid}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"coupon_code": "${coupon_code}"}))
        .wrong(json!({"event_id": long(), "external_id": long(), "occur_time": far_ahead()}))
        .wrong(json!({"event_id": "", "email": "bob", "occur_time": no_time()}))
        .wrong(json!({"event_id": " ", "email": ""}))
        .tolerated(json!({
            "tid": long(),
            "ref_id": long(),
            "coupon_code": long(),
            "first_name": long(),
            "last_name": long(),
            "state": 99,
        }))
        .tolerated(json!({"state": "LEAD_STATE_ACTIVE"}))
}

fn cancellation() -> Case {
    case("TrackingService/RecordCancellation", json!({"event_id": "${unique}", "email": "${lead_email}"}))
        .furnish(
            "TrackingService/RecordCancellation",
            json!({"event_id": "${cancellation_event_id}", "email": "eve@${tag}.example"}),
            &[],
        )
        .other(json!({"email": null, "external_id": "${lead_external_id}"}))
        .reference(json!({"event_id": "${cancellation_event_id}"}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"email": null, "external_id": "${lead_external_id}"}))
        .wrong(json!({"event_id": long(), "external_id": long(), "occur_time": far_ahead()}))
        .wrong(json!({"event_id": "", "email": "bob", "occur_time": no_time()}))
        .wrong(json!({"event_id": " ", "email": ""}))
}
