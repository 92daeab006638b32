//! The balances that PayPal tells, which may be old: a hint, never a promise.

use serde_json::{Value, json};

use super::create::amount;
use super::{PayPal, sender_account};
use crate::clock;
use crate::exchange::{Answer, Request};
use crate::world::Common;

impl PayPal {
    pub(super) fn balances(&self, common: &mut Common, request: &Request, client_id: &str) -> Answer {
        let now = common.clock.now_ms();
        let told = now.saturating_sub(self.settings.balance_lag_seconds.saturating_mul(1000));
        let at = request.query("as_of_time").and_then(clock::parse).map_or(told, |time| time.min(told));
        let account = sender_account(client_id);
        let wanted = request.query("currency_code").filter(|code| *code != "ALL");
        let currencies = common.ledger.currencies(&account);
        let shown = currencies.iter().filter(|currency| wanted.is_none_or(|wanted| wanted == currency.as_str()));
        let rows: Vec<Value> = shown
            .enumerate()
            .map(|(position, currency)| {
                let balance = money_object(currency, common.ledger.balance_at(&account, currency, at));
                let nothing = money_object(currency, 0);
                json!({
                    "currency": currency, "primary": position == 0, "total_balance": balance,
                    "available_balance": balance, "withheld_balance": nothing,
                })
            })
            .collect();
        let body = json!({
            "balances": rows, "account_id": client_id, "as_of_time": clock::text(at),
            "last_refresh_time": clock::text(told),
        });
        Answer::json(200, &body)
    }
}

/// This API writes `currency_code` where payouts write `currency`.
fn money_object(currency: &str, amount_minor: i64) -> Value {
    json!({"currency_code": currency, "value": amount(currency, amount_minor)["value"]})
}
