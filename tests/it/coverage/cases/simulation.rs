//! Simulations of terms.

use serde_json::{Value as Json, json};

use super::{Case, case, dollars, far_ahead, long, no_time, wrong_flat};

fn sample(fields: &Json) -> Json {
    json!({"sample_sale": super::patched(&json!({"external_id": "${unique}", "amount": dollars(5_000)}), fields)})
}

pub(super) fn cases() -> Vec<Case> {
    let terms = json!({"commission": {"percent_ppm": 100_000}});
    let case = case("RewardService/SimulateTerms", json!({"program_id": "${program_id}", "terms": terms}))
        .reference(json!({"program_id": "${program_id}"}))
        .reference(sample(&json!({"email": "${lead_email}"})))
        .reference(sample(&json!({"external_id": "${lead_external_id}"})))
        .reference(sample(&json!({"tid": "${tid}"})))
        .reference(sample(&json!({"ref_id": "${affiliate_ref_id}"})))
        .reference(sample(&json!({"coupon_code": "${coupon_code}"})))
        .wrong(json!({
            "program_id": "prg_1",
            "start_time": no_time(),
            "end_time": no_time(),
            "terms": {
                "reach": 99,
                "commission": {"percent_ppm": -1},
                "hold_period_days": -1,
                "attribution_model": 99,
                "attribution_window_days": 0,
                "precedence": [1, 1],
                "rounding": 99,
                "custom_kinds": ["", "a b"],
            },
        }))
        .wrong(json!({"program_id": "prg_1", "start_time": {"seconds": 33_000_000_000_i64}, "terms": null}))
        .wrong(json!({"program_id": "prg_1", "terms": {"commission": wrong_flat()}}))
        .wrong(json!({"program_id": "prg_1", "terms": {"commission": null}}))
        .wrong(json!({"program_id": "prg_1", "terms": {"commission": {}}}))
        .wrong(json!({
            "program_id": "prg_1",
            "terms": null,
            "sample_sale": {
                "external_id": long(),
                "amount": {"amount_minor": -1, "currency_code": "usd"},
                "occur_time": far_ahead(),
            },
        }))
        .wrong(json!({"program_id": "prg_1", "terms": null, "sample_sale": {"email": "", "amount": null}}));
    // Faults of a rule, of a level, of a cap and of what is given are named with its place in the list. The other fields of a sale are tolerated, as by RecordSale.
    vec![
        case.free(&[
            "terms.version",
            "terms.start_time",
            "terms.rules",
            "terms.upline_levels",
            "terms.caps",
            "terms.ladder",
            "terms.threshold_bonuses",
            "terms.customer_reward",
            "terms.enrollment_bonus",
            "terms.new_customers_only",
            "terms.end_time",
            "terms.create_time",
            "terms.withdraw_time",
            "sample_sale.lines",
            "sample_sale.event_id",
            "sample_sale.tid",
            "sample_sale.ref_id",
            "sample_sale.coupon_code",
            "sample_sale.channel",
            "sample_sale.first_name",
            "sample_sale.last_name",
            "sample_sale.plan",
            "sample_sale.mrr",
            "sample_sale.quantity",
            "sample_sale.order_id",
            "sample_sale.order_number",
            "sample_sale.item_sku",
            "sample_sale.collections",
            "sample_sale.metadata",
            "sample_sale.country_code",
        ])
        .not_references(&["sample_sale.event_id", "sample_sale.order_id", "sample_sale.lines.line_id"]),
    ]
}
