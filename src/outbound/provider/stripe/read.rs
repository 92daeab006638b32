//! Reads Stripe's answers. Pure.

use serde_json::Value;

use super::super::amount::{from_units, to_units};
use super::super::answer::{Reply, currency, number, word};
use super::{KEY_FIELD, exponent};
use crate::domain::money::{Currency, Money};
use crate::domain::time::Time;
use crate::outbound::provider::attempt::{Attempt, Receiver};
use crate::outbound::provider::outcome::{
    Doubt, DoubtReason, Failure, FailureReason, LookUp, NotMade, Payment, PaymentState, Submission,
};
use crate::outbound::provider::seen::{Listing, NotRead, PaymentKey, SeenPayment};

/// Stripe's own name for the call.
fn debug_id(reply: &Reply) -> Option<String> {
    reply.answer.header("request-id").and_then(|id| word(&Value::from(id)))
}

/// The error's code, or else its type, or else the status.
fn code(reply: &Reply) -> String {
    let error = &reply.body["error"];
    let code = word(&error["code"]).or_else(|| word(&error["type"]));
    code.unwrap_or_else(|| reply.answer.status.as_str().to_owned())
}

fn doubt(reply: &Reply, reason: DoubtReason) -> Doubt {
    let code = (!reply.is_success()).then(|| code(reply));
    Doubt { reason, after: reply.answer.retry_after(), code, debug_id: debug_id(reply) }
}

/// The reason behind a refusal, if it is known.
fn failure(reply: &Reply) -> Option<FailureReason> {
    let error = &reply.body["error"];
    let field = error["param"].as_str().unwrap_or("");
    Some(match (error["code"].as_str().unwrap_or(""), field) {
        ("insufficient_capabilities_for_transfer", _) => FailureReason::ReceiverNotReady,
        ("account_invalid" | "no_account" | "account_closed", _) | ("resource_missing", "destination" | "id") => {
            FailureReason::ReceiverInvalid
        }
        ("transfers_not_allowed" | "platform_account_required" | "payouts_not_allowed", _) => {
            FailureReason::SenderRestricted
        }
        ("amount_too_large" | "amount_too_small" | "parameter_invalid_integer", _) | (_, "amount") => {
            FailureReason::AmountNotPossible
        }
        (_, "currency") => FailureReason::CurrencyNotPossible,
        (
            "parameter_missing" | "parameter_unknown" | "parameter_invalid_empty" | "parameter_invalid_string_empty",
            _,
        ) => FailureReason::Malformed,
        _ if matches!(reply.answer.status.as_u16(), 401 | 403) => FailureReason::NotAuthorized,
        _ => return None,
    })
}

/// The failure that a refusal tells, if it is known.
pub(super) fn refusal(reply: &Reply) -> Option<Failure> {
    failure(reply).map(|reason| Failure { reason, code: code(reply), debug_id: debug_id(reply) })
}

/// Why the connected account cannot be paid, or nothing if it can.
pub(super) fn not_ready(reply: &Reply) -> Option<Failure> {
    let account = &reply.body;
    if account["payouts_enabled"] == true && account["capabilities"]["transfers"] == "active" {
        return None;
    }
    let reason = word(&account["requirements"]["disabled_reason"]);
    let code = reason.unwrap_or_else(|| "transfers_not_active".to_owned());
    Some(Failure { reason: FailureReason::ReceiverNotReady, code, debug_id: debug_id(reply) })
}

/// Reads the answer to a creation.
pub(super) fn created(reply: &Reply, attempt: &Attempt) -> Submission {
    if reply.is_success() {
        let is_replayed = reply.answer.header("idempotent-replayed") == Some("true");
        return match transfer(&reply.body, attempt) {
            Read::Same(payment) if is_replayed => Submission::Duplicate(payment),
            Read::Same(payment) => Submission::Paid(payment),
            Read::Other(id) => Submission::OtherPayment(Some(id)),
            Read::None => Submission::Unknown(doubt(reply, DoubtReason::Unreadable)),
        };
    }
    let error = &reply.body["error"];
    let is_conflict = reply.answer.status.as_u16() == 409 || error["code"] == "idempotency_key_in_use";
    if is_conflict {
        return Submission::Unknown(doubt(reply, DoubtReason::InProgress));
    }
    if error["type"] == "idempotency_error" {
        return Submission::OtherPayment(None);
    }
    if error["code"] == "balance_insufficient" {
        return Submission::InsufficientFunds { needed: attempt.amount, available: None };
    }
    match refusal(reply) {
        Some(failure) => Submission::Failed(failure),
        None => Submission::Unknown(doubt(reply, DoubtReason::UnknownCode)),
    }
}

/// A transfer, compared with an attempt.
enum Read {
    /// It is the attempt's.
    Same(Payment),
    /// It is another one's.
    Other(String),
    /// It is no transfer.
    None,
}

fn transfer(body: &Value, attempt: &Attempt) -> Read {
    let (Some(provider_id), Some(units)) = (word(&body["id"]), number(&body["amount"])) else { return Read::None };
    let destination = body["destination"].as_str();
    let is_receiver = match &attempt.receiver {
        Receiver::StripeAccount(id) => destination == Some(id),
        _ => false,
    };
    let told = currency(&body["currency"]);
    let decimals = exponent(attempt.amount.currency);
    let ours = decimals.and_then(|exponent| to_units(attempt.amount, exponent));
    let is_amount = told == Some(attempt.amount.currency) && ours == Some(units);
    if !(is_receiver && is_amount && body["metadata"][KEY_FIELD].as_str() == Some(&attempt.key())) {
        return Read::Other(provider_id);
    }
    let returned = number(&body["amount_reversed"]).filter(|units| *units > 0);
    let returned = returned.zip(decimals);
    let state = if body["reversed"] == true { PaymentState::Reversed } else { PaymentState::Paid };
    Read::Same(Payment {
        provider_id,
        state,
        fee: Some(Money::new(0, attempt.amount.currency)),
        returned: returned.and_then(|(units, exponent)| from_units(units, exponent, attempt.amount.currency)),
    })
}

/// Reads one transfer.
pub(super) fn one(reply: &Reply, attempt: &Attempt) -> LookUp {
    if !reply.is_success() {
        return LookUp::Unknown(doubt(reply, DoubtReason::Refused));
    }
    match transfer(&reply.body, attempt) {
        Read::Same(payment) => LookUp::Found(payment),
        Read::Other(id) => LookUp::OtherPayment(Some(id)),
        Read::None => LookUp::Unknown(doubt(reply, DoubtReason::Unreadable)),
    }
}

/// Reads all transfers of the payout. `is_settled` says whether an empty list is proof.
pub(super) fn listed(reply: &Reply, attempt: &Attempt, is_settled: bool) -> LookUp {
    let rows = reply.body["data"].as_array().filter(|_| reply.is_success());
    let Some(rows) = rows else {
        let reason = if reply.is_success() { DoubtReason::Unreadable } else { DoubtReason::Refused };
        return LookUp::Unknown(doubt(reply, reason));
    };
    match rows.as_slice() {
        [] if reply.body["has_more"] == true => LookUp::Unknown(doubt(reply, DoubtReason::Unreadable)),
        [] if is_settled => LookUp::NotMade(NotMade::Absent),
        [] => LookUp::Unknown(doubt(reply, DoubtReason::NotSettled)),
        [row] => match transfer(row, attempt) {
            Read::Same(payment) => LookUp::Found(payment),
            Read::Other(id) => LookUp::OtherPayment(Some(id)),
            Read::None => LookUp::Unknown(doubt(reply, DoubtReason::Unreadable)),
        },
        // One payout has one transfer. A person must find out where the second one is from.
        rows => {
            let other = rows.iter().find(|row| !matches!(transfer(row, attempt), Read::Same(_)));
            LookUp::OtherPayment(other.or(rows.first()).and_then(|row| word(&row["id"])))
        }
    }
}

/// A transfer, whoever asked for it. `None`: it is none.
fn seen(body: &Value) -> Option<SeenPayment> {
    let (provider_id, units) = (word(&body["id"])?, number(&body["amount"])?);
    let told = currency(&body["currency"]);
    let money = |units: i64| told.and_then(|told| from_units(units, exponent(told)?, told));
    let key = match body["metadata"][KEY_FIELD].as_str() {
        Some(key) => PaymentKey::of_text(key),
        None => body["transfer_group"].as_str().map_or(PaymentKey::Other, PaymentKey::of_text),
    };
    Some(SeenPayment {
        provider_id,
        key,
        made_at: body["created"]
            .as_i64()
            .map(|seconds| Time::from_micros(seconds.saturating_mul(Time::MICROS_PER_SECOND))),
        amount: money(units),
        state: if body["reversed"] == true { PaymentState::Reversed } else { PaymentState::Paid },
        fee: told.map(|told| Money::new(0, told)),
        returned: number(&body["amount_reversed"]).filter(|units| *units > 0).and_then(money),
    })
}

fn not_read(reply: &Reply) -> NotRead {
    NotRead::of_status(reply.answer.status.as_u16(), code(reply), reply.answer.retry_after())
}

/// Reads a page of transfers.
pub(super) fn page(reply: &Reply) -> Result<Listing, NotRead> {
    let rows = reply.body["data"].as_array().filter(|_| reply.is_success()).ok_or_else(|| not_read(reply))?;
    let last = rows.last().and_then(|row| word(&row["id"]));
    let payments = rows.iter().filter_map(seen).filter(|payment| payment.key != PaymentKey::Other).collect();
    Ok(Listing::Page { payments, next: last.filter(|_| reply.body["has_more"] == true) })
}

/// Reads one transfer, whoever asked for it.
pub(super) fn made(reply: &Reply) -> Result<Option<SeenPayment>, NotRead> {
    if reply.answer.status.as_u16() == 404 && reply.body["error"]["code"] == "resource_missing" {
        return Ok(None);
    }
    let found = seen(&reply.body).filter(|_| reply.is_success());
    found.map(Some).ok_or_else(|| not_read(reply))
}

/// The available balance in a currency.
pub(super) fn balance(reply: &Reply, wanted: Currency) -> Option<Money> {
    let rows = reply.body["available"].as_array().filter(|_| reply.is_success())?;
    let row = rows.iter().find(|row| currency(&row["currency"]) == Some(wanted))?;
    from_units(row["amount"].as_i64()?, exponent(wanted)?, wanted)
}
