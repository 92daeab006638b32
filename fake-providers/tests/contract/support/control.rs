//! The control of a fake, which a real sandbox does not have.

use serde_json::{Value, json};

use super::http;

/// Calls below `/fake/`.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) base: String,
}

impl Control {
    pub(crate) async fn get(&self, path: &str) -> Value {
        let reply = http("GET", &format!("{}/{path}", self.base), &[], "").await;
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        reply.json()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Value {
        let reply = http("POST", &format!("{}/{path}", self.base), &[], &body.to_string()).await;
        assert_eq!(reply.status, 200, "{path}: {:?}", reply.body);
        reply.json()
    }

    pub(crate) async fn advance(&self, seconds: i64) {
        self.post("clock", json!({"advance_seconds": seconds})).await;
    }

    pub(crate) async fn fault(&self, rule: Value) {
        self.post("faults", rule).await;
    }

    /// What a receiver truly got: the amount, and from how many objects.
    pub(crate) async fn received(&self, provider: &str, receiver: &str) -> (i64, usize) {
        let rows = self.get(&format!("ledger/received?provider={provider}&receiver={receiver}")).await;
        let rows = rows.as_array().unwrap();
        assert!(rows.len() <= 1, "more than one currency: {rows:?}");
        rows.first().map_or((0, 0), |row| {
            (row["amount_minor"].as_i64().unwrap(), usize::try_from(row["object_count"].as_u64().unwrap()).unwrap())
        })
    }
}
