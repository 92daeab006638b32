//! Wise: users with profiles, quotes, recipients, transfers and groups of them. The rest of the folder has one file per subject.

mod balances;
pub(crate) mod control;
mod currency;
pub(crate) mod errors;
mod fund;
mod groups;
mod profiles;
mod quotes;
mod recipients;
mod simulation;
mod states;
mod subscriptions;
mod transfers;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::exchange::{Answer, Request};
use crate::world::Common;
use groups::Group;
use profiles::User;
use quotes::Quote;
use recipients::Recipient;
use subscriptions::Subscription;
use transfers::Transfer;

/// All that Wise remembers.
#[derive(Debug, Default)]
pub(crate) struct Wise {
    settings: control::Settings,
    /// Users by token. The first call with a token makes it.
    users: BTreeMap<String, User>,
    quotes: HashMap<String, Quote>,
    recipients: BTreeMap<i64, Recipient>,
    transfers: Vec<Transfer>,
    transfer_by_id: HashMap<i64, usize>,
    /// Transfers by profile and by the id that the customer gave.
    transfer_by_customer_id: HashMap<(i64, String), usize>,
    /// Transfers that will move by themselves.
    open: BTreeSet<usize>,
    groups: BTreeMap<String, Group>,
    subscriptions: Vec<Subscription>,
    balance_ids: BTreeMap<(i64, String), i64>,
}

/// Who calls, and what it sends.
struct Call<'a> {
    request: &'a Request,
    token: String,
    body: Value,
}

/// A profile's account in the ledger.
fn profile_account(profile: i64) -> String {
    format!("wise/sender/{profile}")
}

impl Wise {
    pub(crate) fn answer(&mut self, common: &mut Common, request: &Request) -> Answer {
        let Some(token) = request.bearer().filter(|token| !token.is_empty()).map(str::to_owned) else {
            return errors::no_token();
        };
        self.user(common, &token);
        let body = if request.body.is_empty() { Some(Value::Null) } else { request.json() };
        let Some(body) = body else { return errors::one(400, "malformed.json", "The body is no JSON", "") };
        let call = Call { request, token, body };
        let segments = request.segments();
        let (method, path) = (request.method.as_str(), segments.as_slice());
        let answered = match path {
            ["v3" | "v4", "profiles", profile, rest @ ..] => match self.own_profile(&call, profile) {
                Ok(profile) => self.of_profile(common, &call, method, profile, rest),
                Err(answer) => Err(answer),
            },
            _ => self.of_user(common, &call, method, path),
        };
        answered.unwrap_or_else(|answer| answer)
    }

    /// Calls whose path has a profile.
    fn of_profile(
        &mut self,
        common: &mut Common,
        call: &Call<'_>,
        method: &str,
        profile: i64,
        path: &[&str],
    ) -> Result<Answer, Answer> {
        match (method, path) {
            ("POST", ["quotes"]) => self.create_quote(common, call, profile),
            ("GET", ["quotes", id]) => self.read_quote(profile, id),
            ("POST", ["transfers", id, "payments"]) => self.fund(common, call, profile, id),
            ("GET", ["balances"]) => self.balances(common, call, profile),
            ("POST", ["batch-groups"]) => self.create_group(common, call, profile),
            ("GET", ["batch-groups", id]) => self.read_group(profile, id),
            ("PATCH", ["batch-groups", id]) => self.change_group(common, call, profile, id),
            ("POST", ["batch-groups", id, "transfers"]) => self.add_to_group(common, call, profile, id),
            ("POST", ["batch-payments", id, "payments"]) => self.fund_group(common, call, profile, id),
            ("POST", ["subscriptions"]) => self.subscribe(common, call, profile),
            ("GET", ["subscriptions"]) => Ok(self.list_subscriptions(profile)),
            ("DELETE", ["subscriptions", id]) => self.unsubscribe(profile, id),
            _ => Err(errors::not_found()),
        }
    }

    /// Calls whose path has no profile.
    fn of_user(&mut self, common: &mut Common, call: &Call<'_>, method: &str, path: &[&str]) -> Result<Answer, Answer> {
        match (method, path) {
            ("GET", ["v2", "profiles"]) => Ok(self.list_profiles(call)),
            ("GET" | "POST", ["v1", "quotes", id, "account-requirements"]) => self.requirements(call, id),
            ("POST", ["v1", "accounts"]) => self.create_recipient(common, call),
            ("GET", ["v1", "accounts"]) => self.list_recipients(call),
            ("GET", ["v1", "accounts", id]) => self.read_recipient(call, id),
            ("DELETE", ["v1", "accounts", id]) => self.delete_recipient(call, id),
            ("POST", ["v1", "transfers"]) => self.create_transfer(common, call),
            ("GET", ["v1", "transfers"]) => self.list_transfers(call),
            ("GET", ["v1", "transfers", id]) => self.read_transfer(call, id),
            ("PUT", ["v1", "transfers", id, "cancel"]) => self.cancel(common, call, id),
            ("GET", ["v1", "simulation", "transfers", id, state]) => self.simulate(common, call, id, state),
            ("POST", ["v1", "simulation", "balance", "topup"]) => self.top_up(common, call),
            _ => Err(errors::not_found()),
        }
    }
}
