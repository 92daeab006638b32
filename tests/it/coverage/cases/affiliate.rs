//! The cases of AffiliateService about programs, affiliates and enrollments.

use serde_json::{Value as Json, json};

use super::{Case, case, long};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = programs();
    cases.extend(affiliates());
    cases.extend(enrollments());
    cases
}

fn terms() -> Json {
    json!({"commission": {"percent_ppm": 100_000}})
}

fn wrong_terms() -> Json {
    json!({
        "reach": 99,
        "commission": {"percent_ppm": -1},
        "hold_period_days": -1,
        "attribution_model": 99,
        "attribution_window_days": 0,
        "precedence": [1, 1],
        "rounding": 99,
    })
}

fn wrong_flat() -> Json {
    json!({"flat": {"amount_minor": -1, "currency_code": "usd"}})
}

fn program(display_name: &str) -> Json {
    json!({
        "display_name": display_name,
        "currency_code": "USD",
        "landing_url": "https://shop.example/",
        "terms": terms(),
    })
}

const FRESH_PROGRAM: &[(&str, &str)] = &[("fresh_program_id", "/program/id")];

fn programs() -> Vec<Case> {
    vec![
        case("AffiliateService/CreateProgram", program("Spring"))
            .other(json!({"display_name": "Summer"}))
            .wrong(json!({
                "request_id": long(),
                "display_name": "",
                "currency_code": "dollars",
                "landing_url": "shop.example",
                "terms": wrong_terms(),
            }))
            .wrong(json!({
                "display_name": long(),
                "currency_code": "",
                "landing_url": "",
                "terms": {"commission": wrong_flat()},
            }))
            .wrong(json!({"display_name": "a\nb", "currency_code": "XXXX", "landing_url": "ftp://shop.example/", "terms": null}))
            .wrong(json!({"display_name": "", "currency_code": "", "landing_url": "", "terms": {"commission": null}}))
            .wrong(json!({"display_name": "", "currency_code": "", "landing_url": "", "terms": {"commission": {}}}))
            .free(&["is_default", "terms.version", "terms.start_time"]),
        case("AffiliateService/GetProgram", json!({"program_id": "${program_id}"}))
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"program_id": "prg_1", "terms_version": -1})),
        case("AffiliateService/ListPrograms", json!({})).list().wrong(json!({"page_size": -1, "state": 99})),
        case(
            "AffiliateService/UpdateProgram",
            json!({
                "program": {"id": "${fresh_program_id}", "display_name": "Renamed"},
                "update_mask": {"paths": ["display_name"]},
            }),
        )
        .prepare("AffiliateService/CreateProgram", program("Fresh"), FRESH_PROGRAM)
        .other(json!({"program": {"id": "${fresh_program_id}", "display_name": "Renamed again"}}))
        .reference(json!({"program": {"id": "${program_id}", "display_name": "Taken over"}}))
        .wrong(json!({
            "request_id": long(),
            "program": {
                "id": "prg_1",
                "display_name": "",
                "landing_url": "shop.example",
                "is_default": false,
                "terms": wrong_terms(),
            },
            "update_mask": {"paths": ["display_name", "landing_url", "is_default", "terms", "nope"]},
        }))
        .wrong(json!({
            "program": {"id": "", "display_name": long(), "landing_url": "", "terms": {"commission": wrong_flat()}},
            "update_mask": {"paths": ["display_name", "landing_url", "terms"]},
        }))
        .wrong(json!({"program": null, "update_mask": {"paths": []}}))
        // What is not in the mask is not read. Another etag is ABORTED.
        .free(&[
            "program.currency_code",
            "program.state",
            "program.create_time",
            "program.update_time",
            "program.etag",
            "program.terms.version",
            "program.terms.start_time",
        ]),
        case("AffiliateService/ArchiveProgram", json!({"program_id": "${fresh_program_id}"}))
            .prepare("AffiliateService/CreateProgram", program("Fresh"), FRESH_PROGRAM)
            .other(json!({"program_id": "${other_program_id}"}))
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"request_id": long(), "program_id": "prg_1"}))
            .wrong(json!({"program_id": ""}))
            .free(&["etag"]),
    ]
}

fn wrong_enrollment() -> Json {
    json!({
        "request_id": long(),
        "program_id": "prg_1",
        "ref_id": "a",
        "promo_code": "SAVE 10",
        "landing_url": "shop.example",
        "commission_override": {"percent_ppm": 1_000_001},
    })
}

fn affiliates() -> Vec<Case> {
    let profile_texts = [
        "company",
        "address",
        "city",
        "state",
        "zipcode",
        "country_code",
        "phone",
        "website",
        "avatar_url",
        "description",
        "facebook",
        "youtube",
        "instagram",
        "twitter",
    ];
    let profile: Json = profile_texts.iter().map(|field| ((*field).to_owned(), long())).collect();
    let mut all_wrong = wrong_enrollment();
    for (field, value) in
        [("email", json!("ann")), ("external_id", json!(" ")), ("first_name", long()), ("last_name", long())]
    {
        all_wrong[field] = value;
    }
    all_wrong["profile"] = profile;
    vec![
        case(
            "AffiliateService/CreateAffiliate",
            json!({"email": "${unique}@new.example", "program_id": "${program_id}", "ref_id": "${unique}"}),
        )
        .other(json!({"email": "${unique}@other.example"}))
        .reference(json!({"email": "${affiliate_email}"}))
        .reference(json!({"external_id": "${affiliate_external_id}"}))
        .reference(json!({"program_id": "${program_id}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"promo_code": "${coupon_code}"}))
        .wrong(all_wrong)
        .wrong(json!({"email": "", "external_id": long(), "commission_override": wrong_flat()}))
        .wrong(json!({"email": "", "commission_override": {}})),
        case("AffiliateService/GetAffiliate", json!({"affiliate": {"id": "${affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"affiliate": {"id": "aff_1"}}))
            .wrong(json!({"affiliate": null}))
            .wrong_affiliates(&json!({})),
        case("AffiliateService/ListAffiliates", json!({}))
            .list()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"page_size": -1, "program_id": "prg_1"})),
    ]
}

const FRESH_AFFILIATE: &[(&str, &str)] =
    &[("fresh_affiliate_id", "/affiliate/id"), ("fresh_enrollment_id", "/enrollment/id")];

fn enrollments() -> Vec<Case> {
    let fresh = json!({"email": "${unique}@fresh.example", "program_id": "${program_id}", "ref_id": "${unique}"});
    let enrollment = |fields: Json| {
        let mut enrollment = json!({"id": "${fresh_enrollment_id}"});
        enrollment.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        enrollment
    };
    vec![
        case(
            "AffiliateService/Enroll",
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
        .reference(json!({"promo_code": "${other_coupon_code}"}))
        .wrong(super::patched(&wrong_enrollment(), &json!({"affiliate": {"id": "aff_1"}})))
        .wrong(json!({"affiliate": null, "commission_override": wrong_flat()}))
        .wrong_affiliates(&json!({"commission_override": {}})),
        case("AffiliateService/ListEnrollments", json!({}))
            .list()
            .affiliate_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"page_size": -1, "affiliate": {"id": "aff_1"}, "program_id": "prg_1", "state": 99}))
            .wrong_affiliates(&json!({})),
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
            },
            "update_mask": {"paths": ["ref_id", "landing_url", "commission_override", "nope"]},
        }))
        .wrong(json!({
            "enrollment": {"id": "", "ref_id": "", "commission_override": wrong_flat()},
            "update_mask": {"paths": ["ref_id", "commission_override"]},
        }))
        .wrong(json!({"enrollment": null, "update_mask": {"paths": []}}))
        // Only what the mask may name is read.
        .free(&[
            "enrollment.affiliate_id",
            "enrollment.program_id",
            "enrollment.referral_link",
            "enrollment.state",
            "enrollment.create_time",
            "enrollment.update_time",
            "enrollment.end_time",
        ])
        .not_references(&["enrollment.affiliate_id", "enrollment.program_id"]),
        case("AffiliateService/EndEnrollment", json!({"enrollment_id": "${fresh_enrollment_id}"}))
            .prepare("AffiliateService/CreateAffiliate", fresh, FRESH_AFFILIATE)
            .other(json!({"enrollment_id": "${enrollment_id}"}))
            .reference(json!({"enrollment_id": "${enrollment_id}"}))
            .wrong(json!({"request_id": long(), "enrollment_id": "enr_1"}))
            .wrong(json!({"enrollment_id": ""})),
    ]
}
