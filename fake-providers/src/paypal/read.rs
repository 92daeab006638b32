//! Reading a batch with pages of its items, and reading one item.

use serde_json::{Map, Value, json};

use super::create::amount;
use super::{Batch, Item, PayPal, errors, triggers};
use crate::clock;
use crate::exchange::{Answer, Request};
use crate::world::Common;

const PAGE_SIZE_MAX: usize = 1000;

impl PayPal {
    pub(super) fn read_batch(&self, common: &mut Common, request: &Request, client_id: &str, id: &str) -> Answer {
        if let Some(answer) = triggers::of_batch_id(common, id) {
            return answer;
        }
        let found = self.batch_by_id.get(id).and_then(|index| self.batches.get(*index));
        let Some(batch) = found.filter(|batch| batch.client_id == client_id) else {
            return errors::named(&mut common.ids, "INVALID_RESOURCE_ID");
        };
        let Some((page, size)) = page_of(request) else {
            let details = json!([errors::wrong_field("page", "page must be at least 1, and page_size 1 to 1000")]);
            return errors::detailed(&mut common.ids, "VALIDATION_ERROR", details);
        };
        let all = self.items.get(batch.items.clone()).unwrap_or_default();
        let shown = all.iter().skip((page - 1).saturating_mul(size)).take(size);
        let items: Vec<Value> = shown.map(|item| self.item_json(&request.base, item)).collect();
        let link = |rel: &str, page: usize| {
            json!({
                "href": format!("{}/v1/payments/payouts/{id}?page={page}&page_size={size}", request.base),
                "rel": rel, "method": "GET",
            })
        };
        let mut links = vec![link("self", page)];
        if page.saturating_mul(size) < all.len() {
            links.push(link("next", page + 1));
        }
        let mut body = Map::new();
        body.insert("batch_header".to_owned(), batch_json(batch));
        body.insert("items".to_owned(), Value::Array(items));
        if request.query("total_required") == Some("true") {
            body.insert("total_items".to_owned(), json!(all.len()));
            body.insert("total_pages".to_owned(), json!(all.len().div_ceil(size)));
        }
        body.insert("links".to_owned(), Value::Array(links));
        if let Some(fields) = request.query("fields") {
            body.retain(|name, _| fields.split(',').any(|field| field.split('.').next() == Some(name)));
        }
        Answer::json(200, &Value::Object(body))
    }

    pub(super) fn read_item(&self, common: &mut Common, request: &Request, client_id: &str, id: &str) -> Answer {
        match self.item_index(client_id, id).and_then(|index| self.items.get(index)) {
            Some(item) => Answer::json(200, &self.item_json(&request.base, item)),
            None => errors::named(&mut common.ids, "INVALID_RESOURCE_ID"),
        }
    }

    pub(super) fn item_json(&self, base: &str, item: &Item) -> Value {
        let batch = self.batches.get(item.batch);
        let fee = if item.is_charged { item.fee_minor } else { 0 };
        let mut body = json!({
            "payout_item_id": item.id, "transaction_status": item.status,
            "payout_item_fee": amount(&item.currency, fee),
            "payout_batch_id": batch.map_or("", |batch| batch.id.as_str()),
            "payout_item": item.sent,
            "links": [{
                "href": format!("{base}/v1/payments/payouts-item/{}", item.id), "rel": "item", "method": "GET",
            }],
        });
        let sender_batch_id = batch.map_or("", Batch::sender_batch_id);
        let texts = [
            ("transaction_id", item.transaction_id.clone()),
            ("activity_id", item.activity_id.clone()),
            ("sender_batch_id", Some(sender_batch_id.to_owned()).filter(|id| !id.is_empty())),
            ("time_processed", item.processed_ms.map(clock::text)),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                body[name] = Value::String(text);
            }
        }
        if let Some(name) = &item.error {
            body["errors"] = json!({
                "name": name, "message": "See the name", "debug_id": item.id.to_lowercase(), "details": [],
                "information_link": "https://developer.paypal.com/docs/api/payments.payouts-batch/v1/#errors",
            });
        }
        body
    }
}

pub(super) fn batch_json(batch: &Batch) -> Value {
    let mut body = json!({
        "payout_batch_id": batch.id, "batch_status": batch.status.name(),
        "time_created": clock::text(batch.created_ms), "sender_batch_header": batch.header,
        "funding_source": "BALANCE", "amount": amount(&batch.currency, batch.total_minor),
        "fees": amount(&batch.currency, batch.fees_minor),
    });
    if let Some(completed_ms) = batch.completed_ms {
        body["time_completed"] = json!(clock::text(completed_ms));
        body["time_closed"] = json!(clock::text(completed_ms));
    }
    body
}

/// Page and size that the request asks for, or nothing if they are out of range.
fn page_of(request: &Request) -> Option<(usize, usize)> {
    let number = |name: &str, default: usize| match request.query(name) {
        None => Some(default),
        Some(text) => text.parse::<usize>().ok(),
    };
    let (page, size) = (number("page", 1)?, number("page_size", PAGE_SIZE_MAX)?);
    (page >= 1 && (1..=PAGE_SIZE_MAX).contains(&size)).then_some((page, size))
}
