//! Payout methods, and connections to payout providers.

use serde_json::{Value as Json, json};

use super::{Case, case, long};

fn paypal(email: &str) -> Json {
    json!({"affiliate": {"id": "${affiliate_id}"}, "details": {"paypal": {"email": email}}})
}

fn connected() -> Json {
    json!({"credentials": {"paypal": {"client_id": "client", "client_secret": "secret", "webhook_id": "webhook"}}})
}

fn stripe() -> Json {
    json!({"credentials": {"stripe": {"secret_key": "sk_live_1"}}})
}

pub(super) fn cases() -> Vec<Case> {
    let of_affiliate = json!({"affiliate": {"id": "${affiliate_id}"}});
    let wrong_bank = json!({
        "routing_number": "021000022", "account_number": "", "account_kind": 99, "holder_name": long(),
    });
    let no_details = json!({"affiliate": null, "details": null});
    vec![
        case("PayoutService/SetPayoutMethod", paypal("ann@example.com"))
            .furnish("PayoutService/SetPayoutMethod", paypal("first@example.com"), &[])
            .other(json!({"details": {"paypal": {"email": "other@example.com"}}}))
            .affiliate_reference()
            .not_references(&["details.paypal.email", "details.stripe.connected_account_id"])
            .wrong(json!({
                "request_id": long(),
                "affiliate": {"id": "aff_1"},
                "details": {"paypal": {"email": "x"}},
                "override_reason": "because",
            }))
            .wrong(json!({"affiliate": null, "details": {"stripe": {"connected_account_id": "x"}}, "override_reason": long()}))
            .free(&["effective_now"])
            .wrong(json!({"affiliate": null, "details": {"wise": {"recipient_number": -1}}}))
            .wrong(json!({"affiliate": null, "details": {"iban": {"iban": "DE00", "bic": "X", "holder_name": long()}}}))
            .wrong(json!({"affiliate": null, "details": {"united_states_bank": wrong_bank}}))
            .wrong(json!({"affiliate": null, "details": {"other": {"instructions": long()}}}))
            .wrong(no_details)
            .wrong_affiliates(&json!({"details": {"other": {"instructions": ""}}})),
        case("PayoutService/RemovePayoutMethod", of_affiliate.clone())
            .prepare("PayoutService/SetPayoutMethod", paypal("again@example.com"), &[])
            .other(json!({"affiliate": {"id": "${other_affiliate_id}"}}))
            .affiliate_reference()
            .wrong(json!({"request_id": long(), "affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("PayoutService/GetPayoutMethod", of_affiliate)
            .affiliate_reference()
            .wrong(json!({"affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("PayoutService/SetPayoutConnection", connected())
            .furnish("PayoutService/SetPayoutConnection", connected(), &[])
            .other(json!({"credentials": {"paypal": {"client_id": "another", "client_secret": "secret"}}}))
            .wrong(json!({
                "request_id": long(),
                "credentials": {"paypal": {"client_id": long(), "client_secret": "", "webhook_id": "a b"}},
            }))
            .wrong(json!({"credentials": {"stripe": {"secret_key": "pk_live_1", "webhook_secret": "x"}}}))
            .wrong(json!({"credentials": {"wise": {"api_token": "", "profile_number": -1, "source_currency_code": "usd"}}}))
            .not_references(&[
                "credentials.paypal.client_id",
                "credentials.paypal.webhook_id",
                "credentials.wise.api_token",
                "credentials.wise.source_currency_code",
            ]),
        case("PayoutService/RemovePayoutConnection", json!({"provider": 2}))
            .prepare("PayoutService/SetPayoutConnection", connected(), &[])
            .other(json!({"provider": 3}))
            .wrong(json!({"request_id": long(), "provider": 1}))
            .wrong(json!({"provider": 0})),
        case("PayoutService/GetPayoutConnection", json!({"provider": 2}))
            .prepare("PayoutService/SetPayoutConnection", connected(), &[])
            .wrong(json!({"provider": 99}))
            .wrong(json!({"provider": 0})),
        case("PayoutService/ListPayoutConnections", json!({}))
            .furnish("PayoutService/SetPayoutConnection", stripe(), &[])
            .list()
            .wrong(json!({"page_size": -1, "order": 99})),
    ]
}
