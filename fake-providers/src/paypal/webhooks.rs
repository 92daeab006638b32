//! PayPal's webhooks: registering, signing, and checking a signature online.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::read::batch_json;
use super::{PayPal, errors};
use crate::clock;
use crate::exchange::{Answer, Provider, Request};
use crate::hooks::{Delivery, Signature};
use crate::world::Common;

const WEBHOOKS_MAX: usize = 10;

/// Ids of certificates by how well they are.
const CERTIFICATES: [(Signature, &str); 4] = [
    (Signature::Good, "CERT-360caa42-fca2a594-a5cafa77"),
    (Signature::Wrong, "CERT-360caa42-fca2a594-a5cafa77"),
    (Signature::ExpiredCertificate, "CERT-360caa42-fca2a594-00000001"),
    (Signature::ForeignCertificate, "CERT-360caa42-fca2a594-00000002"),
];

/// An address that wants events.
#[derive(Debug)]
pub(super) struct Webhook {
    id: String,
    client_id: String,
    url: String,
    /// `*` is for all.
    event_types: Vec<String>,
    /// The fake's address, for links and certificates.
    base: String,
}

impl Webhook {
    fn json(&self) -> Value {
        let types: Vec<Value> = self.event_types.iter().map(|name| json!({"name": name})).collect();
        let href = format!("{}/v1/notifications/webhooks/{}", self.base, self.id);
        let links = json!([{"href": href, "rel": "self", "method": "GET"}]);
        json!({"id": self.id, "url": self.url, "event_types": types, "links": links})
    }
}

/// The certificate with this id, and its intermediate one.
pub(super) fn certificate(common: &Common, id: &str) -> Answer {
    let chains = &common.keys.chains;
    let found = CERTIFICATES.iter().find(|(_, known)| *known == id).map(|(signature, _)| match signature {
        Signature::Good | Signature::Wrong => &chains.good_pem,
        Signature::ExpiredCertificate => &chains.expired_pem,
        Signature::ForeignCertificate => &chains.foreign_pem,
    });
    found.map_or_else(|| Answer::empty(404), |pem| Answer::text("application/x-pem-file", pem.clone()))
}

/// What is signed.
fn signed_text(transmission_id: &str, time: &str, webhook_id: &str, body: &[u8]) -> String {
    format!("{transmission_id}|{time}|{webhook_id}|{}", crc32fast::hash(body))
}

impl PayPal {
    pub(super) fn register_webhook(&mut self, common: &mut Common, request: &Request, client_id: &str) -> Answer {
        let body = request.json().unwrap_or(Value::Null);
        let url = body["url"].as_str().filter(|url| url.parse::<url::Url>().is_ok());
        let types = body["event_types"].as_array().map(Vec::as_slice).unwrap_or_default();
        let event_types: Vec<String> =
            types.iter().filter_map(|event| event["name"].as_str().map(str::to_owned)).collect();
        let Some(url) = url.filter(|_| !event_types.is_empty()) else {
            let details = json!([errors::wrong_field("url", "url and event_types are required")]);
            return errors::detailed(&mut common.ids, "VALIDATION_ERROR", details);
        };
        let own: Vec<&Webhook> = self.webhooks.iter().filter(|hook| hook.client_id == client_id).collect();
        let is_known = own.iter().any(|hook| hook.url == url);
        if is_known || own.len() >= WEBHOOKS_MAX {
            let name = if is_known { "WEBHOOK_URL_ALREADY_EXISTS" } else { "WEBHOOK_NUMBER_LIMIT_EXCEEDED" };
            return errors::named(&mut common.ids, name);
        }
        let hook = Webhook {
            id: common.ids.upper(17),
            client_id: client_id.to_owned(),
            url: url.to_owned(),
            event_types,
            base: request.base.clone(),
        };
        let answer = Answer::json(201, &hook.json());
        self.webhooks.push(hook);
        answer
    }

    pub(super) fn list_webhooks(&self, client_id: &str) -> Answer {
        let own = self.webhooks.iter().filter(|hook| hook.client_id == client_id);
        Answer::json(200, &json!({"webhooks": own.map(Webhook::json).collect::<Vec<_>>()}))
    }

    pub(super) fn delete_webhook(&mut self, common: &mut Common, client_id: &str, id: &str) -> Answer {
        let before = self.webhooks.len();
        self.webhooks.retain(|hook| hook.client_id != client_id || hook.id != id);
        if self.webhooks.len() == before {
            return errors::named(&mut common.ids, "INVALID_RESOURCE_ID");
        }
        Answer::empty(204)
    }

    pub(super) fn tell_batch(&self, common: &mut Common, index: usize, word: &str, at: i64) {
        let Some(batch) = self.batches.get(index) else { return };
        let resource = json!({"batch_header": batch_json(batch)});
        let event_type = format!("PAYMENT.PAYOUTSBATCH.{word}");
        self.tell(common, &batch.client_id, &event_type, "payouts", |_| resource.clone(), at);
    }

    pub(super) fn tell_item(&self, common: &mut Common, index: usize, word: &str, at: i64) {
        let Some(item) = self.items.get(index) else { return };
        let Some(batch) = self.batches.get(item.batch) else { return };
        let event_type = format!("PAYMENT.PAYOUTS-ITEM.{word}");
        let resource = |base: &str| self.item_json(base, item);
        self.tell(common, &batch.client_id, &event_type, "payouts_item", resource, at);
    }

    fn tell(
        &self,
        common: &mut Common,
        client_id: &str,
        event_type: &str,
        resource_type: &str,
        resource: impl Fn(&str) -> Value,
        at: i64,
    ) {
        let wants = |hook: &&Webhook| {
            hook.client_id == client_id && hook.event_types.iter().any(|name| name == "*" || name == event_type)
        };
        let mut event_id = None;
        for hook in self.webhooks.iter().filter(wants) {
            let id = event_id.get_or_insert_with(|| format!("WH-{}-{}", common.ids.upper(17), common.ids.upper(17)));
            let body = json!({
                "id": id, "event_version": "1.0", "create_time": clock::text(at), "resource_type": resource_type,
                "event_type": event_type, "summary": event_type, "resource": resource(&hook.base),
                "links": [{
                    "href": format!("{}/v1/notifications/webhooks-events/{id}", hook.base),
                    "rel": "self", "method": "GET",
                }],
            });
            let delivery = self.sign(common, hook, id, event_type, Bytes::from(body.to_string()));
            common.hooks.push(delivery);
        }
    }

    fn sign(&self, common: &mut Common, hook: &Webhook, id: &str, event_type: &str, body: Bytes) -> Delivery {
        let signature = common.hooks.delivering.signature;
        let transmission_id = common.ids.uuid();
        let time = clock::text(common.clock.now_ms());
        let text = match signature {
            Signature::Wrong => signed_text(&transmission_id, &time, &hook.id, b"another body"),
            _ => signed_text(&transmission_id, &time, &hook.id, &body),
        };
        let headers = vec![
            ("paypal-transmission-id", transmission_id),
            ("paypal-transmission-time", time),
            ("paypal-transmission-sig", STANDARD.encode(common.keys.paypal.sign(text.as_bytes()))),
            ("paypal-cert-url", self.cert_url(&hook.base, signature)),
            ("paypal-auth-algo", "SHA256withRSA".to_owned()),
        ];
        Delivery {
            provider: Provider::PayPal,
            id: id.to_owned(),
            event_type: event_type.to_owned(),
            url: hook.url.clone(),
            headers,
            body,
            attempts: 0,
        }
    }

    fn cert_url(&self, base: &str, signature: Signature) -> String {
        let known = CERTIFICATES.iter().find(|(kind, _)| *kind == signature);
        let id = known.map_or("", |(_, id)| id);
        match &self.settings.cert_url_base {
            Some(own) => format!("{}/{id}", own.trim_end_matches('/')),
            None => format!("{base}/v1/notifications/certs/{id}"),
        }
    }

    pub(super) fn verify_webhook(&self, common: &mut Common, request: &Request, client_id: &str) -> Answer {
        let Ok(asked) = serde_json::from_slice::<Asked>(&request.body) else {
            return errors::named(&mut common.ids, "VALIDATION_ERROR");
        };
        let hook = self.webhooks.iter().find(|hook| hook.client_id == client_id && hook.id == asked.webhook_id);
        let event = asked.webhook_event.get().as_bytes();
        let text = signed_text(&asked.transmission_id, &asked.transmission_time, &asked.webhook_id, event);
        let signature = STANDARD.encode(common.keys.paypal.sign(text.as_bytes()));
        let is_good = asked.auth_algo == "SHA256withRSA"
            && signature == asked.transmission_sig
            && hook.is_some_and(|hook| self.cert_url(&hook.base, Signature::Good) == asked.cert_url);
        let status = if is_good { "SUCCESS" } else { "FAILURE" };
        Answer::json(200, &json!({"verification_status": status}))
    }
}

/// A signature to be checked. The event is kept as its bytes, because the signature is of these.
#[derive(Deserialize)]
struct Asked {
    auth_algo: String,
    cert_url: String,
    transmission_id: String,
    transmission_sig: String,
    transmission_time: String,
    webhook_id: String,
    webhook_event: Box<RawValue>,
}
