//! Affiliates.

use serde_json::{Value as Json, json};

use super::{Case, case, long, wrong_enrollment, wrong_flat};

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
    all_wrong["profile"] = profile;
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
            .wrong(json!({"page_size": -1, "order": 99, "program_id": "prg_1"})),
    ]
}
