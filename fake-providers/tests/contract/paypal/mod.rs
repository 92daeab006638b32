//! PayPal Payouts: the client that the tests use, on the fake or on the real sandbox.

mod batches;
mod funds;
mod items;
mod refusals;
mod sandbox_words;
mod tokens;
mod webhooks;

use std::time::Duration;

use base64::Engine;
use fake_providers::{Running, Settings};
use serde_json::{Value, json};

use crate::support::{Control, Reply, http, skipped, variable};

/// A sender at PayPal.
pub(crate) struct PayPal {
    pub(crate) base: String,
    client_id: String,
    secret: String,
    token: String,
    fake: Option<(Running, Control)>,
}

impl PayPal {
    /// The fake, or the sandbox if its keys are given.
    pub(crate) async fn start() -> PayPal {
        let keys = (variable("PAYPAL_SANDBOX_CLIENT_ID"), variable("PAYPAL_SANDBOX_SECRET"));
        let mut paypal = if let (Some(client_id), Some(secret)) = keys {
            let base = "https://api-m.sandbox.paypal.com".to_owned();
            PayPal { base, client_id, secret, token: String::new(), fake: None }
        } else {
            let running = fake_providers::start(Settings::standing()).await.unwrap();
            let control = Control { base: running.url("fake") };
            PayPal {
                base: running.url("paypal"),
                client_id: "client".to_owned(),
                secret: "secret".to_owned(),
                token: String::new(),
                fake: Some((running, control)),
            }
        };
        let reply = paypal.ask_token(&paypal.secret).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.json()["access_token"].as_str().unwrap().clone_into(&mut paypal.token);
        paypal.set_balance("USD", 1_000_000).await;
        paypal
    }

    /// The control, or a visible remark that the rule is not tested.
    pub(crate) fn control(&self, rule: &str) -> Option<&Control> {
        if self.fake.is_none() {
            skipped(rule);
        }
        self.fake.as_ref().map(|(_, control)| control)
    }

    pub(crate) async fn ask_token(&self, secret: &str) -> Reply {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{secret}", self.client_id));
        let basic = format!("Basic {basic}");
        let headers = [("authorization", basic.as_str()), ("content-type", "application/x-www-form-urlencoded")];
        http("POST", &format!("{}/v1/oauth2/token", self.base), &headers, "grant_type=client_credentials").await
    }

    /// Sets the fake's balance. The sandbox's is what it is.
    pub(crate) async fn set_balance(&self, currency: &str, amount_minor: i64) {
        if let Some((_, control)) = &self.fake {
            let body = json!({"account": self.client_id, "currency": currency, "amount_minor": amount_minor});
            control.post("paypal/balance", body).await;
        }
    }

    /// Makes the fake know a receiver. The sandbox has receivers of its own.
    pub(crate) async fn set_receiver(&self, receiver: &str, status: &str, error: Option<&str>) {
        if let Some((_, control)) = &self.fake {
            let body = json!({"receiver": receiver, "status": status, "error": error});
            control.post("paypal/receivers", body).await;
        }
    }

    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.token)
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        let authorization = self.authorization();
        http("GET", &format!("{}{path}", self.base), &[("authorization", &authorization)], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, body, &[]).await
    }

    pub(crate) async fn post_with(&self, path: &str, body: &Value, more: &[(&str, &str)]) -> Reply {
        let authorization = self.authorization();
        let mut headers = vec![("authorization", authorization.as_str()), ("content-type", "application/json")];
        headers.extend_from_slice(more);
        http("POST", &format!("{}{path}", self.base), &headers, &body.to_string()).await
    }

    pub(crate) async fn create(&self, body: &Value) -> Reply {
        self.post("/v1/payments/payouts", body).await
    }

    /// Makes a batch and returns its id.
    pub(crate) async fn created(&self, body: &Value) -> String {
        let reply = self.create(body).await;
        assert_eq!(reply.status, 201, "{:?}", reply.body);
        reply.json()["batch_header"]["payout_batch_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn batch(&self, id: &str) -> Value {
        let reply = self.get(&format!("/v1/payments/payouts/{id}?total_required=true")).await;
        assert_eq!(reply.status, 200, "{:?}", reply.body);
        reply.json()
    }

    /// The batch after it was processed.
    pub(crate) async fn processed(&self, id: &str) -> Value {
        if let Some((_, control)) = &self.fake {
            control.advance(40).await;
        }
        for _ in 0..60 {
            let batch = self.batch(id).await;
            let status = batch["batch_header"]["batch_status"].as_str().unwrap();
            if status != "PENDING" && status != "PROCESSING" {
                return batch;
            }
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        panic!("batch {id} is not processed");
    }
}

/// A sender_batch_id that was never used, also not in an earlier run against the sandbox.
pub(crate) fn fresh_id() -> String {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).unwrap();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A batch in dollars, with receivers and values.
pub(crate) fn batch_of(sender_batch_id: &str, items: &[(&str, &str)]) -> Value {
    let items: Vec<Value> = items.iter().map(|(receiver, value)| item(receiver, "USD", value)).collect();
    json!({
        "sender_batch_header": {"sender_batch_id": sender_batch_id, "email_subject": "You have a payout"},
        "items": items,
    })
}

pub(crate) fn item(receiver: &str, currency: &str, value: &str) -> Value {
    json!({
        "recipient_type": "EMAIL", "receiver": receiver, "amount": {"currency": currency, "value": value},
        "note": "Thank you", "sender_item_id": "p1",
    })
}

/// The name of an error.
pub(crate) fn name(reply: &Reply) -> String {
    reply.json()["name"].as_str().unwrap_or_default().to_owned()
}
