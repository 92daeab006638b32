//! Forms of rewards and of how they were computed.

use std::sync::Arc;

use super::field::Text;
use super::fraud::RewardReviewForm;
use super::ladder::{BracketsForm, LadderMetForm};
use super::program::{CommissionForm, UplineLevelForm};
use super::sales_tally::ThresholdReachedForm;
use super::tally::{CapAppliedForm, TallyChangeForm};
use crate::domain::conversion::WHOLE_SHARE_PPM;
use crate::domain::id::{
    AccountId, AffiliateId, ClickId, ConversionId, EnrollmentId, LeadId, LinkId, PayoutId, ProgramId, RewardId,
    SubmissionId,
};
use crate::domain::money::{Money, Rounding};
use crate::domain::reward::RewardLine;
use crate::domain::reward::{
    ByHand, Calculation, Reward, RewardClick, RewardDispute, RewardRule, RewardState, RewardSummary, RewardUnit,
    RuleTaken,
};
use crate::domain::split::Split;
use crate::domain::time::Time;
use crate::domain::upline::UplineShare;

form! {
    /// How a reward was computed.
    CalculationForm of Calculation {
        rule: RewardRule,
        base_amount: Money,
        commission: CommissionForm,
        terms_version: i32,
    }
    unless_empty {
        adjustment: Option<Money>,
        rule_taken: Option<RuleTakenForm>,
        amount_not_compared: bool,
        upline: Option<UplineShareForm>,
        lines: Vec<RewardLineForm>,
        split: Option<SplitForm>,
        caps: Vec<CapAppliedForm>,
        tally_change: Option<TallyChangeForm>,
        ladder: Option<LadderMetForm>,
        brackets: Option<BracketsForm>,
    }
    unless_usual {
        share_ppm: i32 = WHOLE_SHARE_PPM,
        rounding: Rounding = Rounding::HalfEven,
    }
    unless_equal {
        sale_amount: Money = base_amount,
    }
}

form! {
    /// How one line of a sale was priced.
    RewardLineForm of RewardLine {
        rule: RewardRule,
        commission: CommissionForm,
    }
    unless_empty {
        line_id: Arc<str>,
        item_sku: Arc<str>,
        plan: Arc<str>,
        collections: Vec<Arc<str>>,
        quantity: i32,
        base_minor: i64,
        rule_taken: Option<RuleTakenForm>,
        commission_minor: i64,
        value_minor: i64,
    }
}

form! {
    /// The rule of the terms that a rate is from.
    RuleTakenForm of RuleTaken {
        name: Arc<str>,
        number: i32,
    }
    unless_empty {
        quantity: i32,
        first_sale_bonus: Option<Money>,
    }
}

form! {
    /// The shares of all who share a commission.
    SplitForm of Split {
        shares_ppm: Vec<i32>,
        place: i32,
    }
}

form! {
    /// What an upline's reward was computed by.
    UplineShareForm of UplineShare {
        level: i32,
        rate: UplineLevelForm,
        credited_enrollment_id: EnrollmentId,
    }
}

form! {
    /// A reward.
    RewardForm<'a> of Reward {
        id: RewardId,
        account_id: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversion_id: Option<ConversionId>,
        affiliate_id: AffiliateId,
        enrollment_id: EnrollmentId,
        program_id: ProgramId,
        unit: RewardUnit,
        value: Money,
        state: RewardState,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        calculation: Option<CalculationForm>,
        auto_approve_at: Time,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        reversed_minor: i64,
        reverses: Option<RewardId>,
        deny_reason: Text<'a>,
        by_hand: Option<ByHandForm<'a>>,
        click: Option<RewardClickForm>,
        review: Option<Box<RewardReviewForm<'a>>>,
        payout_id: Option<PayoutId>,
        approved_at: Option<Time>,
        dispute: Option<RewardDisputeForm>,
    }
}

form! {
    /// The open dispute of a reward's sale.
    RewardDisputeForm of RewardDispute {
        dispute_id: ConversionId,
    }
    unless_empty {
        frozen_from: Option<RewardState>,
    }
}

form! {
    /// How a person created a reward.
    ByHandForm<'a> of ByHand {}
    unless_empty {
        reason: Text<'a>,
        lead_id: Option<LeadId>,
        bonus_terms_version: i32,
        submission_id: Option<SubmissionId>,
        threshold: Option<Box<ThresholdReachedForm>>,
    }
}

form! {
    /// The click that a reward pays for.
    RewardClickForm of RewardClick {
        click_id: ClickId,
        tid: ClickId,
        link_id: LinkId,
        occurred_at: Time,
    }
    unless_empty {
        sub_id: Arc<str>,
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
