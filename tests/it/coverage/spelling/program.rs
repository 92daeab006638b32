//! Two spellings of requests that change programs.

use serde_json::{Value as Json, json};

use super::{Spelling, ids_only, spelling};

fn terms() -> (Json, Json) {
    let commission = json!({"percent_ppm": 100_000});
    let spelled_out = json!({
        "version": 7,
        "start_time": {"seconds": 1},
        "end_time": {"seconds": 2},
        "create_time": {"seconds": 1},
        "withdraw_time": {"seconds": 1},
        "reach": "TERMS_REACH_NEW_SALES",
        "commission": commission,
        "hold_period_days": 30,
        "attribution_model": "ATTRIBUTION_MODEL_LAST_CLICK",
        "attribution_window_days": 60,
        "precedence": ["ATTRIBUTION_SOURCE_LEAD_BINDING", "ATTRIBUTION_SOURCE_COUPON", "ATTRIBUTION_SOURCE_CLICK"],
        "rounding": "ROUNDING_HALF_EVEN",
        "custom_kinds": ["Trial ", "demo", "DEMO"],
        "rules": [rule(" mugs", "COMMISSION_EVENT_SALE", &["ada10 ", "ADA10"], " 10"), custom_rule(&["DEMO", "demo "], " TRIAL")],
    });
    let rules =
        json!([rule("mugs", "COMMISSION_EVENT_UNSPECIFIED", &["ADA10"], "10"), custom_rule(&["demo"], "trial")]);
    (json!({"commission": commission, "custom_kinds": ["demo", "trial"], "rules": rules}), spelled_out)
}

/// A rule for sales. The SKUs and plans may be in any order and repeated.
fn rule(name: &str, event_kind: &str, coupon_codes: &[&str], amount: &str) -> Json {
    let is_plain = name.trim() == name;
    let (start, end) = if is_plain { (1_000, 2_000) } else { (1_999, 2_999) };
    json!({
        "name": name,
        "event_kind": event_kind,
        "coupon_codes": coupon_codes,
        "item_skus": if is_plain { json!(["A", "B"]) } else { json!(["B", "A", "B"]) },
        "plans": if is_plain { json!(["max", "pro"]) } else { json!(["pro ", "max"]) },
        "condition": {"all_of": [{"any_of": [
            {"field": "CONDITION_FIELD_AMOUNT", "comparison": "COMPARISON_MORE", "values": [amount]},
        ]}]},
        "start_time": {"seconds": 1_600_000_000, "nanos": start},
        "end_time": {"seconds": 1_600_000_000, "nanos": end},
        "commission": {"percent_ppm": 5},
    })
}

fn custom_rule(kinds: &[&str], compared: &str) -> Json {
    json!({
        "name": "demos",
        "event_kind": "COMMISSION_EVENT_CUSTOM_EVENT",
        "custom_kinds": kinds,
        "condition": {"field": "CONDITION_FIELD_CUSTOM_KIND", "comparison": "COMPARISON_EQUAL", "values": [compared]},
        "commission": {"percent_ppm": 5},
    })
}

pub(super) fn spellings() -> Vec<Spelling> {
    let (short, spelled_out) = terms();
    vec![
        spelling(
            "AffiliateService/CreateProgram",
            vec![(
                json!({
                    "display_name": "Spring",
                    "landing_url": "https://shop.example",
                    "terms": short,
                    "hosts": ["a.example", "b.example"],
                    "agreement": {"url": "https://shop.example", "text": "a\nb"},
                    "questions": [{"key": "why", "label": "Why?"}],
                    "invitations": [{"code": "STRASSE 2026", "expire_time": {"seconds": 1, "nanos": 1_000}}],
                    "welcome_mail": {"is_enabled": true, "subject": "Hi", "body": "a\nb"},
                    "metadata": {"crm": "17"},
                    "fraud_rules": [
                        {"kind": "FRAUD_RULE_KIND_BANNED_COUNTRY", "mode": "FRAUD_RULE_MODE_ON", "country_codes": ["KP", "RU"]},
                        {"kind": "FRAUD_RULE_KIND_BANNED_REFERRER", "mode": "FRAUD_RULE_MODE_ON", "referrers": ["*.a.example"]},
                    ],
                }),
                json!({
                    "display_name": " Spring",
                    "landing_url": " HTTPS://Shop.example/",
                    "terms": spelled_out,
                    "hosts": ["B.example ", "a.example"],
                    "agreement": {"version": 9, "url": "https://SHOP.example/", "text": "a\nb "},
                    "questions": [{"key": "why", "label": " Why?"}],
                    "invitations": [
                        {"code": "stra\u{df}e  2026", "expire_time": {"seconds": 1, "nanos": 1_999}, "use_count": 7},
                    ],
                    "welcome_mail": {"is_enabled": true, "subject": " Hi", "body": "a\nb\n"},
                    "metadata": {"crm": "17 ", "empty": " "},
                    "fraud_rules": [
                        {"kind": "FRAUD_RULE_KIND_BANNED_COUNTRY", "mode": "FRAUD_RULE_MODE_ON", "country_codes": ["ru ", "KP"]},
                        {"kind": "FRAUD_RULE_KIND_BANNED_REFERRER", "mode": "FRAUD_RULE_MODE_ON", "referrers": ["*.A.example "]},
                    ],
                }),
            )],
            &[
                "currency_code",
                "is_default",
                "validate_only",
                "terms.commission",
                "agreement.is_required",
                "is_private",
                "questions",
                "invitations",
                "welcome_mail.is_enabled",
                "fraud_rules",
                "terms.rules",
                "terms.upline_levels",
                "terms.caps",
                "terms.ladder",
                "terms.threshold_bonuses",
                "terms.customer_reward",
                "terms.enrollment_bonus",
                "terms.new_customers_only",
            ],
        ),
        spelling(
            "AffiliateService/UpdateProgram",
            vec![(
                json!({
                    "program": {
                        "id": "${fresh_program_id}",
                        "display_name": "Twice",
                        "landing_url": "https://shop.example",
                        "terms": short,
                        "hosts": ["a.example", "b.example"],
                        "agreement": {"url": "https://shop.example", "text": "a\nb"},
                        "questions": [{"key": "why", "label": "Why?"}],
                        "welcome_mail": {"is_enabled": true, "subject": "Hi", "body": "a\nb"},
                        "invitations": [{"code": "STRASSE 2026"}],
                        "metadata": {"crm": "17"},
                        "fraud_rules": [
                            {"kind": "FRAUD_RULE_KIND_BANNED_COUNTRY", "mode": "FRAUD_RULE_MODE_ON", "country_codes": ["KP", "RU"]},
                        ],
                    },
                    "update_mask": {
                        "paths": [
                            "agreement", "display_name", "fraud_rules", "hosts", "invitations", "landing_url", "metadata",
                            "questions", "terms", "welcome_mail",
                        ],
                    },
                    "terms_start_time": {"seconds": 4_000_000_000_i64, "nanos": 1_000},
                    "terms_end_time": {"seconds": 4_000_000_001_i64, "nanos": 1_000},
                }),
                json!({
                    "program": {
                        "id": "${fresh_program_id}",
                        "display_name": "Twice ",
                        "currency_code": "EUR",
                        "landing_url": "https://SHOP.example/",
                        "is_default": true,
                        "state": "PROGRAM_STATE_ARCHIVED",
                        "terms": spelled_out,
                        "hosts": ["b.example", "A.example"],
                        "agreement": {"version": 9, "url": "https://SHOP.example/", "text": "a\nb "},
                        "questions": [{"key": "why", "label": "Why? "}],
                        "welcome_mail": {"is_enabled": true, "subject": "Hi ", "body": " a\nb"},
                        "is_private": true,
                        "invitations": [{"code": "Strasse 2026", "use_count": 7}],
                        "metadata": {"crm": " 17"},
                        "fraud_rules": [
                            {"kind": "FRAUD_RULE_KIND_BANNED_COUNTRY", "mode": "FRAUD_RULE_MODE_ON", "country_codes": ["RU", "kp"]},
                        ],
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                    },
                    "update_mask": {
                        "paths": [
                            "terms", "landing_url", "display_name", "hosts", "agreement", "questions", "invitations",
                            "welcome_mail", "metadata", "fraud_rules", "terms",
                        ],
                    },
                    "terms_start_time": {"seconds": 4_000_000_000_i64, "nanos": 1_999},
                    "terms_end_time": {"seconds": 4_000_000_001_i64, "nanos": 1_999},
                }),
            )],
            &[
                "program.id",
                "program.etag",
                "withdraw_terms_version",
                "validate_only",
                "program.terms.commission",
                "program.agreement.is_required",
                "program.questions",
                "program.fraud_rules",
                "program.invitations",
                "program.welcome_mail.is_enabled",
                "program.terms.rules",
                "program.terms.upline_levels",
                "program.terms.caps",
                "program.terms.ladder",
                "program.terms.threshold_bonuses",
                "program.terms.customer_reward",
                "program.terms.enrollment_bonus",
                "program.terms.new_customers_only",
            ],
        ),
        ids_only("AffiliateService/ArchiveProgram", &["program_id", "etag"]),
    ]
}
