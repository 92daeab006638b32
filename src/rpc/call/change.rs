//! Calls that change something: a message comes in, a rule is carried out, and the answer goes out as a message. Each subject's
//! file implements this for its calls.
//!
//! Nothing here needs a server or a database. The scenario tests can therefore carry out the same messages against the rules
//! alone, and transports other than gRPC can use the same parsing.

use std::borrow::Cow;

use prost::Message;

use crate::domain::account::KeyKind;
use crate::domain::id::AccountId;
use crate::domain::outcome::{OtherOutcome, Outcome};
use crate::domain::request::{Fingerprint, RecordedKind, RequestScope};
use crate::domain::rule::{Command, Envelope, Rule};
use crate::domain::time::Time;
use crate::error::{Error, FieldPaths};
use crate::secrets::Secrets;

/// The circumstances of a call that parsing and answering depend on.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'call> {
    /// When the call arrived.
    pub now: Time,
    /// The kind of the calling key.
    pub key_kind: KeyKind,
    /// The account of the calling key.
    pub account_id: AccountId,
    /// The keys that seal what must not be readable in the database.
    pub secrets: &'call Secrets,
}

impl Asking<'static> {
    /// A call in which nothing is sealed.
    pub const fn new(now: Time, key_kind: KeyKind) -> Self {
        Self { now, key_kind, account_id: AccountId::SERVER, secrets: Secrets::NONE }
    }
}

/// The key by which a repeated call is recognised. Empty: the call is never taken for a repeated one.
#[derive(Debug, Clone, Copy)]
pub enum RepeatKey<'message> {
    /// The event_id of a recorded event.
    Event(RecordedKind, &'message str),
    /// The request_id of any other call.
    Request(&'message str),
}

/// A method of the API, identified by its request message.
pub trait Method: Message + Default + 'static {
    /// The method's name, such as `headwater.v1.TrackingService/RecordSale`.
    const NAME: &'static str;

    /// The kinds of key that may call it.
    const KINDS: &'static [KeyKind];

    /// The method's response message.
    type Response: Message + Default + 'static;
}

/// Whether calls of the method are in the audit log: those that keys which only record may not make. Sales and clicks are too many.
pub fn is_audited<M: Method>() -> bool {
    !M::KINDS.contains(&KeyKind::Tracking)
}

/// A method that carries out a rule.
pub trait Change: Method + Clone {
    /// The rule that the method carries out.
    type Rule: Rule + Into<Command>;

    /// Data from parsing that only the answer needs, such as the text of a new secret.
    type Kept;

    /// The paths of the rule's fields in the message. Only fields with other names than in the domain.
    const PATHS: FieldPaths = &[];

    /// The key by which a repeated call is recognised.
    fn repeat_key(&self) -> RepeatKey<'_>;

    /// The message in the form that all messages of the same meaning have. A repeat is recognised by it. Made with `canonical!`,
    /// which needs every field.
    fn canonical(&self) -> Cow<'_, Self>;

    /// Parses the message.
    ///
    /// # Errors
    /// [`Error::InvalidFields`] with all violations.
    fn read(&self, asking: &Asking) -> Result<(Self::Rule, Self::Kept), Error>;

    /// The answer as a message.
    fn render(
        answer: <Self::Rule as Rule>::Answer,
        replayed: bool,
        kept: Self::Kept,
        asking: &Asking,
    ) -> Self::Response;
}

/// Wraps a rule in the envelope of its message. `content_hash` is a keyed hash over a scope and the message.
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
        content_hash: content_hash(scope.as_str(), &message.canonical().encode_to_vec()),
    });
    Envelope { account_id, fingerprint, actor: None, command: rule.into() }
}

/// The answer of the rule, taken from its outcome.
///
/// # Errors
/// [`Error::Internal`] when the outcome belongs to another rule.
pub fn answer<M: Change>(outcome: Outcome) -> Result<<M::Rule as Rule>::Answer, Error> {
    // The error's text leaves the content out, because it may be personal.
    outcome.try_into().map_err(|error: OtherOutcome| Error::Internal(error.to_string()))
}
