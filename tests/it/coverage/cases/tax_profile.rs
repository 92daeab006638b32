//! Tax profiles, the billing profile, and yearly totals.

use serde_json::{Value as Json, json};

use super::{Case, case, long};

fn address() -> Json {
    json!({"street": "Main Street 1", "city": "Springfield", "country_code": "US"})
}

fn wrong_address() -> Json {
    json!({"street": long(), "city": "", "region": long(), "postal_code": long(), "country_code": "XX"})
}

fn profile(legal_name: &str) -> Json {
    json!({
        "affiliate": {"id": "${affiliate_id}"},
        "payee_kind": 1,
        "legal_name": legal_name,
        "address": address(),
        "residence_country_code": "US",
        "form": 2,
        "sign_date": "2025-11-27",
        "number": {"kind": 1, "text": "123-45-6789"},
    })
}

fn billing() -> Json {
    json!({"billing_profile": {"legal_name": "Shop Ltd", "address": address()}})
}

pub(super) fn cases() -> Vec<Case> {
    let of_affiliate = json!({"affiliate": {"id": "${affiliate_id}"}});
    let of_other = json!({
        "affiliate": {"id": "${other_affiliate_id}"}, "payee_kind": 2, "legal_name": "Other Ltd", "address": address(),
        "residence_country_code": "US", "form": 1,
    });
    let nothing = json!({
        "payee_kind": 0, "legal_name": "", "address": null, "residence_country_code": "", "form": 0, "sign_date": "tomorrow",
        "number": {"kind": 0, "text": ""},
    });
    vec![
        case("PayoutService/SetTaxProfile", profile("Ann Ample"))
            .furnish("PayoutService/SetTaxProfile", profile("First Ample"), &[])
            .furnish("PayoutService/SetTaxProfile", of_other, &[])
            .other(json!({"legal_name": "Other Ample"}))
            .affiliate_reference()
            .not_references(&["address.postal_code", "address.country_code", "residence_country_code", "number.text"])
            .wrong(json!({
                "request_id": long(),
                "affiliate": {"id": "aff_1"},
                "payee_kind": 99,
                "legal_name": long(),
                "address": wrong_address(),
                "residence_country_code": "XX",
                "sign_date": "2999-01-01",
                "number": {"kind": 99, "text": long()},
                "form": 99,
            }))
            .wrong_affiliates(&nothing),
        case("PayoutService/GetTaxProfile", of_affiliate.clone())
            .affiliate_reference()
            .wrong(json!({"affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("PayoutService/ConfirmTaxProfile", of_affiliate.clone())
            .prepare("PayoutService/SetTaxProfile", profile("Again Ample"), &[])
            .other(json!({"affiliate": {"id": "${other_affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}, "etag": long()}))
            .wrong_affiliates(&json!({"etag": long()})),
        case(
            "PayoutService/RefuseTaxProfile",
            json!({"affiliate": {"id": "${affiliate_id}"}, "reason": "another name"}),
        )
        .prepare("PayoutService/SetTaxProfile", profile("Again Ample"), &[])
        .other(json!({"reason": "another address"}))
        .affiliate_reference()
        .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}, "etag": long(), "reason": long()}))
        .wrong_affiliates(&json!({"etag": long(), "reason": ""})),
        case("PayoutService/RemoveTaxProfile", of_affiliate)
            .prepare("PayoutService/SetTaxProfile", profile("Again Ample"), &[])
            .other(json!({"affiliate": {"id": "${other_affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("PayoutService/ListTaxProfiles", json!({"states": [1, 2, 3, 4, 5]}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "states": [0, 99]})),
        case("PayoutService/SetBillingProfile", billing())
            .furnish("PayoutService/SetBillingProfile", billing(), &[])
            .other(json!({"billing_profile": {"legal_name": "Other Ltd", "address": address()}}))
            .not_references(&[
                "billing_profile.address.postal_code",
                "billing_profile.address.country_code",
                "billing_profile.vat_id",
                "billing_profile.tax_number",
                "billing_profile.invoice_prefix",
            ])
            .free(&["billing_profile.create_time", "billing_profile.update_time"])
            .wrong(json!({
                "request_id": long(),
                "billing_profile": {
                    "legal_name": long(),
                    "address": wrong_address(),
                    "vat_id": "DE1",
                    "tax_number": long(),
                    "invoice_prefix": "a b",
                    "payment_terms": long(),
                },
            }))
            .wrong(json!({"billing_profile": null})),
        case("PayoutService/GetBillingProfile", json!({})),
        case("PayoutService/ListYearlyTotals", json!({}))
            .wrong(json!({"page_size": -1, "order": 99, "year": 10_000}))
            // Totals are no rows with ids, so the tests of lists make no token of them.
            .not_references(&["page_token"]),
    ]
}
