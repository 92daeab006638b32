//! What the control can do to Wise: settings, balances, users, and states that the sandbox's steps do not reach.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Wise, currency, states};
use crate::control::{merge, read};
use crate::exchange::Answer;
use crate::world::Common;

/// Limits and delays, with the real provider's values where they are known.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// How long a quote holds.
    pub(super) quote_minutes: i64,
    pub(super) fee_parts_per_million: i64,
    pub(super) fee_fixed_minor: i64,
    /// What is kept of a transfer that comes back, besides its fee.
    pub(super) refund_fee_minor: i64,
    /// How long a funded transfer stays in each state. Zero: it moves by the sandbox's steps only.
    pub(super) step_ms: i64,
    pub(super) insufficient: Insufficient,
    /// Quotes to these currencies have a notice of the type BLOCKED.
    pub(super) blocked_currencies: BTreeSet<String>,
    /// What one unit of each currency is worth in dollars, in parts per million.
    pub(super) usd_values: BTreeMap<String, i64>,
}

/// How a lack of money is answered; both were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Insufficient {
    /// 200 with the status REJECTED.
    Rejected,
    /// 422.
    Unprocessable,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            quote_minutes: 30,
            fee_parts_per_million: 4_000,
            fee_fixed_minor: 30,
            refund_fee_minor: 0,
            step_ms: 0,
            insufficient: Insufficient::Rejected,
            blocked_currencies: BTreeSet::new(),
            usd_values: currency::default_values(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedBalance {
    profile: i64,
    currency: String,
    amount_minor: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedUser {
    may_fund: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedTransfer {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    has_active_issues: Option<bool>,
}

/// Carries out a call below `/fake/wise/`.
pub(crate) fn answer(
    wise: &mut Wise,
    common: &mut Common,
    method: &str,
    path: &[&str],
    body: &[u8],
) -> Result<Answer, Answer> {
    match (method, path) {
        ("GET", ["public-key.pem"]) => Ok(Answer::text("application/x-pem-file", common.keys.wise.public_key_pem())),
        ("GET", ["settings"]) => Ok(Answer::json(200, &json!(wise.settings))),
        ("POST", ["settings"]) => {
            wise.settings = merge(&wise.settings, body)?;
            Ok(Answer::json(200, &json!(wise.settings)))
        }
        ("POST", ["balance"]) => {
            let wanted: WantedBalance = read(body)?;
            wise.set_balance(common, wanted.profile, &wanted.currency, wanted.amount_minor);
            Ok(Answer::json(200, &json!({"account": super::profile_account(wanted.profile)})))
        }
        ("POST", ["users", token]) => {
            let wanted: WantedUser = read(body)?;
            wise.user(common, token).may_fund = wanted.may_fund;
            Ok(Answer::json(200, &json!({})))
        }
        ("POST", ["transfers", id]) => set_transfer(wise, common, id, body),
        _ => Err(Answer::empty(404)),
    }
}

/// Gives a transfer any state, also an earlier one.
fn set_transfer(wise: &mut Wise, common: &mut Common, id: &str, body: &[u8]) -> Result<Answer, Answer> {
    let wanted: WantedTransfer = read(body)?;
    let found = id.parse().ok().and_then(|id: i64| wise.transfer_by_id.get(&id).copied());
    let Some(index) = found else { return Err(Answer::empty(404)) };
    if let Some(name) = wanted.status {
        let Some(state) = states::named(&name) else {
            return Err(Answer::json(400, &json!({"error": format!("{name:?} is no state of a transfer")})));
        };
        let now = common.clock.now_ms();
        wise.change(common, index, state, now);
    }
    if let Some(has_active_issues) = wanted.has_active_issues {
        if let Some(transfer) = wise.transfers.get_mut(index) {
            transfer.has_active_issues = has_active_issues;
        }
        wise.tell_issues(common, index);
    }
    Ok(wise.transfer_answer(index))
}
