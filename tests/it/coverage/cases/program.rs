//! Programs.

use serde_json::{Value as Json, json};

use super::{Case, case, long, wrong_flat};

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
        "custom_kinds": ["", "a b"],
    })
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

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("AffiliateService/CreateProgram", program("Spring"))
            .other(json!({"display_name": "Summer"}))
            .wrong(json!({
                "request_id": long(),
                "display_name": "",
                "currency_code": "dollars",
                "landing_url": "shop.example",
                "terms": wrong_terms(),
                "agreement": {"url": "shop.example", "text": "x".repeat(20_001)},
            }))
            .wrong(json!({
                "display_name": "",
                "currency_code": "",
                "landing_url": "",
                "terms": null,
                "agreement": {"url": ""},
            }))
            .wrong(json!({
                "display_name": long(),
                "currency_code": "",
                "landing_url": "",
                "terms": {"commission": wrong_flat()},
            }))
            .wrong(json!({
                "display_name": "",
                "currency_code": "",
                "landing_url": "",
                "terms": null,
                "welcome_mail": {"subject": "x".repeat(201), "body": "{}"},
                "metadata": {"": "x"},
            }))
            .wrong(json!({"display_name": "a\nb", "currency_code": "XXXX", "landing_url": "ftp://shop.example/", "terms": null}))
            .wrong(json!({"display_name": "", "currency_code": "", "landing_url": "", "terms": {"commission": null}}))
            .wrong(json!({
                "display_name": "",
                "currency_code": "",
                "landing_url": "",
                "terms": {"commission": {"percent_ppm": -1}, "custom_kinds": vec!["demo"; 101]},
            }))
            .wrong(json!({
                "display_name": "",
                "currency_code": "",
                "landing_url": "",
                "terms": null,
                "hosts": ["https://shop.example", "", "shop.example/a", "shop.example:80x"],
            }))
            .wrong(json!({
                "display_name": "",
                "currency_code": "",
                "landing_url": "",
                "terms": null,
                "hosts": vec!["shop.example"; 101],
            }))
            .wrong(json!({
                "display_name": "",
                "currency_code": "",
                "landing_url": "",
                "terms": null,
            }))
            .wrong(json!({"display_name": "", "currency_code": "", "landing_url": "", "terms": {"commission": {}}}))
            // Faults of a question, of an invitation, of a rule, of a level and of a cap are named with its place in the list, see the tests of rows P15, P4, P28 and P11.
            .free(&[
                "is_default",
                // Rules that do not fit are in the tests of row P33.
                "fraud_rules",
                "validate_only",
                "terms.version",
                "terms.start_time",
                "terms.end_time",
                "terms.create_time",
                "terms.withdraw_time",
                "terms.rules",
                "terms.upline_levels",
                "terms.caps",
                "terms.ladder",
                "terms.threshold_bonuses",
                "terms.customer_reward",
                "terms.enrollment_bonus",
                "terms.new_customers_only",
                "agreement.version",
                "agreement.is_required",
                "is_private",
                "questions",
                "invitations",
                "welcome_mail.is_enabled",
            ])
            .not_references(&["invitations"]),
        case("AffiliateService/GetProgram", json!({"program_id": "${program_id}"}))
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"program_id": "prg_1", "terms_version": -1})),
        case("AffiliateService/ListPrograms", json!({}))
            .list()
            .wrong(json!({"page_size": -1, "order": 99, "states": [0, 99], "metadata": {"": "x"}}))
            .free(&["with_total_count"]),
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
                "hosts": ["a b"],
                "agreement": {"url": "shop.example", "text": "x".repeat(20_001)},
                "welcome_mail": {"subject": "{name}", "body": "{body"},
                "metadata": {" tier": "x"},
            },
            "update_mask": {"paths": [
                "display_name", "landing_url", "is_default", "terms", "hosts", "agreement", "questions", "welcome_mail",
                "metadata", "fraud_rules", "nope",
            ]},
        }))
        .wrong(json!({"program": {"id": "", "agreement": null}, "update_mask": {"paths": ["agreement"]}}))
        .wrong(json!({
            "program": {"id": "", "display_name": long(), "landing_url": "", "terms": {"commission": wrong_flat()}},
            "update_mask": {"paths": ["display_name", "landing_url", "terms"]},
        }))
        .wrong(json!({"program": null, "update_mask": {"paths": []}}))
        .wrong(json!({
            "program": {"id": "", "display_name": ""},
            "update_mask": {"paths": ["display_name"]},
            "terms_start_time": {"seconds": -1},
            "terms_end_time": {"seconds": -1},
            "withdraw_terms_version": -1,
        }))
        // Fields outside the mask are not read. A stale etag is ABORTED.
        .free(&[
            "program.currency_code",
            "program.fraud_rules",
            "program.state",
            "program.create_time",
            "program.update_time",
            "program.etag",
            "program.terms.version",
            "program.terms.start_time",
            "program.terms.end_time",
            "program.terms.create_time",
            "program.terms.withdraw_time",
            "validate_only",
            "program.agreement.version",
            "program.agreement.is_required",
            "program.questions",
            "program.is_private",
            "program.invitations",
            "program.terms.rules",
            "program.terms.upline_levels",
            "program.terms.caps",
            "program.terms.ladder",
            "program.terms.threshold_bonuses",
            "program.terms.customer_reward",
            "program.terms.enrollment_bonus",
            "program.terms.new_customers_only",
            "program.welcome_mail.is_enabled",
        ])
        .not_references(&["program.invitations"]),
        case("AffiliateService/ArchiveProgram", json!({"program_id": "${fresh_program_id}"}))
            .prepare("AffiliateService/CreateProgram", program("Fresh"), FRESH_PROGRAM)
            .other(json!({"program_id": "${other_program_id}"}))
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"request_id": long(), "program_id": "prg_1"}))
            .wrong(json!({"program_id": ""}))
            .free(&["etag"]),
    ]
}
