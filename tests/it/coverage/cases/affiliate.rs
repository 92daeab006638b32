//! Affiliates.

use serde_json::{Value as Json, json};

use super::{Case, case, long, patched, wrong_enrollment, wrong_flat};

const FRESH_AFFILIATE: &[(&str, &str)] = &[
    ("fresh_affiliate_id", "/affiliate/id"),
    ("fresh_email", "/affiliate/email"),
    ("fresh_ref_id", "/enrollment/ref_id"),
];

/// UpdateAffiliate. `profile` is one with every field wrong.
fn update(fresh: &Json, profile: &Json) -> Case {
    let values = |fields: Json| patched(&json!({"id": "${fresh_affiliate_id}"}), &fields);
    let selected = |name: &str| {
        json!({
            "affiliate": {"first_name": "Ann"},
            "selector": {name: format!("${{affiliate_{name}}}")},
        })
    };
    let mut case = case(
        "AffiliateService/UpdateAffiliate",
        json!({"affiliate": values(json!({"first_name": "Bea"})), "update_mask": {"paths": ["first_name"]}}),
    )
    .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
    .other(json!({"affiliate": values(json!({"first_name": "Cid"}))}))
    .reference(json!({"affiliate": {"id": "${affiliate_id}", "first_name": "Bea"}}))
    .reference(json!({
        "affiliate": values(json!({"email": "${other_affiliate_email}"})),
        "update_mask": {"paths": ["email"]},
    }))
    .reference(json!({
        "affiliate": values(json!({"external_id": "${other_affiliate_external_id}"})),
        "update_mask": {"paths": ["external_id"]},
    }))
    .reference(json!({
        "affiliate": values(json!({"group_id": "${group_id}"})),
        "update_mask": {"paths": ["group_id"]},
    }));
    for name in ["id", "external_id", "email", "ref_id", "auth_token"] {
        case = case.reference(selected(name));
    }
    for selector in [
        json!({}),
        json!({"id": "aff_1"}),
        json!({"external_id": " "}),
        json!({"email": "ann"}),
        json!({"ref_id": ""}),
        json!({"auth_token": ""}),
    ] {
        let fields = json!({"affiliate": null, "selector": selector, "update_mask": {"paths": ["nope"]}});
        case = case.wrong(fields);
    }
    case.wrong(json!({
        "request_id": long(),
        "affiliate": {
            "id": "aff_1",
            "email": "ann",
            "external_id": " ",
            "first_name": long(),
            "last_name": long(),
            "profile": profile,
            "metadata": {"": "x"},
            "group_id": "grp_1",
        },
        "password": "x",
        "temporary_password": "x",
        "update_mask": {
            "paths": ["email", "external_id", "first_name", "last_name", "profile", "metadata", "group_id", "nope"],
        },
    }))
    .wrong(json!({"affiliate": {"id": "", "email": ""}, "update_mask": {"paths": ["email", "nope"]}}))
    .wrong(json!({"affiliate": null, "update_mask": {"paths": []}}))
    // Only fields that the mask allows are read. A stale etag is ABORTED.
    .free(&[
        "affiliate.profile.custom_fields",
        "affiliate.create_time",
        "affiliate.update_time",
        "affiliate.etag",
        "affiliate.state",
        "affiliate.state_reason",
        "affiliate.state_time",
        "affiliate.pending_rewards",
        "affiliate.email_verified",
        "affiliate.upline_affiliate_id",
        "affiliate.past_uplines",
        "affiliate.has_password",
        "affiliate.password_change_required",
    ])
    .not_references(&[
        "affiliate.profile.paypal_email",
        "affiliate.upline_affiliate_id",
        "affiliate.past_uplines",
    ])
}

pub(super) fn cases() -> Vec<Case> {
    let address_texts = ["street", "city", "region", "postal_code", "country_code"];
    let address: Json = address_texts.iter().map(|field| ((*field).to_owned(), long())).collect();
    let profile_texts = ["company", "phone", "website_url", "avatar_url", "about"];
    let mut profile: Json = profile_texts.iter().map(|field| ((*field).to_owned(), long())).collect();
    profile["address"] = address;
    profile["social_profiles"] = json!({"My Space": "ann"});
    let mut all_wrong = wrong_enrollment();
    for (field, value) in
        [("email", json!("ann")), ("external_id", json!(" ")), ("first_name", long()), ("last_name", long())]
    {
        all_wrong[field] = value;
    }
    profile["paypal_email"] = json!("ann");
    profile["invoice_tax"] = json!({"treatment": 99, "percent_ppm": 5, "note": long()});
    all_wrong["profile"] = profile.clone();
    all_wrong["upline"] = json!({"id": "aff_1"});
    all_wrong["group_id"] = json!("grp_1");
    all_wrong["state"] = json!("AFFILIATE_STATE_REJECTED");
    all_wrong["metadata"] = json!({"": "x"});
    all_wrong["invitation_code"] = long();
    all_wrong["password"] = json!("x");
    all_wrong["temporary_password"] = json!("x");
    let fresh = json!({"email": "${unique}@fresh.example", "program_id": "${program_id}", "ref_id": "${unique}"});
    let fresh_affiliate = json!({"affiliate": {"id": "${fresh_affiliate_id}"}});
    vec![
        case(
            "AffiliateService/CreateAffiliate",
            // Several entries, because a map has no order, and a repeated request must be recognised all the same.
            json!({
                "email": "${unique}@new.example",
                "program_id": "${program_id}",
                "ref_id": "${unique}",
                "profile": {"social_profiles": {"instagram": "a", "mastodon": "b", "tiktok": "c", "x": "d", "youtube": "e"}},
            }),
        )
        .other(json!({"email": "${unique}@other.example"}))
        .reference(json!({"email": "${affiliate_email}"}))
        .reference(json!({"external_id": "${affiliate_external_id}"}))
        .reference(json!({"program_id": "${program_id}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"coupon_code": "${coupon_code}"}))
        .reference(json!({"invitation_code": "${invitation_code}"}))
        .affiliate_reference_in("upline")
        .reference(json!({"group_id": "${group_id}"}))
        .wrong(all_wrong)
        .wrong_affiliates_in("upline", &json!({"email": ""}))
        .wrong(json!({"email": "", "external_id": long(), "commission_override": wrong_flat()}))
        .wrong(json!({"email": "", "commission_override": {}, "state": 99}))
        // Each is named with its place in the list, see `u5_wrong_fields_of_an_affiliate_are_named`.
        .free(&["profile.custom_fields", "email_verified", "acceptance.accept_time", "skip_email_notification"])
        .not_references(&["profile.paypal_email"]),
        case("AffiliateService/GetAffiliate", json!({"affiliate": {"id": "${affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"affiliate": {"id": "aff_1"}}))
            .wrong(json!({"affiliate": null}))
            .wrong_affiliates(&json!({})),
        case("AffiliateService/ListAffiliates", json!({}))
            .list()
            .reference(json!({"program_id": "${program_id}"}))
            .affiliate_reference_in("upline")
            .wrong(json!({"page_size": -1, "order": 99, "program_id": "prg_1", "states": [0, 99], "upline": {"id": "aff_1"}, "group_id": "grp_1", "metadata": {"": "gold"}}))
            .reference(json!({"group_id": "${group_id}"}))
            .wrong_affiliates_in("upline", &json!({}))
            .free(&["email_verified", "has_sales"]),
        case("AffiliateService/SearchAffiliates", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "query": "a", "group_id": "grp_1"}))
            .wrong(json!({"page_size": -1, "order": 99, "query": long()}))
            .reference(json!({"group_id": "${group_id}"})),
        case("AffiliateService/CountAffiliates", json!({}))
            .reference(json!({"program_id": "${program_id}"}))
            .affiliate_reference_in("upline")
            .wrong(json!({"program_id": "prg_1", "upline": {"id": "aff_1"}, "group_id": "grp_1"}))
            .reference(json!({"group_id": "${group_id}"}))
            .wrong_affiliates_in("upline", &json!({}))
            .free(&["email_verified"]),
        update(&fresh, &profile),
        case("AffiliateService/ApproveAffiliate", fresh_affiliate.clone())
            .prepare(
                "AffiliateService/CreateAffiliate",
                patched(&fresh, &json!({"state": "AFFILIATE_STATE_APPLIED"})),
                FRESH_AFFILIATE,
            )
            .other(json!({"etag": "v1"}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}}))
            .wrong(json!({"affiliate": null}))
            .wrong_affiliates(&json!({}))
            .free(&["etag"]),
        case("AffiliateService/RejectAffiliate", patched(&fresh_affiliate, &json!({"reason": "no site"})))
            .prepare(
                "AffiliateService/CreateAffiliate",
                patched(&fresh, &json!({"state": "AFFILIATE_STATE_APPLIED"})),
                FRESH_AFFILIATE,
            )
            .other(json!({"reason": "no shop"}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}, "reason": ""}))
            .wrong(json!({"affiliate": null, "reason": long()}))
            .wrong_affiliates(&json!({"reason": ""}))
            .free(&["etag"]),
        case(
            "AffiliateService/DeactivateAffiliate",
            patched(&fresh_affiliate, &json!({"pending_rewards": "PENDING_REWARDS_KEEP"})),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .other(json!({"reason": "left"}))
        .affiliate_reference()
        .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}, "pending_rewards": 0, "reason": long()}))
        .wrong(json!({"affiliate": null, "pending_rewards": 99}))
        .wrong_affiliates(&json!({"pending_rewards": 0}))
        .free(&["etag"]),
        case(
            "AffiliateService/BatchChangeAffiliates",
            json!({"items": [{"deactivate": {
                "affiliate": {"id": "${fresh_affiliate_id}"},
                "pending_rewards": "PENDING_REWARDS_KEEP",
            }}]}),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .wrong(json!({"items": []}))
        // Each item is answered like a single call; the test of row P18 compares the two.
        .free(&["items"])
        .not_references(&["items"]),
        case(
            "AffiliateService/SetUpline",
            patched(&fresh_affiliate, &json!({"upline": {"id": "${affiliate_id}"}})),
        )
        .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
        .other(json!({"etag": "v1"}))
        .affiliate_reference()
        .affiliate_reference_in("upline")
        .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}, "upline": {"id": "aff_1"}}))
        .wrong(json!({"affiliate": null}))
        .wrong_affiliates(&json!({}))
        .wrong_affiliates_in("upline", &json!({"affiliate": null}))
        .free(&["etag"]),
        case("AffiliateService/EraseAffiliate", fresh_affiliate.clone())
            .prepare("AffiliateService/CreateAffiliate", fresh.clone(), FRESH_AFFILIATE)
            .other(json!({"etag": "v1"}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}}))
            .wrong(json!({"affiliate": null}))
            .wrong_affiliates(&json!({}))
            .free(&["etag"]),
        case(
            "AffiliateService/CheckAffiliatePassword",
            json!({"affiliate": {"id": "${affiliate_id}"}, "password": "none of theirs"}),
        )
        .affiliate_reference()
        .wrong(json!({"affiliate": {"id": "aff_1"}, "password": long()}))
        .wrong(json!({"affiliate": null, "password": ""}))
        .wrong_affiliates(&json!({"password": ""})),
        case("AffiliateService/RotateAffiliateToken", fresh_affiliate)
            .prepare("AffiliateService/CreateAffiliate", fresh, FRESH_AFFILIATE)
            .other(json!({"affiliate": {"id": "${affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}}))
            .wrong(json!({"affiliate": null}))
            .wrong_affiliates(&json!({})),
    ]
}
