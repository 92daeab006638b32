//! What the control can do to PayPal: settings, receivers, senders and states of items.

use serde::Deserialize;
use serde_json::{Value, json};

use super::settings::Receiver;
use super::settle::event_of;
use super::{ITEM_STATES, PayPal, sender_account};
use crate::control::{merge, read};
use crate::exchange::Answer;
use crate::world::Common;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedBalance {
    account: String,
    currency: String,
    amount_minor: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedReceiver {
    receiver: String,
    status: String,
    #[serde(default)]
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedSender {
    #[serde(default)]
    address: Option<String>,
    #[serde(default)]
    refusal: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedState {
    status: String,
    #[serde(default)]
    error: Option<String>,
}

/// Carries out a call below `/fake/paypal/`.
pub(crate) fn answer(
    paypal: &mut PayPal,
    common: &mut Common,
    method: &str,
    path: &[&str],
    body: &[u8],
) -> Result<Answer, Answer> {
    match (method, path) {
        ("GET", ["root.pem"]) => Ok(Answer::text("application/x-pem-file", common.keys.chains.root_pem.clone())),
        ("GET", ["settings"]) => Ok(Answer::json(200, &json!(paypal.settings))),
        ("POST", ["settings"]) => {
            paypal.settings = merge(&paypal.settings, body)?;
            Ok(Answer::json(200, &json!(paypal.settings)))
        }
        ("POST", ["balance"]) => {
            let wanted: WantedBalance = read(body)?;
            let account = sender_account(&wanted.account);
            common.ledger.set_balance(common.clock.now_ms(), &account, &wanted.currency, wanted.amount_minor);
            Ok(Answer::json(200, &json!({"account": account})))
        }
        ("POST", ["receivers"]) => {
            let wanted: WantedReceiver = read(body)?;
            let receiver = Receiver { status: state(&wanted.status)?, error: wanted.error };
            paypal.receivers.insert(wanted.receiver.to_lowercase(), receiver);
            Ok(Answer::json(200, &json!({})))
        }
        ("POST", ["senders", client_id]) => {
            let wanted: WantedSender = read(body)?;
            let Some(sender) = paypal.senders.get_mut(*client_id) else { return Err(Answer::empty(404)) };
            if let Some(address) = wanted.address {
                sender.address = address.to_lowercase();
            }
            sender.refusal = wanted.refusal;
            Ok(Answer::json(200, &json!({"address": sender.address, "refusal": sender.refusal})))
        }
        ("POST", ["items", id]) => set_state(paypal, common, id, body),
        ("POST", ["tokens", "expire"]) => {
            paypal.expire_tokens();
            Ok(Answer::json(200, &json!({})))
        }
        _ => Err(Answer::empty(404)),
    }
}

fn set_state(paypal: &mut PayPal, common: &mut Common, id: &str, body: &[u8]) -> Result<Answer, Answer> {
    let wanted: WantedState = read(body)?;
    let status = state(&wanted.status)?;
    let Some(index) = paypal.item_by_id.get(id).copied() else { return Err(Answer::empty(404)) };
    let now = common.clock.now_ms();
    paypal.place(common, index, status, now);
    if let Some(item) = paypal.items.get_mut(index) {
        item.error = wanted.error;
    }
    paypal.tell_item(common, index, event_of(status), now);
    let item = paypal.items.get(index).map_or(Value::Null, |item| paypal.item_json("", item));
    Ok(Answer::json(200, &item))
}

/// The state with this name.
fn state(name: &str) -> Result<&'static str, Answer> {
    let found = ITEM_STATES.iter().find(|(known, _)| *known == name).map(|(known, _)| *known);
    found.ok_or_else(|| Answer::json(400, &json!({"error": format!("{name:?} is no state of an item")})))
}
