//! The feed of events, and the stream of conversions.

use serde_json::{Value as Json, json};

use super::{Case, case, no_time, patched};

pub(super) fn cases() -> Vec<Case> {
    vec![
        reader("FeedService/ReadEvents", &json!({"page_size": -1, "max_wait": {"seconds": 31}}))
            .wrong(json!({"start": null, "max_wait": {"seconds": -1}})),
        reader("FeedService/WatchEvents", &wrong_stream()),
        reader("TrackingService/WatchConversions", &wrong_stream())
            .wrong(json!({"start": null, "filter": {"kinds": ["EVENT_KIND_REWARD_APPROVED"]}})),
    ]
}

fn wrong_stream() -> Json {
    json!({"heartbeat_delay": {"seconds": -1}, "max_batch_size": -1})
}

/// A method that reads the feed. `wrong` has the fields that differ.
fn reader(method: &'static str, wrong: &Json) -> Case {
    let filter = json!({
        "kinds": [0, 9_999],
        "program_ids": ["prg_1", ""],
        "affiliate_ids": ["aff_1"],
        "subject_ids": ["cnv_1", "evt_0193a5f0000070008000000000000001"],
    });
    let long_filter = json!({"filter": {"kinds": vec![1; 1_001]}});
    case(method, json!({"start": {"position": "FEED_POSITION_BEGINNING"}}))
        .reference(json!({"start": {"after_cursor": "${cursor}"}}))
        .reference(json!({"filter": {"program_ids": ["${program_id}"]}}))
        .reference(json!({"filter": {"affiliate_ids": ["${affiliate_id}"]}}))
        .reference(json!({"filter": {"subject_ids": ["${conversion_id}"]}}))
        .wrong(patched(&json!({"start": {"after_cursor": ""}, "filter": filter}), wrong))
        .wrong(json!({"start": {"position": 99}}))
        .wrong(json!({"start": {"commit_time": no_time()}}))
        .wrong(patched(&json!({"start": null}), &long_filter))
        .wrong(json!({"start": null}))
}
