//! Forms of credits, orders, and what RecordSale and RecordRefund answer.

use super::field::Text;
use super::reward::RewardSummaryForm;
use crate::domain::attribution::AttributionSource;
use crate::domain::conversion::{ConversionOutcome, Credit, OrderDetails, RefundOutcome, SaleOutcome};
use crate::domain::id::{AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId};

form! {
    /// To whom a conversion is credited.
    CreditForm of Credit {
        affiliate_id: AffiliateId,
        enrollment_id: EnrollmentId,
        program_id: ProgramId,
        terms_version: i32,
        source: AttributionSource,
    }
}

form! {
    /// What a sale's order says of itself.
    OrderDetailsForm<'a> of OrderDetails {}
    unless_empty {
        coupon_code: Text<'a>,
        plan: Text<'a>,
        quantity: i32,
        order_id: Text<'a>,
        order_number: Text<'a>,
        refund_id: Text<'a>,
    }
}

form! {
    /// What RecordSale answers.
    SaleOutcomeForm of SaleOutcome {
        conversion_id: ConversionId,
    }
    unless_empty {
        lead_id: Option<LeadId>,
        credit: Option<CreditForm>,
        rewards: Vec<RewardSummaryForm>,
    }
}

form! {
    /// What RecordRefund answers.
    RefundOutcomeForm of RefundOutcome {
        outcome: ConversionOutcome,
        conversion_id: ConversionId,
    }
    unless_empty {
        sale_id: Option<ConversionId>,
        rewards: Vec<RewardSummaryForm>,
    }
}
