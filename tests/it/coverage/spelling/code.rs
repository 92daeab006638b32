//! Two spellings of requests that change links, coupons and rewards.

use serde_json::json;

use super::{Spelling, ids_only, spelling};

pub(super) fn spellings() -> Vec<Spelling> {
    vec![
        spelling(
            "AffiliateService/CreateLink",
            vec![(
                json!({
                    "code": "c-${unique}",
                    "destination_url": "https://shop.example",
                    "claimed_url": "https://shop.example/${unique}",
                }),
                json!({
                    "code": " C-${unique}",
                    "destination_url": "https://shop.example/",
                    "claimed_url": "http://Shop.example/${unique}/?a=1#b",
                }),
            )],
            &["enrollment_id"],
        ),
        spelling(
            "AffiliateService/UpdateLink",
            vec![(
                json!({
                    "link": {
                        "id": "${fresh_link_id}",
                        "destination_url": "https://shop.example",
                        "claimed_url": "https://shop.example/${unique}",
                    },
                    "update_mask": {"paths": ["claimed_url", "destination_url"]},
                }),
                json!({
                    "link": {
                        "id": "${fresh_link_id}",
                        "enrollment_id": "e",
                        "affiliate_id": "a",
                        "code": "c",
                        "destination_url": "https://SHOP.example/",
                        "state": "LINK_STATE_REVOKED",
                        "create_time": {"seconds": 1},
                        "revoke_time": {"seconds": 1},
                        "claimed_url": "http://shop.example/${unique}?x",
                        "referral_link": "r",
                    },
                    "update_mask": {"paths": ["destination_url", "claimed_url", "destination_url"]},
                }),
            )],
            &["link.id"],
        ),
        ids_only("AffiliateService/RevokeLink", &["link_id"]),
        spelling(
            "AffiliateService/AssignCoupon",
            vec![
                (
                    json!({
                        "affiliate": {"email": "${affiliate_email}"},
                        "code": "stra\u{df}e ${unique}",
                        "note": "a\nb",
                        "start_time": {"seconds": 1_800_000_000, "nanos": 1_000},
                        "end_time": {"seconds": 1_900_000_000, "nanos": 1_000},
                        "metadata": {"crm": "17"},
                        "commission": {"percent_ppm": 5},
                        "commission_end_time": {"seconds": 1_900_000_000, "nanos": 1_000},
                        "dated_commission": {
                            "commission": {"percent_ppm": 5},
                            "start_time": {"seconds": 3_900_000_000_i64},
                            "end_time": {"seconds": 4_000_000_000_i64},
                        },
                    }),
                    json!({
                        "affiliate": {"email": "${affiliate_email}."},
                        "code": " STRASSE  ${unique}",
                        "note": "a\nb\n",
                        "start_time": {"seconds": 1_800_000_000, "nanos": 1_999},
                        "end_time": {"seconds": 1_900_000_000, "nanos": 1_999},
                        "metadata": {"crm": "17 ", "empty": " "},
                        "commission": {"percent_ppm": 5},
                        "commission_end_time": {"seconds": 1_900_000_000, "nanos": 1_999},
                        "dated_commission": {
                            "number": 3,
                            "commission": {"percent_ppm": 5},
                            "start_time": {"seconds": 3_900_000_000_i64, "nanos": 999},
                            "end_time": {"seconds": 4_000_000_000_i64, "nanos": 1},
                            "create_time": {"seconds": 1},
                            "withdraw_time": {"seconds": 1},
                        },
                    }),
                ),
                (
                    json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
                ),
            ],
            &[
                "affiliate.id",
                "affiliate.external_id",
                "affiliate.auth_token",
                "program_id",
                "item",
                "create_affiliate_if_missing",
                "channel",
                "max_uses",
                "max_uses_per_customer",
                "commission",
                "dated_commission.commission",
            ],
        ),
        spelling(
            "AffiliateService/UpdateCoupon",
            vec![(
                json!({
                    "coupon": {"id": "${coupon_id}", "note": "new", "metadata": {"crm": "17"}},
                    "update_mask": {"paths": ["metadata", "note"]},
                    "dated_commission": {
                        "commission": {"percent_ppm": 5},
                        "start_time": {"seconds": 3_900_000_000_i64},
                        "end_time": {"seconds": 4_000_000_000_i64},
                    },
                }),
                json!({
                    "coupon": {
                        "id": "${coupon_id}",
                        "enrollment_id": "enr_1",
                        "affiliate_id": "aff_1",
                        "code": "x",
                        "note": "new ",
                        "state": "COUPON_STATE_REMOVED",
                        "create_time": {"seconds": 1},
                        "remove_time": {"seconds": 1},
                        "item_id": "itm_1",
                        "offer_id": "ofr_1",
                        "start_time": {"seconds": 1},
                        "end_time": {"seconds": 1},
                        "channel": "SALE_CHANNEL_ONLINE",
                        "metadata": {"crm": " 17"},
                        "max_uses": 100,
                        "max_uses_per_customer": 5,
                        "commission": {"percent_ppm": 5},
                        "commission_end_time": {"seconds": 1},
                        "dated_commissions": [{}],
                    },
                    "update_mask": {"paths": ["note", "metadata", "note"]},
                    "dated_commission": {
                        "number": 3,
                        "commission": {"percent_ppm": 5},
                        "start_time": {"seconds": 3_900_000_000_i64, "nanos": 999},
                        "end_time": {"seconds": 4_000_000_000_i64, "nanos": 1},
                        "create_time": {"seconds": 1},
                        "withdraw_time": {"seconds": 1},
                    },
                }),
            )],
            &[
                "coupon.id",
                "coupon.commission.flat.amount_minor",
                "coupon.commission.flat.currency_code",
                "coupon.dated_commissions",
                "dated_commission.commission",
                "withdraw_dated_commission",
            ],
        ),
        ids_only("AffiliateService/RemoveCoupon", &["coupon_id"]),
        ids_only("RewardService/ApproveRewards", &["reward_ids"]),
        spelling(
            "RewardService/ReleaseRewards",
            vec![(json!({"reason": "a family"}), json!({"reason": " a family"}))],
            &["reward_ids"],
        ),
        spelling(
            "RewardService/DenyRewards",
            vec![(json!({"reason": "test order"}), json!({"reason": "test order\n"}))],
            &["reward_ids"],
        ),
        spelling(
            "RewardService/CreateReward",
            vec![
                (
                    json!({"enrollment": null, "lead": {"email": "${lead_email}"}, "reason": "bonus"}),
                    json!({
                        "enrollment": null,
                        "lead": {"email": " ${lead_email}."},
                        "state": "REWARD_STATE_APPROVED",
                        "reason": " bonus",
                    }),
                ),
                (
                    json!({"enrollment": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"enrollment": {"ref_id": "ANN-${TAG}"}}),
                ),
            ],
            &["enrollment.id", "lead.id", "lead.external_id", "value"],
        ),
        ids_only("RewardService/FulfillReward", &["reward_id"]),
    ]
}
