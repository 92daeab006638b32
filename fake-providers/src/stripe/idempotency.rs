//! Answers that are kept under the key of their request for a day, errors of the server among them.

use super::{Stripe, errors, platform_of};
use crate::exchange::{Answer, Request};
use crate::ids::mix;
use crate::world::Common;

const KEY_LENGTH_MAX: usize = 255;

/// An answer that a repeat gets.
#[derive(Debug)]
pub(super) struct Stored {
    at_ms: i64,
    request: u64,
    answer: Answer,
}

/// What tells one request from another: where it goes and what it says.
fn fingerprint(request: &Request) -> u64 {
    let account = request.header("stripe-account").unwrap_or("");
    let whole = [request.method.as_bytes(), request.path.as_bytes(), account.as_bytes(), request.body.as_ref()];
    whole.iter().flat_map(|part| part.iter().chain([&0])).fold(0, |sum, byte| mix(sum, u64::from(*byte) + 1))
}

fn key_of(request: &Request) -> Option<(String, String)> {
    let key = request.header("idempotency-key").filter(|_| request.method == "POST")?;
    Some((platform_of(request)?, key.to_owned()))
}

impl Stripe {
    /// The answer that was kept under the key, or the refusal of its use for another request.
    pub(super) fn stored_answer(
        &mut self,
        common: &Common,
        key: &(String, String),
        request: &Request,
    ) -> Option<Answer> {
        if key.1.len() > KEY_LENGTH_MAX {
            return Some(errors::invalid("The idempotency key may have at most 255 characters", None).answer);
        }
        if self.in_progress.get(key).is_some_and(|number| *number != request.number) {
            return Some(errors::in_progress());
        }
        let kept_ms = self.settings.key_hours.saturating_mul(3_600_000);
        let is_old = self.stored.get(key)?.at_ms.saturating_add(kept_ms) <= common.clock.now_ms();
        if is_old {
            self.stored.remove(key);
            return None;
        }
        let stored = self.stored.get(key)?;
        if stored.request != fingerprint(request) {
            return Some(errors::other_request());
        }
        Some(stored.answer.clone().with_header("idempotent-replayed", "true"))
    }

    pub(super) fn store(&mut self, common: &Common, key: (String, String), request: &Request, answer: &Answer) {
        let stored = Stored { at_ms: common.clock.now_ms(), request: fingerprint(request), answer: answer.clone() };
        self.stored.insert(key, stored);
    }

    /// Whether an earlier request has used the key.
    pub(crate) fn has_stored(&self, request: &Request) -> bool {
        key_of(request).is_some_and(|key| self.stored.contains_key(&key))
    }

    /// Keeps an error of the server, in place of what the request was answered with.
    pub(crate) fn remember_error(&mut self, common: &Common, request: &Request, answer: &Answer) {
        if let Some(key) = key_of(request) {
            self.store(common, key, request, answer);
        }
    }

    /// The request is being carried out from now on: another one with its key is refused.
    pub(crate) fn begin(&mut self, request: &Request) {
        if let Some(key) = key_of(request) {
            self.in_progress.entry(key).or_insert(request.number);
        }
    }

    /// The request is answered.
    pub(crate) fn end(&mut self, request: &Request) {
        if let Some(key) = key_of(request)
            && self.in_progress.get(&key) == Some(&request.number)
        {
            self.in_progress.remove(&key);
        }
    }
}
