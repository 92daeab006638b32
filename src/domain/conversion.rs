//! Conversions: accepted events, and what each was worth to whom.

use std::sync::Arc;

use super::attribution::{AttributionSource, Candidate};
use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId};
use super::money::Money;
use super::reward::{Reward, RewardSummary};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// What kind of event a conversion is.
    ConversionKind {
        /// A sign-up.
        Lead = "lead",
        /// A sale.
        Sale = "sale",
        /// A refund.
        Refund = "refund",
        /// A customer cancelled.
        Cancellation = "cancellation",
    }
}

text_enum! {
    /// What became of a recorded event.
    ConversionOutcome {
        /// It is credited to an affiliate.
        Attributed = "attributed",
        /// Nobody referred it.
        NotReferred = "not_referred",
        /// A refund that waits for its sale.
        Waiting = "waiting",
    }
}

text_enum! {
    /// Where a sale was made.
    SaleChannel {
        /// In a web shop or an app.
        Online = "online",
        /// At a till.
        PointOfSale = "point_of_sale",
    }
}

/// To whom a conversion is credited, and under which terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Credit {
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The program.
    pub program_id: ProgramId,
    /// The version of the program's terms.
    pub terms_version: i32,
    /// How it was traced.
    pub source: AttributionSource,
}

/// What a sale's order says of itself. Empty texts for what was not sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrderDetails {
    /// The coupon code in capitals.
    pub coupon_code: String,
    /// The plan that was bought.
    pub plan: String,
    /// How many were bought.
    pub quantity: i32,
    /// The merchant's id of the order.
    pub order_id: String,
    /// The number of the order that people see.
    pub order_number: String,
    /// The merchant's id of the refund.
    pub refund_id: String,
}

/// One accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversion {
    /// Its id.
    pub id: ConversionId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Its kind.
    pub kind: ConversionKind,
    /// The merchant's id for the event.
    pub event_id: String,
    /// What became of it.
    pub outcome: ConversionOutcome,
    /// The net amount: positive for a sale, negative for a refund, none for others.
    pub amount: Option<Money>,
    /// Of a sale: how much has been refunded, in minor units, positive.
    pub refunded_minor: i64,
    /// Of a refund: the sale.
    pub sale_id: Option<ConversionId>,
    /// Of a refund: the sale's event_id; empty when it was neither sent nor found.
    pub sale_event_id: String,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// To whom it is credited.
    pub credit: Option<Credit>,
    /// Where a sale was made.
    pub channel: SaleChannel,
    /// More of the order.
    pub order: OrderDetails,
    /// All candidates for the credit, the strongest source first.
    pub candidates: Vec<Candidate>,
    /// When it happened.
    pub occurred_at: Time,
    /// When it was recorded.
    pub created_at: Time,
    /// Grows by one with every change of it or its rewards.
    pub version: i32,
}

/// A conversion with its rewards at one moment: what the feed and the answers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionImage {
    /// The conversion.
    pub conversion: Arc<Conversion>,
    /// Its rewards in the order of their ids.
    pub rewards: Vec<Arc<Reward>>,
}

/// A refund that waits for its sale. A row of its own, since hardly any refund waits and every sale asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRefund {
    /// The account that has it.
    pub account_id: AccountId,
    /// The event_id that the sale will have.
    pub sale_event_id: String,
    /// The refund.
    pub conversion_id: ConversionId,
}

impl Conversion {
    /// The part of a sale's amount that was not refunded; none for other kinds.
    pub fn left(&self) -> Option<Money> {
        let amount = self.amount?;
        Some(Money::new(amount.amount_minor - self.refunded_minor, amount.currency))
    }
}

/// What RecordSale answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaleOutcome {
    /// The sale as it is kept, referred or not.
    pub conversion_id: ConversionId,
    /// The lead.
    pub lead_id: Option<LeadId>,
    /// To whom it is credited; none when nobody referred it.
    pub credit: Option<Credit>,
    /// What it earned.
    pub rewards: Vec<RewardSummary>,
}

/// What RecordRefund answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundOutcome {
    /// What became of it.
    pub outcome: ConversionOutcome,
    /// The refund as it is kept.
    pub conversion_id: ConversionId,
    /// The sale; none while it waits or when the customer is unknown.
    pub sale_id: Option<ConversionId>,
    /// What it takes back.
    pub rewards: Vec<RewardSummary>,
}
