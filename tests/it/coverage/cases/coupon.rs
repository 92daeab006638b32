//! Coupons.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time, wrong_flat};

fn update(note: &str) -> Json {
    json!({"coupon": {"id": "${coupon_id}", "note": note}, "update_mask": {"paths": ["note"]}})
}

pub(super) fn cases() -> Vec<Case> {
    let fresh = json!({"affiliate": {"id": "${affiliate_id}"}, "program_id": "${program_id}", "code": "${unique}"});
    vec![
        case("AffiliateService/AssignCoupon", fresh.clone())
            .other(json!({"code": "another-${unique}"}))
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .reference(json!({"code": "${third_coupon_code}"}))
            .item_reference()
            .wrong(json!({
                "request_id": long(),
                "affiliate": {"id": "aff_1"},
                "program_id": "prg_1",
                "code": "LE\u{200b}NA",
                "note": long(),
                "item": {"id": "itm_1"},
                "create_affiliate_if_missing": true,
                "start_time": no_time(),
                "end_time": no_time(),
                "channel": 99,
                "metadata": {"": "x"},
                "max_uses": -1,
                "max_uses_per_customer": 10_001,
                "commission": wrong_flat(),
                "commission_end_time": no_time(),
                "dated_commission": {"commission": wrong_flat(), "start_time": no_time(), "end_time": no_time()},
            }))
            .wrong(json!({
                "affiliate": null,
                "code": "",
                "commission": {},
                "dated_commission": {"commission": {"percent_ppm": -1}, "end_time": null},
            }))
            .free(&["dated_commission.number", "dated_commission.create_time", "dated_commission.withdraw_time"])
            .wrong(json!({"affiliate": null, "code": "", "commission": {"percent_ppm": -1}}))
            .wrong(json!({"affiliate": null, "code": "", "commission_end_time": {"seconds": 1_900_000_000}}))
            .wrong(json!({"affiliate": null, "code": ""}))
            .wrong_affiliates(&json!({"code": "a"}))
            .wrong_items(&json!({"affiliate": null, "code": "a"})),
        case("AffiliateService/GetCoupon", json!({"coupon_id": "${coupon_id}"}))
            .reference(json!({"coupon_id": "${coupon_id}"}))
            .wrong(json!({"coupon_id": "cpn_1"}))
            .wrong(json!({"coupon_id": ""})),
        case("AffiliateService/ListCoupons", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"code": "${coupon_code}"}))
            .item_reference()
            .reference(json!({"offer_id": "${offer_id}"}))
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "affiliate": {"id": "aff_1"},
                "code": long(),
                "states": [0, 99],
                "offer_id": "ofr_1",
                "metadata": {"": "a4"},
            }))
            .wrong_affiliates(&json!({}))
            .wrong_items(&json!({}))
            .free(&["with_total_count"]),
        case("AffiliateService/UpdateCoupon", update("better"))
            .other(update("best"))
            .reference(json!({"coupon": {"id": "${coupon_id}", "note": "taken over"}}))
            .wrong(json!({
                "request_id": long(),
                "coupon": {
                    "id": "cpn_1",
                    "note": long(),
                    "metadata": {"": "x"},
                    "max_uses": 1_000_000_001,
                    "max_uses_per_customer": -1,
                    "commission": wrong_flat(),
                    "commission_end_time": no_time(),
                },
                "update_mask": {
                    "paths": ["note", "metadata", "max_uses", "max_uses_per_customer", "commission", "nope"],
                },
                "dated_commission": {"commission": wrong_flat(), "start_time": no_time(), "end_time": no_time()},
                "withdraw_dated_commission": -1,
            }))
            .wrong(json!({
                "coupon": {"id": "", "commission": {"percent_ppm": -1}},
                "update_mask": {"paths": ["commission", "nope"]},
                "dated_commission": {"commission": {"percent_ppm": -1}, "end_time": null},
            }))
            .wrong(json!({"coupon": {"id": ""}, "update_mask": {"paths": []}}))
            .wrong(json!({"coupon": null, "update_mask": {"paths": []}}))
            // Only the note, the metadata and the limits are read.
            .free(&[
                "coupon.enrollment_id",
                "coupon.affiliate_id",
                "coupon.code",
                "coupon.state",
                "coupon.create_time",
                "coupon.remove_time",
                "coupon.item_id",
                "coupon.offer_id",
                "coupon.start_time",
                "coupon.end_time",
                "coupon.channel",
                "coupon.dated_commissions",
                "dated_commission.number",
                "dated_commission.create_time",
                "dated_commission.withdraw_time",
            ])
            .not_references(&[
                "coupon.enrollment_id",
                "coupon.affiliate_id",
                "coupon.code",
                "coupon.item_id",
                "coupon.offer_id",
            ]),
        case("AffiliateService/ValidateCoupon", json!({"code": "${coupon_code}"}))
            .reference(json!({"code": "${coupon_code}"}))
            .lead_reference()
            .wrong(json!({"code": long(), "item_sku": long(), "channel": 99, "lead": {}}))
            .wrong_leads(&json!({"code": long()}))
            .wrong(json!({"code": " "})),
        case("AffiliateService/RemoveCoupon", json!({"coupon_id": "${fresh_coupon_id}"}))
            .prepare("AffiliateService/AssignCoupon", fresh, &[("fresh_coupon_id", "/coupon/id")])
            .other(json!({"coupon_id": "${coupon_id}"}))
            .reference(json!({"coupon_id": "${coupon_id}"}))
            .wrong(json!({"request_id": long(), "coupon_id": "cpn_1"}))
            .wrong(json!({"coupon_id": ""})),
    ]
}
