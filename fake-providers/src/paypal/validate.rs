//! Which batches PayPal refuses by their form. One wrong item refuses the whole batch, and the answer names its field.

use serde_json::Value;

use super::errors::wrong_field;
use super::exponent;
use crate::money::{self, MoneyError};

const ITEMS_MAX: usize = 15_000;

const CURRENCIES: [&str; 25] = [
    "AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY", "MXN", "MYR", "NOK",
    "NZD", "PHP", "PLN", "RUB", "SEK", "SGD", "THB", "TWD", "USD",
];
const RECIPIENT_TYPES: [&str; 4] = ["EMAIL", "PHONE", "PAYPAL_ID", "USER_HANDLE"];
const WALLETS: [&str; 3] = ["PAYPAL", "VENMO", "RECIPIENT_SELECTED"];
const PURPOSES: [&str; 9] =
    ["AWARDS", "PRIZES", "DONATIONS", "GOODS", "SERVICES", "REBATES", "CASHBACK", "DISCOUNTS", "NON_GOODS_OR_SERVICES"];

/// An item of a valid batch.
pub(super) struct Wanted {
    pub(super) sent: Value,
    pub(super) recipient_type: String,
    pub(super) receiver: String,
    pub(super) amount_minor: i64,
}

/// A valid batch.
pub(super) struct Valid {
    pub(super) header: Value,
    pub(super) currency: String,
    pub(super) items: Vec<Wanted>,
}

/// The batch in the body, or the details of what is wrong with it.
pub(super) fn batch(body: &Value) -> Result<Valid, Vec<Value>> {
    let mut wrong = Vec::new();
    let header = &body["sender_batch_header"];
    for (field, length) in [("sender_batch_id", 256), ("email_subject", 255), ("email_message", 1000)] {
        if header[field].as_str().is_some_and(|text| text.chars().count() > length) {
            wrong.push(wrong_field(&format!("sender_batch_header.{field}"), "Field value exceeds its maximum length"));
        }
    }
    if !header.is_object() {
        wrong.push(wrong_field("sender_batch_header", "Required field is missing"));
    }
    let sent = body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if sent.is_empty() || sent.len() > ITEMS_MAX {
        wrong.push(wrong_field("items", "The number of items must be between 1 and 15000"));
    }
    let header_type = header["recipient_type"].as_str().unwrap_or("");
    let currency = sent.first().and_then(|item| item["amount"]["currency"].as_str()).unwrap_or("");
    let items: Vec<_> =
        sent.iter().enumerate().filter_map(|(at, sent)| item(at, sent, header_type, &mut wrong)).collect();
    let is_mixed = sent.iter().any(|item| item["amount"]["currency"].as_str() != Some(currency));
    if is_mixed && wrong.is_empty() {
        wrong.push(wrong_field("items", "All items must have the same currency"));
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    Ok(Valid { header: header.clone(), currency: currency.to_owned(), items })
}

fn item(at: usize, sent: &Value, header_type: &str, wrong: &mut Vec<Value>) -> Option<Wanted> {
    let before = wrong.len();
    let mut refuse = |field: &str, issue: &str| wrong.push(wrong_field(&format!("items[{at}].{field}"), issue));
    let recipient_type = sent["recipient_type"].as_str().unwrap_or(header_type);
    if !RECIPIENT_TYPES.contains(&recipient_type) {
        refuse("recipient_type", "Value is invalid");
    }
    let receiver = sent["receiver"].as_str().unwrap_or("");
    if !is_receiver(recipient_type, receiver) {
        refuse("receiver", "Receiver is invalid or does not match with type");
    }
    for (field, length) in [("note", 4000), ("sender_item_id", 63)] {
        if sent[field].as_str().is_some_and(|text| text.chars().count() > length) {
            refuse(field, "Field value exceeds its maximum length");
        }
    }
    for (field, known) in [("recipient_wallet", &WALLETS[..]), ("purpose", &PURPOSES[..])] {
        if !sent[field].is_null() && !sent[field].as_str().is_some_and(|value| known.contains(&value)) {
            refuse(field, "Value is invalid");
        }
    }
    let currency = sent["amount"]["currency"].as_str().unwrap_or("");
    if !CURRENCIES.contains(&currency) {
        refuse("amount.currency", "Value is invalid");
    }
    let amount = money::parse(sent["amount"]["value"].as_str().unwrap_or(""), exponent(currency));
    match amount {
        Ok(0) => refuse("amount.value", "Amount must be greater than zero"),
        Ok(_) => {}
        Err(MoneyError::TooFine) => refuse("amount.value", "Amount has more decimals than the currency"),
        Err(MoneyError::Malformed | MoneyError::TooLarge) => refuse("amount.value", "Value is invalid"),
    }
    if wrong.len() > before {
        return None;
    }
    Some(Wanted {
        sent: sent.clone(),
        recipient_type: recipient_type.to_owned(),
        receiver: receiver.to_lowercase(),
        amount_minor: amount.ok()?,
    })
}

fn is_receiver(recipient_type: &str, receiver: &str) -> bool {
    if receiver.is_empty() || receiver.chars().count() > 127 || receiver.chars().any(char::is_whitespace) {
        return false;
    }
    match recipient_type {
        "EMAIL" => receiver.split_once('@').is_some_and(|(name, domain)| {
            !name.is_empty() && !domain.contains('@') && domain.contains('.') && !domain.ends_with('.')
        }),
        "PHONE" => receiver.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'),
        _ => true,
    }
}
