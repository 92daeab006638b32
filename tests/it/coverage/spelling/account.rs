//! The spellings of calls about accounts and their keys.

use serde_json::json;

use super::{Spelling, ids_only, spelling};

pub(super) fn spellings() -> Vec<Spelling> {
    vec![
        spelling(
            "AccountService/RegisterAccount",
            vec![(
                json!({"display_name": "Twice", "email": "${unique}@owners.example", "time_zone": "Europe/Berlin"}),
                json!({"display_name": " Twice ", "email": " ${unique}@Owners.example.", "time_zone": " europe/berlin"}),
            )],
            // Refused with an operator key.
            &["email_token", "test_account"],
        ),
        spelling(
            "AccountService/UpdateAccount",
            vec![(
                json!({
                    "account": {"display_name": "Twice", "email": "${account_email}", "time_zone": "UTC"},
                    "update_mask": {"paths": ["display_name", "email", "time_zone"]},
                }),
                json!({
                    "account": {
                        "id": "${account_id}",
                        "display_name": " Twice",
                        "email": "${account_email}.",
                        "max_active_coupons_per_affiliate": 7,
                        "payout_policy": {
                            "net_days": 7,
                            "approval_above": [{"amount_minor": 7, "currency_code": "EUR"}],
                            "method_change_hours": 7,
                            "tax_profile_required": true,
                            "self_billing_invoices": true,
                        },
                        "test_account": true,
                        "time_zone": " utc",
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "state": "ACCOUNT_STATE_SUSPENDED",
                        "suspend_time": {"seconds": 1},
                        "suspension_reason": "unread",
                        "email_verify_time": {"seconds": 1},
                        "pending_email": "unread",
                        "calls_per_minute": 7,
                    },
                    "update_mask": {"paths": ["time_zone", "email", "display_name", "email"]},
                }),
            )],
            &["account.payout_policy.approval_above"],
        ),
        spelling(
            "AccountService/CreateApiKey",
            vec![(
                json!({
                    "kind": "API_KEY_KIND_PUBLISHABLE",
                    "display_name": "loader",
                    "expire_time": {"seconds": 4_000_000_000_u32, "nanos": 1_000},
                    "allowed_networks": ["203.0.113.0/24", "2001:db8::7/128"],
                    "allowed_origins": ["https://shop.example"],
                }),
                json!({
                    "kind": "API_KEY_KIND_PUBLISHABLE",
                    "display_name": "loader ",
                    "expire_time": {"seconds": 4_000_000_000_u32, "nanos": 1_999},
                    "allowed_networks": ["2001:DB8:0::7", "203.0.113.0/24", " 203.0.113.9/24"],
                    "allowed_origins": [" https://Shop.example:443/", "https://shop.example"],
                }),
            )],
            &["kind"],
        ),
        spelling(
            "AccountService/UpdateApiKey",
            vec![(
                json!({
                    "api_key": {
                        "id": "${fresh_key_id}",
                        "display_name": "loader",
                        "expire_time": {"seconds": 4_000_000_000_u32, "nanos": 1_000},
                        "allowed_networks": ["203.0.113.7/32"],
                    },
                    "update_mask": {"paths": ["display_name", "expire_time", "allowed_networks"]},
                }),
                json!({
                    "api_key": {
                        "id": "${fresh_key_id}",
                        "kind": "API_KEY_KIND_ADMIN",
                        "text_prefix": "hw_read_1",
                        "display_name": " loader",
                        "create_time": {"seconds": 1},
                        "expire_time": {"seconds": 4_000_000_000_u32, "nanos": 1_999},
                        "revoke_time": {"seconds": 1},
                        "last_use_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "allowed_networks": ["203.0.113.7", "203.0.113.7/32"],
                        "allowed_origins": ["https://unread.example"],
                    },
                    "update_mask": {"paths": ["allowed_networks", "expire_time", "display_name", "expire_time"]},
                }),
            )],
            &["api_key.id", "allow_lockout"],
        ),
        spelling(
            "AccountService/VerifyAccountEmail",
            vec![(json!({}), json!({"verification_token": " ${verification_token} "}))],
            &[],
        ),
        spelling(
            "AccountService/SuspendAccount",
            vec![(
                json!({"suspension_reason": "unpaid", "account": {"email": "${new_account_email}"}}),
                json!({"suspension_reason": " unpaid ", "account": {"email": " ${new_account_email}."}}),
            )],
            &["account.id"],
        ),
        spelling(
            "AccountService/ResumeAccount",
            vec![(
                json!({"account": {"email": "${new_account_email}"}}),
                json!({"account": {"email": " ${new_account_email}."}}),
            )],
            &["account.id"],
        ),
        spelling(
            "AccountService/SetAccountCallLimit",
            vec![(
                json!({"account": {"email": "${new_account_email}"}}),
                json!({"account": {"email": " ${new_account_email}."}}),
            )],
            &["account.id", "calls_per_minute"],
        ),
        spelling(
            "AccountService/CreateAdminApiKey",
            vec![(
                json!({"account": {"email": "${account_email}"}, "display_name": "recovered"}),
                json!({"account": {"email": " ${account_email}."}, "display_name": "recovered "}),
            )],
            &["account.id"],
        ),
        ids_only("AccountService/RevokeApiKey", &["api_key_id", "allow_lockout"]),
    ]
}
