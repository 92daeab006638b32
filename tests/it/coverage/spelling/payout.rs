//! Spellings of the fields of payouts.

use serde_json::json;

use super::{Spelling, ids_only, spelling, times};

pub(super) fn spellings() -> Vec<Spelling> {
    let (time, same_time) = times();
    let created = spelling(
        "PayoutService/CreatePayout",
        vec![
            (json!({"note": "a", "message": "b"}), json!({"note": "a ", "message": " b"})),
            (
                json!({"affiliate": {"email": "${affiliate_email}"}}),
                json!({"affiliate": {"email": " ${affiliate_email}."}}),
            ),
            (
                json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
            ),
        ],
        &["affiliate.id", "affiliate.external_id", "affiliate.auth_token", "currency_code", "reward_ids", "minimum"],
    );
    let run = spelling(
        "PayoutService/CreatePayoutRun",
        vec![(json!({"note": "a", "message": "b"}), json!({"note": "a ", "message": " b"}))],
        &["currency_code", "all_affiliates", "affiliate_ids", "minimum", "maximum_total"],
    );
    let confirmed = spelling(
        "PayoutService/ConfirmPayouts",
        vec![(json!({"reference": "t-1", "paid_time": time}), json!({"reference": " t-1", "paid_time": same_time}))],
        &["payout_ids", "etags"],
    );
    let reopened = spelling(
        "PayoutService/ReopenPayout",
        vec![(json!({"reason": "a"}), json!({"reason": " a "}))],
        &["payout_id", "etag"],
    );
    let imported = spelling(
        "PayoutService/ImportPayoutResults",
        vec![(json!({"paid_time": time}), json!({"paid_time": same_time}))],
        &["csv"],
    );
    let marked = spelling(
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
    );
    vec![
        created,
        run,
        ids_only("PayoutService/ApprovePayouts", &["payout_ids", "etags"]),
        confirmed,
        ids_only("PayoutService/CancelPayout", &["payout_id", "etag"]),
        imported,
        reopened,
        ids_only("PayoutService/CancelPayoutRun", &["payout_run_id"]),
        marked,
    ]
}
