//! Conversions.

use serde_json::json;

use super::{Case, case, long, no_time};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("TrackingService/GetConversion", json!({"conversion": {"id": "${conversion_id}"}}))
            .reference(json!({"conversion": {"id": "${conversion_id}"}}))
            .reference(json!({
                "conversion": {"recorded_event": {"kind": "CONVERSION_KIND_SALE", "event_id": "${sale_event_id}"}},
            }))
            .wrong(json!({"conversion": {"id": "cnv_1"}, "view": 99}))
            .wrong(json!({"conversion": {"id": ""}}))
            .wrong(json!({"conversion": {}}))
            .wrong(json!({"conversion": null}))
            .wrong(json!({"conversion": {"recorded_event": {"kind": 0, "event_id": ""}}}))
            .wrong(json!({"conversion": {"recorded_event": {"kind": 99, "event_id": long()}}})),
        case("TrackingService/ExplainConversion", json!({"conversion": {"id": "${conversion_id}"}}))
            .reference(json!({"conversion": {"id": "${conversion_id}"}}))
            .reference(json!({
                "conversion": {"recorded_event": {"kind": "CONVERSION_KIND_SALE", "event_id": "${sale_event_id}"}},
            }))
            .wrong(json!({"conversion": {"id": "cnv_1"}}))
            .wrong(json!({"conversion": {"id": ""}}))
            .wrong(json!({"conversion": {}}))
            .wrong(json!({"conversion": null}))
            .wrong(json!({"conversion": {"recorded_event": {"kind": 0, "event_id": ""}}}))
            .wrong(json!({"conversion": {"recorded_event": {"kind": 99, "event_id": long()}}})),
        case("TrackingService/BatchGetConversions", json!({"conversions": [{"id": "${conversion_id}"}]}))
            .wrong(json!({"conversions": [], "view": 99}))
            // Each selector has a result of its own, with the errors of GetConversion; `rows/conversion.rs` compares the two.
            .free(&["conversions"])
            .not_references(&["conversions"]),
        case("TrackingService/ListConversions", json!({}))
            .list()
            .not_references(&["order_id", "custom_kind"])
            .affiliate_reference()
            .lead_reference()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "kinds": [0, 99],
                "outcomes": [0, 99],
                "affiliate": {"id": "aff_1"},
                "program_id": "prg_1",
                "lead": {"id": "led_1"},
                "occur_interval": {"start_time": no_time(), "end_time": no_time()},
                "view": 99,
                "order_id": long(),
                "order_number": long(),
                "custom_kind": long(),
                "metadata": {"": "x"},
            }))
            .wrong(json!({"occur_interval": {"end_time": no_time()}}))
            .wrong_affiliates(&json!({}))
            .wrong_leads(&json!({})),
    ]
}
