//! Conversions: accepted events, each with the affiliates that are credited with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use smallvec::SmallVec;

use super::attribution::{AttributionSource, Candidate, CandidateResult};
use super::customer_reward::CustomerReward;
pub use super::customer_sale::CustomerSale;
use super::dispute::{DisputePart, DisputeState};
use super::fraud::{RewardReview, Suspicion};
use super::id::{
    AccountId, AffiliateId, ClickId, ConversionId, CouponId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId,
};
use super::ladder::Laddered;
pub use super::line::SaleLine;
use super::money::Money;
use super::noted::NotedFacts;
use super::reward::{Reward, RewardDispute, RewardState, RewardSummary};
use super::sales_tally::Tallied;
use super::split::Split;
use super::tally::Counted;
use super::text_enum::text_enum;
use super::time::Time;
use super::told_refund::ToldRefund;

text_enum! {
    /// The kind of an event.
    ConversionKind {
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
        /// An appointment with a customer.
        Appointment = "appointment",
        /// Something else that a customer did, of a kind that the program declares.
        CustomEvent = "custom_event",
    }
}

impl ConversionKind {
    /// Whether events of this kind are attributed as sales are: a later one binds the customer anew, and one that nobody referred is
    /// credited to a later binding.
    pub const fn is_attributed_as_sale(self) -> bool {
        matches!(self, Self::Sale | Self::Appointment | Self::CustomEvent)
    }

    /// Whether events of this kind change a sale: how much is left of it, or its amount.
    pub const fn changes_sale(self) -> bool {
        matches!(self, Self::Refund | Self::RefundUndo | Self::Correction | Self::DisputeResolution)
    }

    /// Whether who gets the credit of events of this kind follows from the order of the customer's events.
    pub const fn is_attributed(self) -> bool {
        self.is_attributed_as_sale() || matches!(self, Self::Lead)
    }
}

text_enum! {
    /// The outcome of a recorded event.
    ConversionOutcome {
        /// The event is credited to an affiliate.
        Attributed = "attributed",
        /// The event is credited to nobody.
        NotReferred = "not_referred",
        /// The event is a refund that waits for its sale.
        Waiting = "waiting",
    }
}

text_enum! {
    /// The place where a sale was made.
    SaleChannel {
        /// In a web shop or an app.
        Online = "online",
        /// At a till.
        PointOfSale = "point_of_sale",
    }
}

/// The whole, in parts per million. Nearly every conversion or lead that is credited has one credit, with this share.
pub const WHOLE_SHARE_PPM: i32 = 1_000_000;

/// The share of a conversion or lead that an affiliate is credited with, and the terms that apply.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Credit {
    pub affiliate_id: AffiliateId,
    pub enrollment_id: EnrollmentId,
    pub program_id: ProgramId,
    pub terms_version: i32,
    pub source: AttributionSource,
    /// Parts per million. The shares of one conversion add up to [`WHOLE_SHARE_PPM`].
    pub share_ppm: i32,
    /// The link that led to the affiliate, also if it was that of the sign-up that bound the customer.
    pub link_id: Option<LinkId>,
    /// The sub-id of the click that led to the affiliate, also if it was that of the sign-up that bound the customer. Never empty.
    pub sub_id: Option<Arc<str>>,
}

/// The way by which a customer came to an affiliate. It earns nothing and no event tells it; figures are divided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Way {
    pub link_id: Option<LinkId>,
    pub sub_id: Option<Arc<str>>,
}

impl Credit {
    /// The way by which the customer came.
    pub fn way(&self) -> Way {
        Way { link_id: self.link_id, sub_id: self.sub_id.clone() }
    }

    /// The part of the whole that it is beside all credits of its conversion. `None` if it is the only one.
    pub fn split_among(&self, all: &[Self]) -> Option<Split> {
        if all.len() < 2 {
            return None;
        }
        let mut shares: Vec<_> = all.iter().map(|credit| (credit.enrollment_id, credit.share_ppm)).collect();
        shares.sort_unstable();
        let place = shares.iter().position(|(id, _)| *id == self.enrollment_id)?;
        let shares_ppm = shares.into_iter().map(|(_, share_ppm)| share_ppm).collect();
        Some(Split { shares_ppm, place: i32::try_from(place).ok()? })
    }

    /// Whether two lists of credits are the same, apart from the ways by which the customer came.
    pub fn are_alike(some: &[Self], others: &[Self]) -> bool {
        let is_alike = |(one, other): (&Self, &Self)| {
            let way = other.way();
            Self { link_id: way.link_id, sub_id: way.sub_id, ..one.clone() } == *other
        };
        some.len() == others.len() && some.iter().zip(others).all(is_alike)
    }
}

/// The credits of a conversion or of a lead. A single credit is stored without an allocation.
pub type Credits = SmallVec<[Credit; 1]>;

/// Details of a sale's order or of another event. Texts that were not sent are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct OrderDetails {
    /// The coupon code, folded.
    pub coupon_code: String,
    /// The SKU of the item that was sold.
    pub item_sku: String,
    /// The name of the custom event's kind.
    pub custom_kind: String,
    pub plan: String,
    pub quantity: i32,
    /// The merchant's id of the order.
    pub order_id: String,
    /// The order number that people see.
    pub order_number: String,
    /// The merchant's id of the refund.
    pub refund_id: String,
    /// Why the sale was corrected, or why it is disputed.
    pub reason: String,
    /// Of a refund that was told as a total: what was refunded of the sale by then in all.
    pub refunded_total: Option<Money>,
    /// Of a refund that was told as a total: whether that much was known to be refunded, so that it takes nothing.
    pub was_known: bool,
    /// Of a refund that was undone: the conversion that undid it.
    pub undone_by: Option<ConversionId>,
    /// Of what undid a refund: the refund.
    pub undone_refund_id: Option<ConversionId>,
    /// Of a sale: when it was corrected last. An earlier correction that is told later does not change it.
    pub corrected_at: Option<Time>,
    /// Of a sale: its refunds as they were told.
    pub told_refunds: Vec<ToldRefund>,
    /// Of a sale: those of its rewards that were held when nothing was left of them. They are held again if a refund is undone.
    pub held_rewards: Vec<RewardId>,
    /// What the affiliate gets of a refund apart from what it takes back. Negative: what it takes back in addition.
    pub commission_adjustment: Option<Money>,
    /// The use of a coupon that has a limit.
    pub coupon_use: Option<CouponUse>,
    /// The merchant's own texts by key.
    pub metadata: BTreeMap<String, String>,
    /// The place of a sale among its customer's, if the sales of the customer are counted.
    pub customer_sale: Option<CustomerSale>,
    /// What the event has in tallies, for each credit whose terms have caps.
    pub counted: Vec<Counted>,
    /// What a sale has in the tallies of ladders, for each credit whose terms have one.
    pub laddered: Vec<Laddered>,
    /// What a sale has in the tallies of sales, for each credit whose terms need them.
    pub tallied: Vec<Tallied>,
    /// The lines of a sale or of a refund, if it was told with lines.
    pub lines: Vec<SaleLine>,
    /// Of a correction: the lines of the sale before it.
    pub lines_before: Vec<SaleLine>,
    /// The collections that the item is in, in order and without repeats.
    pub collections: Vec<String>,
    /// The ISO 3166-1 code of the customer's country.
    pub country_code: String,
    /// What the rules of terms have asked about affiliates and the customer, for each credit that it was asked for.
    pub noted: Vec<NotedFacts>,
    /// The findings of fraud rules, for each credit that they have judged.
    pub suspicions: Vec<Suspicion>,
    /// Its part in disputes. `None` for a sale without an open one.
    pub dispute: Option<Arc<DisputePart>>,
}

impl OrderDetails {
    /// The details that conversions which change a sale have of its order.
    pub fn of_change(&self) -> Self {
        Self {
            refunded_total: None,
            was_known: false,
            undone_by: None,
            undone_refund_id: None,
            corrected_at: None,
            told_refunds: Vec::new(),
            suspicions: Vec::new(),
            dispute: None,
            held_rewards: Vec::new(),
            coupon_use: None,
            customer_sale: None,
            counted: Vec::new(),
            laddered: Vec::new(),
            tallied: Vec::new(),
            noted: Vec::new(),
            lines: Vec::new(),
            lines_before: Vec::new(),
            ..self.clone()
        }
    }

    /// The findings of fraud rules for a credit. `None` if they have not judged it.
    pub fn suspicion(&self, enrollment_id: EnrollmentId) -> Option<&Suspicion> {
        self.suspicions.iter().find(|suspicion| suspicion.enrollment_id == enrollment_id)
    }

    /// What is said about a new reward of a credit, and whether it is held.
    pub fn review_of(&self, enrollment_id: EnrollmentId) -> (Option<Arc<RewardReview>>, bool) {
        let flagged = self.suspicion(enrollment_id).filter(|suspicion| !suspicion.flags.is_empty());
        let review =
            flagged.map(|found| Arc::new(RewardReview { flags: found.flags.clone(), release_reason: String::new() }));
        (review, flagged.is_some_and(Suspicion::holds))
    }

    /// What was noted for a credit.
    pub fn noted(&self, enrollment_id: EnrollmentId) -> Option<&NotedFacts> {
        self.noted.iter().find(|noted| noted.enrollment_id == enrollment_id)
    }

    /// Keeps what was noted for a credit.
    pub fn note(&mut self, facts: NotedFacts) {
        match self.noted.iter_mut().find(|noted| noted.enrollment_id == facts.enrollment_id) {
            Some(noted) => *noted = facts,
            None => self.noted.push(facts),
        }
    }
}

/// The use of a coupon by a sale. The sale keeps it for ever, because no use is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponUse {
    pub coupon_id: CouponId,
    /// The customer for whom it was counted. `None` if it was counted only in total.
    pub lead_id: Option<LeadId>,
}

/// The identifiers by which a conversion may be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConversionSelector {
    /// Headwater's id.
    Id(ConversionId),
    /// The merchant's id for the event.
    RecordedEvent {
        /// The kind of event.
        kind: ConversionKind,
        /// The merchant's id.
        event_id: String,
    },
}

impl ConversionSelector {
    /// The conversion of a recorded event.
    pub fn recorded_event(kind: ConversionKind, event_id: &str) -> Self {
        Self::RecordedEvent { kind, event_id: event_id.to_owned() }
    }
}

impl std::fmt::Display for ConversionSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::RecordedEvent { kind, event_id } => write!(formatter, "of {kind} {event_id}"),
        }
    }
}

/// One accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Conversion {
    pub id: ConversionId,
    pub account_id: AccountId,
    pub kind: ConversionKind,
    /// The merchant's own id for the event.
    pub event_id: String,
    pub outcome: ConversionOutcome,
    /// The net amount: positive for a sale and for what undid a refund, negative for a refund, the difference for a correction, the value of a
    /// custom event that has one, what is disputed for a dispute, and for its end the difference to what was left of the sale. `None` for
    /// other kinds. That of a sale changes when it is corrected.
    pub amount: Option<Money>,
    /// For a sale: the refunded amount, in minor units, positive.
    pub refunded_minor: i64,
    /// For a sale: how many refunds were booked.
    pub refund_count: i32,
    /// For a refund: the part that was more than the sale had left. It takes nothing back, unless the refund has a commission
    /// adjustment.
    pub excess_minor: i64,
    /// For a refund, what undid it, a correction, a dispute and its end: the sale.
    pub sale_id: Option<ConversionId>,
    /// For a refund: the event_id of the sale. Empty when it was neither sent nor found.
    pub sale_event_id: String,
    pub lead_id: Option<LeadId>,
    /// The visitor's tracking id, if the request had one that belongs to a click.
    pub tid: Option<ClickId>,
    /// The largest share first. Empty unless the outcome is attributed.
    pub credits: Credits,
    pub channel: SaleChannel,
    pub order: OrderDetails,
    /// All candidates for the credit, the strongest source first.
    pub candidates: Vec<Candidate>,
    pub occurred_at: Time,
    pub created_at: Time,
    /// Whether the feed has an event of it. If so, every change of it has an event too.
    pub is_told: bool,
    /// Grows by one with every change of the conversion or its rewards.
    pub version: i32,
    /// For a sale, appointment or custom event whose customer or credits have changed: what they were when it was recorded.
    pub as_recorded: Option<Box<AsRecorded>>,
}

/// The part of the answer to a sale, appointment or custom event that later events may change. A repeat gets the first answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct AsRecorded {
    pub lead_id: Option<LeadId>,
    pub credits: Credits,
}

/// A conversion with its rewards at one moment, as shown in the feed and in answers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ConversionImage {
    pub conversion: Arc<Conversion>,
    /// In the order of their ids.
    pub rewards: Vec<Arc<Reward>>,
}

impl ConversionImage {
    /// The programs of the credits, and of all rewards.
    pub fn program_ids(&self) -> impl Iterator<Item = ProgramId> {
        let credited = self.conversion.credits.iter().map(|credit| credit.program_id);
        credited.chain(self.rewards.iter().map(|reward| reward.program_id))
    }

    /// The affiliates that are credited, and those that were and whose rewards were taken back.
    pub fn affiliate_ids(&self) -> impl Iterator<Item = AffiliateId> {
        let credited = self.conversion.credits.iter().map(|credit| credit.affiliate_id);
        credited.chain(self.rewards.iter().map(|reward| reward.affiliate_id))
    }
}

/// A refund that waits for its sale. These rows have their own table, because every sale looks for one and hardly any refund
/// waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct WaitingRefund {
    pub account_id: AccountId,
    /// The event_id that the sale will have when it arrives.
    pub sale_event_id: String,
    /// The waiting refund.
    pub conversion_id: ConversionId,
}

impl WaitingRefund {
    /// The row by which a sale finds a refund that waits for it, or what undid one.
    pub fn of(refund: &Conversion) -> Self {
        Self { account_id: refund.account_id, sale_event_id: refund.sale_event_id.clone(), conversion_id: refund.id }
    }
}

impl Conversion {
    /// What the event has in tallies for a credit.
    pub fn counted(&self, enrollment_id: EnrollmentId) -> Option<&Counted> {
        self.order.counted.iter().find(|counted| counted.enrollment_id == enrollment_id)
    }

    /// The step of a ladder that a credit of a sale has met.
    pub fn laddered(&self, enrollment_id: EnrollmentId) -> Option<&Laddered> {
        self.order.laddered.iter().find(|laddered| laddered.enrollment_id == enrollment_id && !laddered.is_withdrawn)
    }

    /// What a credit of a sale has in the tallies of sales.
    pub fn tallied(&self, enrollment_id: EnrollmentId) -> Option<&Tallied> {
        self.order.tallied.iter().find(|tallied| tallied.enrollment_id == enrollment_id)
    }

    /// Whether it is a sale that was made with a coupon of this affiliate, which could credit it.
    pub fn has_coupon_of(&self, affiliate_id: AffiliateId) -> bool {
        let is_owners = |candidate: &Candidate| candidate.coupon_owner() == Some(affiliate_id);
        self.kind == ConversionKind::Sale && !self.order.coupon_code.is_empty() && self.candidates.iter().any(is_owners)
    }

    /// Whether it is a dispute that has not ended.
    pub fn is_open_dispute(&self) -> bool {
        let state =
            |part: &DisputePart| matches!(part, DisputePart::Dispute(kept) if kept.state == DisputeState::Opened);
        self.order.dispute.as_deref().is_some_and(state)
    }

    /// The oldest open dispute of a sale.
    pub fn open_dispute(&self) -> Option<ConversionId> {
        match self.order.dispute.as_deref()? {
            DisputePart::OpenOf(open) => open.first().copied(),
            DisputePart::Dispute(_) | DisputePart::Resolution(_) => None,
        }
    }

    /// How a new reward of the event is frozen, which would have this state. `None` if it is not.
    pub fn born_frozen(&self, unfrozen: RewardState) -> Option<RewardDispute> {
        self.open_dispute().map(|dispute_id| RewardDispute { dispute_id, frozen_from: Some(unfrozen) })
    }

    /// The lead and the credits of the answer to the call that recorded it.
    pub fn as_recorded(&self) -> AsRecorded {
        let present = || AsRecorded { lead_id: self.lead_id, credits: self.credits.clone() };
        self.as_recorded.as_deref().cloned().unwrap_or_else(present)
    }

    /// The part of a sale's amount that was not refunded; `None` for other kinds.
    pub fn left(&self) -> Option<Money> {
        let amount = self.amount?;
        Some(Money::new(amount.amount_minor - self.refunded_minor, amount.currency))
    }
}

/// The answer of RecordSale, RecordAppointment and RecordCustomEvent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SaleOutcome {
    /// The stored event. It is stored whether or not somebody referred it.
    pub conversion_id: ConversionId,
    pub lead_id: Option<LeadId>,
    /// Another lead, which has the email address of the request.
    pub other_lead_id: Option<LeadId>,
    /// Empty when nobody referred it.
    pub credits: Credits,
    pub rewards: Vec<RewardSummary>,
    /// Why the coupon of the request did not credit its affiliate. `None` if it did or could have, and without a coupon.
    pub coupon_fault: Option<CandidateResult>,
    /// Whether the ref_id of the request credits nobody, because the customer is not new.
    pub is_known_by_ref_id: bool,
    /// The same of the tid.
    pub is_known_by_tid: bool,
    /// Whether nobody is credited with a custom event because the program of who referred it does not declare its kind.
    pub is_undeclared: bool,
    /// What the sale granted the customer.
    pub customer_reward: Option<CustomerReward>,
}

impl SaleOutcome {
    /// The part that is kept for a repeat. The rest is in rows.
    pub fn to_keep(&self) -> KeptSale {
        let reward_ids = self.rewards.iter().map(|reward| reward.reward_id).collect();
        KeptSale {
            other_lead_id: self.other_lead_id,
            reward_ids,
            coupon_fault: self.coupon_fault,
            is_known_by_ref_id: self.is_known_by_ref_id,
            is_known_by_tid: self.is_known_by_tid,
            is_undeclared: self.is_undeclared,
            customer_reward: self.customer_reward,
        }
    }
}

/// The part of a [`SaleOutcome`] that only the row of its request has. The id of the conversion is the request's effect; lead and
/// credits are in the conversion, see [`AsRecorded`]; the summary of a reward never changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct KeptSale {
    pub other_lead_id: Option<LeadId>,
    /// The rewards that the sale had when it was answered. It may have got others since.
    pub reward_ids: Vec<RewardId>,
    /// See [`SaleOutcome::coupon_fault`].
    pub coupon_fault: Option<CandidateResult>,
    /// See [`SaleOutcome::is_known_by_ref_id`].
    pub is_known_by_ref_id: bool,
    /// See [`SaleOutcome::is_known_by_tid`].
    pub is_known_by_tid: bool,
    /// See [`SaleOutcome::is_undeclared`].
    pub is_undeclared: bool,
    /// See [`SaleOutcome::customer_reward`].
    pub customer_reward: Option<CustomerReward>,
}

/// The answer of RecordRefund, UndoRefund, CorrectSale, OpenDispute and ResolveDispute.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RefundOutcome {
    pub outcome: ConversionOutcome,
    /// The stored refund, correction, dispute or end of a dispute.
    pub conversion_id: ConversionId,
    /// The sale. `None` while a refund waits, and when the customer is unknown.
    pub sale_id: Option<ConversionId>,
    /// The new rewards. Those of a refund are negative, apart from a commission adjustment. For a dispute: the rewards that it has frozen.
    pub rewards: Vec<RewardSummary>,
    /// For a total that is no more than what was known: what was known to be refunded. Nothing was taken back.
    pub known_total: Option<Money>,
    /// Whether the refund had been undone before. The answer names what undid it then, and nothing was changed.
    pub was_undone: bool,
    /// Whether the sale had been corrected by a correction of later. Nothing was changed.
    pub is_outdated: bool,
}

impl RefundOutcome {
    /// The answer of a stored conversion with its rewards. Nothing was known, undone or outdated before.
    pub fn of<'rewards>(conversion: &Conversion, rewards: impl IntoIterator<Item = &'rewards Arc<Reward>>) -> Self {
        Self {
            outcome: conversion.outcome,
            conversion_id: conversion.id,
            sale_id: conversion.sale_id,
            rewards: rewards.into_iter().map(|reward| reward.summary()).collect(),
            known_total: None,
            was_undone: false,
            is_outdated: false,
        }
    }
}
