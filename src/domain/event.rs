//! Events: committed facts, numbered without a gap in the feed of their account.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::{SmallVec, smallvec};
use uuid::Uuid;

use super::conversion::Credit;
use super::id::{AccountId, AffiliateId, EventId, ProgramId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The kind of an event.
    EventKind {
        /// A sign-up was credited.
        LeadRecorded = "lead_recorded",
        /// A sale was credited.
        SaleRecorded = "sale_recorded",
        /// The credit of a sale or sign-up changed, because an earlier event was recorded after it. A sale that nobody had
        /// referred is credited when its lead arrives.
        SaleAttributed = "sale_attributed",
        /// A refund was booked against the sale.
        SaleRefunded = "sale_refunded",
        /// A refund was booked.
        RefundRecorded = "refund_recorded",
        /// A refund that waited was booked, and was larger than what its sale had left. The owner should look at it.
        RefundExceededSale = "refund_exceeded_sale",
        /// A refund waits for its sale.
        RefundWaiting = "refund_waiting",
        /// A refund was undone.
        RefundUndone = "refund_undone",
        /// A refund of the sale was undone.
        SaleRestored = "sale_restored",
        /// A correction of a sale was recorded.
        CorrectionRecorded = "correction_recorded",
        /// The amount of the sale was corrected.
        SaleCorrected = "sale_corrected",
        /// A sale is disputed.
        DisputeOpened = "dispute_opened",
        /// A dispute ended, or ended otherwise than was told before.
        DisputeResolved = "dispute_resolved",
        /// A customer cancelled.
        CancellationRecorded = "cancellation_recorded",
        /// An appointment was credited.
        AppointmentRecorded = "appointment_recorded",
        /// A custom event was credited.
        CustomEventRecorded = "custom_event_recorded",
        /// Rewards of a conversion changed state.
        ConversionUpdated = "conversion_updated",
        /// A lead was made.
        LeadCreated = "lead_created",
        /// A lead was changed.
        LeadUpdated = "lead_updated",
        /// A lead was bound by hand.
        LeadAttributed = "lead_attributed",
        /// A lead was merged into another one.
        LeadMerged = "lead_merged",
        /// A lead was deleted.
        LeadDeleted = "lead_deleted",
        /// A reward was approved.
        RewardApproved = "reward_approved",
        /// A reward was denied.
        RewardDenied = "reward_denied",
        /// A reward is kept from approval.
        RewardHeld = "reward_held",
        /// A held reward is pending again.
        RewardReleased = "reward_released",
        /// A dispute of its sale froze a reward.
        RewardFrozen = "reward_frozen",
        /// A dispute of its sale ended, and a reward has its former state again.
        RewardRestored = "reward_restored",
        /// Refunds took back the whole of an unpaid reward. The reward and each negative reward of its earlier refunds get an
        /// event of this kind.
        RewardReversed = "reward_reversed",
        /// A person created a reward, or an affiliate got the bonus of its enrollment or the reward of a submission.
        RewardCreated = "reward_created",
        /// An affiliate was given what is no cash.
        RewardFulfilled = "reward_fulfilled",
        /// A payout reserved a reward, or was reopened after it had paid it.
        RewardReserved = "reward_reserved",
        /// The payout of a reward was cancelled, and the reward is approved again.
        RewardReturned = "reward_returned",
        /// A payout paid a reward.
        RewardPaid = "reward_paid",
        /// A payout was created.
        PayoutCreated = "payout_created",
        /// A payout was approved.
        PayoutApproved = "payout_approved",
        /// The provider has a payout.
        PayoutSent = "payout_sent",
        /// A payout waits for money at the provider.
        PayoutAwaitingFunds = "payout_awaiting_funds",
        /// A payout that waited for money goes on.
        PayoutResumed = "payout_resumed",
        /// The provider reports another state of a payout that it has.
        PayoutUpdated = "payout_updated",
        /// A person must act before a payout goes on.
        PayoutNeedsAttention = "payout_needs_attention",
        /// The provider does not pay a payout.
        PayoutFailed = "payout_failed",
        /// The money of a payout came back.
        PayoutReturned = "payout_returned",
        /// A payout was cancelled.
        PayoutCancelled = "payout_cancelled",
        /// An affiliate was paid.
        PayoutPaid = "payout_paid",
        /// The payout method of an affiliate was set.
        PayoutMethodSet = "payout_method_set",
        /// The payout method of an affiliate was removed.
        PayoutMethodRemoved = "payout_method_removed",
        /// The tax profile of an affiliate was set.
        TaxProfileSet = "tax_profile_set",
        /// The tax profile of an affiliate was confirmed or refused.
        TaxProfileReviewed = "tax_profile_reviewed",
        /// The tax profile of an affiliate was removed.
        TaxProfileRemoved = "tax_profile_removed",
        /// The account's billing profile was set.
        BillingProfileSet = "billing_profile_set",
        /// The account was connected to a payout provider.
        PayoutConnectionSet = "payout_connection_set",
        /// The connection to a payout provider was removed.
        PayoutConnectionRemoved = "payout_connection_removed",
        /// A reconciliation found differences that were not known before.
        PayoutDifferencesFound = "payout_differences_found",
        /// A payout is in a file.
        PayoutExported = "payout_exported",
        /// A person undid that an affiliate was paid.
        PayoutReopened = "payout_reopened",
        /// A document of a payout got its number.
        PayoutDocumentFinalized = "payout_document_finalized",
        /// A document of a payout is void.
        PayoutDocumentVoided = "payout_document_voided",
        /// A payout run was created.
        PayoutRunCreated = "payout_run_created",
        /// All payouts of a run were created, or all that could be cancelled were.
        PayoutRunFinished = "payout_run_finished",
        /// A payout run is being cancelled.
        PayoutRunCancelled = "payout_run_cancelled",
        /// A payout schedule was made.
        PayoutScheduleCreated = "payout_schedule_created",
        /// A payout schedule was changed.
        PayoutScheduleUpdated = "payout_schedule_updated",
        /// A payout schedule was archived.
        PayoutScheduleArchived = "payout_schedule_archived",
        /// A program was made.
        ProgramCreated = "program_created",
        /// A program or its terms were changed.
        ProgramUpdated = "program_updated",
        /// A program was archived.
        ProgramArchived = "program_archived",
        /// An affiliate was made.
        AffiliateCreated = "affiliate_created",
        /// An affiliate was changed.
        AffiliateUpdated = "affiliate_updated",
        /// An affiliate became active.
        AffiliateApproved = "affiliate_approved",
        /// An affiliate's application was rejected.
        AffiliateRejected = "affiliate_rejected",
        /// An affiliate was deactivated.
        AffiliateDeactivated = "affiliate_deactivated",
        /// An affiliate got another token.
        AffiliateTokenRotated = "affiliate_token_rotated",
        /// The personal data of an affiliate was erased.
        AffiliateErased = "affiliate_erased",
        /// An affiliate got another upline, or none.
        AffiliateUplineChanged = "affiliate_upline_changed",
        /// An affiliate was enrolled.
        EnrollmentCreated = "enrollment_created",
        /// An enrollment was changed.
        EnrollmentUpdated = "enrollment_updated",
        /// An enrollment ended.
        EnrollmentEnded = "enrollment_ended",
        /// A link was made.
        LinkCreated = "link_created",
        /// A link was changed.
        LinkUpdated = "link_updated",
        /// A link was revoked.
        LinkRevoked = "link_revoked",
        /// A coupon was assigned.
        CouponAssigned = "coupon_assigned",
        /// A coupon was removed.
        CouponRemoved = "coupon_removed",
        /// A group of affiliates was made.
        AffiliateGroupCreated = "affiliate_group_created",
        /// A group of affiliates was changed.
        AffiliateGroupUpdated = "affiliate_group_updated",
        /// A group of affiliates was archived.
        AffiliateGroupArchived = "affiliate_group_archived",
        /// An item was made.
        ItemCreated = "item_created",
        /// An item was changed.
        ItemUpdated = "item_updated",
        /// An item was archived.
        ItemArchived = "item_archived",
        /// A coupon was changed.
        CouponUpdated = "coupon_updated",
        /// An offer was made.
        OfferCreated = "offer_created",
        /// An offer was changed, or a claim was given back.
        OfferUpdated = "offer_updated",
        /// An offer was claimed.
        OfferClaimed = "offer_claimed",
        /// An offer was archived.
        OfferArchived = "offer_archived",
        /// A bounty was made.
        BountyCreated = "bounty_created",
        /// A bounty was changed.
        BountyUpdated = "bounty_updated",
        /// A bounty was archived.
        BountyArchived = "bounty_archived",
        /// The winners of a contest were named.
        ContestDecided = "contest_decided",
        /// An affiliate submitted something to a bounty.
        SubmissionCreated = "submission_created",
        /// A submission was approved, or named a winner.
        SubmissionApproved = "submission_approved",
        /// A submission was rejected.
        SubmissionRejected = "submission_rejected",
        /// An API key was made.
        ApiKeyCreated = "api_key_created",
        /// An API key was revoked.
        ApiKeyRevoked = "api_key_revoked",
        /// An API key was changed.
        ApiKeyUpdated = "api_key_updated",
        /// The account was registered.
        AccountRegistered = "account_registered",
        /// The account was changed.
        AccountUpdated = "account_updated",
        /// The owner verified the account's email address.
        AccountEmailVerified = "account_email_verified",
        /// An operator suspended the account.
        AccountSuspended = "account_suspended",
        /// An operator ended the suspension of the account.
        AccountResumed = "account_resumed",
    }
}

impl EventKind {
    /// The subject of events of this kind.
    pub const fn subject(self) -> EventSubject {
        match self {
            Self::LeadRecorded
            | Self::SaleRecorded
            | Self::SaleAttributed
            | Self::SaleRefunded
            | Self::RefundRecorded
            | Self::RefundExceededSale
            | Self::RefundWaiting
            | Self::RefundUndone
            | Self::SaleRestored
            | Self::CorrectionRecorded
            | Self::SaleCorrected
            | Self::DisputeOpened
            | Self::DisputeResolved
            | Self::CancellationRecorded
            | Self::AppointmentRecorded
            | Self::CustomEventRecorded
            | Self::ConversionUpdated => EventSubject::Conversion,
            Self::LeadCreated | Self::LeadUpdated | Self::LeadAttributed | Self::LeadMerged | Self::LeadDeleted => {
                EventSubject::Lead
            }
            Self::RewardApproved
            | Self::RewardDenied
            | Self::RewardHeld
            | Self::RewardReleased
            | Self::RewardFrozen
            | Self::RewardRestored
            | Self::RewardReversed
            | Self::RewardCreated
            | Self::RewardFulfilled
            | Self::RewardReserved
            | Self::RewardReturned
            | Self::RewardPaid => EventSubject::Reward,
            Self::PayoutRunCreated | Self::PayoutRunFinished | Self::PayoutRunCancelled => EventSubject::PayoutRun,
            Self::PayoutScheduleCreated | Self::PayoutScheduleUpdated | Self::PayoutScheduleArchived => {
                EventSubject::PayoutSchedule
            }
            Self::PayoutDocumentFinalized | Self::PayoutDocumentVoided => EventSubject::PayoutDocument,
            Self::PayoutMethodSet | Self::PayoutMethodRemoved => EventSubject::PayoutMethod,
            Self::TaxProfileSet | Self::TaxProfileReviewed | Self::TaxProfileRemoved => EventSubject::TaxProfile,
            Self::BillingProfileSet => EventSubject::BillingProfile,
            Self::PayoutConnectionSet | Self::PayoutConnectionRemoved => EventSubject::PayoutConnection,
            Self::PayoutDifferencesFound => EventSubject::PayoutReconciliation,
            Self::PayoutCreated
            | Self::PayoutApproved
            | Self::PayoutSent
            | Self::PayoutAwaitingFunds
            | Self::PayoutResumed
            | Self::PayoutUpdated
            | Self::PayoutNeedsAttention
            | Self::PayoutFailed
            | Self::PayoutReturned
            | Self::PayoutCancelled
            | Self::PayoutExported
            | Self::PayoutReopened
            | Self::PayoutPaid => EventSubject::Payout,
            Self::ProgramCreated | Self::ProgramUpdated | Self::ProgramArchived => EventSubject::Program,
            Self::AffiliateCreated
            | Self::AffiliateUpdated
            | Self::AffiliateApproved
            | Self::AffiliateRejected
            | Self::AffiliateDeactivated
            | Self::AffiliateTokenRotated
            | Self::AffiliateErased
            | Self::AffiliateUplineChanged => EventSubject::Affiliate,
            Self::EnrollmentCreated | Self::EnrollmentUpdated | Self::EnrollmentEnded => EventSubject::Enrollment,
            Self::LinkCreated | Self::LinkUpdated | Self::LinkRevoked => EventSubject::Link,
            Self::CouponAssigned | Self::CouponUpdated | Self::CouponRemoved => EventSubject::Coupon,
            Self::AffiliateGroupCreated | Self::AffiliateGroupUpdated | Self::AffiliateGroupArchived => {
                EventSubject::AffiliateGroup
            }
            Self::ItemCreated | Self::ItemUpdated | Self::ItemArchived => EventSubject::Item,
            Self::OfferCreated | Self::OfferUpdated | Self::OfferClaimed | Self::OfferArchived => EventSubject::Offer,
            Self::BountyCreated | Self::BountyUpdated | Self::BountyArchived | Self::ContestDecided => {
                EventSubject::Bounty
            }
            Self::SubmissionCreated | Self::SubmissionApproved | Self::SubmissionRejected => EventSubject::Submission,
            Self::ApiKeyCreated | Self::ApiKeyUpdated | Self::ApiKeyRevoked => EventSubject::ApiKey,
            Self::AccountRegistered
            | Self::AccountUpdated
            | Self::AccountEmailVerified
            | Self::AccountSuspended
            | Self::AccountResumed => EventSubject::Account,
        }
    }

    /// The kinds of events about conversions.
    pub fn about_conversions() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|kind| kind.subject() == EventSubject::Conversion).collect()
    }
}

/// Makes [`EventSubject`] and [`EventImage`] from one list. Each variant has its value, the id of its subject, and the programs
/// and affiliates that filters see.
macro_rules! images {
    ($($(#[$doc:meta])* $variant:ident($image:ty): |$value:ident| $id:expr, [$($program_id:tt)*], [$($affiliate_id:tt)*];)*) => {
        /// The kind of thing that an event is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum EventSubject {
            $($(#[$doc])* $variant,)*
        }

        /// The subject of an event, as it was right after the event.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum EventImage {
            $($(#[$doc])* $variant($image),)*
        }

        impl EventImage {
            /// The kind of the subject.
            pub const fn subject(&self) -> EventSubject {
                match self {
                    $(Self::$variant(_) => EventSubject::$variant,)*
                }
            }

            /// The id of the subject.
            pub fn subject_id(&self) -> Uuid {
                match self {
                    $(Self::$variant($value) => $id.uuid(),)*
                }
            }

            /// The programs that the event concerns.
            fn program_ids(&self) -> SmallVec<[ProgramId; 1]> {
                #[expect(unused_variables, reason = "some subjects concern none")]
                match self {
                    $(Self::$variant($value) => ids!($($program_id)*),)*
                }
            }

            /// The affiliates that the event concerns.
            fn affiliate_ids(&self) -> SmallVec<[AffiliateId; 1]> {
                #[expect(unused_variables, reason = "some subjects concern none")]
                match self {
                    $(Self::$variant($value) => ids!($($affiliate_id)*),)*
                }
            }
        }
    };
}

/// A list of ids: empty, one id, or the ids of an iterator (`..`) without repeats.
macro_rules! ids {
    () => {
        SmallVec::new()
    };
    (..$ids:expr) => {
        with(SmallVec::new(), $ids)
    };
    ($id:expr) => {
        smallvec![$id]
    };
}

/// Adds ids to a list without repeats.
fn with<I: PartialEq>(mut ids: SmallVec<[I; 1]>, others: impl IntoIterator<Item = I>) -> SmallVec<[I; 1]> {
    for id in others {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

images! {
    /// A conversion with its rewards. The feed leaves its candidates out.
    Conversion(super::conversion::ConversionImage): |image| image.conversion.id,
        [..image.program_ids()], [..image.affiliate_ids()];
    /// A reward.
    Reward(Arc<super::reward::Reward>): |reward| reward.id, [reward.program_id], [reward.affiliate_id];
    /// A payout.
    Payout(Arc<super::payout::Payout>): |payout| payout.id, [], [payout.affiliate_id];
    /// A document of a payout. The feed leaves its content out.
    PayoutDocument(Arc<super::payout_document::PayoutDocument>): |document| document.id, [], [document.affiliate_id];
    /// A payout run.
    PayoutRun(Arc<super::payout_run::PayoutRun>): |run| run.id, [], [];
    /// A schedule of payout runs.
    PayoutSchedule(Arc<super::payout_schedule::PayoutSchedule>): |schedule| schedule.id, [], [];
    /// A payout method, which has the id of its affiliate.
    PayoutMethod(Arc<super::payout_method::PayoutMethod>): |method| method.affiliate_id, [], [method.affiliate_id];
    /// A tax profile, which has the id of its affiliate.
    TaxProfile(Arc<super::tax_profile::TaxProfile>): |profile| profile.affiliate_id, [], [profile.affiliate_id];
    /// A billing profile, which has the id of its account.
    BillingProfile(Arc<super::billing_profile::BillingProfile>): |profile| profile.account_id, [], [];
    /// A connection to a payout provider, which has the id of its account.
    PayoutConnection(Arc<super::payout_connection::PayoutConnection>): |connection| connection.account_id, [], [];
    /// A reconciliation. The feed leaves its differences out.
    PayoutReconciliation(Arc<super::payout_reconciliation::PayoutReconciliation>): |row| row.id, [], [];
    /// A program with its newest terms.
    Program(Arc<super::program::ProgramWithTerms>): |answer| answer.program.id, [answer.program.id], [];
    /// An affiliate.
    Affiliate(Arc<super::affiliate::Affiliate>): |affiliate| affiliate.id, [], [affiliate.id];
    /// An enrollment.
    Enrollment(Arc<super::enrollment::Enrollment>): |enrollment| enrollment.id,
        [enrollment.program_id], [enrollment.affiliate_id];
    /// A link.
    Link(InProgram<super::link::Link>): |link| link.row.id, [link.program_id], [link.row.affiliate_id];
    /// A coupon.
    Coupon(InProgram<super::coupon::Coupon>): |coupon| coupon.row.id, [coupon.program_id], [coupon.row.affiliate_id];
    /// A group of affiliates.
    AffiliateGroup(Arc<super::affiliate_group::AffiliateGroup>): |group| group.id, [], [];
    /// An item.
    Item(Arc<super::item::Item>): |item| item.id, [], [];
    /// An offer.
    Offer(Arc<super::offer::Offer>): |offer| offer.id, [offer.program_id], [];
    /// A bounty.
    Bounty(Arc<super::bounty::Bounty>): |bounty| bounty.id, [bounty.program_id], [];
    /// A submission to a bounty.
    Submission(Arc<super::bounty::Submission>): |submission| submission.id,
        [submission.program_id], [submission.affiliate_id];
    /// A lead.
    Lead(Arc<super::lead::Lead>): |lead| lead.id,
        [..lead.credits().iter().map(|credit| credit.program_id)],
        [..lead.credits().iter().map(|credit| credit.affiliate_id)];
    /// An API key.
    ApiKey(Arc<super::account::ApiKey>): |key| key.id, [], [];
    /// An account.
    Account(Arc<super::account::Account>): |account| account.id, [], [];
}

/// A row, and the program of its enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InProgram<T> {
    /// The row.
    pub row: Arc<T>,
    /// The program of the row's enrollment.
    pub program_id: ProgramId,
}

/// A place in an account's feed, between two events.
///
/// A restored database gives the sequences of the events that it lost to other events. The check tells the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPlace {
    /// The sequence of the event before the place; 0 before the first event.
    pub sequence: i64,
    /// The checksum of the segment that has this event; 0 before the first event. Every event has a random id, so other events
    /// have another checksum.
    pub check: u32,
}

/// An event that has no sequence yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct NewEvent {
    pub id: EventId,
    pub account_id: AccountId,
    pub kind: EventKind,
    pub occurred_at: Time,
    /// The subject right after the event.
    pub image: EventImage,
    /// The credits that the event took away. Readers who follow their affiliates or programs get the event too.
    pub former_credits: Vec<Credit>,
    /// The request_id or event_id of the request that caused the event. Empty for the server's own work.
    pub cause_id: String,
    /// The entry of the call that caused the event in the audit log, if it has one.
    pub audit_entry: Option<Arc<super::audit::AuditEntry>>,
}

/// The fields that filters compare. The feed stores them beside the event's body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EventHeader {
    pub kind: EventKind,
    pub subject_id: Uuid,
    pub program_ids: SmallVec<[ProgramId; 1]>,
    pub affiliate_ids: SmallVec<[AffiliateId; 1]>,
}

impl NewEvent {
    /// The fields that filters compare.
    pub fn header(&self) -> EventHeader {
        let former = &self.former_credits;
        EventHeader {
            kind: self.kind,
            subject_id: self.image.subject_id(),
            program_ids: with(self.image.program_ids(), former.iter().map(|credit| credit.program_id)),
            affiliate_ids: with(self.image.affiliate_ids(), former.iter().map(|credit| credit.affiliate_id)),
        }
    }
}

/// The events that a reader wants. An event must match every field. An empty field matches every event, and any other field
/// matches if it contains a value of the event.
///
/// The fields are sets, because a filter may have 1,000 ids and is asked about every event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EventFilter {
    pub kinds: BTreeSet<EventKind>,
    pub program_ids: BTreeSet<ProgramId>,
    pub affiliate_ids: BTreeSet<AffiliateId>,
    pub subject_ids: BTreeSet<Uuid>,
}

impl EventFilter {
    /// Whether the filter lets all events through.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
            && self.program_ids.is_empty()
            && self.affiliate_ids.is_empty()
            && self.subject_ids.is_empty()
    }

    /// Whether the filter lets this event through.
    pub fn lets_through(&self, event: &EventHeader) -> bool {
        fn fits<T: Ord>(wanted: &BTreeSet<T>, values: &[T]) -> bool {
            wanted.is_empty() || values.iter().any(|value| wanted.contains(value))
        }
        fits(&self.kinds, &[event.kind])
            && fits(&self.program_ids, &event.program_ids)
            && fits(&self.affiliate_ids, &event.affiliate_ids)
            && fits(&self.subject_ids, &[event.subject_id])
    }
}
