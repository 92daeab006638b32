//! Creating a batch, and the refusals that make nothing.

use serde_json::{Value, json};

use super::validate::{self, Valid};
use super::{Batch, BatchStatus, Item, PayPal, Place, errors, exponent, sender_account, triggers};
use crate::exchange::{Answer, Request};
use crate::money;
use crate::world::Common;

/// Currencies that a sender must hold a balance in before it pays in them.
const HELD_ONLY: [&str; 4] = ["BRL", "MYR", "RUB", "THB"];

impl PayPal {
    pub(super) fn create(&mut self, common: &mut Common, request: &Request, client_id: &str) -> Answer {
        if self.is_above_rate(common, client_id) {
            return errors::named(&mut common.ids, "RATE_LIMIT_REACHED").with_header("retry-after", "60");
        }
        if let Some(name) = self.senders.get(client_id).and_then(|sender| sender.refusal.clone()) {
            return errors::named(&mut common.ids, &name);
        }
        let Some(body) = request.json() else {
            let body = json!({
                "name": "MALFORMED_REQUEST_JSON", "message": "The request JSON is not well formed.",
                "debug_id": common.ids.upper(13).to_lowercase(),
            });
            return Answer::json(400, &body);
        };
        if let Some(name) = body["items"][0]["note"].as_str().and_then(triggers::of_note) {
            return errors::named(&mut common.ids, name);
        }
        let valid = match validate::batch(&body) {
            Ok(valid) => valid,
            Err(details) => return errors::detailed(&mut common.ids, "VALIDATION_ERROR", Value::Array(details)),
        };
        if let Some(answer) = self.duplicate(common, request, client_id, &valid) {
            return answer;
        }
        let account = sender_account(client_id);
        if HELD_ONLY.contains(&valid.currency.as_str()) && !common.ledger.holds(&account, &valid.currency) {
            return errors::named(&mut common.ids, "NON_HOLDING_CURRENCY");
        }
        let needed: i64 = valid.items.iter().map(|item| item.amount_minor + self.fee(item.amount_minor)).sum();
        if common.ledger.balance(&account, &valid.currency) < needed {
            return errors::named(&mut common.ids, "INSUFFICIENT_FUNDS");
        }
        self.make(common, request, client_id, valid)
    }

    /// Whether this creation is one too many within a minute.
    fn is_above_rate(&mut self, common: &Common, client_id: &str) -> bool {
        let limit = self.settings.posts_per_minute;
        if limit == 0 {
            return false;
        }
        let now = common.clock.now_ms();
        let times = self.posts.entry(client_id.to_owned()).or_default();
        times.retain(|time| *time > now - 60_000);
        if times.len() >= limit {
            return true;
        }
        times.push(now);
        false
    }

    /// The refusal of a sender_batch_id that was used before. It names the first batch. The header PayPal-Request-Id plays no part,
    /// and a batch without a sender_batch_id is never a duplicate.
    fn duplicate(&self, common: &mut Common, request: &Request, client_id: &str, valid: &Valid) -> Option<Answer> {
        let id = valid.header["sender_batch_id"].as_str().filter(|id| !id.is_empty())?;
        let first = *self.batch_by_sender_id.get(&(client_id.to_owned(), id.to_owned()))?;
        let first = self.batches.get(first)?;
        let details = json!([{
            "field": "SENDER_BATCH_ID", "location": "body",
            "issue": "Batch with given sender_batch_id already exists",
            "link": [{
                "href": format!("{}/v1/payments/payouts/{}", request.base, first.id), "rel": "self", "method": "GET",
            }],
        }]);
        Some(errors::detailed(&mut common.ids, "USER_BUSINESS_ERROR", details))
    }

    /// What the sender pays for an item of this amount.
    pub(super) fn fee(&self, amount_minor: i64) -> i64 {
        money::share(amount_minor, self.settings.fee_parts_per_million).min(self.settings.fee_cap_minor)
    }

    fn make(&mut self, common: &mut Common, request: &Request, client_id: &str, valid: Valid) -> Answer {
        let index = self.batches.len();
        let first = self.items.len();
        for wanted in valid.items {
            let item = Item {
                id: common.ids.upper(13),
                batch: index,
                fee_minor: self.fee(wanted.amount_minor),
                receiver: if wanted.recipient_type == "EMAIL" {
                    wanted.receiver
                } else {
                    format!("{}:{}", wanted.recipient_type.to_lowercase(), wanted.receiver)
                },
                sent: wanted.sent,
                currency: valid.currency.clone(),
                amount_minor: wanted.amount_minor,
                is_charged: false,
                status: "PENDING",
                place: Place::Sender,
                transaction_id: None,
                activity_id: None,
                error: None,
                processed_ms: None,
                returns_ms: None,
                is_cancelled: false,
            };
            self.item_by_id.insert(item.id.clone(), self.items.len());
            self.items.push(item);
        }
        let made = self.items.get(first..).unwrap_or_default();
        let batch = Batch {
            id: common.ids.upper(13),
            client_id: client_id.to_owned(),
            status: BatchStatus::Pending,
            created_ms: common.clock.now_ms(),
            completed_ms: None,
            currency: valid.currency,
            total_minor: made.iter().map(|item| item.amount_minor).sum(),
            fees_minor: made.iter().map(|item| item.fee_minor).sum(),
            items: first..self.items.len(),
            header: valid.header,
        };
        let body = json!({
            "batch_header": {
                "payout_batch_id": batch.id, "batch_status": batch.status.name(), "sender_batch_header": batch.header,
            },
            "links": [{
                "href": format!("{}/v1/payments/payouts/{}", request.base, batch.id),
                "rel": "self", "method": "GET", "encType": "application/json",
            }],
        });
        if !batch.sender_batch_id().is_empty() {
            let key = (client_id.to_owned(), batch.sender_batch_id().to_owned());
            self.batch_by_sender_id.insert(key, index);
        }
        self.batch_by_id.insert(batch.id.clone(), index);
        self.batches.push(batch);
        self.open.insert(index);
        Answer::json(201, &body)
    }
}

/// An amount as PayPal writes it.
pub(super) fn amount(currency: &str, amount_minor: i64) -> Value {
    json!({"currency": currency, "value": money::format(amount_minor, exponent(currency))})
}
