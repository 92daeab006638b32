//! Payouts from a connected account, or from the platform, to its bank. One that is paid may still fail, some days later.

use serde_json::{Value, json};

use super::{Call, Stripe, connected_account, currency, errors, page, platform_account};
use crate::exchange::Answer;
use crate::ledger::{Kind, Movement};
use crate::world::Common;

const DESCRIPTOR_LENGTH_MAX: usize = 22;
const DAY_MS: i64 = 86_400_000;

/// All reasons why a payout fails.
pub(super) const FAILURE_CODES: [&str; 11] = [
    "account_closed",
    "account_frozen",
    "bank_account_restricted",
    "bank_ownership_changed",
    "could_not_process",
    "debit_not_authorized",
    "insufficient_funds",
    "invalid_account_number",
    "invalid_currency",
    "no_account",
    "unsupported_card",
];

#[derive(Debug)]
pub(super) struct Payout {
    pub(super) id: String,
    pub(super) platform: String,
    account: Option<String>,
    created_ms: i64,
    currency: String,
    amount_minor: i64,
    method: String,
    destination: String,
    descriptor: Value,
    metadata: Value,
    balance_transaction: String,
    pub(super) status: &'static str,
    failure_code: Option<String>,
}

impl Payout {
    pub(super) fn json(&self) -> Value {
        json!({
            "id": self.id, "object": "payout", "amount": self.amount_minor, "arrival_date": (self.created_ms + 2 * DAY_MS) / 1000,
            "automatic": false, "balance_transaction": self.balance_transaction, "created": self.created_ms / 1000,
            "currency": currency::lower(&self.currency), "destination": self.destination,
            "failure_balance_transaction": null, "failure_code": self.failure_code,
            "failure_message": self.failure_code.as_ref().map(|_| "The bank returned the payout."),
            "livemode": false, "metadata": self.metadata, "method": self.method,
            "statement_descriptor": self.descriptor, "status": self.status, "type": "bank_account",
        })
    }

    /// Whose money it is, in the ledger.
    fn owner(&self) -> String {
        self.account.as_deref().map_or_else(|| platform_account(&self.platform), connected_account)
    }

    fn bank(&self) -> String {
        format!("stripe/bank/{}", self.account.as_deref().unwrap_or(&self.platform))
    }
}

impl Stripe {
    pub(super) fn create_payout(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let (currency, amount_minor) = currency::amount(call)?;
        let method = call.text("method").unwrap_or("standard");
        if !["standard", "instant"].contains(&method) {
            return Err(errors::invalid("Invalid method", Some("method")));
        }
        if call.text("statement_descriptor").is_some_and(|text| text.chars().count() > DESCRIPTOR_LENGTH_MAX) {
            return Err(errors::invalid("At most 22 characters", Some("statement_descriptor")));
        }
        if let Some(id) = &call.account
            && !self.own_account(&call.platform, id)?.payouts_enabled
        {
            return Err(errors::refused("payouts_not_allowed", "Cannot create payouts: the account is not enabled."));
        }
        let payout = Payout {
            id: common.ids.prefixed("po"),
            platform: call.platform.clone(),
            account: call.account.clone(),
            created_ms: common.clock.now_ms(),
            currency,
            amount_minor,
            method: method.to_owned(),
            destination: call.text("destination").map_or_else(|| common.ids.prefixed("ba"), str::to_owned),
            descriptor: call.fields["statement_descriptor"].clone(),
            metadata: call.metadata(),
            balance_transaction: common.ids.prefixed("txn"),
            status: "pending",
            failure_code: None,
        };
        if common.ledger.balance(&payout.owner(), &payout.currency) < amount_minor {
            return Err(errors::refused("balance_insufficient", "You have insufficient funds in your account."));
        }
        pay(common, &payout, true);
        let body = payout.json();
        self.open_payouts.insert(self.payouts.len());
        self.payout_by_id.insert(payout.id.clone(), self.payouts.len());
        self.payouts.push(payout);
        self.tell(common, &call.platform, "payout.created", &body, call.account.as_deref());
        Ok(Answer::json(200, &body))
    }

    fn own_payout(&self, call: &Call<'_>, id: &str) -> Result<usize, errors::Refusal> {
        let is_own = |payout: &Payout| payout.platform == call.platform && payout.account == call.account;
        let index = self.payout_by_id.get(id).copied();
        let own = index.filter(|index| self.payouts.get(*index).is_some_and(is_own));
        own.ok_or_else(|| errors::missing(id, "id"))
    }

    pub(super) fn read_payout(&self, call: &Call<'_>, id: &str) -> Result<Answer, errors::Refusal> {
        let index = self.own_payout(call, id)?;
        Ok(Answer::json(200, &self.payouts.get(index).map_or(Value::Null, Payout::json)))
    }

    pub(super) fn list_payouts(&self, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let is_own = |payout: &&Payout| payout.platform == call.platform && payout.account == call.account;
        let wanted = |payout: &&Payout| call.text("status").is_none_or(|status| payout.status == status);
        let found = self.payouts.iter().rev().filter(is_own).filter(wanted).map(Payout::json).collect();
        page(call, "/v1/payouts", found)
    }

    pub(super) fn cancel_payout(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        id: &str,
    ) -> Result<Answer, errors::Refusal> {
        let index = self.own_payout(call, id)?;
        if self.payouts.get(index).is_some_and(|payout| payout.status != "pending") {
            return Err(errors::invalid("Only a pending payout can be canceled.", None));
        }
        self.end_payout(common, index, "canceled", None);
        Ok(Answer::json(200, &self.payouts.get(index).map_or(Value::Null, Payout::json)))
    }

    /// Lets payouts go their way: pending, in transit, paid.
    pub(crate) fn settle(&mut self, common: &mut Common) {
        let now = common.clock.now_ms();
        let open: Vec<usize> = self.open_payouts.iter().copied().collect();
        for index in open {
            let Some(payout) = self.payouts.get_mut(index) else { continue };
            let age = now.saturating_sub(payout.created_ms);
            if payout.status == "pending" && age >= DAY_MS {
                payout.status = "in_transit";
            }
            if payout.status == "in_transit" && age >= 2 * DAY_MS {
                self.end_payout(common, index, "paid", None);
            }
        }
    }

    /// Gives a payout its state. The money of one that failed or was canceled goes back to its owner.
    pub(super) fn end_payout(
        &mut self,
        common: &mut Common,
        index: usize,
        status: &'static str,
        failure_code: Option<String>,
    ) {
        let Some(payout) = self.payouts.get_mut(index) else { return };
        let is_back = |status: &str| ["failed", "canceled"].contains(&status);
        if is_back(status) != is_back(payout.status) {
            pay(common, payout, is_back(payout.status));
        }
        self.open_payouts.remove(&index);
        payout.status = status;
        payout.failure_code = failure_code;
        let (body, platform, account) = (payout.json(), payout.platform.clone(), payout.account.clone());
        self.tell(common, &platform, &format!("payout.{status}"), &body, account.as_deref());
    }
}

/// Moves the money to the bank, or back.
fn pay(common: &mut Common, payout: &Payout, is_to_bank: bool) {
    let (owner, bank) = (payout.owner(), payout.bank());
    let (from, to) = if is_to_bank { (&owner, &bank) } else { (&bank, &owner) };
    let movement = Movement {
        kind: Kind::Internal,
        from,
        to,
        currency: &payout.currency,
        amount_minor: payout.amount_minor,
        object: &payout.id,
    };
    let now = common.clock.now_ms();
    common.ledger.post(now, &movement);
}
