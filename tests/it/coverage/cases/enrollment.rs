//! Enrollments.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time, wrong_enrollment, wrong_flat};

const FRESH_AFFILIATE: &[(&str, &str)] = &[
    ("fresh_affiliate_id", "/affiliate/id"),
    ("fresh_email", "/affiliate/email"),
    ("fresh_enrollment_id", "/enrollment/id"),
    ("fresh_ref_id", "/enrollment/ref_id"),
];

pub(super) fn cases() -> Vec<Case> {
    let fresh = json!({"email": "${unique}@fresh.example", "program_id": "${program_id}", "ref_id": "${unique}"});
    let enrollment = |fields: Json| {
        let mut enrollment = json!({"id": "${fresh_enrollment_id}"});
        enrollment.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        enrollment
    };
    vec![
        case(
            "AffiliateService/EnrollAffiliate",
            json!({
                "affiliate": {"id": "${fresh_affiliate_id}"},
                "program_id": "${other_program_id}",
                "ref_id": "${unique}",
            }),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .other(json!({"affiliate": {"id": "${affiliate_id}"}}))
        .affiliate_reference()
        .reference(json!({"program_id": "${other_program_id}"}))
        .reference(json!({"ref_id": "${other_ref_id}"}))
        .reference(json!({"coupon_code": "${other_coupon_code}"}))
        .reference(json!({"invitation_code": "${invitation_code}"}))
        .wrong(super::patched(
            &wrong_enrollment(),
            &json!({"affiliate": {"id": "aff_1"}, "invitation_code": long(), "metadata": {"": "x"}}),
        ))
        .free(&["acceptance.accept_time"])
        .wrong(json!({"affiliate": null, "commission_override": wrong_flat()}))
        .wrong_affiliates(&json!({"commission_override": {}})),
        case("AffiliateService/GetEnrollment", json!({"enrollment_id": "${enrollment_id}"}))
            .reference(json!({"enrollment_id": "${enrollment_id}"}))
            .wrong(json!({"enrollment_id": "enr_1"}))
            .wrong(json!({"enrollment_id": ""})),
        case("AffiliateService/ListEnrollments", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(
                json!({"page_size": -1, "order": 99, "affiliate": {"id": "aff_1"}, "program_id": "prg_1", "states": [0, 99], "metadata": {"": "x"}}),
            )
            .wrong_affiliates(&json!({}))
            .free(&["lacks_newest_agreement"]),
        case(
            "AffiliateService/UpdateEnrollment",
            json!({
                "enrollment": enrollment(json!({"landing_url": "https://new.example/"})),
                "update_mask": {"paths": ["landing_url"]},
            }),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .other(json!({"enrollment": enrollment(json!({"landing_url": "https://newer.example/"}))}))
        .reference(json!({"enrollment": {"id": "${enrollment_id}", "landing_url": "https://new.example/"}}))
        .reference(json!({
            "enrollment": enrollment(json!({"ref_id": "${third_ref_id}"})),
            "update_mask": {"paths": ["ref_id"]},
        }))
        .wrong(json!({
            "request_id": long(),
            "enrollment": {
                "id": "enr_1",
                "ref_id": "a",
                "landing_url": "new.example",
                "commission_override": {"percent_ppm": -1},
                "metadata": {"": "x"},
            },
            "update_mask": {"paths": ["ref_id", "landing_url", "commission_override", "metadata", "nope"]},
            "dated_commission": {"commission": wrong_flat(), "start_time": no_time(), "end_time": no_time()},
            "withdraw_dated_commission": -1,
        }))
        .wrong(json!({
            "enrollment": {"id": ""},
            "update_mask": {"paths": ["nope"]},
            "dated_commission": {"commission": {"percent_ppm": -1}, "end_time": null},
        }))
        .wrong(json!({
            "enrollment": {"id": "", "ref_id": "", "commission_override": wrong_flat()},
            "update_mask": {"paths": ["ref_id", "commission_override"]},
        }))
        .wrong(json!({"enrollment": null, "update_mask": {"paths": []}}))
        // Only fields that the mask allows are read.
        .free(&[
            "enrollment.affiliate_id",
            "enrollment.program_id",
            "enrollment.referral_link",
            "enrollment.state",
            "enrollment.create_time",
            "enrollment.update_time",
            "enrollment.end_time",
            "enrollment.moved_to_enrollment_id",
            "enrollment.awaits_agreement",
            "enrollment.lacks_newest_agreement",
            "enrollment.acceptances",
            "enrollment.dated_commissions",
            "dated_commission.number",
            "dated_commission.create_time",
            "dated_commission.withdraw_time",
        ])
        .not_references(&["enrollment.affiliate_id", "enrollment.program_id", "enrollment.moved_to_enrollment_id"]),
        case(
            "AffiliateService/AcceptAgreement",
            json!({"enrollment_id": "${fresh_enrollment_id}", "acceptance": {"version": 1}}),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .other(json!({"enrollment_id": "${enrollment_id}"}))
        .reference(json!({"enrollment_id": "${enrollment_id}"}))
        .wrong(json!({
            "request_id": long(),
            "enrollment_id": "enr_1",
            "acceptance": {"version": 0, "source": long()},
        }))
        .wrong(json!({"enrollment_id": "", "acceptance": null}))
        .wrong(json!({"enrollment_id": "", "acceptance": {"version": -1}}))
        .free(&["acceptance.accept_time"]),
        case(
            "AffiliateService/MoveEnrollment",
            json!({"enrollment_id": "${fresh_enrollment_id}", "program_id": "${other_program_id}", "ref_id": "${unique}"}),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .other(json!({"enrollment_id": "${enrollment_id}"}))
        .reference(json!({"enrollment_id": "${enrollment_id}"}))
        .reference(json!({"program_id": "${other_program_id}"}))
        .wrong(json!({
            "request_id": long(),
            "enrollment_id": "enr_1",
            "program_id": "prg_1",
            "ref_id": "a",
            "landing_url": "new.example",
            "commission_override": {"percent_ppm": -1},
            "leads": 99,
        }))
        .wrong(json!({"enrollment_id": "", "program_id": "", "commission_override": wrong_flat()}))
        .wrong(json!({"enrollment_id": "", "program_id": "", "commission_override": {}}))
        // It makes a name of the account's own.
        .not_references(&["ref_id"]),
        case("AffiliateService/EndEnrollment", json!({"enrollment_id": "${fresh_enrollment_id}"}))
            .prepare("AffiliateService/CreateAffiliate", fresh, FRESH_AFFILIATE)
            .other(json!({"enrollment_id": "${enrollment_id}"}))
            .reference(json!({"enrollment_id": "${enrollment_id}"}))
            .wrong(json!({"request_id": long(), "enrollment_id": "enr_1"}))
            .wrong(json!({"enrollment_id": ""})),
    ]
}
