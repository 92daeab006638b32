//! Reads PayPal's answers. Pure.

use serde_json::Value;

use super::super::answer::{Reply, currency, money, word};
use super::receiver_of;
use super::words::{Meaning, failure, meaning};
use crate::domain::money::{Currency, Money};
use crate::outbound::provider::attempt::Attempt;
use crate::outbound::provider::outcome::{
    Cancellation, Doubt, DoubtReason, Failure, FailureReason, LookUp, NotMade, Payment, PaymentState, Submission,
};
use crate::outbound::provider::seen::{NotRead, PaymentKey, SeenPayment};

/// The content of an answer to a creation.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Created {
    /// All that it says.
    Done(Submission),
    /// The key was used by this batch, which must be read and compared.
    By(String),
}

/// PayPal's own name for the call.
fn debug_id(body: &Value) -> Option<String> {
    word(&body["debug_id"])
}

/// The error's name.
fn name(reply: &Reply) -> String {
    let name = word(&reply.body["name"]).or_else(|| word(&reply.body["error"]));
    name.unwrap_or_else(|| reply.answer.status.as_str().to_owned())
}

fn doubt(reply: &Reply, reason: DoubtReason) -> Doubt {
    let code = (!reply.is_success()).then(|| name(reply));
    Doubt { reason, after: reply.answer.retry_after(), code, debug_id: debug_id(&reply.body) }
}

/// Reads the answer to a creation. `needed` is what the sender would have to have.
pub(super) fn created(reply: &Reply, needed: Money) -> Created {
    if reply.is_success() {
        return Created::Done(match word(&reply.body["batch_header"]["payout_batch_id"]) {
            Some(provider_id) => Submission::Accepted { provider_id },
            None => Submission::Unknown(doubt(reply, DoubtReason::Unreadable)),
        });
    }
    let name = name(reply);
    let failed = |reason| Submission::Failed(Failure { reason, code: name.clone(), debug_id: debug_id(&reply.body) });
    let unknown = |reason| Submission::Unknown(doubt(reply, reason));
    Created::Done(match meaning(&name) {
        Some(Meaning::Duplicate) => match linked_batch(&reply.body) {
            Some(batch_id) => return Created::By(batch_id),
            None => unknown(DoubtReason::UnknownCode),
        },
        Some(Meaning::InsufficientFunds) => Submission::InsufficientFunds { needed, available: None },
        Some(Meaning::ProviderError) => unknown(DoubtReason::ProviderError),
        Some(Meaning::InProgress) => unknown(DoubtReason::InProgress),
        Some(Meaning::TooMany) => Submission::Later { after: reply.answer.retry_after() },
        Some(Meaning::WrongField) => failed(reason_of_fields(&reply.body)),
        Some(Meaning::Failure(reason)) => failed(reason),
        None => unknown(DoubtReason::UnknownCode),
    })
}

/// The id of the batch that a duplicate's answer links to. Only the id is used, because the address was not set by the owner.
fn linked_batch(body: &Value) -> Option<String> {
    let details = body["details"].as_array()?;
    let links = details.iter().filter_map(|detail| detail["link"].as_array()).flatten();
    links.filter_map(|link| link["href"].as_str()).find_map(|address| {
        let path = address.split(['?', '#']).next()?;
        let (_, id) = path.rsplit_once("/payments/payouts/")?;
        word(&Value::from(id))
    })
}

/// The reason behind the fields that PayPal found wrong.
fn reason_of_fields(body: &Value) -> FailureReason {
    let details = body["details"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_named =
        |word: &str| details.iter().any(|detail| detail["field"].as_str().is_some_and(|field| field.contains(word)));
    if is_named("receiver") || is_named("recipient_type") {
        FailureReason::ReceiverInvalid
    } else if is_named("currency") {
        FailureReason::CurrencyNotPossible
    } else if is_named("amount") {
        FailureReason::AmountNotPossible
    } else {
        FailureReason::Malformed
    }
}

/// Reads a batch and its one item, and compares them with the attempt.
pub(super) fn batch(reply: &Reply, attempt: &Attempt, needed: Money) -> LookUp {
    if !reply.is_success() {
        let reason = match meaning(&name(reply)) {
            Some(Meaning::TooMany) => return LookUp::Later { after: reply.answer.retry_after() },
            Some(Meaning::ProviderError) => DoubtReason::ProviderError,
            _ => DoubtReason::Refused,
        };
        return LookUp::Unknown(doubt(reply, reason));
    }
    let header = &reply.body["batch_header"];
    let Some(provider_id) = word(&header["payout_batch_id"]) else {
        return LookUp::Unknown(doubt(reply, DoubtReason::Unreadable));
    };
    if header["sender_batch_header"]["sender_batch_id"].as_str() != Some(&attempt.key()) {
        return LookUp::OtherPayment(Some(provider_id));
    }
    let item = match reply.body["items"].as_array().map(Vec::as_slice) {
        // A new batch may not show its item yet.
        None | Some([]) => return LookUp::Unknown(doubt(reply, DoubtReason::InProgress)),
        Some([item]) => item,
        Some(_) => return LookUp::OtherPayment(Some(provider_id)),
    };
    if !is_same(&item["payout_item"], attempt) {
        return LookUp::OtherPayment(Some(provider_id));
    }
    of_item(reply, item, attempt, needed, provider_id)
}

fn of_item(reply: &Reply, item: &Value, attempt: &Attempt, needed: Money, provider_id: String) -> LookUp {
    if item["transaction_status"] == "FAILED" && is_short(item) {
        return LookUp::NotMade(NotMade::InsufficientFunds { needed });
    }
    let Some(state) = state_of(item) else { return LookUp::Unknown(doubt(reply, DoubtReason::UnknownCode)) };
    let returned = matches!(state, PaymentState::Returned | PaymentState::Reversed).then_some(attempt.amount);
    LookUp::Found(Payment { provider_id, state, fee: fee_of(item), returned })
}

/// Whether the money did not suffice for the item.
fn is_short(item: &Value) -> bool {
    word(&item["errors"]["name"]).as_deref().and_then(meaning) == Some(Meaning::InsufficientFunds)
}

/// Where the money of an item is. `None`: PayPal's word is not known here.
fn state_of(item: &Value) -> Option<PaymentState> {
    let failed = |default: FailureReason| {
        let code = word(&item["errors"]["name"]).unwrap_or_else(|| "FAILED".to_owned());
        let reason = failure(&code).unwrap_or(default);
        PaymentState::Failed(Failure { reason, code, debug_id: word(&item["errors"]["debug_id"]) })
    };
    Some(match item["transaction_status"].as_str()? {
        "PENDING" => PaymentState::Processing,
        "SUCCESS" => PaymentState::Paid,
        "UNCLAIMED" => PaymentState::Unclaimed,
        "ONHOLD" => PaymentState::OnHold,
        "FAILED" => failed(FailureReason::Unrecognized),
        "BLOCKED" => failed(FailureReason::Compliance),
        "RETURNED" | "REFUNDED" => PaymentState::Returned,
        "REVERSED" => PaymentState::Reversed,
        _ => return None,
    })
}

fn fee_of(item: &Value) -> Option<Money> {
    let fee = &item["payout_item_fee"];
    currency(&fee["currency"]).and_then(|currency| money(&fee["value"], currency))
}

/// Reads a batch of one item, whoever asked for it. `None`: there is none.
pub(super) fn made(reply: &Reply) -> Result<Option<SeenPayment>, NotRead> {
    let status = reply.answer.status.as_u16();
    let not_read = || NotRead::of_status(status, name(reply), reply.answer.retry_after());
    if status == 404 && name(reply) == "INVALID_RESOURCE_ID" {
        return Ok(None);
    }
    let header = &reply.body["batch_header"];
    let provider_id = word(&header["payout_batch_id"]).filter(|_| reply.is_success()).ok_or_else(not_read)?;
    let key = header["sender_batch_header"]["sender_batch_id"].as_str();
    let Some([item]) = reply.body["items"].as_array().map(Vec::as_slice) else { return Err(not_read()) };
    let state = state_of(item).ok_or_else(not_read)?;
    let told = &item["payout_item"]["amount"];
    let amount = currency(&told["currency"]).and_then(|currency| money(&told["value"], currency));
    let returned = amount.filter(|_| matches!(state, PaymentState::Returned | PaymentState::Reversed));
    let key = key.map_or(PaymentKey::Other, PaymentKey::of_text);
    Ok(Some(SeenPayment { provider_id, key, made_at: None, amount, state, fee: fee_of(item), returned }))
}

/// Whether the item is what the attempt would send.
fn is_same(item: &Value, attempt: &Attempt) -> bool {
    let Some((kind, receiver)) = receiver_of(attempt) else { return false };
    // PayPal may write an address in small letters.
    let is_receiver = item["receiver"].as_str().is_some_and(|told| told.eq_ignore_ascii_case(receiver));
    let is_kind = item["recipient_type"].as_str().is_none_or(|told| told == kind);
    let amount = currency(&item["amount"]["currency"]).and_then(|currency| money(&item["amount"]["value"], currency));
    is_receiver && is_kind && amount == Some(attempt.amount)
}

/// The id of a batch's one item.
pub(super) fn item_id(reply: &Reply) -> Option<String> {
    match reply.body["items"].as_array().map(Vec::as_slice) {
        Some([item]) if reply.is_success() => word(&item["payout_item_id"]),
        _ => None,
    }
}

/// Reads the answer to a cancellation.
pub(super) fn cancelled(reply: &Reply) -> Cancellation {
    if reply.is_success() {
        return match reply.body["transaction_status"].as_str() {
            Some("RETURNED" | "REFUNDED") => Cancellation::Cancelled,
            _ => Cancellation::Unknown(doubt(reply, DoubtReason::UnknownCode)),
        };
    }
    match name(reply).as_str() {
        "ITEM_ALREADY_CANCELLED" => Cancellation::Cancelled,
        "ITEM_CANCELLATION_FAILED" | "ITEM_INCORRECT_STATUS" | "BATCH_NOT_COMPLETED" => Cancellation::Refused,
        _ => Cancellation::Unknown(doubt(reply, DoubtReason::Refused)),
    }
}

/// The available balance in a currency.
pub(super) fn balance(reply: &Reply, wanted: Currency) -> Option<Money> {
    let rows = reply.body["balances"].as_array().filter(|_| reply.is_success())?;
    let row = rows.iter().find(|row| currency(&row["currency"]) == Some(wanted))?;
    money(&row["available_balance"]["value"], wanted)
}
