//! What the control can do to Stripe: balances, the state of accounts, the end of payouts.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::payouts::FAILURE_CODES;
use super::{Stripe, balance, connected_account, currency, platform_account};
use crate::control::{merge, read};
use crate::exchange::Answer;
use crate::world::Common;

/// Limits, with the real provider's values.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// How long the answer to an idempotency key is kept.
    pub(super) key_hours: i64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { key_hours: 24 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedBalance {
    /// A secret key, or the id of a connected account.
    account: String,
    currency: String,
    amount_minor: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedAccount {
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    payouts_enabled: Option<bool>,
    #[serde(default)]
    transfers: Option<String>,
    #[serde(default)]
    currently_due: Option<Vec<String>>,
    #[serde(default)]
    past_due: Option<Vec<String>>,
    #[serde(default)]
    pending_verification: Option<Vec<String>>,
    #[serde(default)]
    disabled_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedPayout {
    status: String,
    #[serde(default)]
    failure_code: Option<String>,
}

/// Carries out a call below `/fake/stripe/`.
pub(crate) fn answer(
    stripe: &mut Stripe,
    common: &mut Common,
    method: &str,
    path: &[&str],
    body: &[u8],
) -> Result<Answer, Answer> {
    match (method, path) {
        ("GET", ["settings"]) => Ok(Answer::json(200, &json!(stripe.settings))),
        ("POST", ["settings"]) => {
            stripe.settings = merge(&stripe.settings, body)?;
            Ok(Answer::json(200, &json!(stripe.settings)))
        }
        ("GET", ["exponents"]) => Ok(Answer::json(200, &currency::exponents())),
        ("POST", ["balance"]) => set_balance(stripe, common, body),
        ("POST", ["accounts", id]) => set_account(stripe, common, id, body),
        ("POST", ["payouts", id]) => set_payout(stripe, common, id, body),
        ("POST", ["keys", "forget"]) => {
            stripe.stored.clear();
            Ok(Answer::json(200, &json!({})))
        }
        _ => Err(Answer::empty(404)),
    }
}

/// Sets a balance. More money for a platform is told by two events.
fn set_balance(stripe: &mut Stripe, common: &mut Common, body: &[u8]) -> Result<Answer, Answer> {
    let wanted: WantedBalance = read(body)?;
    let is_connected = wanted.account.starts_with("acct_");
    let account = if is_connected { connected_account(&wanted.account) } else { platform_account(&wanted.account) };
    let added = wanted.amount_minor.saturating_sub(common.ledger.balance(&account, &wanted.currency));
    common.ledger.set_balance(common.clock.now_ms(), &account, &wanted.currency, wanted.amount_minor);
    if !is_connected && added > 0 {
        let topup = json!({
            "id": common.ids.prefixed("tu"), "object": "topup", "amount": added,
            "currency": currency::lower(&wanted.currency), "status": "succeeded",
        });
        stripe.tell(common, &wanted.account, "topup.succeeded", &topup, None);
        let balance = balance::balance(common, &account);
        stripe.tell(common, &wanted.account, "balance.available", &balance, None);
    }
    Ok(Answer::json(200, &json!({"account": account})))
}

fn set_account(stripe: &mut Stripe, common: &mut Common, id: &str, body: &[u8]) -> Result<Answer, Answer> {
    let wanted: WantedAccount = read(body)?;
    let Some(account) = stripe.accounts.get_mut(id) else { return Err(Answer::empty(404)) };
    if wanted.complete {
        account.complete();
    }
    if let Some(transfers) = wanted.transfers {
        if !["active", "inactive", "pending"].contains(&transfers.as_str()) {
            return Err(Answer::json(400, &json!({"error": "transfers is active, inactive or pending"})));
        }
        account.transfers = transfers;
    }
    if let Some(is_enabled) = wanted.payouts_enabled {
        account.payouts_enabled = is_enabled;
    }
    if let Some(fields) = wanted.currently_due {
        account.currently_due = fields;
    }
    if let Some(fields) = wanted.past_due {
        account.past_due = fields;
    }
    if let Some(fields) = wanted.pending_verification {
        account.pending_verification = fields;
    }
    if wanted.disabled_reason.is_some() {
        account.disabled_reason = wanted.disabled_reason;
    }
    let answer = Answer::json(200, &account.json(id));
    stripe.tell_account(common, id);
    Ok(answer)
}

fn set_payout(stripe: &mut Stripe, common: &mut Common, id: &str, body: &[u8]) -> Result<Answer, Answer> {
    let wanted: WantedPayout = read(body)?;
    let known = ["paid", "failed", "canceled"].into_iter().find(|status| *status == wanted.status);
    let is_code = wanted.failure_code.as_deref().is_none_or(|code| FAILURE_CODES.contains(&code));
    let Some(status) = known.filter(|_| is_code) else {
        let text = "status is paid, failed or canceled, and failure_code is one of Stripe's";
        return Err(Answer::json(400, &json!({"error": text})));
    };
    let Some(index) = stripe.payout_by_id.get(id).copied() else { return Err(Answer::empty(404)) };
    let code = wanted.failure_code.or_else(|| (status == "failed").then(|| "could_not_process".to_owned()));
    stripe.end_payout(common, index, status, code);
    Ok(Answer::json(200, &stripe.payouts.get(index).map_or(json!({}), super::payouts::Payout::json)))
}
