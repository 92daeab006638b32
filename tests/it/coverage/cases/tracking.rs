//! The cases of TrackingService.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = records();
    cases.extend(reads());
    cases.extend(feed());
    cases
}

fn dollars(amount_minor: i64) -> Json {
    json!({"amount_minor": amount_minor, "currency_code": "USD"})
}

fn no_money() -> Json {
    json!({"amount_minor": -1, "currency_code": "usd"})
}

fn too_much() -> Json {
    json!({"amount_minor": i64::MAX, "currency_code": ""})
}

/// More than ten minutes ahead of any clock.
fn far_ahead() -> Json {
    json!({"seconds": 4_000_000_000_i64})
}

fn records() -> Vec<Case> {
    vec![
        click(),
        lead(),
        sale(),
        refund(),
        case("TrackingService/RecordCancellation", json!({"event_id": "${unique}", "lead": {"id": "${lead_id}"}}))
            .other(json!({"lead": {"uid": "${lead_uid}"}}))
            .reference(json!({"event_id": "${cancellation_event_id}"}))
            .lead_reference()
            .wrong(json!({"event_id": long(), "lead": {"id": "led_1"}, "occur_time": far_ahead()}))
            .wrong(json!({"event_id": "", "lead": null, "occur_time": no_time()}))
            .wrong_leads(&json!({"event_id": " "})),
        case(
            "TrackingService/BatchRecord",
            json!({"items": [
                {"click": {"link_code": "${link_code}"}},
                {"sale": {"event_id": "${unique}", "uid": "${lead_uid}", "amount": dollars(5_000)}},
            ]}),
        )
        .wrong(json!({"items": []}))
        // Each item is answered as its own call would be; `violations` and `isolation` compare them.
        .free(&["items"])
        .not_references(&["items"]),
    ]
}

fn click() -> Case {
    case("TrackingService/RecordClick", json!({"event_id": "${unique}", "link_code": "${link_code}"}))
        .other(json!({"referrer_url": "https://search.example/"}))
        .reference(json!({"event_id": "${click_event_id}"}))
        .reference(json!({"link_code": "${link_code}"}))
        .reference(json!({"link_code": null, "ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"tid": "${tid}"}))
        .wrong(json!({"event_id": long(), "link_code": "", "occur_time": far_ahead(), "referrer_url": long()}))
        .wrong(json!({"event_id": " ", "ref_id": long(), "occur_time": no_time(), "referrer_url": "a\u{7}b"}))
        .wrong(json!({"link_code": long()}))
        .wrong(json!({"ref_id": ""}))
        .wrong(json!({"link_code": null}))
        // A cookie that is none of ours makes a new visitor.
        .free(&["tid"])
}

fn lead() -> Case {
    case("TrackingService/RecordLead", json!({"event_id": "${unique}", "email": "${unique}@customers.example"}))
        .other(json!({"first_name": "Bob"}))
        .reference(json!({"event_id": "${lead_event_id}"}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"uid": "${lead_uid}"}))
        .reference(json!({"tid": "${tid}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"coupon_code": "${coupon_code}"}))
        .wrong(json!({
            "event_id": long(),
            "email": "bob",
            "uid": long(),
            "tid": long(),
            "ref_id": long(),
            "coupon_code": long(),
            "first_name": long(),
            "last_name": long(),
            "state": 99,
            "occur_time": far_ahead(),
        }))
        .wrong(json!({"event_id": "", "email": "", "state": "LEAD_STATE_ACTIVE", "occur_time": no_time()}))
}

fn sale() -> Case {
    case("TrackingService/RecordSale", json!({"event_id": "${unique}", "uid": "${unique}", "amount": dollars(5_000)}))
        .other(json!({"amount": dollars(5_001)}))
        .reference(json!({"event_id": "${sale_event_id}"}))
        .reference(json!({"email": "${lead_email}"}))
        .reference(json!({"uid": "${lead_uid}"}))
        .reference(json!({"tid": "${tid}"}))
        .reference(json!({"ref_id": "${affiliate_ref_id}"}))
        .reference(json!({"coupon_code": "${coupon_code}"}))
        .wrong(json!({
            "event_id": long(),
            "email": "bob",
            "uid": long(),
            "tid": long(),
            "ref_id": long(),
            "coupon_code": long(),
            "amount": no_money(),
            "occur_time": far_ahead(),
            "channel": 99,
            "first_name": long(),
            "last_name": long(),
            "plan": long(),
            "mrr": no_money(),
            "quantity": -1,
            "order_id": long(),
            "order_number": long(),
        }))
        .wrong(json!({"event_id": "", "email": "", "amount": null}))
        .wrong(json!({"event_id": " ", "email": "", "amount": too_much(), "mrr": too_much(), "quantity": 1_000_001}))
        // The merchant's own numbers, which nothing is looked up by.
        .not_references(&["order_id"])
}

fn refund() -> Case {
    case(
        "TrackingService/RecordRefund",
        json!({"event_id": "${unique}", "sale_event_id": "${fresh_sale_event_id}", "amount": dollars(100)}),
    )
    .prepare(
        "TrackingService/BatchRecord",
        json!({"items": [{"sale": {"event_id": "${unique}", "uid": "${lead_uid}", "amount": dollars(5_000)}}]}),
        &[("fresh_conversion_id", "/results/0/sale/conversion_id")],
    )
    .prepare(
        "TrackingService/GetConversion",
        json!({"conversion_id": "${fresh_conversion_id}"}),
        &[("fresh_sale_event_id", "/conversion/event_id")],
    )
    .other(json!({"amount": dollars(101)}))
    .reference(json!({"event_id": "${refund_event_id}"}))
    .reference(json!({"sale_event_id": "${sale_event_id}"}))
    .reference(json!({"sale_event_id": null, "email": "${lead_email}"}))
    .reference(json!({"sale_event_id": null, "uid": "${lead_uid}"}))
    .wrong(json!({
        "event_id": long(),
        "sale_event_id": long(),
        "email": "bob",
        "uid": long(),
        "amount": no_money(),
        "refund_id": long(),
        "occur_time": far_ahead(),
    }))
    .wrong(json!({"event_id": "", "sale_event_id": "", "amount": null, "occur_time": no_time()}))
    .wrong(json!({"event_id": "", "sale_event_id": "", "amount": too_much()}))
    .not_references(&["refund_id"])
}

fn reads() -> Vec<Case> {
    vec![
        case("TrackingService/GetLead", json!({"lead": {"id": "${lead_id}"}}))
            .lead_reference()
            .wrong(json!({"lead": {"id": "led_1"}}))
            .wrong(json!({"lead": null}))
            .wrong_leads(&json!({})),
        case("TrackingService/ListLeads", json!({}))
            .list()
            .affiliate_reference()
            .wrong(json!({"page_size": -1, "state": 99, "affiliate": {"id": "aff_1"}}))
            .wrong_affiliates(&json!({})),
        case("TrackingService/GetConversion", json!({"conversion_id": "${conversion_id}"}))
            .reference(json!({"conversion_id": "${conversion_id}"}))
            .reference(json!({
                "conversion_id": null,
                "event": {"kind": "CONVERSION_KIND_SALE", "event_id": "${sale_event_id}"},
            }))
            .wrong(json!({"conversion_id": "cnv_1"}))
            .wrong(json!({"conversion_id": ""}))
            .wrong(json!({"conversion_id": null}))
            .wrong(json!({"event": {"kind": 0, "event_id": ""}}))
            .wrong(json!({"event": {"kind": 99, "event_id": long()}})),
        case("TrackingService/ListConversions", json!({}))
            .list()
            .affiliate_reference()
            .lead_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({
                "page_size": -1,
                "kind": 99,
                "outcome": 99,
                "affiliate": {"id": "aff_1"},
                "program_id": "prg_1",
                "lead": {"id": "led_1"},
                "occur_time_from": no_time(),
                "occur_time_before": no_time(),
            }))
            .wrong_affiliates(&json!({}))
            .wrong_leads(&json!({})),
    ]
}

fn feed() -> Vec<Case> {
    let wrong_filter = json!({"types": [0, 99], "program_ids": ["prg_1", ""], "affiliate_ids": ["aff_1"]});
    let long_filter = json!({"filter": {"types": vec![1; 1_001]}});
    vec![
        case("TrackingService/ListConversionEvents", json!({"beginning": {}}))
            .reference(json!({"beginning": null, "after_cursor": "${cursor}"}))
            .reference(json!({"filter": {"program_ids": ["${program_id}"]}}))
            .reference(json!({"filter": {"affiliate_ids": ["${affiliate_id}"]}}))
            .wrong(json!({"after_cursor": "", "filter": wrong_filter, "page_size": -1, "max_wait": {"seconds": 31}}))
            .wrong(json!({"start_time": no_time(), "max_wait": {"seconds": -1}}))
            .wrong(super::patched(&json!({"after_cursor": null}), &long_filter))
            .wrong(json!({"after_cursor": null}))
            .free(&["beginning", "latest"]),
        case("TrackingService/WatchConversions", json!({"beginning": {}}))
            .reference(json!({"beginning": null, "after_cursor": "${cursor}"}))
            .reference(json!({"filter": {"program_ids": ["${program_id}"]}}))
            .reference(json!({"filter": {"affiliate_ids": ["${affiliate_id}"]}}))
            .wrong(json!({
                "after_cursor": "",
                "filter": wrong_filter,
                "heartbeat_interval": {"seconds": -1},
                "max_batch_size": -1,
            }))
            .wrong(json!({"start_time": no_time()}))
            .wrong(super::patched(&json!({"after_cursor": null}), &long_filter))
            .wrong(json!({"after_cursor": null}))
            .free(&["beginning", "latest"]),
    ]
}
