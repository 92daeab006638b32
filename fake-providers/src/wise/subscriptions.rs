//! Webhooks: subscriptions, events, and their signature with Wise's key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::currency::exponent;
use super::{Call, Wise, errors, profile_account};
use crate::exchange::{Answer, Provider};
use crate::hooks::{Delivery, Signature};
use crate::world::Common;
use crate::{clock, money};

const TRIGGERS: [&str; 5] = [
    "transfers#state-change",
    "transfers#payout-failure",
    "transfers#refund",
    "transfers#active-cases",
    "balances#update",
];

#[derive(Debug)]
pub(super) struct Subscription {
    id: String,
    profile: i64,
    name: String,
    trigger: String,
    version: String,
    url: String,
    created_ms: i64,
}

impl Subscription {
    fn json(&self) -> Value {
        json!({
            "id": self.id, "name": self.name, "trigger_on": self.trigger,
            "delivery": {"version": self.version, "url": self.url},
            "scope": {"domain": "profile", "id": self.profile.to_string()},
            "created_on": clock::text(self.created_ms),
        })
    }
}

impl Wise {
    pub(super) fn subscribe(&mut self, common: &mut Common, call: &Call<'_>, profile: i64) -> Result<Answer, Answer> {
        let body = &call.body;
        let trigger = body["trigger_on"].as_str().filter(|trigger| TRIGGERS.contains(trigger));
        let trigger = trigger.ok_or_else(|| errors::wrong("trigger_on", "There is no such event"))?.to_owned();
        let version = body["delivery"]["version"].as_str().filter(|version| ["2.0.0", "4.0.0"].contains(version));
        let version = version.ok_or_else(|| errors::wrong("delivery.version", "Not a known version"))?.to_owned();
        let url = body["delivery"]["url"].as_str().filter(|url| url.parse::<url::Url>().is_ok());
        let url = url.ok_or_else(|| errors::wrong("delivery.url", "A URL is required"))?.to_owned();
        let subscription = Subscription {
            id: common.ids.uuid(),
            profile,
            name: body["name"].as_str().unwrap_or("").to_owned(),
            trigger,
            version,
            url,
            created_ms: common.clock.now_ms(),
        };
        let answer = Answer::json(201, &subscription.json());
        self.subscriptions.push(subscription);
        Ok(answer)
    }

    pub(super) fn list_subscriptions(&self, profile: i64) -> Answer {
        let own = self.subscriptions.iter().filter(|subscription| subscription.profile == profile);
        Answer::json(200, &own.map(Subscription::json).collect())
    }

    pub(super) fn unsubscribe(&mut self, profile: i64, id: &str) -> Result<Answer, Answer> {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|subscription| subscription.profile != profile || subscription.id != id);
        if self.subscriptions.len() == before { Err(errors::not_found()) } else { Ok(Answer::empty(204)) }
    }

    /// Tells of a transfer's state, and of a failure or a refund if it is one.
    pub(super) fn tell_state(&self, common: &mut Common, index: usize, before: &str, at: i64) {
        let Some(transfer) = self.transfers.get(index) else { return };
        let (profile, quote) = (transfer.quote.profile, &transfer.quote);
        let resource = json!({
            "type": "transfer", "id": transfer.id, "profile_id": profile, "account_id": transfer.recipient,
        });
        let occurred_at = clock::text(at);
        let data = json!({
            "resource": resource, "current_state": transfer.state, "previous_state": before, "occurred_at": occurred_at,
        });
        self.tell(common, profile, "transfers#state-change", &data);
        if transfer.state == "bounced_back" {
            let data = json!({
                "transfer_id": transfer.id, "profile_id": profile, "failure_reason_code": "RECIPIENT_ACCOUNT_CLOSED",
                "failure_description": "The bank returned the payment", "occurred_at": occurred_at,
            });
            self.tell(common, profile, "transfers#payout-failure", &data);
        }
        if transfer.state == "funds_refunded" {
            let net = quote.source_minor - quote.fee_minor;
            let refunded = net - self.settings.refund_fee_minor.min(net);
            let mut resource = resource;
            resource["refund_amount"] = money::number(refunded, exponent(&quote.source_currency));
            resource["refund_currency"] = json!(quote.source_currency);
            let data = json!({"resource": resource, "occurred_at": occurred_at});
            self.tell(common, profile, "transfers#refund", &data);
        }
    }

    /// Tells of a balance that changed.
    pub(super) fn tell_balance(&mut self, common: &mut Common, profile: i64, currency: &str, change_minor: i64) {
        let balance = common.ledger.balance(&profile_account(profile), currency);
        let id = self.balance_id(common, profile, currency);
        let data = json!({
            "resource": {"type": "balance-account", "id": id, "profile_id": profile},
            "amount": money::number(change_minor.saturating_abs(), exponent(currency)), "currency": currency,
            "transaction_type": if change_minor < 0 { "debit" } else { "credit" },
            "post_transaction_balance_amount": money::number(balance, exponent(currency)),
            "occurred_at": clock::text(common.clock.now_ms()),
        });
        self.tell(common, profile, "balances#update", &data);
    }

    /// Tells that a transfer needs somebody's attention.
    pub(super) fn tell_issues(&self, common: &mut Common, index: usize) {
        let Some(transfer) = self.transfers.get(index) else { return };
        let cases: &[&str] = if transfer.has_active_issues { &["awaiting_recipient_details"] } else { &[] };
        let data = json!({
            "resource": {
                "type": "transfer", "id": transfer.id, "profile_id": transfer.quote.profile,
                "account_id": transfer.recipient,
            },
            "active_cases": cases, "occurred_at": clock::text(common.clock.now_ms()),
        });
        self.tell(common, transfer.quote.profile, "transfers#active-cases", &data);
    }

    fn tell(&self, common: &mut Common, profile: i64, trigger: &str, data: &Value) {
        let wants = |one: &&Subscription| one.profile == profile && one.trigger == trigger;
        for subscription in self.subscriptions.iter().filter(wants) {
            let body = json!({
                "data": data, "subscription_id": subscription.id, "event_type": trigger,
                "schema_version": subscription.version, "sent_at": clock::text(common.clock.now_ms()),
            });
            let body = Bytes::from(body.to_string());
            let signed = match common.hooks.delivering.signature {
                Signature::Good => common.keys.wise.sign(&body),
                _ => common.keys.wise.sign(b"another body"),
            };
            let id = common.ids.uuid();
            common.hooks.push(Delivery {
                provider: Provider::Wise,
                headers: vec![
                    ("x-signature-sha256", STANDARD.encode(signed)),
                    ("x-delivery-id", id.clone()),
                    ("x-test-notification", "false".to_owned()),
                ],
                id,
                event_type: trigger.to_owned(),
                url: subscription.url.clone(),
                body,
                attempts: 0,
            });
        }
    }
}
