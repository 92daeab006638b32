//! Accounts and API keys.

use serde_json::json;

use super::{Case, case, long, no_time};

/// A further account, for operators to change.
fn new_account() -> serde_json::Value {
    json!({"display_name": "Another shop", "email": "${unique}@owners.example"})
}

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("AccountService/RegisterAccount", json!({"display_name": "Shop", "email": "${unique}@owners.example"}))
            .other(json!({"display_name": "Another shop"}))
            .wrong(json!({
                "request_id": long(), "display_name": "", "email": "owner", "email_token": "none is needed", "time_zone": "Berlin",
            }))
            .wrong(json!({"request_id": " ", "display_name": long(), "email": "", "email_token": long()}))
            // The email is unique on the whole server, so the error reveals that another account has it.
            .not_references(&["email", "email_token"])
            .free(&["test_account"]),
        case("AccountService/GetAccount", json!({})),
        case(
            "AccountService/UpdateAccount",
            json!({"account": {"display_name": "New name"}, "update_mask": {"paths": ["display_name"]}}),
        )
        .other(json!({"account": {"display_name": "Newer name"}}))
        // The key determines the account.
        .reference(json!({"account": {"id": "${account_id}", "display_name": "New name"}}))
        .wrong(json!({
            "request_id": long(),
            "account": {
                "display_name": "",
                "email": "owner",
                "max_active_coupons_per_affiliate": 0,
                "payout_policy": {"net_days": -1, "method_change_hours": 721},
                "time_zone": "+02:00",
            },
            "update_mask": {
                "paths": [
                    "display_name", "email", "max_active_coupons_per_affiliate", "payout_policy", "time_zone", "nope",
                ],
            },
        }))
        .wrong(json!({
            "account": {
                "display_name": long(),
                "email": "",
                "max_active_coupons_per_affiliate": 10_001,
                "payout_policy": {"net_days": 367},
            },
            "update_mask": {"paths": ["display_name", "email", "max_active_coupons_per_affiliate", "payout_policy"]},
        }))
        .wrong(json!({"account": null, "update_mask": {"paths": []}}))
        .free(&[
            "account.id",
            "account.test_account",
            "account.payout_policy.approval_above",
            "account.payout_policy.tax_profile_required",
            "account.payout_policy.self_billing_invoices",
            "account.create_time",
            "account.update_time",
            "account.state",
            "account.suspend_time",
            "account.suspension_reason",
            "account.email_verify_time",
            "account.pending_email",
            "account.calls_per_minute",
        ])
        .not_references(&["account.email"]),
        case("AccountService/CreateApiKey", json!({"kind": "API_KEY_KIND_READ"}))
            .other(json!({"kind": "API_KEY_KIND_TRACKING"}))
            .wrong(json!({"request_id": long(), "kind": 0, "display_name": long(), "expire_time": {"seconds": 1}}))
            .wrong(json!({"request_id": " ", "kind": 99, "display_name": "a\u{0}b", "expire_time": no_time()}))
            .wrong(json!({"kind": "API_KEY_KIND_SERVER_OPERATOR"}))
            .wrong(json!({"kind": 0, "allowed_networks": ["203.0.113.0/33"], "allowed_origins": ["shop.example"]}))
            .wrong(json!({"kind": 0, "allowed_networks": vec!["203.0.113.7"; 101], "allowed_origins": vec!["https://a.example"; 101]})),
        case(
            "AccountService/CreateAdminApiKey",
            json!({"account": {"id": "${account_id}"}, "display_name": "recovered"}),
        )
        .other(json!({"display_name": "recovered again"}))
        .reference(json!({"account": {"id": "${account_id}"}}))
        .reference(json!({"account": {"email": "${account_email}"}}))
        .wrong(json!({"request_id": long(), "account": {"id": "acc_1"}, "display_name": long()}))
        .wrong(json!({"account": null}))
        .wrong(json!({"account": {}}))
        .wrong(json!({"account": {"id": ""}}))
        .wrong(json!({"account": {"email": "owner"}}))
        .wrong(json!({"account": {"email": ""}})),
        case("AccountService/VerifyAccountEmail", json!({"verification_token": "${verification_token}"}))
            .other(json!({"verification_token": "another"}))
            .wrong(json!({"request_id": long(), "verification_token": ""}))
            .wrong(json!({"verification_token": long()}))
            .not_references(&["verification_token"]),
        case("AccountService/ListAccounts", json!({})).list().wrong(json!({"page_size": -1, "order": 99, "states": [9]})),
        case(
            "AccountService/SuspendAccount",
            json!({"account": {"id": "${new_account_id}"}, "suspension_reason": "unpaid"}),
        )
        .furnish("AccountService/RegisterAccount", new_account(), &[])
        .prepare(
            "AccountService/RegisterAccount",
            new_account(),
            &[("new_account_id", "/account/id"), ("new_account_email", "/account/email")],
        )
        .other(json!({"suspension_reason": "spam"}))
        .reference(json!({"account": {"id": "${account_id}"}}))
        .reference(json!({"account": {"email": "${account_email}"}}))
        .wrong(json!({"request_id": long(), "account": {"id": "acc_1"}, "suspension_reason": long()}))
        .wrong(json!({"account": null, "suspension_reason": ""}))
        .wrong(json!({"account": {}, "suspension_reason": ""}))
        .wrong(json!({"account": {"id": ""}, "suspension_reason": ""}))
        .wrong(json!({"account": {"email": "owner"}, "suspension_reason": ""}))
        .wrong(json!({"account": {"email": ""}, "suspension_reason": ""})),
        case("AccountService/ResumeAccount", json!({"account": {"email": "${new_account_email}"}}))
            .prepare(
                "AccountService/RegisterAccount",
                new_account(),
                &[("new_account_id", "/account/id"), ("new_account_email", "/account/email")],
            )
            .prepare(
                "AccountService/SuspendAccount",
                json!({"account": {"id": "${new_account_id}"}, "suspension_reason": "unpaid"}),
                &[],
            )
            .other(json!({"account": {"id": "${new_account_id}"}}))
            .reference(json!({"account": {"id": "${account_id}"}}))
            .reference(json!({"account": {"email": "${account_email}"}}))
            .wrong(json!({"request_id": long(), "account": {"id": "acc_1"}}))
            .wrong(json!({"account": null}))
            .wrong(json!({"account": {}}))
            .wrong(json!({"account": {"id": ""}}))
            .wrong(json!({"account": {"email": "owner"}}))
            .wrong(json!({"account": {"email": ""}})),
        case(
            "AccountService/SetAccountCallLimit",
            json!({"account": {"id": "${new_account_id}"}, "calls_per_minute": 50}),
        )
        .prepare(
            "AccountService/RegisterAccount",
            new_account(),
            &[("new_account_id", "/account/id"), ("new_account_email", "/account/email")],
        )
        .other(json!({"calls_per_minute": 60}))
        .reference(json!({"account": {"id": "${account_id}"}}))
        .reference(json!({"account": {"email": "${account_email}"}}))
        .wrong(json!({"request_id": long(), "account": {"id": "acc_1"}, "calls_per_minute": -1}))
        .wrong(json!({"account": null, "calls_per_minute": 60_000_001}))
        .wrong(json!({"account": {}}))
        .wrong(json!({"account": {"id": ""}}))
        .wrong(json!({"account": {"email": "owner"}}))
        .wrong(json!({"account": {"email": ""}})),
        case("AccountService/GetApiKey", json!({"api_key_id": "${api_key_id}"}))
            .reference(json!({"api_key_id": "${api_key_id}"}))
            .wrong(json!({"api_key_id": "key_1"}))
            .wrong(json!({"api_key_id": ""})),
        case("AccountService/ListApiKeys", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99}))
            .free(&["with_total_count"]),
        case(
            "AccountService/UpdateApiKey",
            json!({
                "api_key": {"id": "${fresh_key_id}", "display_name": "renamed"},
                "update_mask": {"paths": ["display_name"]},
            }),
        )
        .prepare(
            "AccountService/CreateApiKey",
            json!({"kind": "API_KEY_KIND_READ"}),
            &[("fresh_key_id", "/api_key/id")],
        )
        .other(json!({"api_key": {"id": "${fresh_key_id}", "display_name": "renamed again"}}))
        .reference(json!({"api_key": {"id": "${api_key_id}"}}))
        .wrong(json!({
            "request_id": long(),
            "api_key": {
                "id": "key_1",
                "display_name": long(),
                "expire_time": {"seconds": 1},
                "allowed_networks": ["everywhere"],
                "allowed_origins": ["https://shop.example/path"],
            },
            "update_mask": {"paths": ["display_name", "expire_time", "allowed_networks", "allowed_origins", "nope"]},
        }))
        .wrong(json!({"api_key": {"id": ""}, "update_mask": {"paths": []}}))
        .wrong(json!({
            "api_key": {
                "id": "key_1",
                "expire_time": no_time(),
                "allowed_networks": vec!["203.0.113.7"; 101],
                "allowed_origins": vec!["https://a.example"; 101],
            },
            "update_mask": {"paths": ["expire_time", "allowed_networks", "allowed_origins"]},
        }))
        .wrong(json!({"api_key": null, "update_mask": {"paths": []}}))
        .free(&[
            "api_key.kind",
            "api_key.text_prefix",
            "api_key.create_time",
            "api_key.revoke_time",
            "api_key.last_use_time",
            "api_key.update_time",
            "allow_lockout",
        ]),
        case("AccountService/RevokeApiKey", json!({"api_key_id": "${fresh_key_id}"}))
            .prepare(
                "AccountService/CreateApiKey",
                json!({"kind": "API_KEY_KIND_READ"}),
                &[("fresh_key_id", "/api_key/id")],
            )
            .other(json!({"api_key_id": "${api_key_id}"}))
            .reference(json!({"api_key_id": "${api_key_id}"}))
            .wrong(json!({"request_id": long(), "api_key_id": "key_1"}))
            .wrong(json!({"api_key_id": ""}))
            .free(&["allow_lockout"]),
        case("AccountService/CheckApiKey", json!({})),
        case("AccountService/GetServerInfo", json!({})),
    ]
}
