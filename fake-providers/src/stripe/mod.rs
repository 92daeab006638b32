//! Stripe Connect: platforms, connected accounts, transfers to them and payouts to their banks. The rest of the folder has one file
//! per subject.

mod accounts;
mod balance;
pub(crate) mod control;
mod currency;
pub(crate) mod errors;
mod idempotency;
mod payouts;
mod reversals;
mod transfers;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use crate::exchange::{Answer, Request};
use crate::form;
use crate::world::Common;
use accounts::Account;
use idempotency::Stored;
use payouts::Payout;
use transfers::Transfer;
use webhooks::Endpoint;

/// All that Stripe remembers. A platform is the secret key that it calls with.
#[derive(Debug, Default)]
pub(crate) struct Stripe {
    settings: control::Settings,
    accounts: BTreeMap<String, Account>,
    /// Account links by the secret in their address.
    links: HashMap<String, accounts::Link>,
    transfers: Vec<Transfer>,
    transfer_by_id: HashMap<String, usize>,
    payouts: Vec<Payout>,
    /// Payouts that are on their way.
    open_payouts: BTreeSet<usize>,
    payout_by_id: HashMap<String, usize>,
    stored: HashMap<(String, String), Stored>,
    /// Keys of requests that are being carried out, with the request's number.
    in_progress: HashMap<(String, String), u64>,
    endpoints: Vec<Endpoint>,
}

/// Who calls, and what it sends.
struct Call<'a> {
    request: &'a Request,
    platform: String,
    /// The connected account that is acted for.
    account: Option<String>,
    /// The body of a POST, or the query of a GET.
    fields: Value,
}

impl Call<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.fields[name].as_str()
    }

    /// Metadata is an object of texts.
    fn metadata(&self) -> Value {
        if self.fields["metadata"].is_object() { self.fields["metadata"].clone() } else { json!({}) }
    }
}

/// The platform's account in the ledger.
fn platform_account(platform: &str) -> String {
    format!("stripe/sender/{platform}")
}

/// A connected account in the ledger.
fn connected_account(id: &str) -> String {
    format!("stripe/receiver/{id}")
}

impl Stripe {
    pub(crate) fn answer(&mut self, common: &mut Common, request: &Request) -> Answer {
        let segments = request.segments();
        if let ("GET", ["onboard", secret]) = (request.method.as_str(), segments.as_slice()) {
            return self.onboard(common, secret);
        }
        let Some(platform) = platform_of(request) else { return errors::no_key() };
        let stored_key = (platform.clone(), request.header("idempotency-key").unwrap_or("").to_owned());
        let is_keyed = request.method == "POST" && !stored_key.1.is_empty();
        if is_keyed && let Some(answer) = self.stored_answer(common, &stored_key, request) {
            return answer;
        }
        let (answer, is_carried_out) = match self.carry_out(common, request, platform, &segments) {
            Ok(answer) => (answer, true),
            Err(refusal) => (refusal.answer, refusal.is_stored),
        };
        if is_keyed && is_carried_out {
            self.store(common, stored_key, request, &answer);
        }
        answer
    }

    fn carry_out(
        &mut self,
        common: &mut Common,
        request: &Request,
        platform: String,
        segments: &[&str],
    ) -> Result<Answer, errors::Refusal> {
        let body = match request.method.as_str() {
            "GET" => request
                .query
                .iter()
                .fold(url::form_urlencoded::Serializer::new(String::new()), |mut text, pair| {
                    text.append_pair(&pair.0, &pair.1);
                    text
                })
                .finish()
                .into_bytes(),
            _ => request.body.to_vec(),
        };
        let Some(fields) = form::parse(&body) else {
            return Err(errors::invalid("The body is not form-encoded as expected", None));
        };
        let account = request.header("stripe-account").map(str::to_owned);
        if let Some(id) = &account {
            self.own_account(&platform, id)?;
        }
        let call = Call { request, platform, account, fields };
        match (request.method.as_str(), segments) {
            ("POST", ["v1", "accounts"]) => self.create_account(common, &call),
            ("GET", ["v1", "accounts", id]) => self.read_account(&call, id),
            ("POST", ["v1", "account_links"]) => self.create_link(common, &call),
            ("POST", ["v1", "transfers"]) => self.create_transfer(common, &call),
            ("GET", ["v1", "transfers"]) => self.list_transfers(&call),
            ("GET", ["v1", "transfers", id]) => self.read_transfer(&call, id),
            ("POST", ["v1", "transfers", id, "reversals"]) => self.create_reversal(common, &call, id),
            ("GET", ["v1", "balance"]) => Ok(self.read_balance(common, &call)),
            ("POST", ["v1", "payouts"]) => self.create_payout(common, &call),
            ("GET", ["v1", "payouts"]) => self.list_payouts(&call),
            ("GET", ["v1", "payouts", id]) => self.read_payout(&call, id),
            ("POST", ["v1", "payouts", id, "cancel"]) => self.cancel_payout(common, &call, id),
            ("POST", ["v1", "webhook_endpoints"]) => self.create_endpoint(common, &call),
            _ => Err(errors::no_such_url(request)),
        }
    }
}

/// The secret key of the request.
pub(super) fn platform_of(request: &Request) -> Option<String> {
    request.bearer().filter(|key| key.starts_with("sk_") || key.starts_with("rk_")).map(str::to_owned)
}

/// A list as Stripe writes it.
fn list(url: &str, data: &[Value], has_more: bool) -> Value {
    json!({"object": "list", "url": url, "has_more": has_more, "data": data})
}

/// A page of objects, newest first, as the fields `limit` and `starting_after` ask for it.
fn page(call: &Call<'_>, url: &str, newest_first: Vec<Value>) -> Result<Answer, errors::Refusal> {
    let limit = match call.text("limit") {
        None => 10,
        Some(text) => text
            .parse::<usize>()
            .ok()
            .filter(|limit| (1..=100).contains(limit))
            .ok_or_else(|| errors::invalid("limit must be between 1 and 100", Some("limit")))?,
    };
    let begin = match call.text("starting_after") {
        None => 0,
        Some(after) => {
            let found = newest_first.iter().position(|object| object["id"] == after);
            found.ok_or_else(|| errors::missing(after, "starting_after"))? + 1
        }
    };
    let rest = newest_first.get(begin..).unwrap_or_default();
    let shown = rest.get(..limit.min(rest.len())).unwrap_or_default();
    Ok(Answer::json(200, &list(url, shown, rest.len() > limit)))
}
