//! A request and its answer, without the connection that carries them. Knows no provider.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;

/// Whose API was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Provider {
    PayPal,
    Stripe,
    Wise,
}

impl Provider {
    /// Its part of the path, and its name in the ledger.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Provider::PayPal => "paypal",
            Provider::Stripe => "stripe",
            Provider::Wise => "wise",
        }
    }

    pub(crate) fn by_name(name: &str) -> Option<Provider> {
        [Provider::PayPal, Provider::Stripe, Provider::Wise].into_iter().find(|provider| provider.name() == name)
    }
}

/// One call of a provider.
#[derive(Debug)]
pub(crate) struct Request {
    /// Which call of all since the start, from one.
    pub(crate) number: u64,
    pub(crate) provider: Provider,
    pub(crate) method: String,
    /// The path as the real provider has it.
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The address of the provider as the caller knows it, for links.
    pub(crate) base: String,
}

impl Request {
    /// The parts of the path.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.split('/').filter(|part| !part.is_empty()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The value after `Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ").map(str::trim)
    }

    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON, or nothing if it is none.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// What a provider answers.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        let headers = vec![("content-type", "application/json".to_owned())];
        Answer { status, headers, body: Bytes::from(body.to_string()) }
    }

    pub(crate) fn empty(status: u16) -> Answer {
        Answer { status, headers: Vec::new(), body: Bytes::new() }
    }

    pub(crate) fn text(content_type: &str, body: String) -> Answer {
        Answer { status: 200, headers: vec![("content-type", content_type.to_owned())], body: Bytes::from(body) }
    }

    /// Sets a field of a body that is JSON, if the body has the field.
    pub(crate) fn set_field(&mut self, pointer: &str, value: &Value) {
        let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) else { return };
        if let Some(field) = body.pointer_mut(pointer) {
            field.clone_from(value);
            self.body = Bytes::from(body.to_string());
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }
}
