//! Statistics.

use serde_json::json;

use super::{Case, case, long};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "RewardService/QueryStats",
            json!({"first_day": "2025-12-01", "last_day": "2026-02-01", "group_by": [1, 4]}),
        )
        .list()
        .affiliate_reference()
        .reference(json!({"program_id": "${program_id}"}))
        .reference(json!({"link_id": "${link_id}"}))
        .wrong(json!({
            "page_size": -1,
            "first_day": "",
            "last_day": "2026-02-29",
            "group_by": [0, 99],
            "program_id": "prg_1",
            "affiliate": {"id": "aff_1"},
            "link_id": "lnk_1",
            "sub_id": long(),
        }))
        .wrong(json!({"first_day": "2026-1-2", "last_day": "27.11.2026"}))
        .wrong_affiliates(&json!({"first_day": "", "last_day": ""}))
        .not_references(&["sub_id"]),
    ]
}
