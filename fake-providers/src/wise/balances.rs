//! The balances of a profile.

use serde_json::{Value, json};

use super::currency::exponent;
use super::{Call, Wise, errors, profile_account};
use crate::exchange::Answer;
use crate::money;
use crate::world::Common;

impl Wise {
    pub(super) fn balances(&mut self, common: &mut Common, call: &Call<'_>, profile: i64) -> Result<Answer, Answer> {
        let types = call.request.query("types").unwrap_or("");
        if !types.split(',').any(|kind| ["STANDARD", "SAVINGS"].contains(&kind)) {
            return Err(errors::one(400, "types.required", "Ask for the types STANDARD or SAVINGS", "types"));
        }
        if !types.split(',').any(|kind| kind == "STANDARD") {
            return Ok(Answer::json(200, &json!([])));
        }
        let account = profile_account(profile);
        let mut rows = Vec::new();
        for currency in common.ledger.currencies(&account) {
            let balance = common.ledger.balance(&account, &currency);
            let amount = |minor| json!({"value": money::number(minor, exponent(&currency)), "currency": currency});
            rows.push(json!({
                "id": self.balance_id(common, profile, &currency), "currency": currency, "type": "STANDARD",
                "name": null, "amount": amount(balance), "reservedAmount": amount(0), "cashAmount": amount(balance),
                "totalWorth": amount(balance), "investmentState": "NOT_INVESTED", "visible": true,
            }));
        }
        Ok(Answer::json(200, &Value::Array(rows)))
    }

    pub(super) fn balance_id(&mut self, common: &mut Common, profile: i64, currency: &str) -> i64 {
        *self.balance_ids.entry((profile, currency.to_owned())).or_insert_with(|| common.ids.number())
    }
}
