//! Transfers: made once for each quote and each id of the customer, read, listed, cancelled.

use serde_json::{Value, json};

use super::currency::exponent;
use super::quotes::Quote;
use super::{Call, Wise, errors};
use crate::clock;
use crate::exchange::Answer;
use crate::money;
use crate::world::Common;

#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) id: i64,
    pub(super) user: i64,
    pub(super) quote: Quote,
    pub(super) recipient: i64,
    /// The receiver's name in the ledger.
    pub(super) receiver: String,
    customer_id: String,
    details: Value,
    pub(super) created_ms: i64,
    /// When its state changed last.
    pub(super) changed_ms: i64,
    pub(super) state: &'static str,
    pub(super) place: super::states::Place,
    /// The id of the balance's transaction that funded it.
    pub(super) funded_by: Option<i64>,
    pub(super) has_active_issues: bool,
    pub(super) group: Option<String>,
}

impl Transfer {
    pub(super) fn json(&self) -> Value {
        let quote = &self.quote;
        json!({
            "id": self.id, "user": self.user, "targetAccount": self.recipient, "sourceAccount": null, "quote": null,
            "quoteUuid": quote.id, "status": self.state, "reference": self.details["reference"],
            "rate": money::number(quote.rate.parts_per_million, 6), "created": clock::text(self.created_ms),
            "business": quote.profile, "details": self.details, "hasActiveIssues": self.has_active_issues,
            "sourceCurrency": quote.source_currency, "targetCurrency": quote.target_currency,
            "sourceValue": money::number(quote.source_minor, exponent(&quote.source_currency)),
            "targetValue": money::number(quote.target_minor, exponent(&quote.target_currency)),
            "customerTransactionId": self.customer_id,
        })
    }
}

impl Wise {
    pub(super) fn create_transfer(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, Answer> {
        let index = self.make_transfer(common, call, None)?;
        Ok(Answer::json(200, &self.transfers.get(index).map_or(Value::Null, Transfer::json)))
    }

    /// Makes a transfer, or finds the one that was made with the same id of the customer.
    pub(super) fn make_transfer(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        group: Option<&str>,
    ) -> Result<usize, Answer> {
        let body = &call.body;
        let customer_id = body["customerTransactionId"].as_str().unwrap_or("").to_lowercase();
        if !is_uuid(&customer_id) {
            return Err(errors::wrong("customerTransactionId", "A UUID is required"));
        }
        let quote = self.quotes.get(body["quoteUuid"].as_str().unwrap_or("")).cloned();
        let quote = quote.ok_or_else(|| errors::wrong("quoteUuid", "There is no such quote"))?;
        self.own_profile(call, &quote.profile.to_string())?;
        let key = (quote.profile, customer_id.clone());
        if let Some(index) = self.transfer_by_customer_id.get(&key) {
            return Ok(*index);
        }
        let recipient = body["targetAccount"].as_i64();
        let recipient = recipient.ok_or_else(|| errors::wrong("targetAccount", "A recipient is required"))?;
        let account = self.own_recipient(call, recipient).map_err(|_| no_recipient())?;
        if !account.is_active || account.currency != quote.target_currency {
            return Err(no_recipient());
        }
        if quote.is_used {
            return Err(errors::wrong("quoteUuid", "The quote was used for another transfer"));
        }
        let now = common.clock.now_ms();
        if quote.until_ms <= now {
            return Err(errors::wrong("quoteUuid", "The quote has expired"));
        }
        let transfer = Transfer {
            id: common.ids.number(),
            user: self.users.get(&call.token).map_or(0, |user| user.id),
            receiver: account.name.clone(),
            recipient,
            customer_id,
            details: if body["details"].is_object() { body["details"].clone() } else { json!({}) },
            created_ms: now,
            changed_ms: now,
            state: "incoming_payment_waiting",
            place: super::states::Place::Sender,
            funded_by: None,
            has_active_issues: false,
            group: group.map(str::to_owned),
            quote,
        };
        if let Some(quote) = self.quotes.get_mut(&transfer.quote.id) {
            quote.is_used = true;
        }
        let index = self.transfers.len();
        self.transfer_by_id.insert(transfer.id, index);
        self.transfer_by_customer_id.insert(key, index);
        self.transfers.push(transfer);
        self.open.insert(index);
        Ok(index)
    }

    /// The transfer with this id, if it is the caller's.
    pub(super) fn own_transfer(&self, call: &Call<'_>, id: &str) -> Result<usize, Answer> {
        let id: i64 = id.parse().map_err(|_| errors::not_found())?;
        let index = *self.transfer_by_id.get(&id).ok_or_else(errors::not_found)?;
        let transfer = self.transfers.get(index).ok_or_else(errors::not_found)?;
        self.own_profile(call, &transfer.quote.profile.to_string())?;
        Ok(index)
    }

    pub(super) fn transfer_answer(&self, index: usize) -> Answer {
        Answer::json(200, &self.transfers.get(index).map_or(Value::Null, Transfer::json))
    }

    pub(super) fn read_transfer(&self, call: &Call<'_>, id: &str) -> Result<Answer, Answer> {
        Ok(self.transfer_answer(self.own_transfer(call, id)?))
    }

    pub(super) fn list_transfers(&self, call: &Call<'_>) -> Result<Answer, Answer> {
        let query = |name: &str| call.request.query(name);
        let profile = self.profile_field(call, query("profile").map(str::to_owned))?;
        let time = |name: &str| match query(name) {
            None => Ok(None),
            Some(text) => day_or_time(text).map(Some).ok_or_else(|| errors::wrong(name, "A date is expected")),
        };
        let (from, until) = (time("createdDateStart")?, time("createdDateEnd")?);
        let number = |name: &str, default: usize| query(name).and_then(|text| text.parse().ok()).unwrap_or(default);
        let wanted = |transfer: &&Transfer| {
            transfer.quote.profile == profile
                && query("status").is_none_or(|states| states.split(',').any(|state| state == transfer.state))
                && from.is_none_or(|from| transfer.created_ms >= from)
                && until.is_none_or(|until| transfer.created_ms <= until)
        };
        let found = self.transfers.iter().rev().filter(wanted);
        let page = found.skip(number("offset", 0)).take(number("limit", 10).min(100));
        Ok(Answer::json(200, &page.map(Transfer::json).collect()))
    }

    pub(super) fn cancel(&mut self, common: &mut Common, call: &Call<'_>, id: &str) -> Result<Answer, Answer> {
        let index = self.own_transfer(call, id)?;
        let state = self.transfers.get(index).map_or("", |transfer| transfer.state);
        if !["incoming_payment_waiting", "incoming_payment_initiated", "processing"].contains(&state) {
            let message = "The transfer can no longer be cancelled";
            return Err(errors::one(409, "transfer.cancellation.not.allowed", message, "transferId"));
        }
        let now = common.clock.now_ms();
        self.change(common, index, "cancelled", now);
        Ok(self.transfer_answer(index))
    }
}

fn no_recipient() -> Answer {
    errors::wrong("targetAccount", "There is no such recipient for the quote's currency")
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

/// A time, or the beginning of a day.
fn day_or_time(text: &str) -> Option<i64> {
    clock::parse(text).or_else(|| clock::parse(&format!("{text}T00:00:00Z")))
}
