//! Answered requests, kept so that a repeated call gets the first answer again.
//!
//! There are two kinds of key, and both use one mechanism. The `event_id` of a recorded event is kept for ever, under its kind.
//! The `request_id` of any other call is kept for 30 days, under its method. The row is written in the same transaction as the
//! effect.

use uuid::Uuid;

use super::conversion::ConversionKind;
use super::id::AccountId;
use super::outcome::Outcome;
use super::refusal::Field;
use super::text_enum::text_enum;
use super::time::Time;

/// How long a request_id is kept.
pub const REQUEST_ID_KEPT_DAYS: i32 = 30;

text_enum! {
    /// A kind of event that is recorded under an event_id.
    RecordedKind {
        /// A click.
        Click = "click",
        /// A sign-up.
        Lead = "lead",
        /// A sale.
        Sale = "sale",
        /// A refund.
        Refund = "refund",
        /// A customer cancelled.
        Cancellation = "cancellation",
        /// A refund was undone.
        RefundUndo = "refund_undo",
        /// The amount of a sale was corrected.
        Correction = "correction",
        /// A customer disputes the payment of a sale.
        Dispute = "dispute",
        /// A dispute ended.
        DisputeResolution = "dispute_resolution",
        /// An appointment.
        Appointment = "appointment",
        /// A custom event.
        CustomEvent = "custom_event",
    }
}

impl From<ConversionKind> for RecordedKind {
    fn from(kind: ConversionKind) -> Self {
        match kind {
            ConversionKind::Lead => Self::Lead,
            ConversionKind::Sale => Self::Sale,
            ConversionKind::Refund => Self::Refund,
            ConversionKind::Cancellation => Self::Cancellation,
            ConversionKind::RefundUndo => Self::RefundUndo,
            ConversionKind::Correction => Self::Correction,
            ConversionKind::Dispute => Self::Dispute,
            ConversionKind::DisputeResolution => Self::DisputeResolution,
            ConversionKind::Appointment => Self::Appointment,
            ConversionKind::CustomEvent => Self::CustomEvent,
        }
    }
}

/// The scope in which a request key is unique: the kind of a recorded event, or the name of a method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestScope {
    /// Clicks, leads, sales ...: `event_id`, kept for ever.
    Event(RecordedKind),
    /// Other calls, by the method's full name: `request_id`, kept for [`REQUEST_ID_KEPT_DAYS`].
    Method(&'static str),
}

impl Fingerprint {
    /// The field of the request that contains the key.
    pub const fn key_field(&self) -> Field {
        if self.is_kept_for_ever { Field::EventId } else { Field::RequestId }
    }
}

impl RequestScope {
    /// The scope's text as stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Event(kind) => kind.as_str(),
            Self::Method(name) => name,
        }
    }

    /// Whether keys in this scope are kept for ever.
    pub const fn is_kept_for_ever(self) -> bool {
        matches!(self, Self::Event(_))
    }
}

/// The key under which a request is kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RequestKey {
    pub account_id: AccountId,
    /// [`RequestScope::as_str`].
    pub scope: String,
    /// The event_id or request_id.
    pub key: String,
}

impl RequestKey {
    /// The key of a recorded event.
    pub fn event(account_id: AccountId, kind: RecordedKind, event_id: &str) -> Self {
        Self { account_id, scope: RequestScope::Event(kind).as_str().to_owned(), key: event_id.to_owned() }
    }

    /// Whether it is the key of an event that is attributed as a sale is. Its effect is a conversion, and the rest of its answer is there.
    pub fn is_attributed_as_sale(&self) -> bool {
        let kinds = [RecordedKind::Sale, RecordedKind::Appointment, RecordedKind::CustomEvent];
        kinds.iter().any(|kind| self.scope == kind.as_str())
    }
}

/// A request that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Request {
    pub key: RequestKey,
    /// Keyed hash of its content.
    pub content_hash: [u8; 32],
    /// The UUID of the row that the request made, in that kind's table.
    pub effect: Uuid,
    /// [`Outcome::to_keep`].
    pub outcome: Outcome,
    pub created_at: Time,
    /// When it may be deleted; none means never.
    pub expires_at: Option<Time>,
}

/// Identifies a request, so that a repeat is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint {
    /// [`RequestScope::as_str`].
    pub scope: String,
    /// The event_id or request_id.
    pub key: String,
    /// Whether the key is kept for ever.
    pub is_kept_for_ever: bool,
    /// Keyed hash of the request's content.
    pub content_hash: [u8; 32],
}
