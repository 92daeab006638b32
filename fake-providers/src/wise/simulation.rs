//! The steps that Wise's sandbox offers: a transfer is moved on, a balance is filled.

use serde_json::json;

use super::currency::exponent;
use super::{Call, Wise, errors, profile_account};
use crate::exchange::Answer;
use crate::money;
use crate::world::Common;

/// Each step, and the states that it is taken from.
const STEPS: [(&str, &[&str]); 5] = [
    ("processing", &["incoming_payment_waiting", "incoming_payment_initiated", "processing"]),
    ("funds_converted", &["processing"]),
    ("outgoing_payment_sent", &["funds_converted"]),
    ("bounced_back", &["outgoing_payment_sent"]),
    ("funds_refunded", &["bounced_back", "cancelled"]),
];

impl Wise {
    pub(super) fn simulate(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        id: &str,
        step: &str,
    ) -> Result<Answer, Answer> {
        let index = self.own_transfer(call, id)?;
        let (to, from) = STEPS.iter().find(|(name, _)| *name == step).ok_or_else(errors::not_found)?;
        let state = self.transfers.get(index).map_or("", |transfer| transfer.state);
        if !from.contains(&state) {
            let message = format!("The transfer is {state}");
            return Err(errors::one(409, "transfer.simulation.not.allowed", &message, "status"));
        }
        let now = common.clock.now_ms();
        self.change(common, index, to, now);
        Ok(self.transfer_answer(index))
    }

    pub(super) fn top_up(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, Answer> {
        let body = &call.body;
        let profile = self.profile_field(call, body["profileId"].as_i64().map(|id| id.to_string()))?;
        let currency = body["currency"].as_str().unwrap_or("").to_owned();
        let amount = money::parse_number(&body["amount"], exponent(&currency)).ok().filter(|amount| *amount > 0);
        let amount = amount.ok_or_else(|| errors::wrong("amount", "The amount is not valid"))?;
        let before = common.ledger.balance(&profile_account(profile), &currency);
        self.set_balance(common, profile, &currency, before.saturating_add(amount));
        let after = common.ledger.balance(&profile_account(profile), &currency);
        let value = json!({"value": money::number(after, exponent(&currency)), "currency": currency});
        Ok(Answer::json(
            200,
            &json!({"transactionId": common.ids.number(), "state": "COMPLETED", "balancesAfter": [value]}),
        ))
    }

    /// Sets a balance, and tells of it.
    pub(super) fn set_balance(&mut self, common: &mut Common, profile: i64, currency: &str, amount_minor: i64) {
        let account = profile_account(profile);
        let change = amount_minor.saturating_sub(common.ledger.balance(&account, currency));
        common.ledger.set_balance(common.clock.now_ms(), &account, currency, amount_minor);
        if change != 0 {
            self.tell_balance(common, profile, currency, change);
        }
    }
}
