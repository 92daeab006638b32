//! Calls that change something: a message in, a rule out, and the answer as a message. Each subject's file implements it for its
//! calls.
//!
//! Nothing here needs a server or a database. So the scenario tests can carry out the same messages against the rules alone, and
//! other transports than gRPC can use the same reading.

use prost::Message;

use crate::domain::account::KeyKind;
use crate::domain::id::AccountId;
use crate::domain::outcome::{OtherOutcome, Outcome};
use crate::domain::request::{Fingerprint, RecordedKind, RequestScope};
use crate::domain::rule::{Command, Envelope, Rule};
use crate::domain::time::Time;
use crate::error::{Error, FieldPaths};

/// The circumstances of a call that its reading and its answer depend on.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    /// When it came in.
    pub now: Time,
    /// The kind of key that makes it.
    pub key_kind: KeyKind,
}

/// The key that a call is recognised by when it is repeated; empty for none.
#[derive(Debug, Clone, Copy)]
pub enum RepeatKey<'message> {
    /// The event_id of a recorded event.
    Event(RecordedKind, &'message str),
    /// The request_id of any other call.
    Request(&'message str),
}

/// A method of the API, by the message that it takes.
pub trait Method: Message + Default + 'static {
    /// Its name, such as `headwater.v1.TrackingService/RecordSale`.
    const NAME: &'static str;

    /// The message that it answers with.
    type Response: Message + Default + 'static;
}

/// A method that carries out a rule.
pub trait Change: Method {
    /// The rule.
    type Rule: Rule + Into<Command>;

    /// A part of the reading that only the answer needs, such as the text of a new secret.
    type Kept;

    /// The paths of the rule's fields in the message, where they differ from the domain's names.
    const PATHS: FieldPaths = &[];

    /// The key that the call is recognised by.
    fn repeat_key(&self) -> RepeatKey<'_>;

    /// Reads the message.
    ///
    /// # Errors
    /// [`Error::InvalidFields`] with all faults.
    fn read(&self, asking: &Asking) -> Result<(Self::Rule, Self::Kept), Error>;

    /// The answer as a message.
    fn render(
        answer: <Self::Rule as Rule>::Answer,
        replayed: bool,
        kept: Self::Kept,
        asking: &Asking,
    ) -> Self::Response;
}

/// Puts a rule into the envelope of its message. `content_hash` is a keyed hash of a scope and of the message.
pub fn envelope<M: Change>(
    message: &M,
    rule: M::Rule,
    account_id: AccountId,
    content_hash: impl FnOnce(&str, &[u8]) -> [u8; 32],
) -> Envelope {
    let (scope, key) = match message.repeat_key() {
        RepeatKey::Event(kind, key) => (RequestScope::Event(kind), key),
        RepeatKey::Request(key) => (RequestScope::Method(M::NAME), key),
    };
    let fingerprint = (!key.is_empty()).then(|| Fingerprint {
        scope: scope.as_str().to_owned(),
        key: key.to_owned(),
        is_kept_for_ever: scope.is_kept_for_ever(),
        content_hash: content_hash(scope.as_str(), &message.encode_to_vec()),
    });
    Envelope { account_id, fingerprint, command: rule.into() }
}

/// The answer of a message's rule.
///
/// # Errors
/// [`Error::Internal`] for an outcome of another rule.
pub fn answer<M: Change>(outcome: Outcome) -> Result<<M::Rule as Rule>::Answer, Error> {
    // Leaves out the content, which may be personal.
    outcome.try_into().map_err(|error: OtherOutcome| Error::Internal(error.to_string()))
}
