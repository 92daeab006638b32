//! Batches of records.

use serde_json::json;

use super::{Case, case, dollars};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(
            "TrackingService/BatchRecordEvents",
            json!({"items": [
                {"click": {"ref_id": "${link_code}"}},
                {"sale": {"event_id": "${unique}", "external_id": "${lead_external_id}", "amount": dollars(5_000)}},
            ]}),
        )
        .wrong(json!({"items": []}))
        // Each item is answered like a single call; `violations` and `isolation` compare the two.
        .free(&["items"])
        .not_references(&["items"]),
    ]
}
