//! All state of all fakes, and the steps of one request through it. Does not wait and knows no connection.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::crypto::Keys;
use crate::exchange::{Answer, Provider, Request};
use crate::faults::{Fault, Faults};
use crate::hooks::Hooks;
use crate::ids::Ids;
use crate::ledger::Ledger;
use crate::paypal::PayPal;
use crate::stripe::Stripe;
use crate::wise::Wise;
use crate::{Settings, paypal, stripe, wise};

/// What all providers use.
pub(crate) struct Common {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) ledger: Ledger,
    pub(crate) hooks: Hooks,
    pub(crate) keys: Arc<Keys>,
}

/// The state of all fakes.
pub(crate) struct World {
    settings: Settings,
    pub(crate) common: Common,
    pub(crate) faults: Faults,
    pub(crate) paypal: PayPal,
    pub(crate) stripe: Stripe,
    pub(crate) wise: Wise,
    requests: Vec<Value>,
    number: u64,
}

impl World {
    pub(crate) fn new(settings: Settings, keys: Arc<Keys>) -> World {
        let common = Common {
            clock: Clock::new(settings.time),
            ids: Ids::new(settings.seed),
            ledger: Ledger::default(),
            hooks: Hooks::default(),
            keys,
        };
        World {
            faults: Faults::new(settings.seed),
            settings,
            common,
            paypal: PayPal::default(),
            stripe: Stripe::default(),
            wise: Wise::default(),
            requests: Vec::new(),
            number: 0,
        }
    }

    /// Forgets all that happened, as at the start.
    pub(crate) fn reset(&mut self) {
        *self = World::new(self.settings.clone(), Arc::clone(&self.common.keys));
    }

    /// Lets all that is due by now happen.
    pub(crate) fn settle(&mut self) {
        self.paypal.settle(&mut self.common);
        self.stripe.settle(&mut self.common);
        self.wise.settle(&mut self.common);
    }

    /// Numbers the request and says which faults befall it.
    pub(crate) fn begin(&mut self, request: &mut Request) -> Vec<Fault> {
        self.number += 1;
        request.number = self.number;
        self.settle();
        if request.provider == Provider::Stripe {
            self.stripe.begin(request);
        }
        self.faults.of(request)
    }

    /// Carries the request out. The answer is the one that the caller gets, unless the connection is cut.
    pub(crate) fn apply(&mut self, request: &Request, faults: &[Fault]) -> Answer {
        self.settle();
        for fault in faults {
            match fault {
                Fault::DrainBefore { account, currency, amount_minor } => self.drain(account, currency, *amount_minor),
                Fault::ExpireTokens if request.provider == Provider::PayPal => self.paypal.expire_tokens(),
                _ => {}
            }
        }
        let mut answer = self.apply_or_refuse(request, faults);
        for fault in faults {
            match fault {
                Fault::ErrorAfter { status } => {
                    let is_replayed = answer.headers.iter().any(|(name, _)| *name == "idempotent-replayed");
                    answer = self.error(request.provider, *status, None);
                    self.remember(request, &answer, is_replayed);
                }
                Fault::DrainAfter { account, currency, amount_minor } => self.drain(account, currency, *amount_minor),
                Fault::AnswerField { pointer, value } => answer.set_field(pointer, value),
                Fault::MalformedJson => answer.body = bytes::Bytes::from_static(b"{\"id\": \"cut off"),
                _ => {}
            }
        }
        answer
    }

    fn apply_or_refuse(&mut self, request: &Request, faults: &[Fault]) -> Answer {
        for fault in faults {
            match fault {
                Fault::RateLimit { retry_after_seconds } => {
                    return self.error(request.provider, 429, Some(*retry_after_seconds));
                }
                // Tokens of the others are not renewed, so only this request is refused.
                Fault::ExpireTokens if request.provider != Provider::PayPal => {
                    return self.error(request.provider, 401, None);
                }
                Fault::ErrorBefore { status } => {
                    let answer = self.error(request.provider, *status, None);
                    self.remember(request, &answer, self.stripe.has_stored(request));
                    return answer;
                }
                _ => {}
            }
        }
        self.answer(request)
    }

    /// Stripe keeps an error of the server as the answer to the request's key, unless an earlier request has used the key.
    fn remember(&mut self, request: &Request, answer: &Answer, is_used: bool) {
        if request.provider == Provider::Stripe && !is_used {
            self.stripe.remember_error(&self.common, request, answer);
        }
    }

    fn answer(&mut self, request: &Request) -> Answer {
        match request.provider {
            Provider::PayPal => self.paypal.answer(&mut self.common, request),
            Provider::Stripe => self.stripe.answer(&mut self.common, request),
            Provider::Wise => self.wise.answer(&mut self.common, request),
        }
    }

    /// An error that is no refusal, in the provider's own form.
    fn error(&mut self, provider: Provider, status: u16, retry_after_seconds: Option<u32>) -> Answer {
        let answer = match provider {
            Provider::PayPal => paypal::errors::of_status(&mut self.common.ids, status),
            Provider::Stripe => stripe::errors::of_status(status),
            Provider::Wise => wise::errors::of_status(status),
        };
        match retry_after_seconds {
            Some(seconds) => answer.with_header("retry-after", seconds.to_string()),
            None => answer,
        }
    }

    /// Records how the request ended. Without a status the connection was cut before anything was done.
    pub(crate) fn end(&mut self, request: &Request, faults: &[Fault], status: Option<u16>) {
        if request.provider == Provider::Stripe {
            self.stripe.end(request);
        }
        self.requests.push(json!({
            "number": request.number, "provider": request.provider, "method": request.method, "path": request.path,
            "status": status, "faults": faults,
        }));
    }

    /// All requests of providers, oldest first.
    pub(crate) fn requests(&self) -> Value {
        Value::Array(self.requests.clone())
    }

    /// How many requests of providers have begun.
    pub(crate) fn request_count(&self) -> u64 {
        self.number
    }

    fn drain(&mut self, account: &str, currency: &str, amount_minor: i64) {
        let now = self.common.clock.now_ms();
        self.common.ledger.set_balance(now, account, currency, amount_minor);
    }
}
