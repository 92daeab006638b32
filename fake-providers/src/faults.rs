//! Which faults befall which requests: by number, by provider, method and path, or by chance from the seed. Carries none out.

use serde::{Deserialize, Serialize};

use crate::exchange::{Provider, Request};
use crate::ids::mix;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// The connection is cut, and nothing was done.
    DropBeforeApply,
    /// All is done, and the connection is cut before the answer.
    ApplyThenDrop,
    /// Waits before anything is done.
    DelayBefore { milliseconds: u64 },
    /// All is done, and the answer waits.
    DelayAfter { milliseconds: u64 },
    /// An error of the server, and nothing was done.
    ErrorBefore { status: u16 },
    /// An error of the server, and all was done.
    ErrorAfter { status: u16 },
    /// 429 with the header Retry-After, and nothing was done.
    RateLimit { retry_after_seconds: u32 },
    /// All is done, and the answer is no JSON.
    MalformedJson,
    /// All is done, and the connection is cut after so many bytes of the body.
    Truncate { bytes: usize },
    /// All is done, and the answer says something else in one of its fields, which a JSON pointer names.
    AnswerField { pointer: String, value: serde_json::Value },
    /// The balance is set before the request is carried out.
    DrainBefore { account: String, currency: String, amount_minor: i64 },
    /// The balance is set after the request was carried out.
    DrainAfter { account: String, currency: String, amount_minor: i64 },
    /// All tokens are no longer valid before the request is carried out.
    ExpireTokens,
    /// The webhooks that the request causes are delivered before its answer.
    WebhooksFirst,
}

/// A fault and the requests it befalls. A condition that is not given holds always.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    pub(crate) fault: Fault,
    #[serde(default)]
    provider: Option<Provider>,
    #[serde(default)]
    method: Option<String>,
    /// The path as the real provider has it; `*` is for any characters.
    #[serde(default)]
    path: Option<String>,
    /// The number of the request, counted from the start of the program or the last reset.
    #[serde(default)]
    number: Option<u64>,
    /// So many matching requests are let through first.
    #[serde(default)]
    skip: u64,
    /// How many requests it befalls; zero is for all that follow.
    #[serde(default = "once")]
    times: u64,
    /// Befalls a matching request by chance only, which the seed and the request's number decide.
    #[serde(default)]
    parts_per_million: Option<u64>,
    #[serde(skip)]
    id: u64,
    #[serde(skip)]
    hits: u64,
}

fn once() -> u64 {
    1
}

impl Rule {
    /// Whether the rule is for the request; counts it then.
    fn befalls(&mut self, seed: u64, request: &Request) -> bool {
        let matches = self.provider.is_none_or(|provider| provider == request.provider)
            && self.method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && self.path.as_deref().is_none_or(|pattern| fits(pattern, &request.path))
            && self.number.is_none_or(|number| number == request.number);
        if !matches {
            return false;
        }
        if let Some(chance) = self.parts_per_million
            && mix(seed ^ self.id.rotate_left(32), request.number) % 1_000_000 >= chance
        {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.times > 0 && self.hits >= self.times {
            return false;
        }
        self.hits += 1;
        true
    }
}

/// All rules.
#[derive(Debug)]
pub(crate) struct Faults {
    seed: u64,
    rules: Vec<Rule>,
    added: u64,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Faults {
        Faults { seed, rules: Vec::new(), added: 0 }
    }

    /// Adds a rule and returns its id.
    pub(crate) fn add(&mut self, mut rule: Rule) -> u64 {
        self.added += 1;
        rule.id = self.added;
        self.rules.push(rule);
        self.added
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules with how often each befell a request.
    pub(crate) fn list(&self) -> serde_json::Value {
        let rows = self.rules.iter().map(|rule| serde_json::json!({"id": rule.id, "hits": rule.hits, "rule": rule}));
        serde_json::Value::Array(rows.collect())
    }

    /// What befalls a request.
    pub(crate) fn of(&mut self, request: &Request) -> Vec<Fault> {
        let seed = self.seed;
        let hit = self.rules.iter_mut().filter_map(|rule| rule.befalls(seed, request).then(|| rule.fault.clone()));
        hit.collect()
    }
}

/// Whether the text is of the pattern, in which `*` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = rest.get(at + part.len()..).unwrap_or("");
    }
    true
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_have_stars() {
        assert!(fits("/v1/transfers", "/v1/transfers"));
        assert!(!fits("/v1/transfers", "/v1/transfers/1"));
        assert!(fits("/v1/transfers*", "/v1/transfers/1"));
        assert!(fits("/v1/*/cancel", "/v1/payments/x/cancel"));
        assert!(fits("*", "/anything"));
        assert!(!fits("/v1/*/cancel", "/v1/x/cancel/now"));
    }
}
