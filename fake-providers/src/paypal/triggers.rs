//! Words of PayPal's sandbox that ask for an answer: in the note of the first item, or in place of an id.

use serde_json::{Value, json};

use super::errors;
use crate::exchange::Answer;
use crate::world::Common;

/// The error that a note asks for.
pub(super) fn of_note(note: &str) -> Option<&'static str> {
    Some(match note {
        "ERRPYO001" => "SENDER_RESTRICTED",
        "ERRPYO002" => "SENDER_EMAIL_UNCONFIRMED",
        "ERRPYO003" => "AUTHORIZATION_ERROR",
        "ERRPYO005" => "INSUFFICIENT_FUNDS",
        "ERRPYO006" => "INTERNAL_ERROR",
        "ERRPYO010" => "VALIDATION_ERROR",
        "ERRPYO011" => "REQUIRED_SCOPE_MISSING",
        "ERRPYO012" => "SENDER_LOCKED",
        "ERRPYO014" => "USER_BUSINESS_ERROR",
        "ERRPYO035" => "RATE_LIMIT_VALIDATION_FAILURES",
        "ERRPYO036" => "REQUEST_TIMEOUT_EXCEEDED",
        "ERRPYO037" => "SYNC_MODE_NOT_APPLICABLE",
        "ERRPYO038" => "NON_HOLDING_CURRENCY",
        "ERRPYO039" => "PREVIOUS_REQUEST_IN_PROGRESS",
        "ERRPYO040" => "CIP_NOT_VERIFIED",
        _ => return None,
    })
}

/// The batch that a word in place of its id asks for. Of the words from ERRPYO015 on, which give an item that failed, only the
/// first is known.
pub(super) fn of_batch_id(common: &mut Common, id: &str) -> Option<Answer> {
    let (status, error) = match id {
        "ERRPYOB001" => ("SUCCESS", None),
        "ERRPYOB002" => ("PENDING", None),
        "ERRPYOB003" => ("PROCESSING", None),
        "ERRPYOB004" => ("DENIED", None),
        "ERRPYO015" => ("SUCCESS", Some("CLOSED_MARKET")),
        _ => return None,
    };
    let time = crate::clock::text(common.clock.now_ms());
    let batch = json!({
        "payout_batch_id": id, "batch_status": status, "time_created": time,
        "sender_batch_header": {"sender_batch_id": id},
        "amount": {"currency": "USD", "value": "1.00"}, "fees": {"currency": "USD", "value": "0.02"},
    });
    let items: Vec<Value> = error.into_iter().map(|name| failed_item(common, id, name)).collect();
    Some(Answer::json(200, &json!({"batch_header": batch, "items": items, "links": []})))
}

fn failed_item(common: &mut Common, batch_id: &str, error: &str) -> Value {
    json!({
        "payout_item_id": common.ids.upper(13), "transaction_status": "FAILED", "payout_batch_id": batch_id,
        "payout_item_fee": {"currency": "USD", "value": "0.00"},
        "payout_item": {
            "recipient_type": "EMAIL", "receiver": "receiver@example.com", "amount": {"currency": "USD", "value": "1.00"},
        },
        "errors": {"name": error, "message": "The item failed", "details": []},
    })
}

/// The refusal to cancel that a word in place of the item's id asks for. Which word gives which refusal is not published in the
/// sources that this was written from, so the order is a guess.
pub(super) fn of_cancelled_id(common: &mut Common, id: &str) -> Option<Answer> {
    let name = match id {
        "ERRPYO004" => "ITEM_ALREADY_CANCELLED",
        "ERRPYO007" => "ITEM_CANCELLATION_FAILED",
        "ERRPYO008" => "ITEM_INCORRECT_STATUS",
        "ERRPYO009" => "BATCH_NOT_COMPLETED",
        _ => return None,
    };
    Some(errors::named(&mut common.ids, name))
}
