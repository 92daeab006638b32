//! Spellings of the fields of payouts.

use serde_json::json;

use super::{Spelling, spelling, times};

pub(super) fn spellings() -> Vec<Spelling> {
    let (time, same_time) = times();
    vec![spelling(
        "PayoutService/MarkPaid",
        vec![
            (
                json!({"reference": "t-1", "note": "a", "message": "b", "paid_time": time}),
                json!({"reference": " t-1", "note": "a ", "message": " b", "paid_time": same_time}),
            ),
            (
                json!({"affiliate": {"email": "${affiliate_email}"}}),
                json!({"affiliate": {"email": " ${affiliate_email}."}}),
            ),
            (
                json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
            ),
        ],
        &["affiliate.id", "affiliate.external_id", "affiliate.auth_token", "reward_ids", "amount"],
    )]
}
