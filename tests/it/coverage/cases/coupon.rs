//! Coupons.

use serde_json::json;

use super::{Case, case, long};

pub(super) fn cases() -> Vec<Case> {
    let fresh = json!({"affiliate": {"id": "${affiliate_id}"}, "program_id": "${program_id}", "code": "${unique}"});
    vec![
        case("AffiliateService/AssignCoupon", fresh.clone())
            .other(json!({"code": "another-${unique}"}))
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .reference(json!({"code": "${third_coupon_code}"}))
            .wrong(json!({
                "request_id": long(),
                "affiliate": {"id": "aff_1"},
                "program_id": "prg_1",
                "code": "LE\u{200b}NA",
                "note": long(),
            }))
            .wrong(json!({"affiliate": null, "code": ""}))
            .wrong_affiliates(&json!({"code": "a"})),
        case("AffiliateService/GetCoupon", json!({"coupon_id": "${coupon_id}"}))
            .reference(json!({"coupon_id": "${coupon_id}"}))
            .wrong(json!({"coupon_id": "cpn_1"}))
            .wrong(json!({"coupon_id": ""})),
        case("AffiliateService/ListCoupons", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"code": "${coupon_code}"}))
            .wrong(
                json!({"page_size": -1, "order": 99, "affiliate": {"id": "aff_1"}, "code": long(), "states": [0, 99]}),
            )
            .wrong_affiliates(&json!({})),
        case("AffiliateService/RemoveCoupon", json!({"coupon_id": "${fresh_coupon_id}"}))
            .prepare("AffiliateService/AssignCoupon", fresh, &[("fresh_coupon_id", "/coupon/id")])
            .other(json!({"coupon_id": "${coupon_id}"}))
            .reference(json!({"coupon_id": "${coupon_id}"}))
            .wrong(json!({"request_id": long(), "coupon_id": "cpn_1"}))
            .wrong(json!({"coupon_id": ""})),
    ]
}
