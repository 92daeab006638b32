//! Stripe's webhooks: endpoints with a secret, events, and their signature.

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Call, Stripe, errors};
use crate::crypto::hmac_hex;
use crate::exchange::{Answer, Provider};
use crate::hooks::{Delivery, Signature};
use crate::world::Common;

const API_VERSION: &str = "2026-10-28.endive";

/// An address that wants events.
#[derive(Debug)]
pub(super) struct Endpoint {
    id: String,
    platform: String,
    url: String,
    secret: String,
    /// `*` is for all.
    events: Vec<String>,
    /// Whether it gets events of connected accounts, in place of the platform's own.
    is_connect: bool,
}

impl Stripe {
    pub(super) fn create_endpoint(&mut self, common: &mut Common, call: &Call<'_>) -> Result<Answer, errors::Refusal> {
        let url = call.text("url").ok_or_else(|| errors::no_field("url"))?.to_owned();
        let events: Vec<String> = call.fields["enabled_events"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
            .iter()
            .filter_map(|event| event.as_str().map(str::to_owned))
            .collect();
        if events.is_empty() {
            return Err(errors::no_field("enabled_events"));
        }
        let endpoint = Endpoint {
            id: common.ids.prefixed("we"),
            platform: call.platform.clone(),
            url,
            secret: common.ids.prefixed("whsec"),
            events,
            is_connect: call.text("connect") == Some("true"),
        };
        let body = json!({
            "id": endpoint.id, "object": "webhook_endpoint", "url": endpoint.url, "secret": endpoint.secret,
            "enabled_events": endpoint.events, "status": "enabled", "livemode": false,
            "created": common.clock.now_ms() / 1000, "metadata": {},
        });
        self.endpoints.push(endpoint);
        Ok(Answer::json(200, &body))
    }

    /// Sends an event to the endpoints that want it. `account` is the connected account whose event it is.
    pub(super) fn tell(&self, common: &mut Common, platform: &str, kind: &str, object: &Value, account: Option<&str>) {
        let now = common.clock.now_ms() / 1000;
        let wants = |endpoint: &&Endpoint| {
            endpoint.platform == platform
                && endpoint.is_connect == account.is_some()
                && endpoint.events.iter().any(|name| name == "*" || name == kind)
        };
        let mut id = None;
        for endpoint in self.endpoints.iter().filter(wants) {
            let id = id.get_or_insert_with(|| common.ids.prefixed("evt"));
            let mut event = json!({
                "id": id, "object": "event", "api_version": API_VERSION, "created": now, "data": {"object": object},
                "livemode": false, "pending_webhooks": 1, "request": {"id": null, "idempotency_key": null}, "type": kind,
            });
            if let Some(account) = account {
                event["account"] = json!(account);
            }
            let body = event.to_string();
            let signed = match common.hooks.delivering.signature {
                Signature::Good => format!("{now}.{body}"),
                _ => format!("{now}.another body"),
            };
            let signature = hmac_hex(endpoint.secret.as_bytes(), signed.as_bytes());
            common.hooks.push(Delivery {
                provider: Provider::Stripe,
                id: id.clone(),
                event_type: kind.to_owned(),
                url: endpoint.url.clone(),
                headers: vec![("stripe-signature", format!("t={now},v1={signature}"))],
                body: Bytes::from(body),
                attempts: 0,
            });
        }
    }
}
