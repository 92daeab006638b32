//! Forms of rewards and of how they were computed.

use super::field::Text;
use super::program::CommissionForm;
use crate::domain::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use crate::domain::money::{Money, Rounding};
use crate::domain::reward::{Calculation, Reward, RewardRule, RewardState, RewardSummary, RewardUnit};
use crate::domain::time::Time;

form! {
    /// How a reward was computed.
    CalculationForm of Calculation {
        rule: RewardRule,
        base_amount: Money,
        sale_amount: Money,
        commission: CommissionForm,
        share_ppm: i32,
        terms_version: i32,
        rounding: Rounding,
    }
}

form! {
    /// A reward.
    RewardForm<'a> of Reward {
        id: RewardId,
        account_id: AccountId,
        conversion_id: ConversionId,
        affiliate_id: AffiliateId,
        enrollment_id: EnrollmentId,
        program_id: ProgramId,
        unit: RewardUnit,
        value: Money,
        state: RewardState,
        calculation: CalculationForm,
        auto_approve_at: Time,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        reversed_minor: i64,
        reverses: Option<RewardId>,
        deny_reason: Text<'a>,
    }
}

form! {
    /// The part of a reward that never changes.
    RewardSummaryForm of RewardSummary {
        reward_id: RewardId,
        affiliate_id: AffiliateId,
        unit: RewardUnit,
        value: Money,
    }
}
