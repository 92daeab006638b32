//! Funding from the balance. The answer's status is the truth: HTTP says 200 also when nothing was paid.

use serde_json::{Value, json};

use super::control::Insufficient;
use super::{Call, Wise, errors, profile_account};
use crate::exchange::Answer;
use crate::world::Common;

/// What became of a funding.
fn payment(status: &str, error: Option<&str>, transaction: Option<i64>) -> Answer {
    let code = if status == "COMPLETED" { 201 } else { 200 };
    let body = json!({"type": "BALANCE", "status": status, "errorCode": error, "balanceTransactionId": transaction});
    Answer::json(code, &body)
}

impl Wise {
    pub(super) fn fund(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        profile: i64,
        id: &str,
    ) -> Result<Answer, Answer> {
        let index = self.own_transfer(call, id)?;
        let is_of_profile = self.transfers.get(index).is_some_and(|transfer| transfer.quote.profile == profile);
        if !is_of_profile {
            return Err(errors::not_found());
        }
        self.check_funding(common, call)?;
        Ok(self.fund_all(common, &[index]))
    }

    /// Whether the caller may fund from its balance.
    pub(super) fn check_funding(&self, common: &mut Common, call: &Call<'_>) -> Result<(), Answer> {
        if call.body["type"] != "BALANCE" {
            return Err(errors::wrong("type", "Only BALANCE can be paid from here"));
        }
        if self.users.get(&call.token).is_some_and(|user| user.may_fund) {
            return Ok(());
        }
        let body = json!({"error": "forbidden", "error_description": "Strong customer authentication is required"});
        let refused = Answer::json(403, &body).with_header("x-2fa-approval", common.ids.uuid());
        Err(refused.with_header("x-2fa-approval-result", "REJECTED"))
    }

    /// Funds these transfers, or none of them.
    pub(super) fn fund_all(&mut self, common: &mut Common, indexes: &[usize]) -> Answer {
        let transfers: Vec<_> = indexes.iter().filter_map(|index| self.transfers.get(*index)).collect();
        // A repeat gets the answer again and pays nothing.
        if let Some(Some(paid)) = transfers.first().map(|transfer| transfer.funded_by)
            && transfers.iter().all(|transfer| transfer.funded_by.is_some())
        {
            return payment("COMPLETED", None, Some(paid));
        }
        let now = common.clock.now_ms();
        if transfers.iter().any(|transfer| transfer.state != "incoming_payment_waiting") {
            return payment("REJECTED", Some("transfer.invalid_state"), None);
        }
        if transfers.iter().any(|transfer| transfer.quote.until_ms <= now) {
            return payment("REJECTED", Some("transfer.quote_expired"), None);
        }
        let needed: i64 = transfers.iter().map(|transfer| transfer.quote.source_minor).sum();
        let Some(first) = transfers.first().map(|transfer| &transfer.quote) else {
            return payment("REJECTED", Some("transfer.not_found"), None);
        };
        if common.ledger.balance(&profile_account(first.profile), &first.source_currency) < needed {
            return match self.settings.insufficient {
                Insufficient::Rejected => payment("REJECTED", Some("transfer.insufficient_funds"), None),
                Insufficient::Unprocessable => {
                    errors::one(422, "balance.insufficient-funds", "Not enough money", "balance")
                }
            };
        }
        let transaction = common.ids.number();
        let (profile, currency) = (first.profile, first.source_currency.clone());
        for index in indexes {
            if let Some(transfer) = self.transfers.get_mut(*index) {
                transfer.funded_by = Some(transaction);
            }
            self.change(common, *index, "processing", now);
        }
        self.tell_balance(common, profile, &currency, -needed);
        payment("COMPLETED", None, Some(transaction))
    }
}

/// The body of an answer, for groups.
pub(super) fn status_of(answer: &Answer) -> Value {
    serde_json::from_slice::<Value>(&answer.body).map_or(Value::Null, |body| body["status"].clone())
}
