//! The feed of conversions.

use serde_json::json;

use super::{Case, case, no_time, patched};

pub(super) fn cases() -> Vec<Case> {
    let wrong_filter = json!({"types": [0, 99], "program_ids": ["prg_1", ""], "affiliate_ids": ["aff_1"]});
    let long_filter = json!({"filter": {"types": vec![1; 1_001]}});
    vec![
        case("TrackingService/ReadEvents", json!({"beginning": {}}))
            .reference(json!({"beginning": null, "after_cursor": "${cursor}"}))
            .reference(json!({"filter": {"program_ids": ["${program_id}"]}}))
            .reference(json!({"filter": {"affiliate_ids": ["${affiliate_id}"]}}))
            .wrong(json!({"after_cursor": "", "filter": wrong_filter, "page_size": -1, "max_wait": {"seconds": 31}}))
            .wrong(json!({"start_time": no_time(), "max_wait": {"seconds": -1}}))
            .wrong(patched(&json!({"after_cursor": null}), &long_filter))
            .wrong(json!({"after_cursor": null}))
            .free(&["beginning", "latest"]),
        case("TrackingService/WatchConversions", json!({"beginning": {}}))
            .reference(json!({"beginning": null, "after_cursor": "${cursor}"}))
            .reference(json!({"filter": {"program_ids": ["${program_id}"]}}))
            .reference(json!({"filter": {"affiliate_ids": ["${affiliate_id}"]}}))
            .wrong(json!({
                "after_cursor": "",
                "filter": wrong_filter,
                "heartbeat_interval": {"seconds": -1},
                "max_batch_size": -1,
            }))
            .wrong(json!({"start_time": no_time()}))
            .wrong(patched(&json!({"after_cursor": null}), &long_filter))
            .wrong(json!({"after_cursor": null}))
            .free(&["beginning", "latest"]),
    ]
}
