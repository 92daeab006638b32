//! Groups of affiliates.

use serde_json::{Value as Json, json};

use super::{Case, case, long};

fn update(display_name: &str) -> Json {
    json!({"group": {"id": "${group_id}", "display_name": display_name}, "update_mask": {"paths": ["display_name"]}})
}

pub(super) fn cases() -> Vec<Case> {
    let group = |name: &str| json!({"display_name": name});
    vec![
        case("AffiliateService/CreateAffiliateGroup", group("${unique}"))
            .furnish(
                "AffiliateService/CreateAffiliateGroup",
                group("gold-${tag}"),
                &[("group_id", "/group/id"), ("group_name", "/group/display_name")],
            )
            .furnish("AffiliateService/CreateAffiliateGroup", group("silver-${tag}"), &[])
            .other(json!({"display_name": "another-${unique}"}))
            .reference(json!({"display_name": "${group_name}"}))
            .wrong(json!({"request_id": long(), "display_name": long(), "note": long()}))
            .wrong(json!({"display_name": ""}))
            .wrong(json!({"display_name": "a\nb"})),
        case("AffiliateService/GetAffiliateGroup", json!({"group_id": "${group_id}"}))
            .reference(json!({"group_id": "${group_id}"}))
            .wrong(json!({"group_id": "grp_1"}))
            .wrong(json!({"group_id": ""})),
        case("AffiliateService/ListAffiliateGroups", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "states": [0, 99]}))
            .free(&["with_total_count"]),
        case("AffiliateService/UpdateAffiliateGroup", update("Large ${unique}"))
            .other(update("Small"))
            .reference(json!({"group": {"id": "${group_id}", "display_name": "Taken over"}}))
            .wrong(json!({
                "request_id": long(),
                "group": {"id": "grp_1", "display_name": long(), "note": long()},
                "update_mask": {"paths": ["display_name", "note", "nope"]},
            }))
            .wrong(json!({"group": {"id": "", "display_name": " "}, "update_mask": {"paths": ["display_name"]}}))
            .wrong(json!({"group": null, "update_mask": {"paths": []}}))
            // Only fields that the mask allows are read.
            .free(&["group.state", "group.create_time", "group.update_time", "group.archive_time"]),
        case("AffiliateService/ArchiveAffiliateGroup", json!({"group_id": "${fresh_group_id}"}))
            .prepare("AffiliateService/CreateAffiliateGroup", group("${unique}"), &[("fresh_group_id", "/group/id")])
            .other(json!({"group_id": "${group_id}"}))
            .reference(json!({"group_id": "${group_id}"}))
            .wrong(json!({"request_id": long(), "group_id": "grp_1"}))
            .wrong(json!({"group_id": ""})),
    ]
}
