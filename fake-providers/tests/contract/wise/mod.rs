//! Wise: the client that the tests use, on the fake or on the real sandbox.

mod frame;
mod funding;
mod groups;
mod quotes;
mod transfers;
mod webhooks;

use fake_providers::{Running, Settings};
use serde_json::{Value, json};

use crate::support::{Control, Reply, http, skipped, variable};

/// A user of Wise, and its business profile.
pub(crate) struct Wise {
    pub(crate) base: String,
    pub(crate) token: String,
    pub(crate) profile: i64,
    fake: Option<(Running, Control)>,
}

impl Wise {
    /// The fake, or the sandbox if its token is given.
    pub(crate) async fn start() -> Wise {
        let (base, token, fake) = if let Some(token) = variable("WISE_SANDBOX_TOKEN") {
            ("https://api.wise-sandbox.com".to_owned(), token, None)
        } else {
            let running = fake_providers::start(Settings::standing()).await.unwrap();
            let control = Control { base: running.url("fake") };
            (running.url("wise"), "token-1".to_owned(), Some((running, control)))
        };
        let mut wise = Wise { base, token, profile: 0, fake };
        let profiles = wise.get("/v2/profiles").await;
        assert_eq!(profiles.status, 200, "{profiles:?}");
        let profiles = profiles.json();
        let business = profiles.as_array().unwrap().iter().find(|profile| profile["type"] == "BUSINESS").unwrap();
        wise.profile = business["id"].as_i64().unwrap();
        wise.set_balance("EUR", 1_000_000).await;
        wise
    }

    /// The control, or a visible remark that the rule is not tested.
    pub(crate) fn control(&self, rule: &str) -> Option<&Control> {
        if self.fake.is_none() {
            skipped(rule);
        }
        self.fake.as_ref().map(|(_, control)| control)
    }

    /// Sets the fake's balance. The sandbox's is what it is.
    pub(crate) async fn set_balance(&self, currency: &str, amount_minor: i64) {
        if let Some((_, control)) = &self.fake {
            let body = json!({"profile": self.profile, "currency": currency, "amount_minor": amount_minor});
            control.post("wise/balance", body).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &Value::Null).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send("POST", path, body).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &Value) -> Reply {
        let authorization = format!("Bearer {}", self.token);
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        http(method, &format!("{}{path}", self.base), &headers, &body).await
    }

    /// A path below the profile.
    pub(crate) fn path(&self, version: &str, rest: &str) -> String {
        format!("/{version}/profiles/{}/{rest}", self.profile)
    }

    /// A quote for so many euros to arrive, of the euros of the profile.
    pub(crate) async fn quote(&self, target: &str) -> Value {
        let amount: Value = serde_json::from_str(target).unwrap();
        let body = json!({"sourceCurrency": "EUR", "targetCurrency": "EUR", "targetAmount": amount});
        let reply = self.post(&self.path("v3", "quotes"), &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// A recipient with a bank account in euros, by its id.
    pub(crate) async fn recipient(&self) -> i64 {
        let body = json!({
            "profile": self.profile, "currency": "EUR", "type": "iban", "accountHolderName": "Ann Affiliate",
            "ownedByCustomer": false, "details": {"legalType": "PRIVATE", "IBAN": "DE89370400440532013000"},
        });
        let reply = self.post("/v1/accounts", &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["id"].as_i64().unwrap()
    }

    /// The body of a transfer for this quote and this id of ours.
    pub(crate) fn transfer_body(quote: &Value, recipient: i64, customer_id: &str) -> Value {
        json!({
            "targetAccount": recipient, "quoteUuid": quote["id"], "customerTransactionId": customer_id,
            "details": {"reference": "Payout 1"},
        })
    }

    /// A transfer of so many euros, not funded yet.
    pub(crate) async fn transfer(&self, target: &str) -> Value {
        let (quote, recipient) = (self.quote(target).await, self.recipient().await);
        let body = Wise::transfer_body(&quote, recipient, &uuid());
        let reply = self.post("/v1/transfers", &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    pub(crate) async fn fund(&self, transfer: &Value) -> Reply {
        let path = self.path("v3", &format!("transfers/{}/payments", transfer["id"]));
        self.post(&path, &json!({"type": "BALANCE"})).await
    }

    pub(crate) async fn simulate(&self, transfer: &Value, state: &str) -> Reply {
        self.get(&format!("/v1/simulation/transfers/{}/{state}", transfer["id"])).await
    }

    pub(crate) async fn status(&self, transfer: &Value) -> String {
        let reply = self.get(&format!("/v1/transfers/{}", transfer["id"])).await;
        reply.json()["status"].as_str().unwrap().to_owned()
    }

    /// What the recipient of [`Wise::recipient`] truly got.
    pub(crate) async fn received(&self, control: &Control) -> (i64, usize) {
        control.received("wise", "de89370400440532013000").await
    }
}

/// A random UUID.
pub(crate) fn uuid() -> String {
    let hex = crate::paypal::fresh_id();
    format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// The code of the first error.
pub(crate) fn code(reply: &Reply) -> String {
    reply.json()["errors"][0]["code"].as_str().unwrap_or_default().to_owned()
}
