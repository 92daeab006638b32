//! Links.

use serde_json::json;

use super::{Case, case, long};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("AffiliateService/CreateLink", json!({"enrollment_id": "${enrollment_id}", "code": "${unique}"}))
            .other(json!({"code": "another-${unique}"}))
            .reference(json!({"enrollment_id": "${enrollment_id}"}))
            .reference(json!({"code": "${link_code}"}))
            .wrong(json!({
                "request_id": long(),
                "enrollment_id": "enr_1",
                "code": "two words",
                "destination_url": "javascript:alert(1)",
            }))
            .wrong(json!({"enrollment_id": "", "code": long(), "destination_url": "https://jo:secret@shop.example/"})),
        case("AffiliateService/GetLink", json!({"link_id": "${link_id}"}))
            .reference(json!({"link_id": "${link_id}"}))
            .wrong(json!({"link_id": "lnk_1"}))
            .wrong(json!({"link_id": ""})),
        case("AffiliateService/ListLinks", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"enrollment_id": "${enrollment_id}"}))
            .wrong(json!({"page_size": -1, "order": 99, "affiliate": {"id": "aff_1"}, "enrollment_id": "enr_1", "states": [0, 99]}))
            .wrong_affiliates(&json!({})),
        case("AffiliateService/RevokeLink", json!({"link_id": "${fresh_link_id}"}))
            .prepare(
                "AffiliateService/CreateLink",
                json!({"enrollment_id": "${enrollment_id}"}),
                &[("fresh_link_id", "/link/id")],
            )
            .other(json!({"link_id": "${link_id}"}))
            .reference(json!({"link_id": "${link_id}"}))
            .wrong(json!({"request_id": long(), "link_id": "lnk_1"}))
            .wrong(json!({"link_id": ""})),
    ]
}
