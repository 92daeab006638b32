//! Stripe Connect: the client that the tests use, on the fake or on the real test mode.

mod accounts;
mod idempotency;
mod payouts;
mod transfers;
mod webhooks;

use fake_providers::{Running, Settings};
use serde_json::{Value, json};

use crate::support::{Control, Reply, http, skipped, variable};

/// A platform at Stripe.
pub(crate) struct Stripe {
    pub(crate) base: String,
    key: String,
    /// A connected account that can get transfers.
    pub(crate) account: String,
    fake: Option<(Running, Control)>,
}

impl Stripe {
    /// The fake, or Stripe's test mode if its key and an account are given.
    pub(crate) async fn start() -> Stripe {
        let keys = (variable("STRIPE_TEST_KEY"), variable("STRIPE_TEST_ACCOUNT"));
        if let (Some(key), Some(account)) = keys {
            return Stripe { base: "https://api.stripe.com".to_owned(), key, account, fake: None };
        }
        let running = fake_providers::start(Settings::standing()).await.unwrap();
        let control = Control { base: running.url("fake") };
        let mut stripe = Stripe {
            base: running.url("stripe"),
            key: "sk_test_1".to_owned(),
            account: String::new(),
            fake: Some((running, control.clone())),
        };
        stripe.account = stripe.create_account().await;
        control.post(&format!("stripe/accounts/{}", stripe.account), json!({"complete": true})).await;
        stripe.set_balance("USD", 100_000).await;
        stripe
    }

    /// The control, or a visible remark that the rule is not tested.
    pub(crate) fn control(&self, rule: &str) -> Option<&Control> {
        if self.fake.is_none() {
            skipped(rule);
        }
        self.fake.as_ref().map(|(_, control)| control)
    }

    /// Sets the fake's balance. Test mode has its own.
    pub(crate) async fn set_balance(&self, currency: &str, amount_minor: i64) {
        if let Some((_, control)) = &self.fake {
            let body = json!({"account": self.key, "currency": currency, "amount_minor": amount_minor});
            control.post("stripe/balance", body).await;
        }
    }

    pub(crate) async fn create_account(&self) -> String {
        let fields = [("type", "express"), ("country", "US"), ("capabilities[transfers][requested]", "true")];
        let reply = self.post("/v1/accounts", &fields).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], &[]).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send("POST", path, fields, &[]).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], more: &[(&str, &str)]) -> Reply {
        let authorization = format!("Bearer {}", self.key);
        let mut headers = vec![("authorization", authorization.as_str())];
        if method == "POST" {
            headers.push(("content-type", "application/x-www-form-urlencoded"));
        }
        headers.extend_from_slice(more);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        http(method, &format!("{}{path}", self.base), &headers, &body).await
    }

    /// A transfer of cents to the account.
    pub(crate) async fn transfer(&self, amount: &str, group: &str, key: &str) -> Reply {
        let fields = [
            ("amount", amount),
            ("currency", "usd"),
            ("destination", self.account.as_str()),
            ("transfer_group", group),
            ("metadata[payout]", group),
        ];
        self.send("POST", "/v1/transfers", &fields, &[("idempotency-key", key)]).await
    }

    /// A transfer that is made, by its id.
    pub(crate) async fn transferred(&self, amount: &str, group: &str) -> String {
        let reply = self.transfer(amount, group, &crate::paypal::fresh_id()).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["id"].as_str().unwrap().to_owned()
    }

    /// What the account truly got.
    pub(crate) async fn received(&self, control: &Control) -> (i64, usize) {
        control.received("stripe", &self.account).await
    }
}

/// The field `error.code`.
pub(crate) fn code(reply: &Reply) -> String {
    reply.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

/// The field `error.type`.
pub(crate) fn kind(reply: &Reply) -> String {
    reply.json()["error"]["type"].as_str().unwrap_or_default().to_owned()
}

/// The ids in a list.
pub(crate) fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap().to_owned()).collect()
}
