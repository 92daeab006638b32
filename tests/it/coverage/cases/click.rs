//! Clicks.

use serde_json::json;

use super::{Case, case, far_ahead, long, no_time};

pub(super) fn cases() -> Vec<Case> {
    vec![click()]
}

fn click() -> Case {
    case("TrackingService/RecordClick", json!({"event_id": "${unique}", "ref_id": "${link_code}"}))
        .other(json!({"referrer_url": "https://search.example/"}))
        .reference(json!({"event_id": "${click_event_id}"}))
        .reference(json!({"ref_id": "${link_code}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"tid": "${tid}"}))
        .wrong(json!({"event_id": long(), "ref_id": "", "occur_time": far_ahead()}))
        .wrong(json!({"event_id": " ", "ref_id": " ", "occur_time": no_time()}))
        .tolerated(json!({"referrer_url": long()}))
        .tolerated(json!({"referrer_url": "a\u{7}b"}))
        // An unknown cookie makes a new visitor.
        .free(&["tid"])
}
