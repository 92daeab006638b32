//! Reads Wise's answers. Pure.

use serde_json::Value;
use uuid::Uuid;

use super::super::answer::{Reply, currency, money, number, word};
use crate::domain::money::{Currency, Money};
use crate::domain::time::Time;
use crate::outbound::provider::attempt::{Attempt, Receiver};
use crate::outbound::provider::outcome::{
    Cancellation, Doubt, DoubtReason, Failure, FailureReason, LookUp, Payment, PaymentState, Submission,
};
use crate::outbound::provider::seen::{NotRead, PaymentKey, SeenPayment};

/// The price of a transfer.
#[derive(Debug)]
pub(super) struct Quote {
    pub(super) id: String,
    /// The amount with the fee, in the source's currency.
    pub(super) needed: Money,
    pub(super) fee: Option<Money>,
}

/// Wise's own name for the call.
fn debug_id(reply: &Reply) -> Option<String> {
    reply.answer.header("x-external-correlation-id").and_then(|id| word(&Value::from(id)))
}

/// The error's code, in any of Wise's forms.
pub(super) fn code(reply: &Reply) -> String {
    let body = &reply.body;
    let places = [&body["errorCode"], &body["errors"][0]["code"], &body["error"]];
    let code = places.into_iter().find_map(word);
    code.unwrap_or_else(|| reply.answer.status.as_str().to_owned())
}

pub(super) fn doubt(reply: &Reply, reason: DoubtReason) -> Doubt {
    Doubt { reason, after: reply.answer.retry_after(), code: Some(code(reply)), debug_id: debug_id(reply) }
}

pub(super) fn failure(reply: &Reply, reason: FailureReason) -> Failure {
    Failure { reason, code: code(reply), debug_id: debug_id(reply) }
}

/// The fields that Wise found wrong.
fn is_named(reply: &Reply, words: &[&str]) -> bool {
    let errors = reply.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().any(|error| error["path"].as_str().is_some_and(|path| words.iter().any(|word| path.contains(word))))
}

/// The reason behind a refusal, if it is known.
fn reason(reply: &Reply) -> Option<FailureReason> {
    Some(match reply.answer.status.as_u16() {
        401 | 403 => FailureReason::NotAuthorized,
        _ if is_named(reply, &["targetAccount"]) => FailureReason::ReceiverInvalid,
        _ if is_named(reply, &["quoteUuid"]) => FailureReason::Expired,
        _ if is_named(reply, &["Currency"]) => FailureReason::CurrencyNotPossible,
        _ if is_named(reply, &["Amount"]) => FailureReason::AmountNotPossible,
        _ if is_named(reply, &["customerTransactionId", "profile"]) => FailureReason::Malformed,
        _ => return None,
    })
}

/// Reads the answer to a question for a quote. Nothing is made by a quote, so each refusal is definite.
pub(super) fn quote(reply: &Reply, source: Currency) -> Result<Quote, Failure> {
    if !reply.is_success() {
        return Err(failure(reply, reason(reply).unwrap_or(FailureReason::Unrecognized)));
    }
    let body = &reply.body;
    let notices = body["notices"].as_array().map(Vec::as_slice).unwrap_or_default();
    if notices.iter().any(|notice| notice["type"] == "BLOCKED") {
        return Err(Failure::of(FailureReason::CurrencyNotPossible, "BLOCKED"));
    }
    let options = body["paymentOptions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let from_balance = options.iter().find(|option| option["payIn"] == "BALANCE");
    if from_balance.is_some_and(|option| option["disabled"] == true) {
        return Err(Failure::of(FailureReason::CurrencyNotPossible, "disabled"));
    }
    let option = from_balance.unwrap_or(body);
    match (word(&body["id"]), money(&option["sourceAmount"], source)) {
        (Some(id), Some(needed)) => Ok(Quote { id, needed, fee: money(&option["fee"]["total"], source) }),
        _ => Err(failure(reply, FailureReason::Unrecognized)),
    }
}

/// The refusal of a transfer.
pub(super) fn transfer_refused(reply: &Reply) -> Submission {
    match reason(reply) {
        Some(reason) => Submission::Failed(failure(reply, reason)),
        None => Submission::Unknown(doubt(reply, DoubtReason::UnknownCode)),
    }
}

/// A transfer, compared with the attempt.
pub(super) fn transfer(reply: &Reply, body: &Value, attempt: &Attempt) -> LookUp {
    let unknown = |reason| LookUp::Unknown(doubt(reply, reason));
    let Some(id) = number(&body["id"]) else { return unknown(DoubtReason::Unreadable) };
    let provider_id = id.to_string();
    let Receiver::WiseRecipient(recipient) = attempt.receiver else { return LookUp::OtherPayment(Some(provider_id)) };
    let is_amount = currency(&body["targetCurrency"])
        .is_some_and(|currency| money(&body["targetValue"], currency) == Some(attempt.amount));
    if !(is_key(body, attempt) && is_amount && body["targetAccount"].as_i64() == Some(recipient)) {
        return LookUp::OtherPayment(Some(provider_id));
    }
    let Some(state) = state_of(body) else { return unknown(DoubtReason::UnknownCode) };
    // The transfer tells neither its fee, which its quote has, nor what came back.
    LookUp::Found(Payment { provider_id, state, fee: None, returned: None })
}

/// Where the money of a transfer is. `None`: Wise's word is not known here.
fn state_of(body: &Value) -> Option<PaymentState> {
    Some(match body["status"].as_str()? {
        "incoming_payment_waiting" => PaymentState::Unfunded,
        "waiting_recipient_input_to_proceed" => PaymentState::OnHold,
        "incoming_payment_initiated" | "processing" | "funds_converted" if body["hasActiveIssues"] == true => {
            PaymentState::OnHold
        }
        "incoming_payment_initiated" | "processing" | "funds_converted" => PaymentState::Processing,
        "outgoing_payment_sent" => PaymentState::Paid,
        "bounced_back" => PaymentState::Returning,
        "funds_refunded" => PaymentState::Returned,
        "cancelled" => PaymentState::Cancelled,
        "charged_back" => PaymentState::Reversed,
        _ => return None,
    })
}

/// A transfer, whoever asked for it. `None`: it cannot be read.
pub(super) fn seen(body: &Value) -> Option<SeenPayment> {
    let key = body["customerTransactionId"].as_str().and_then(|text| Uuid::parse_str(text).ok());
    Some(SeenPayment {
        provider_id: number(&body["id"])?.to_string(),
        key: key.map_or(PaymentKey::Other, PaymentKey::Uuid),
        made_at: body["created"].as_str().and_then(time_of),
        amount: currency(&body["targetCurrency"]).and_then(|currency| money(&body["targetValue"], currency)),
        state: state_of(body)?,
        fee: None,
        returned: None,
    })
}

/// A time of Wise's, which is in UTC and may have no zone, such as `2026-11-20 08:30:00`.
fn time_of(text: &str) -> Option<Time> {
    let text = text.replacen(' ', "T", 1);
    let parsed = text.parse::<jiff::Timestamp>().or_else(|_| format!("{text}Z").parse());
    parsed.ok().map(|time| Time::from_micros(time.as_microsecond()))
}

pub(super) fn not_read(reply: &Reply) -> NotRead {
    NotRead::of_status(reply.answer.status.as_u16(), code(reply), reply.answer.retry_after())
}

/// Whether the transfer has the attempt's key.
pub(super) fn is_key(body: &Value, attempt: &Attempt) -> bool {
    let key = attempt.key_uuid().to_string();
    body["customerTransactionId"].as_str().is_some_and(|told| told.eq_ignore_ascii_case(&key))
}

/// The result of a funding.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Funding {
    Completed,
    /// The money does not suffice.
    Insufficient,
    /// The rate is no longer held.
    Expired,
    /// A person must confirm it, or pay for it, in Wise's own pages.
    PersonNeeded,
    /// The token may not pay.
    NotAuthorized,
    /// Another refusal.
    Refused,
}

/// Reads the answer to a funding. HTTP says 200 also when nothing was paid.
pub(super) fn funding(reply: &Reply) -> Funding {
    if reply.is_success() && reply.body["status"] == "COMPLETED" {
        return Funding::Completed;
    }
    match (reply.answer.status.as_u16(), code(reply).as_str()) {
        (_, "transfer.insufficient_funds" | "balance.insufficient-funds" | "balance.payment-option-unavailable") => {
            Funding::Insufficient
        }
        (_, "transfer.quote_expired") => Funding::Expired,
        (403, _) if reply.answer.header("x-2fa-approval").is_some() => Funding::PersonNeeded,
        (401 | 403, _) => Funding::NotAuthorized,
        _ => Funding::Refused,
    }
}

/// Reads the answer to a cancellation.
pub(super) fn cancelled(reply: &Reply) -> Cancellation {
    if reply.is_success() && reply.body["status"] == "cancelled" {
        Cancellation::Cancelled
    } else if reply.answer.status.as_u16() == 409 {
        Cancellation::Refused
    } else {
        Cancellation::Unknown(doubt(reply, DoubtReason::Refused))
    }
}

/// The balance in a currency.
pub(super) fn balance(reply: &Reply, wanted: Currency) -> Option<Money> {
    let rows = reply.body.as_array().filter(|_| reply.is_success())?;
    let row = rows.iter().find(|row| currency(&row["currency"]) == Some(wanted))?;
    money(&row["amount"]["value"], wanted)
}
