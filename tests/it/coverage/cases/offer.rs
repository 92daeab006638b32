//! Offers.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time};

fn offer(display_name: &str) -> Json {
    json!({"program_id": "${program_id}", "display_name": display_name})
}

const FRESH_OFFER: &[(&str, &str)] = &[("fresh_offer_id", "/offer/id")];

fn update(display_name: &str) -> Json {
    json!({"offer": {"id": "${offer_id}", "display_name": display_name}, "update_mask": {"paths": ["display_name"]}})
}

fn wrong_offer() -> Json {
    json!({
        "display_name": long(),
        "about": long(),
        "start_time": no_time(),
        "end_time": no_time(),
        "max_claims": -1,
        "max_claims_per_affiliate": 10_001,
        "max_uses_per_coupon": -1,
    })
}

fn with(fields: &Json, others: Json) -> Json {
    super::patched(&others, fields)
}

pub(super) fn cases() -> Vec<Case> {
    let all = json!([
        "display_name",
        "about",
        "start_time",
        "end_time",
        "max_claims",
        "max_claims_per_affiliate",
        "max_uses_per_coupon",
        "nope"
    ]);
    vec![
        case("AffiliateService/CreateOffer", offer("Summer"))
            .furnish("AffiliateService/CreateOffer", offer("Spring ${tag}"), &[("offer_id", "/offer/id")])
            .furnish("AffiliateService/CreateOffer", offer("Autumn ${tag}"), &[])
            .other(json!({"display_name": "Winter"}))
            .reference(json!({"program_id": "${program_id}"}))
            .item_reference()
            .wrong(with(
                &wrong_offer(),
                json!({"request_id": long(), "program_id": "prg_1", "code_prefix": "x".repeat(33)}),
            ))
            .wrong(json!({"display_name": "", "code_prefix": "a\u{200b}", "max_claims": 1_000_000_001}))
            .wrong_items(&json!({"display_name": ""}))
            .not_references(&["code_prefix"]),
        case("AffiliateService/GetOffer", json!({"offer_id": "${offer_id}"}))
            .reference(json!({"offer_id": "${offer_id}"}))
            .wrong(json!({"offer_id": "ofr_1"}))
            .wrong(json!({"offer_id": ""})),
        case("AffiliateService/ListOffers", json!({}))
            .list()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"page_size": -1, "order": 99, "program_id": "prg_1", "states": [0, 99]}))
            .free(&["with_total_count"]),
        case("AffiliateService/UpdateOffer", update("Sooner"))
            .other(update("Later"))
            .reference(json!({"offer": {"id": "${offer_id}", "display_name": "Taken over"}}))
            .wrong(json!({
                "request_id": long(),
                "offer": with(&wrong_offer(), json!({"id": "ofr_1"})),
                "update_mask": {"paths": all},
            }))
            .wrong(json!({
                "offer": {"id": "", "display_name": ""},
                "update_mask": {"paths": ["display_name"]},
            }))
            .wrong(json!({"offer": null, "update_mask": {"paths": []}}))
            // Only fields that the mask allows are read.
            .free(&[
                "offer.program_id",
                "offer.item_id",
                "offer.code_prefix",
                "offer.claim_count",
                "offer.state",
                "offer.create_time",
                "offer.update_time",
                "offer.archive_time",
            ])
            .not_references(&["offer.program_id", "offer.item_id"]),
        case(
            "AffiliateService/ClaimOffer",
            json!({"offer_id": "${fresh_offer_id}", "affiliate": {"id": "${affiliate_id}"}, "code": "${unique}"}),
        )
        .prepare("AffiliateService/CreateOffer", offer("Fresh"), FRESH_OFFER)
        .other(json!({"code": "another-${unique}"}))
        .reference(json!({"offer_id": "${offer_id}"}))
        .reference(json!({"affiliate": {"id": "${affiliate_id}"}}))
        .reference(json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}))
        .reference(json!({"affiliate": {"auth_token": "${affiliate_auth_token}"}}))
        .wrong(json!({
            "request_id": long(),
            "offer_id": "ofr_1",
            "affiliate": {"id": "aff_1"},
            "code": "LE\u{200b}NA",
            "note": long(),
        }))
        .wrong(json!({"offer_id": "", "affiliate": null, "code": "a"}))
        .wrong_affiliates(&json!({"offer_id": "", "code": "a"}))
        // A claimant whom nobody knows by these names becomes an affiliate of the caller, and a code that nobody has the caller's:
        // see the rows of W12. The case of AssignCoupon tries codes.
        .not_references(&["affiliate.external_id", "affiliate.email", "code"]),
        case("AffiliateService/ArchiveOffer", json!({"offer_id": "${fresh_offer_id}"}))
            .prepare("AffiliateService/CreateOffer", offer("Fresh"), FRESH_OFFER)
            .other(json!({"offer_id": "${offer_id}"}))
            .reference(json!({"offer_id": "${offer_id}"}))
            .wrong(json!({"request_id": long(), "offer_id": "ofr_1"}))
            .wrong(json!({"offer_id": ""})),
    ]
}
