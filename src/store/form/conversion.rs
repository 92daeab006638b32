//! Forms of credits, orders, the answers of RecordSale and RecordRefund, and what is kept of a sale's answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::field::{Entries, Text};
use super::fraud::SuspicionForm;
use super::ladder::LadderedForm;
use super::lead::CustomerRewardForm;
use super::reward::RewardSummaryForm;
use super::sales_tally::TalliedForm;
use super::tally::CountedForm;
use crate::domain::attribution::{AttributionSource, CandidateResult};
use crate::domain::conversion::{
    AsRecorded, ConversionOutcome, CouponUse, Credit, CustomerSale, KeptSale, OrderDetails, RefundOutcome, SaleLine,
    SaleOutcome,
};
use crate::domain::dispute::{Dispute, DisputeOutcome, DisputePart, DisputeState, Resolution};
use crate::domain::id::{AffiliateId, ConversionId, CouponId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId};
use crate::domain::money::Money;
use crate::domain::noted::NotedFacts;
use crate::domain::time::Time;
use crate::domain::told_refund::ToldRefund;

form! {
    /// A share of a conversion or of a lead.
    CreditForm of Credit {
        affiliate_id: AffiliateId,
        enrollment_id: EnrollmentId,
        program_id: ProgramId,
        terms_version: i32,
        source: AttributionSource,
        share_ppm: i32,
    }
    unless_empty {
        link_id: Option<LinkId>,
        sub_id: Option<Arc<str>>,
    }
}

form! {
    /// Details of a sale's order.
    OrderDetailsForm<'a> of OrderDetails {}
    unless_empty {
        coupon_code: Text<'a>,
        plan: Text<'a>,
        quantity: i32,
        order_id: Text<'a>,
        order_number: Text<'a>,
        refund_id: Text<'a>,
        reason: Text<'a>,
        commission_adjustment: Option<Money>,
        item_sku: Text<'a>,
        custom_kind: Text<'a>,
        coupon_use: Option<CouponUseForm>,
        metadata: Entries<'a>,
        customer_sale: Option<CustomerSaleForm>,
        counted: Vec<CountedForm>,
        laddered: Vec<LadderedForm>,
        tallied: Vec<TalliedForm>,
        lines: Vec<SaleLineForm<'a>>,
        lines_before: Vec<SaleLineForm<'a>>,
        collections: Vec<Text<'a>>,
        country_code: Text<'a>,
        noted: Vec<NotedFactsForm<'a>>,
        refunded_total: Option<Money>,
        was_known: bool,
        undone_by: Option<ConversionId>,
        undone_refund_id: Option<ConversionId>,
        corrected_at: Option<Time>,
        told_refunds: Vec<ToldRefundForm>,
        held_rewards: Vec<RewardId>,
        suspicions: Vec<SuspicionForm<'a>>,
        dispute: Option<Box<DisputePartForm<'a>>>,
    }
}

form! {
    /// A refund of a sale as it was told.
    ToldRefundForm of ToldRefund {
        id: ConversionId,
        occurred_at: Time,
    }
    unless_empty {
        minor: i64,
        is_total: bool,
        undone_at: Option<Time>,
        undone_after: i32,
    }
}

form! {
    /// What the rules of terms have asked about an affiliate and the customer.
    NotedFactsForm<'a> of NotedFacts {
        enrollment_id: EnrollmentId,
        values: BTreeMap<Text<'a>, Text<'a>>,
    }
}

enum_form! {
    /// The part of a conversion in disputes.
    DisputePartForm<'a> of DisputePart {
        OpenOf(open: Vec<ConversionId>),
        Dispute(dispute: DisputeForm<'a>),
        Resolution(resolution: ResolutionForm),
    }
}

form! {
    /// The details of a dispute.
    DisputeForm<'a> of Dispute {
        state: DisputeState,
    }
    unless_empty {
        is_whole: bool,
        taken_minor: Option<i64>,
        taken_lines: Vec<SaleLineForm<'a>>,
    }
}

form! {
    /// The details of the end of a dispute.
    ResolutionForm of Resolution {
        dispute_id: ConversionId,
        outcome: DisputeOutcome,
    }
    unless_empty {
        refund_count_change: i32,
    }
}

form! {
    /// A line of a sale or of a refund.
    SaleLineForm<'a> of SaleLine {}
    unless_empty {
        line_id: Text<'a>,
        item_sku: Text<'a>,
        plan: Text<'a>,
        collections: Vec<Text<'a>>,
        quantity: i32,
        amount_minor: i64,
        refunded_minor: i64,
        refunded_quantity: i32,
    }
}

form! {
    /// The place of a sale among those of its customer.
    CustomerSaleForm of CustomerSale {}
    unless_empty {
        number: i32,
        age_days: i32,
        age_months: i32,
        void_at: Option<Time>,
    }
}

form! {
    /// The use of a coupon by a sale.
    CouponUseForm of CouponUse {
        coupon_id: CouponId,
    }
    unless_empty {
        lead_id: Option<LeadId>,
    }
}

form! {
    /// The answer of RecordSale.
    SaleOutcomeForm of SaleOutcome {
        conversion_id: ConversionId,
    }
    unless_empty {
        lead_id: Option<LeadId>,
        other_lead_id: Option<LeadId>,
        credits: Vec<CreditForm>,
        rewards: Vec<RewardSummaryForm>,
        coupon_fault: Option<CandidateResult>,
        is_known_by_ref_id: bool,
        is_known_by_tid: bool,
        is_undeclared: bool,
        customer_reward: Option<CustomerRewardForm>,
    }
}

form! {
    /// The part of a sale's answer that is kept with its request.
    KeptSaleForm of KeptSale {}
    unless_empty {
        other_lead_id: Option<LeadId>,
        reward_ids: Vec<RewardId>,
        coupon_fault: Option<CandidateResult>,
        is_known_by_ref_id: bool,
        is_known_by_tid: bool,
        is_undeclared: bool,
        customer_reward: Option<CustomerRewardForm>,
    }
}

form! {
    /// The part of a sale's answer that was changed in its conversion.
    AsRecordedForm of AsRecorded {}
    unless_empty {
        lead_id: Option<LeadId>,
        credits: Vec<CreditForm>,
    }
}

form! {
    /// The answer of RecordRefund.
    RefundOutcomeForm of RefundOutcome {
        outcome: ConversionOutcome,
        conversion_id: ConversionId,
    }
    unless_empty {
        sale_id: Option<ConversionId>,
        rewards: Vec<RewardSummaryForm>,
        known_total: Option<Money>,
        was_undone: bool,
        is_outdated: bool,
    }
}
