//! Links.

use serde_json::json;

use super::{Case, case, long};

const FRESH_LINK: &[(&str, &str)] = &[("fresh_link_id", "/link/id")];

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
            .reference(json!({"claimed_url": "https://shop.example/of-${link_code}"}))
            .wrong(json!({
                "enrollment_id": "",
                "code": long(),
                "destination_url": "https://jo:secret@shop.example/",
                "claimed_url": "shop.example/page",
            })),
        update(),
        case("AffiliateService/GetLink", json!({"link_id": "${link_id}"}))
            .reference(json!({"link_id": "${link_id}"}))
            .wrong(json!({"link_id": "lnk_1"}))
            .wrong(json!({"link_id": ""})),
        case("AffiliateService/ListLinks", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"enrollment_id": "${enrollment_id}"}))
            .wrong(json!({"page_size": -1, "order": 99, "affiliate": {"id": "aff_1"}, "enrollment_id": "enr_1", "states": [0, 99]}))
            .wrong_affiliates(&json!({}))
            .free(&["with_total_count"]),
        case("AffiliateService/RevokeLink", json!({"link_id": "${fresh_link_id}"}))
            .prepare(
                "AffiliateService/CreateLink",
                json!({"enrollment_id": "${enrollment_id}"}),
                FRESH_LINK,
            )
            .other(json!({"link_id": "${link_id}"}))
            .reference(json!({"link_id": "${link_id}"}))
            .wrong(json!({"request_id": long(), "link_id": "lnk_1"}))
            .wrong(json!({"link_id": ""})),
    ]
}

fn update() -> Case {
    let mask = |paths: &[&str]| json!({"paths": paths});
    let claimed = json!({"id": "${fresh_link_id}", "claimed_url": "https://shop.example/later-${link_code}"});
    case(
        "AffiliateService/UpdateLink",
        json!({
            "link": {"id": "${fresh_link_id}", "destination_url": "https://shop.example/a"},
            "update_mask": mask(&["destination_url"]),
        }),
    )
    .prepare(
        "AffiliateService/CreateLink",
        json!({"enrollment_id": "${enrollment_id}", "code": "${unique}"}),
        FRESH_LINK,
    )
    .other(json!({"link": {"id": "${fresh_link_id}", "destination_url": "https://shop.example/b"}}))
    .furnish(
        "AffiliateService/CreateLink",
        json!({"enrollment_id": "${enrollment_id}", "claimed_url": "https://shop.example/later-${link_code}"}),
        &[],
    )
    .reference(json!({"link": {"id": "${link_id}"}}))
    .reference(json!({"link": claimed, "update_mask": mask(&["claimed_url"])}))
    .wrong(json!({
        "request_id": long(),
        "link": {"id": "lnk_1", "destination_url": "ftp://shop.example/", "claimed_url": "shop.example"},
        "update_mask": mask(&["destination_url", "claimed_url", "nope"]),
    }))
    .wrong(json!({"link": {"id": ""}, "update_mask": mask(&[])}))
    .wrong(json!({"link": null, "update_mask": null}))
    // Only fields that the mask allows are read.
    .free(&[
        "link.enrollment_id",
        "link.affiliate_id",
        "link.code",
        "link.state",
        "link.create_time",
        "link.revoke_time",
        "link.referral_link",
    ])
    .not_references(&["link.enrollment_id", "link.affiliate_id", "link.code"])
}
