//! Events: committed facts, numbered without a gap in their account's feed.

use std::sync::Arc;

use super::id::{AccountId, AffiliateId, EventId, ProgramId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The type of an event.
    EventType {
        /// A lead was bound.
        LeadRecorded = "lead_recorded",
        /// A sale was credited.
        SaleRecorded = "sale_recorded",
        /// A sale that nobody had referred was credited, because its lead arrived later.
        SaleAttributed = "sale_attributed",
        /// A refund was booked.
        RefundRecorded = "refund_recorded",
        /// A refund waits for its sale.
        RefundWaiting = "refund_waiting",
        /// A refund was booked against the sale.
        SaleRefunded = "sale_refunded",
        /// A customer cancelled.
        CancellationRecorded = "cancellation_recorded",
        /// Rewards were approved.
        RewardApproved = "reward_approved",
        /// Rewards were denied.
        RewardDenied = "reward_denied",
        /// Negative rewards of earlier refunds were settled with the reward that they take back from.
        RewardReversed = "reward_reversed",
        /// The account was registered.
        AccountRegistered = "account_registered",
        /// The account was changed.
        AccountUpdated = "account_updated",
        /// An API key was made.
        ApiKeyCreated = "api_key_created",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key_revoked",
        /// A program was made.
        ProgramCreated = "program_created",
        /// A program or its terms were changed.
        ProgramUpdated = "program_updated",
        /// A program was archived.
        ProgramArchived = "program_archived",
        /// An affiliate was made.
        AffiliateCreated = "affiliate_created",
        /// An affiliate was enrolled.
        EnrollmentCreated = "enrollment_created",
        /// An enrollment was changed.
        EnrollmentUpdated = "enrollment_updated",
        /// An enrollment ended.
        EnrollmentEnded = "enrollment_ended",
        /// A link was made.
        LinkCreated = "link_created",
        /// A link was revoked.
        LinkRevoked = "link_revoked",
        /// A coupon was assigned.
        CouponAssigned = "coupon_assigned",
        /// A coupon was removed.
        CouponRemoved = "coupon_removed",
    }
}

/// Makes [`EventImage`] of one list: each variant with its value, the id of the subject, and the program and the affiliate that
/// filters see.
macro_rules! images {
    ($($(#[$doc:meta])* $variant:ident($image:ty): |$value:ident| $id:expr, $program_id:expr, $affiliate_id:expr;)*) => {
        /// The subject of an event, as the event left it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum EventImage {
            $($(#[$doc])* $variant($image),)*
        }

        impl EventImage {
            /// The id of the subject.
            pub fn subject_id(&self) -> String {
                match self {
                    $(Self::$variant($value) => $id.to_string(),)*
                }
            }

            /// The program and the affiliate that the event concerns, as filters see them.
            pub fn concerns(&self) -> (Option<ProgramId>, Option<AffiliateId>) {
                #[expect(unused_variables, reason = "some subjects concern neither")]
                match self {
                    $(Self::$variant($value) => ($program_id, $affiliate_id),)*
                }
            }
        }
    };
}

images! {
    /// A conversion with its rewards. Holds ids and amounts only: the feed outlives the people in it.
    Conversion(super::conversion::ConversionImage): |image| image.conversion.id,
        image.conversion.credit.map(|credit| credit.program_id),
        image.conversion.credit.map(|credit| credit.affiliate_id);
    /// An account.
    Account(Arc<super::account::Account>): |account| account.id, None, None;
    /// An API key.
    ApiKey(Arc<super::account::ApiKey>): |key| key.id, None, None;
    /// A program.
    Program(Arc<super::program::Program>): |program| program.id, Some(program.id), None;
    /// An affiliate.
    Affiliate(Arc<super::affiliate::Affiliate>): |affiliate| affiliate.id, None, Some(affiliate.id);
    /// An enrollment.
    Enrollment(Arc<super::enrollment::Enrollment>): |enrollment| enrollment.id,
        Some(enrollment.program_id), Some(enrollment.affiliate_id);
    /// A link.
    Link(InProgram<super::link::Link>): |link| link.row.id, Some(link.program_id), Some(link.row.affiliate_id);
    /// A coupon.
    Coupon(InProgram<super::coupon::Coupon>): |coupon| coupon.row.id,
        Some(coupon.program_id), Some(coupon.row.affiliate_id);
}

/// A row with the program of its enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InProgram<T> {
    /// The row.
    pub row: Arc<T>,
    /// The program.
    pub program_id: ProgramId,
}

/// An event before it has its sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct NewEvent {
    pub id: EventId,
    pub account_id: AccountId,
    pub event_type: EventType,
    pub occurred_at: Time,
    /// Its subject right after it.
    pub image: EventImage,
    /// The request_id or event_id that caused it; empty for the server's own work.
    pub cause_id: String,
}

/// The fields that a filter compares. They are stored beside the event's body in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EventHeader {
    pub event_type: EventType,
    pub program_id: Option<ProgramId>,
    pub affiliate_id: Option<AffiliateId>,
}

impl NewEvent {
    /// The fields that a filter compares.
    pub fn header(&self) -> EventHeader {
        let (program_id, affiliate_id) = self.image.concerns();
        EventHeader { event_type: self.event_type, program_id, affiliate_id }
    }
}

/// The events that a reader wants. Every field must match; an empty field matches all events, another one any of its values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EventFilter {
    pub types: Vec<EventType>,
    pub program_ids: Vec<ProgramId>,
    pub affiliate_ids: Vec<AffiliateId>,
}

impl EventFilter {
    /// Whether the reader wants all events.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty() && self.program_ids.is_empty() && self.affiliate_ids.is_empty()
    }

    /// Whether the reader wants this event.
    pub fn lets_through(&self, event: &EventHeader) -> bool {
        fn fits<T: PartialEq>(wanted: &[T], value: Option<&T>) -> bool {
            wanted.is_empty() || value.is_some_and(|value| wanted.contains(value))
        }
        fits(&self.types, Some(&event.event_type))
            && fits(&self.program_ids, event.program_id.as_ref())
            && fits(&self.affiliate_ids, event.affiliate_id.as_ref())
    }
}
