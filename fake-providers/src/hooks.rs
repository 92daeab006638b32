//! Webhooks on their way: in which order and how often they are sent, and what became of each. Signs nothing.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::exchange::Provider;

/// How webhooks are delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Delivering {
    /// How often each webhook is sent.
    pub(crate) copies: u32,
    /// So many webhooks are collected and then sent in reverse order. Zero sends each at once.
    pub(crate) reorder_window: usize,
    /// Webhooks that a request causes are delivered before its answer.
    pub(crate) before_answer: bool,
    /// How often a webhook is sent again if it was not answered with 2xx.
    pub(crate) retries: u32,
    pub(crate) retry_after_milliseconds: u64,
    pub(crate) signature: Signature,
}

/// How webhooks are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Signature {
    Good,
    /// Of another body.
    Wrong,
    /// PayPal: with a certificate that has expired.
    ExpiredCertificate,
    /// PayPal: with a certificate of a chain that nobody trusts.
    ForeignCertificate,
}

impl Default for Delivering {
    fn default() -> Delivering {
        Delivering {
            copies: 1,
            reorder_window: 0,
            before_answer: false,
            retries: 3,
            retry_after_milliseconds: 200,
            signature: Signature::Good,
        }
    }
}

/// A signed webhook.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) provider: Provider,
    /// By which the receiver recognises a repeat.
    pub(crate) id: String,
    pub(crate) event_type: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    pub(crate) attempts: u32,
}

/// The webhooks of all providers.
#[derive(Debug, Default)]
pub(crate) struct Hooks {
    pub(crate) delivering: Delivering,
    waiting: Vec<Delivery>,
    log: Vec<Value>,
}

impl Hooks {
    pub(crate) fn push(&mut self, delivery: Delivery) {
        for _ in 0..self.delivering.copies {
            self.waiting.push(delivery.clone());
        }
    }

    /// What is to be sent now, in this order.
    pub(crate) fn take_ready(&mut self) -> Vec<Delivery> {
        if self.delivering.reorder_window == 0 {
            std::mem::take(&mut self.waiting)
        } else if self.waiting.len() >= self.delivering.reorder_window {
            self.take_all()
        } else {
            Vec::new()
        }
    }

    /// All that were collected, in reverse order.
    pub(crate) fn take_all(&mut self) -> Vec<Delivery> {
        let mut all = std::mem::take(&mut self.waiting);
        if self.delivering.reorder_window > 0 {
            all.reverse();
        }
        all
    }

    /// Records a try. `status` is missing if there was no answer.
    pub(crate) fn record(&mut self, delivery: &Delivery, status: Option<u16>) {
        self.log.push(json!({
            "provider": delivery.provider, "id": delivery.id, "event_type": delivery.event_type,
            "url": delivery.url, "attempt": delivery.attempts, "status": status,
        }));
    }

    /// All tries, oldest first.
    pub(crate) fn log(&self) -> Value {
        json!({"waiting": self.waiting.len(), "tries": self.log})
    }
}
