//! Sales, and their refunds.

use serde_json::{Value as Json, json};

use super::{Case, case, dollars, far_ahead, long, no_time};

pub(super) fn cases() -> Vec<Case> {
    vec![sale(), refund(), refund_undo(), correction(), dispute(), resolution()]
}

fn no_money() -> Json {
    json!({"amount_minor": -1, "currency_code": "usd"})
}

fn too_much() -> Json {
    json!({"amount_minor": i64::MAX, "currency_code": ""})
}

fn not_paid() -> Json {
    json!({"amount_minor": -1, "currency_code": "USN"})
}

fn sale() -> Case {
    case(
        "TrackingService/RecordSale",
        json!({"event_id": "${unique}", "external_id": "${unique}", "amount": dollars(5_000)}),
    )
    .other(json!({"amount": dollars(5_001)}))
    .reference(json!({"event_id": "${sale_event_id}"}))
    .reference(json!({"email": "${lead_email}"}))
    .reference(json!({"external_id": "${lead_external_id}"}))
    .reference(json!({"tid": "${tid}"}))
    .reference(json!({"ref_id": "${affiliate_ref_id}"}))
    .reference(json!({"coupon_code": "${coupon_code}"}))
    .wrong(json!({"event_id": long(), "external_id": long(), "amount": no_money(), "occur_time": far_ahead()}))
    .wrong(json!({"event_id": "", "email": "bob", "amount": null, "occur_time": no_time()}))
    .wrong(json!({"event_id": " ", "email": "", "amount": too_much(), "occur_time": {"seconds": 86_400}}))
    .tolerated(json!({
        "email": "bob",
        "tid": long(),
        "ref_id": long(),
        "coupon_code": long(),
        "channel": 99,
        "first_name": long(),
        "last_name": long(),
        "plan": long(),
        "mrr": no_money(),
        "quantity": -1,
        "order_id": long(),
        "order_number": long(),
        "item_sku": long(),
        "collections": [long()],
        "metadata": {"": "x"},
        "country_code": "UK",
    }))
    .tolerated(json!({"mrr": too_much(), "quantity": 1_000_001}))
    .tolerated(json!({"mrr": not_paid()}))
    // What becomes of lines that do not fit is in the tests of row P24.
    .free(&["lines"])
    // These are the merchant's own numbers. The server looks nothing up by them.
    .not_references(&["order_id", "lines.line_id"])
}

fn refund() -> Case {
    case(
        "TrackingService/RecordRefund",
        json!({"event_id": "${unique}", "sale_event_id": "${fresh_sale_event_id}", "amount": dollars(100)}),
    )
    .prepare(
        "TrackingService/BatchRecordEvents",
        json!({"items": [{"sale": {"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(5_000)}}]}),
        &[("fresh_conversion_id", "/results/0/sale/conversion_id")],
    )
    .prepare(
        "TrackingService/GetConversion",
        json!({"conversion": {"id": "${fresh_conversion_id}"}}),
        &[("fresh_sale_event_id", "/conversion/event_id")],
    )
    .other(json!({"amount": dollars(101)}))
    .reference(json!({"event_id": "${refund_event_id}"}))
    .reference(json!({"sale_event_id": "${sale_event_id}"}))
    .reference(json!({"sale_event_id": null, "email": "${lead_email}"}))
    .reference(json!({"sale_event_id": null, "external_id": "${lead_external_id}"}))
    .wrong(json!({
        "event_id": long(),
        "sale_event_id": long(),
        "external_id": long(),
        "amount": no_money(),
        "occur_time": far_ahead(),
    }))
    .wrong(json!({
        "email": "bob",
        "event_id": "",
        "amount": null,
        "commission_adjustment": {"amount_minor": i64::MIN, "currency_code": "usd"},
    }))
    .tolerated(json!({"email": "bob", "refund_id": long()}))
    .wrong(json!({"event_id": "", "sale_event_id": "", "amount": null, "occur_time": no_time()}))
    .wrong(json!({"event_id": "", "sale_event_id": "", "amount": too_much()}))
    .wrong(json!({"event_id": "", "sale_event_id": "", "refunded_total": no_money()}))
    .free(&["lines"])
    .not_references(&["refund_id", "lines.line_id"])
}

fn refund_undo() -> Case {
    let fresh = json!({"items": [
        {"sale": {"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(5_000)}},
        {"refund": {"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(100)}},
    ]});
    let told = json!({"conversion": {"id": "${fresh_refund_id}"}});
    case("TrackingService/UndoRefund", json!({"event_id": "${unique}", "refund_event_id": "${fresh_refund_event_id}"}))
        .prepare("TrackingService/BatchRecordEvents", fresh, &[("fresh_refund_id", "/results/1/refund/conversion_id")])
        .prepare("TrackingService/GetConversion", told, &[("fresh_refund_event_id", "/conversion/event_id")])
        .other(json!({"reason": "another one"}))
        .reference(json!({"event_id": "${refund_event_id}"}))
        .reference(json!({"refund_event_id": "${refund_event_id}"}))
        .wrong(json!({
            "event_id": long(),
            "refund_event_id": long(),
            "reason": long(),
            "occur_time": far_ahead(),
        }))
        .wrong(json!({"event_id": "", "refund_event_id": " ", "occur_time": no_time()}))
}

fn dispute() -> Case {
    let fresh = json!({"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(5_000)});
    case("TrackingService/OpenDispute", json!({"event_id": "${unique}", "sale_event_id": "${fresh_sale_event_id}"}))
        .prepare("TrackingService/RecordSale", fresh, &[("fresh_conversion_id", "/conversion_id")])
        .prepare(
            "TrackingService/GetConversion",
            json!({"conversion": {"id": "${fresh_conversion_id}"}}),
            &[("fresh_sale_event_id", "/conversion/event_id")],
        )
        .other(json!({"amount": dollars(4_001)}))
        .reference(json!({"event_id": "${sale_event_id}"}))
        .reference(json!({"sale_event_id": "${sale_event_id}"}))
        .wrong(json!({
            "event_id": long(),
            "sale_event_id": long(),
            "amount": no_money(),
            "reason": long(),
            "occur_time": far_ahead(),
        }))
        .wrong(json!({"event_id": "", "sale_event_id": " ", "amount": too_much(), "occur_time": no_time()}))
}

fn resolution() -> Case {
    let fresh = json!({"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(5_000)});
    let sale = json!({"conversion": {"id": "${fresh_conversion_id}"}});
    let dispute = json!({"event_id": "${unique}", "sale_event_id": "${fresh_sale_event_id}"});
    let told = json!({"conversion": {"id": "${fresh_dispute_id}"}});
    case(
        "TrackingService/ResolveDispute",
        json!({"event_id": "${unique}", "dispute_event_id": "${fresh_dispute_event_id}", "outcome": "DISPUTE_OUTCOME_LOST"}),
    )
    .prepare("TrackingService/RecordSale", fresh, &[("fresh_conversion_id", "/conversion_id")])
    .prepare("TrackingService/GetConversion", sale, &[("fresh_sale_event_id", "/conversion/event_id")])
    .prepare("TrackingService/OpenDispute", dispute, &[("fresh_dispute_id", "/conversion_id")])
    .prepare("TrackingService/GetConversion", told, &[("fresh_dispute_event_id", "/conversion/event_id")])
    .other(json!({"outcome": "DISPUTE_OUTCOME_WON"}))
    .reference(json!({"event_id": "${sale_event_id}"}))
    .reference(json!({"dispute_event_id": "${fresh_dispute_event_id}"}))
    .wrong(json!({
        "event_id": long(),
        "dispute_event_id": long(),
        "outcome": "DISPUTE_OUTCOME_UNSPECIFIED",
        "lost_amount": no_money(),
        "reason": long(),
        "occur_time": far_ahead(),
    }))
    .wrong(json!({"event_id": "", "dispute_event_id": " ", "outcome": 99, "lost_amount": too_much(), "occur_time": no_time()}))
}

fn correction() -> Case {
    let fresh = json!({"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(5_000)});
    case(
        "TrackingService/CorrectSale",
        json!({"event_id": "${unique}", "sale_event_id": "${fresh_sale_event_id}", "amount": dollars(4_000)}),
    )
    .prepare("TrackingService/RecordSale", fresh, &[("fresh_conversion_id", "/conversion_id")])
    .prepare(
        "TrackingService/GetConversion",
        json!({"conversion": {"id": "${fresh_conversion_id}"}}),
        &[("fresh_sale_event_id", "/conversion/event_id")],
    )
    .other(json!({"amount": dollars(4_001)}))
    .reference(json!({"event_id": "${sale_event_id}"}))
    .reference(json!({"sale_event_id": "${sale_event_id}"}))
    .wrong(json!({
        "event_id": long(),
        "sale_event_id": long(),
        "amount": no_money(),
        "reason": long(),
        "occur_time": far_ahead(),
    }))
    .wrong(json!({"event_id": "", "sale_event_id": " ", "amount": null, "occur_time": no_time()}))
    .wrong(json!({"event_id": " ", "sale_event_id": "", "amount": too_much()}))
    .free(&["lines"])
    .not_references(&["lines.line_id"])
}
