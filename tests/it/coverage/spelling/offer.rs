//! Two spellings of requests that change items and offers.

use serde_json::json;

use super::{Spelling, ids_only, spelling};

pub(super) fn items() -> Vec<Spelling> {
    vec![
        spelling(
            "AffiliateService/CreateItem",
            vec![(
                json!({"sku": "s-${unique}", "display_name": "Mug", "note": "a\nb"}),
                json!({"sku": "s-${unique}", "display_name": " Mug", "note": "a\nb\n"}),
            )],
            &["sku"],
        ),
        spelling(
            "AffiliateService/UpdateItem",
            vec![(
                json!({
                    "item": {"id": "${item_id}", "display_name": "New", "note": "new"},
                    "update_mask": {"paths": ["display_name", "note"]},
                }),
                json!({
                    "item": {
                        "id": "${item_id}",
                        "sku": "x",
                        "display_name": "New ",
                        "note": " new",
                        "state": "ITEM_STATE_ARCHIVED",
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "archive_time": {"seconds": 1},
                    },
                    "update_mask": {"paths": ["note", "display_name", "note"]},
                }),
            )],
            &["item.id"],
        ),
        ids_only("AffiliateService/ArchiveItem", &["item_id"]),
    ]
}

pub(super) fn offers() -> Vec<Spelling> {
    let [window, same_window] = [1_000, 1_999].map(|nanos| json!({"seconds": 4_000_000_000_u32, "nanos": nanos}));
    let [start, same_start] = [1_000, 1_999].map(|nanos| json!({"seconds": 1, "nanos": nanos}));
    vec![
        spelling(
            "AffiliateService/CreateOffer",
            vec![(
                json!({
                    "display_name": "Twice",
                    "about": "a\nb",
                    "code_prefix": "STRASSE",
                    "start_time": start,
                    "end_time": window,
                }),
                json!({
                    "display_name": " Twice",
                    "about": "a\nb\n",
                    "code_prefix": "stra\u{df}e ",
                    "start_time": same_start,
                    "end_time": same_window,
                }),
            )],
            &["program_id", "item", "max_claims", "max_claims_per_affiliate", "max_uses_per_coupon"],
        ),
        spelling(
            "AffiliateService/UpdateOffer",
            vec![(
                json!({
                    "offer": {
                        "id": "${offer_id}",
                        "display_name": "Twice",
                        "about": "a",
                        "start_time": start,
                        "end_time": window,
                    },
                    "update_mask": {"paths": ["about", "display_name", "end_time", "start_time"]},
                }),
                json!({
                    "offer": {
                        "id": "${offer_id}",
                        "program_id": "prg_1",
                        "display_name": "Twice ",
                        "about": " a",
                        "item_id": "itm_1",
                        "code_prefix": "x",
                        "start_time": same_start,
                        "end_time": same_window,
                        "max_claims": 7,
                        "max_claims_per_affiliate": 7,
                        "max_uses_per_coupon": 7,
                        "claim_count": 7,
                        "state": "OFFER_STATE_ARCHIVED",
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "archive_time": {"seconds": 1},
                    },
                    "update_mask": {"paths": ["display_name", "about", "start_time", "end_time", "about"]},
                }),
            )],
            &["offer.id"],
        ),
        spelling(
            "AffiliateService/ClaimOffer",
            vec![
                (
                    json!({"affiliate": {"email": "${affiliate_email}"}, "code": "stra\u{df}e ${unique}", "note": "a"}),
                    json!({"affiliate": {"email": "${affiliate_email}."}, "code": " STRASSE  ${unique}", "note": " a"}),
                ),
                (
                    json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
                ),
            ],
            &["offer_id", "affiliate.id", "affiliate.external_id", "affiliate.auth_token"],
        ),
        ids_only("AffiliateService/ArchiveOffer", &["offer_id"]),
    ]
}
