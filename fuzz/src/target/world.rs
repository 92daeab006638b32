//! One account and the rules, without a store: two sets that get the same commands. The second one shows the state before a command,
//! and that the same input gives the same output.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher};

use headwater::domain::account::KeyKind;
use headwater::domain::id::{AccountId, IdSource};
use headwater::domain::outcome::Outcome;
use headwater::domain::refusal::Refusal;
use headwater::domain::rule::{Envelope, NewApiKey, RegisterAccount};
use headwater::domain::set::WorkingSet;
use headwater::domain::time::Time;
use headwater::domain::{Decision, decide};
use headwater::error::{CallName, Error};
use headwater::rpc::call::change::{self, Asking, Change};
use headwater::store::form::Kept;
use prost::Message;
use sha2::{Digest, Sha256};
use tonic::Code;
use uuid::Uuid;

use super::changes::{Visitor, visit};
use crate::audit::Audit;

/// The start of the clock: 2026-01-01T00:00:00Z.
const START_MICROS: i64 = 1_767_225_600_000_000;

/// Clients limit headers to 8 KiB, and the details of an error are in them.
const ERROR_BYTES_MAX: usize = 7_500;
/// Clients limit answers to 4 MiB.
const ANSWER_BYTES_MAX: usize = 4 << 20;

struct CountedIds(u128);

impl IdSource for CountedIds {
    fn next_uuid(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

/// A set that holds everything, and its ids.
struct Side {
    set: WorkingSet,
    ids: CountedIds,
}

impl Side {
    fn new() -> Self {
        Self { set: WorkingSet::complete(), ids: CountedIds(0) }
    }

    fn decide(&mut self, envelope: &Envelope, now: Time) -> Result<Decision, Refusal> {
        decide(&mut self.set, envelope, now, &mut self.ids)
    }

    /// A hash over the whole set, which prints in a fixed order.
    fn digest(&self) -> u64 {
        struct Sink(DefaultHasher);
        impl std::fmt::Write for Sink {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        let mut sink = Sink(DefaultHasher::new());
        std::fmt::write(&mut sink, format_args!("{:?}", self.set)).expect("a hash takes every text");
        sink.0.finish()
    }
}

/// See the head of the file.
pub(super) struct World {
    one: Side,
    other: Side,
    audit: Audit,
    now: Time,
    account_id: AccountId,
}

impl World {
    pub(super) fn new() -> Self {
        let key = NewApiKey { text_prefix: "hw_admin_test".to_owned(), secret_hash: [0; 32] };
        let (display_name, email) = ("Shop".to_owned(), "owner@shop.example".to_owned());
        let (time_zone, token) = ("UTC".to_owned(), Some("token".to_owned()));
        let rule = RegisterAccount { display_name, email, time_zone, key, token, invitation: None, is_test: false };
        let envelope = Envelope { account_id: AccountId::SERVER, fingerprint: None, actor: None, command: rule.into() };
        let now = Time::from_micros(START_MICROS);
        let (mut one, mut other) = (Side::new(), Side::new());
        let registered = one.decide(&envelope, now).expect("the first account is registered").outcome;
        other.decide(&envelope, now).expect("the first account is registered");
        let Outcome::Registered(registered) = registered else { panic!("{registered:?}") };
        Self { one, other, audit: Audit::default(), now, account_id: registered.account.id }
    }

    pub(super) fn now_seconds(&self) -> i64 {
        self.now.micros() / 1_000_000
    }

    pub(super) fn wait_seconds(&mut self, seconds: i64) {
        self.now = self.now.plus_micros(seconds * 1_000_000 + 1);
    }

    /// Carries out the message of a method as the server does. Returns the answer's bytes. `None` if it was refused.
    ///
    /// # Panics
    /// A property does not hold.
    pub(super) fn perform(&mut self, method: &str, bytes: &[u8]) -> Option<Vec<u8>> {
        visit(method, bytes, Perform(self)).flatten()
    }

    fn carry_out<M: Change>(&mut self, message: &M) -> Result<Vec<u8>, Error> {
        let asking = Asking::new(self.now, KeyKind::Admin);
        let (rule, kept) = message.read(&asking)?;
        // Operators make accounts outside of any.
        let account_id = if M::NAME.ends_with("/RegisterAccount") { AccountId::SERVER } else { self.account_id };
        let envelope = change::envelope(message, rule, account_id, content_hash);
        let result = self.one.decide(&envelope, self.now);
        if result.as_ref().is_err() || result.as_ref().is_ok_and(|decision| decision.replayed) {
            assert_eq!(self.one.digest(), self.other.digest(), "changed something: {result:?} {envelope:?}");
        }
        assert_eq!(self.other.decide(&envelope, self.now), result, "the second time, {envelope:?}");
        let Decision { outcome, replayed } = result.map_err(|refusal| Error::from(refusal).with_paths(M::PATHS))?;
        let stored = outcome.to_text().expect("an outcome has a stored form");
        // As texts, because secrets are never stored.
        let read = Outcome::from_text(&stored).expect("a stored form is read back");
        assert_eq!(read.to_text().expect("an outcome has a stored form"), stored);
        let answer = M::render(change::answer::<M>(outcome)?, replayed, kept, &asking).encode_to_vec();
        assert!(answer.len() < ANSWER_BYTES_MAX, "{} answers with {} bytes", M::NAME, answer.len());
        Ok(answer)
    }

    /// Checks all invariants.
    pub(super) fn check(&mut self) {
        let checked = self.audit.check(&self.one.set, self.account_id);
        assert!(checked.is_ok(), "{checked:?}");
    }

    /// Checks that both sets are equal.
    pub(super) fn finish(&self) {
        assert_eq!(self.one.digest(), self.other.digest(), "the same commands gave another set");
    }
}

struct Perform<'world>(&'world mut World);

impl Visitor for Perform<'_> {
    type Output = Option<Vec<u8>>;

    fn visit<M: Change + PartialEq + Debug>(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let message = M::decode(bytes).ok()?;
        match self.0.carry_out(&message) {
            Ok(answer) => Some(answer),
            Err(error) => {
                assert_proper(M::NAME, error);
                None
            }
        }
    }
}

/// Checks that an error is the caller's and fits into the headers of an answer.
pub(super) fn assert_proper(method: &str, error: Error) {
    let text = format!("{error:?}");
    let status = error.into_status(&CallName::default());
    let is_ours = matches!(status.code(), Code::Internal | Code::Unknown | Code::DataLoss | Code::Unavailable);
    assert!(!is_ours, "{method}: {text}");
    let bytes = status.message().len() + status.details().len().div_ceil(3) * 4;
    assert!(bytes < ERROR_BYTES_MAX, "{method}: the error takes {bytes} bytes of headers: {text}");
}

/// A hash without the server's secret.
fn content_hash(scope: &str, content: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(scope).chain_update([0]).chain_update(content).finalize().into()
}
