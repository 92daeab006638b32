//! The answers about sales that a call does not fit.

use super::Answer;
use crate::domain::id::ConversionId;
use crate::domain::money::Currency;
use crate::pb::ErrorReason;

/// The answer about a sale in this currency.
pub(super) fn of_sale(reason: ErrorReason, id: &ConversionId, currency: Currency, message: String) -> Answer {
    let answer = Answer::precondition(reason, id.to_string(), message);
    answer.with("sale_conversion_id", id).with("currency_code", currency)
}

/// The answer to an order that was told before.
pub(super) fn duplicate_order(order_id: &str, conversion_id: &ConversionId, text: &str) -> Answer {
    let fix = "send another order_id if it is another order, or leave the sale out";
    Answer::precondition(ErrorReason::DuplicateOrder, conversion_id.to_string(), format!("order_id: {text}; {fix}"))
        .with("order_id", order_id)
        .with("conversion_id", conversion_id)
}
