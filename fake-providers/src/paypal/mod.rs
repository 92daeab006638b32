//! PayPal Payouts v1: accounts of senders, batches of items, and who may call what. The rest of the folder has one file per call.

mod balances;
mod cancel;
pub(crate) mod control;
mod create;
pub(crate) mod errors;
mod read;
mod settings;
mod settle;
mod token;
mod triggers;
mod validate;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::exchange::{Answer, Request};
use crate::world::Common;
use settings::{Receiver, Settings};
use token::Token;
use webhooks::Webhook;

/// All that PayPal remembers.
#[derive(Debug, Default)]
pub(crate) struct PayPal {
    settings: Settings,
    /// Senders by client id. The first call with a client id makes it.
    senders: BTreeMap<String, Sender>,
    tokens: HashMap<String, Token>,
    /// What is known of receivers, by address or id.
    receivers: BTreeMap<String, Receiver>,
    batches: Vec<Batch>,
    items: Vec<Item>,
    batch_by_id: HashMap<String, usize>,
    item_by_id: HashMap<String, usize>,
    batch_by_sender_id: HashMap<(String, String), usize>,
    /// Batches that are not processed yet.
    open: BTreeSet<usize>,
    /// Unclaimed items by the time at which they go back.
    unclaimed: BTreeSet<(i64, usize)>,
    /// Times of the latest creations of batches, for the limit per minute.
    posts: HashMap<String, Vec<i64>>,
    webhooks: Vec<Webhook>,
}

/// The owner of a balance that pays.
#[derive(Debug)]
struct Sender {
    secret: String,
    /// Its own address: a payment to it is refused.
    address: String,
    /// The error that answers every creation of a batch, such as `SENDER_RESTRICTED`.
    refusal: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchStatus {
    Pending,
    Processing,
    Success,
    Denied,
}

impl BatchStatus {
    fn name(self) -> &'static str {
        match self {
            BatchStatus::Pending => "PENDING",
            BatchStatus::Processing => "PROCESSING",
            BatchStatus::Success => "SUCCESS",
            BatchStatus::Denied => "DENIED",
        }
    }
}

#[derive(Debug)]
struct Batch {
    id: String,
    client_id: String,
    /// The header as it was sent.
    header: Value,
    status: BatchStatus,
    created_ms: i64,
    completed_ms: Option<i64>,
    currency: String,
    total_minor: i64,
    fees_minor: i64,
    /// Its items are these, without the last.
    items: std::ops::Range<usize>,
}

impl Batch {
    fn sender_batch_id(&self) -> &str {
        self.header["sender_batch_id"].as_str().unwrap_or("")
    }
}

/// Where an item's money is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Sender,
    /// PayPal keeps it until the receiver claims it.
    Held,
    Receiver,
}

#[derive(Debug)]
struct Item {
    id: String,
    batch: usize,
    /// As it was sent.
    sent: Value,
    receiver: String,
    currency: String,
    amount_minor: i64,
    /// What is charged if it is paid.
    fee_minor: i64,
    is_charged: bool,
    status: &'static str,
    place: Place,
    transaction_id: Option<String>,
    activity_id: Option<String>,
    error: Option<String>,
    processed_ms: Option<i64>,
    /// When it goes back, while it is unclaimed.
    returns_ms: Option<i64>,
    is_cancelled: bool,
}

/// All states of an item, and where its money is then.
const ITEM_STATES: [(&str, Place); 9] = [
    ("PENDING", Place::Sender),
    ("SUCCESS", Place::Receiver),
    ("UNCLAIMED", Place::Held),
    ("ONHOLD", Place::Held),
    ("FAILED", Place::Sender),
    ("BLOCKED", Place::Sender),
    ("RETURNED", Place::Sender),
    ("REFUNDED", Place::Sender),
    ("REVERSED", Place::Sender),
];

/// The sender's account in the ledger.
fn sender_account(client_id: &str) -> String {
    format!("paypal/sender/{client_id}")
}

/// Decimals of amounts. PayPal has none in three currencies, of which two have some elsewhere.
fn exponent(currency: &str) -> u32 {
    match currency {
        "HUF" | "JPY" | "TWD" => 0,
        _ => 2,
    }
}

impl PayPal {
    pub(crate) fn answer(&mut self, common: &mut Common, request: &Request) -> Answer {
        let segments = request.segments();
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "oauth2", "token"]) => return self.token(common, request),
            ("GET", ["v1", "notifications", "certs", id]) => return webhooks::certificate(common, id),
            _ => {}
        }
        let client_id = match self.authenticate(common, request) {
            Ok(client_id) => client_id,
            Err(answer) => return answer,
        };
        match (request.method.as_str(), segments.as_slice()) {
            ("POST", ["v1", "payments", "payouts"]) => self.create(common, request, &client_id),
            ("GET", ["v1", "payments", "payouts", id]) => self.read_batch(common, request, &client_id, id),
            ("GET", ["v1", "payments", "payouts-item", id]) => self.read_item(common, request, &client_id, id),
            ("POST", ["v1", "payments", "payouts-item", id, "cancel"]) => self.cancel(common, request, &client_id, id),
            ("GET", ["v1", "reporting", "balances"]) => self.balances(common, request, &client_id),
            ("POST", ["v1", "notifications", "webhooks"]) => self.register_webhook(common, request, &client_id),
            ("GET", ["v1", "notifications", "webhooks"]) => self.list_webhooks(&client_id),
            ("DELETE", ["v1", "notifications", "webhooks", id]) => self.delete_webhook(common, &client_id, id),
            ("POST", ["v1", "notifications", "verify-webhook-signature"]) => {
                self.verify_webhook(common, request, &client_id)
            }
            _ => errors::named(&mut common.ids, "INVALID_RESOURCE_ID"),
        }
    }

    fn item_index(&self, client_id: &str, id: &str) -> Option<usize> {
        let index = *self.item_by_id.get(id)?;
        let batch = self.batches.get(self.items.get(index)?.batch)?;
        (batch.client_id == client_id).then_some(index)
    }
}
