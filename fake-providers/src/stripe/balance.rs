//! The balance of the platform or of a connected account.

use serde_json::{Value, json};

use super::{Call, Stripe, connected_account, currency, platform_account};
use crate::exchange::Answer;
use crate::world::Common;

impl Stripe {
    pub(super) fn read_balance(&self, common: &Common, call: &Call<'_>) -> Answer {
        let account = call.account.as_deref().map_or_else(|| platform_account(&call.platform), connected_account);
        Answer::json(200, &balance(common, &account))
    }
}

pub(super) fn balance(common: &Common, account: &str) -> Value {
    let mut currencies = common.ledger.currencies(account);
    if currencies.is_empty() {
        currencies.push("USD".to_owned());
    }
    let row = |name: &String, amount: i64| json!({"amount": amount, "currency": currency::lower(name), "source_types": {"card": amount}});
    let available: Vec<Value> = currencies.iter().map(|name| row(name, common.ledger.balance(account, name))).collect();
    let nothing: Vec<Value> = currencies.iter().map(|name| row(name, 0)).collect();
    json!({
        "object": "balance", "available": available, "pending": nothing, "connect_reserved": nothing,
        "livemode": false,
    })
}
