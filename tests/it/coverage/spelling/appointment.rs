//! The spellings of appointments and custom events.

use serde_json::json;

use super::{Spelling, spelling, times};

pub(super) fn spellings() -> Vec<Spelling> {
    let (time, same_time) = times();
    vec![
        spelling(
            "TrackingService/RecordAppointment",
            vec![(
                json!({
                    "email": "${unique}@twice.example",
                    "tid": "t",
                    "ref_id": "ann",
                    "coupon_code": "ANN",
                    "first_name": "Ann",
                    "last_name": "Lee",
                    "metadata": {"room": "7"},
                    "occur_time": time,
                }),
                json!({
                    "email": "${unique}@Twice.example",
                    "tid": " t",
                    "ref_id": "ANN",
                    "coupon_code": "Ann",
                    "first_name": "Ann ",
                    "last_name": "Lee\u{200b}",
                    "metadata": {"room": " 7\u{7}", "empty": " "},
                    "occur_time": same_time,
                }),
            )],
            &["external_id"],
        ),
        spelling(
            "TrackingService/RecordCustomEvent",
            vec![(
                json!({
                    "custom_kind": "demo",
                    "email": "${unique}@twice.example",
                    "tid": "t",
                    "ref_id": "ann",
                    "coupon_code": "ANN",
                    "first_name": "Ann",
                    "last_name": "Lee",
                    "metadata": {"room": "7"},
                    "occur_time": time,
                }),
                json!({
                    "custom_kind": " Demo",
                    "email": "${unique}@Twice.example",
                    "tid": " t",
                    "ref_id": "ANN",
                    "coupon_code": "Ann",
                    "first_name": "Ann ",
                    "last_name": "Lee\u{200b}",
                    "metadata": {"room": " 7\u{7}", "empty": " "},
                    "occur_time": same_time,
                }),
            )],
            &["external_id", "amount"],
        ),
    ]
}
