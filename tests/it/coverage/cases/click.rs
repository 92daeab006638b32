//! Clicks.

use serde_json::json;

use super::{Case, case, far_ahead, long, no_time};

pub(super) fn cases() -> Vec<Case> {
    vec![click(), list()]
}

fn list() -> Case {
    case("TrackingService/ListClicks", json!({}))
        .furnish("TrackingService/RecordClick", json!({"ref_id": "${link_code}"}), &[])
        .list()
        .affiliate_reference()
        .reference(json!({"program_id": "${program_id}"}))
        .reference(json!({"link_id": "${link_id}"}))
        .reference(json!({"tid": "${tid}"}))
        .wrong(json!({
            "page_size": -1,
            "order": 99,
            "program_id": "prg_1",
            "affiliate": {"id": "aff_1"},
            "link_id": "lnk_1",
            "tid": "t",
            "sub_id": long(),
            "occur_interval": {"start_time": no_time(), "end_time": no_time()},
        }))
        .wrong_affiliates(&json!({}))
        .not_references(&["sub_id"])
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
        .wrong(json!({"landing_url": "shop.example"}))
        .tolerated(json!({"referrer_url": long(), "landing_url": long(), "sub_id": long()}))
        .tolerated(json!({"referrer_url": "a\u{7}b"}))
        // An unknown cookie makes a new visitor.
        .free(&["tid"])
        .not_references(&["sub_id"])
}
