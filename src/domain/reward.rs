//! Rewards: what affiliates get for conversions and clicks, or by hand, and their states.
//!
//! | from | may become |
//! |---|---|
//! | pending | approved, denied, reversed, held, frozen |
//! | held | pending, denied, reversed, frozen |
//! | approved | in payout, paid, reversed, frozen |
//! | frozen | pending, held, approved, denied, reversed |
//! | in payout | approved, paid |
//! | paid | approved, when the money came back; in payout, when the payment was undone |
//! | denied, reversed | final |

use std::sync::Arc;

use super::brackets::Brackets;
use super::fraud::RewardReview;
use super::id::{
    AccountId, AffiliateId, ClickId, ConversionId, EnrollmentId, LeadId, LinkId, PayoutId, ProgramId, RewardId,
    SubmissionId,
};
use super::ladder::LadderMet;
use super::line::SaleLine;
use super::money::{Money, Rounding};
use super::program::Commission;
pub use super::reward_unit::RewardUnit;
use super::split::Split;
use super::tally::{CapApplied, TallyChange};
use super::text_enum::text_enum;
use super::threshold_bonus::ThresholdReached;
use super::time::Time;
use super::upline::UplineShare;

text_enum! {
    /// The state of a reward.
    RewardState {
        /// The reward waits for the end of its hold period, or for a person.
        Pending = "pending",
        /// The reward is owed.
        Approved = "approved",
        /// A person refused the reward.
        Denied = "denied",
        /// A payout that is not paid yet has reserved the reward.
        InPayout = "in_payout",
        /// The reward was paid, or the affiliate was given what is no cash.
        Paid = "paid",
        /// Refunds took the whole reward back before it was paid.
        Reversed = "reversed",
        /// The reward is kept from approval until a person releases it.
        Held = "held",
        /// A dispute of its sale is open. It gets its former state back, or the dispute takes it back.
        Frozen = "frozen",
    }
}

impl RewardState {
    /// Whether a reward may change from this state to the next: the table above.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Approved | Self::Denied | Self::Reversed | Self::Held | Self::Frozen)
                | (Self::Held, Self::Pending | Self::Denied | Self::Reversed | Self::Frozen)
                | (Self::Approved, Self::InPayout | Self::Paid | Self::Reversed | Self::Frozen)
                | (Self::Frozen, Self::Pending | Self::Held | Self::Approved | Self::Denied | Self::Reversed)
                | (Self::InPayout, Self::Approved | Self::Paid)
                | (Self::Paid, Self::Approved | Self::InPayout)
        )
    }
}

text_enum! {
    /// Where a reward's rate came from.
    RewardRule {
        /// The program's terms.
        Program = "program",
        /// The enrollment's own commission.
        Enrollment = "enrollment",
        /// The reward reverses another one, in proportion to a refund.
        Reversal = "reversal",
        /// The reward is the difference that the correction of a sale makes to another one.
        Correction = "correction",
        /// The reward is the commission adjustment of a refund.
        Adjustment = "adjustment",
        /// A commission rule in the program's terms.
        TermsRule = "terms_rule",
        /// The reward is the difference that a change of a tally makes to what its event earned.
        TallyChange = "tally_change",
        /// The coupon's own commission.
        Coupon = "coupon",
    }
}

/// How a reward came about without a conversion: a person created it, it is the bonus of an enrollment, it
/// pays a submission to a bounty, or it is a threshold bonus. Texts that were not sent are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ByHand {
    pub reason: String,
    /// The lead that was named. The reward goes to the affiliate that the lead was bound to.
    pub lead_id: Option<LeadId>,
    /// The version of the terms that give the bonus of the enrollment. 0 if a person created the reward.
    pub bonus_terms_version: i32,
    /// The submission that the reward pays.
    pub submission_id: Option<SubmissionId>,
    /// How the threshold of a bonus was reached, or lost.
    pub threshold: Option<Arc<ThresholdReached>>,
}

/// The click that a reward pays for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardClick {
    pub click_id: ClickId,
    /// The visitor's tracking id.
    pub tid: ClickId,
    pub link_id: LinkId,
    /// The affiliate's own name for where the link was placed; may be empty.
    pub sub_id: Arc<str>,
    pub occurred_at: Time,
}

/// How a reward was computed. The fields suffice to compute it again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Calculation {
    pub rule: RewardRule,
    /// The amount from which the reward was computed: the sale's, or for a reversal the amount that is taken back.
    pub base_amount: Money,
    /// The whole amount of the sale.
    pub sale_amount: Money,
    /// The rate. A flat amount applies to the whole sale.
    pub commission: Commission,
    /// The affiliate's share of the sale in parts per million.
    pub share_ppm: i32,
    pub terms_version: i32,
    /// How the value was rounded. Reversals of the reward are rounded in the same way.
    pub rounding: Rounding,
    /// The commission adjustment of a refund, which was added.
    pub adjustment: Option<Money>,
    /// The rule of the terms that the rate is from.
    pub rule_taken: Option<RuleTaken>,
    /// Whether a rule did not apply because the amount is in another currency than the program's.
    pub amount_not_compared: bool,
    /// Set if the reward is an upline's. The other fields are then those of the credited affiliate's commission.
    pub upline: Option<UplineShare>,
    /// How each line of the sale was priced, in their order. Rate and rule above are then those of the line with the largest commission. Empty
    /// for a sale without lines, and for rewards that take back.
    pub lines: Vec<RewardLine>,
    /// Set if others share the commission. `share_ppm` is the share of this one.
    pub split: Option<Split>,
    /// The caps of the terms, with what was paid before.
    pub caps: Vec<CapApplied>,
    /// Set if the reward is the change of a tally.
    pub tally_change: Option<TallyChange>,
    /// The step of the ladder that the commission is of. `None` if the ladder does not price the sale.
    pub ladder: Option<LadderMet>,
    /// What a marginal ladder gives, in place of its commission.
    pub brackets: Option<Brackets>,
}

/// How one line of a sale was priced.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardLine {
    /// Empty for the part of the sale that is of no line.
    pub line_id: Arc<str>,
    /// Empty if none was sent.
    pub item_sku: Arc<str>,
    /// Empty if the line has the plan of the sale.
    pub plan: Arc<str>,
    /// Empty if the line has the collections of the sale.
    pub collections: Vec<Arc<str>>,
    pub quantity: i32,
    /// The amount of the line, in the currency of the sale.
    pub base_minor: i64,
    pub rule: RewardRule,
    pub commission: Commission,
    /// With the line's part of the bonus of a first sale.
    pub rule_taken: Option<RuleTaken>,
    /// The commission on the line with its part of the bonus, before it is shared, in the currency of the reward.
    pub commission_minor: i64,
    /// The part of the reward.
    pub value_minor: i64,
}

impl RewardLine {
    /// The line of the sale that was priced, without what was refunded of it.
    pub fn sale_line(&self) -> SaleLine {
        SaleLine {
            line_id: self.line_id.as_ref().to_owned(),
            item_sku: self.item_sku.as_ref().to_owned(),
            plan: self.plan.as_ref().to_owned(),
            collections: self.collections.iter().map(|collection| collection.as_ref().to_owned()).collect(),
            quantity: self.quantity,
            amount_minor: self.base_minor,
            refunded_minor: 0,
            refunded_quantity: 0,
        }
    }

    /// Whether these lines of a calculation are the present lines of a sale.
    pub fn are_of(lines: &[Self], of_sale: &[SaleLine]) -> bool {
        let is_of = |(line, of_sale): (&Self, &SaleLine)| {
            *line.line_id == of_sale.line_id
                && line.base_minor == of_sale.amount_minor
                && *line.item_sku == of_sale.item_sku
                && *line.plan == of_sale.plan
                && line.collections.iter().map(AsRef::as_ref).eq(of_sale.collections.iter().map(String::as_str))
                && line.quantity == of_sale.quantity
        };
        lines.len() == of_sale.len() && lines.iter().zip(of_sale).all(is_of)
    }

    /// What lines add up to.
    pub fn value_of(lines: &[Self]) -> i128 {
        lines.iter().map(|line| i128::from(line.value_minor)).sum()
    }
}

/// The rule of the terms that a rate is from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RuleTaken {
    pub name: Arc<str>,
    /// The place in the list of rules: 1 for the first.
    pub number: i32,
    /// How many units the flat commission is for. 0 if it is not per unit.
    pub quantity: i32,
    /// What was added because the sale is its customer's first. In the currency of the reward.
    pub first_sale_bonus: Option<Money>,
}

impl RuleTaken {
    /// How many times the flat commission is paid.
    pub fn times(&self) -> i64 {
        self.quantity.max(1).into()
    }
}

/// The value that one affiliate gets for one conversion or click, or by hand. The value never changes. A refund creates a second, negative reward.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Reward {
    pub id: RewardId,
    pub account_id: AccountId,
    /// The conversion that the reward comes from. `None` if it comes from a click, or if a person created it.
    pub conversion_id: Option<ConversionId>,
    pub affiliate_id: AffiliateId,
    /// The enrollment through which the reward was earned.
    pub enrollment_id: EnrollmentId,
    /// The program in which the reward was earned.
    pub program_id: ProgramId,
    pub unit: RewardUnit,
    /// Negative for a refund's reward. What is no money is counted in [`Currency::NONE`](super::money::Currency::NONE).
    pub value: Money,
    /// How much refunds and corrections have taken back, in minor units. Negative if a correction has raised the reward.
    pub reversed_minor: i64,
    /// For the reward of a refund or a correction: the reward that it changes.
    pub reverses: Option<RewardId>,
    pub state: RewardState,
    /// `None` if a person created it.
    pub calculation: Option<Calculation>,
    /// Set if it comes from no conversion and no click.
    pub by_hand: Option<ByHand>,
    /// Set if it comes from a click.
    pub click: Option<RewardClick>,
    /// The findings of fraud rules, and why a person has released it. `None` if there is neither.
    pub review: Option<Arc<RewardReview>>,
    /// The end of the hold period. A worker approves the reward after this time, unless it is held.
    pub auto_approve_at: Time,
    pub created_at: Time,
    /// When the state last changed, or a refund last took something back.
    pub updated_at: Time,
    /// Why the reward was denied. Empty unless it was.
    pub deny_reason: String,
    /// The payout that reserved or paid it. Set if it is cash, and in a payout or paid.
    pub payout_id: Option<PayoutId>,
    /// When it was approved; its payment is due some days later. `None` before, and for what changes a reward that a payout has: that is due
    /// at once.
    pub approved_at: Option<Time>,
    /// The open dispute of its sale. Set if the reward is frozen, and if a payout has it or has paid it.
    pub dispute: Option<RewardDispute>,
}

/// The open dispute of a reward's sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardDispute {
    pub dispute_id: ConversionId,
    /// The state that the reward gets back: pending, held or approved. `None` if it is not frozen, because a payout has it.
    pub frozen_from: Option<RewardState>,
}

/// The part of a reward that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardSummary {
    pub reward_id: RewardId,
    pub affiliate_id: AffiliateId,
    pub unit: RewardUnit,
    pub value: Money,
}

impl Reward {
    /// How the reward was computed from the commission of an affiliate below. `None` if it is not an upline's.
    pub fn upline(&self) -> Option<&UplineShare> {
        self.calculation.as_ref()?.upline.as_ref()
    }

    /// The enrollment that is credited with the event of the reward. An upline's reward is earned through another one.
    pub fn credited_enrollment_id(&self) -> EnrollmentId {
        self.upline().map_or(self.enrollment_id, |upline| upline.credited_enrollment_id)
    }

    /// Whether the reward is what this enrollment earned as the credited one.
    pub fn is_of_credit(&self, enrollment_id: EnrollmentId) -> bool {
        self.enrollment_id == enrollment_id && self.upline().is_none() && !self.is_tally_change()
    }

    /// Whether the reward is the change of a tally, or takes one back.
    pub fn is_tally_change(&self) -> bool {
        self.calculation.as_ref().is_some_and(|calculation| calculation.rule == RewardRule::TallyChange)
    }

    /// Its state, or if it is frozen the one that it gets back.
    pub fn state_unless_frozen(&self) -> RewardState {
        self.dispute.and_then(|dispute| dispute.frozen_from).unwrap_or(self.state)
    }

    /// Whether a payout may pay it: it is approved cash.
    pub fn is_payable(&self) -> bool {
        self.state == RewardState::Approved && self.unit == RewardUnit::Cash
    }

    /// The part of the reward that never changes.
    pub fn summary(&self) -> RewardSummary {
        RewardSummary { reward_id: self.id, affiliate_id: self.affiliate_id, unit: self.unit, value: self.value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_moves_is_the_one_in_the_head_of_the_file() {
        use RewardState::{Approved, Denied, Frozen, Held, InPayout, Paid, Pending, Reversed};
        let allowed = [
            (Pending, Approved),
            (Pending, Denied),
            (Pending, Reversed),
            (Pending, Held),
            (Held, Pending),
            (Held, Denied),
            (Held, Reversed),
            (Pending, Frozen),
            (Held, Frozen),
            (Approved, Frozen),
            (Frozen, Pending),
            (Frozen, Held),
            (Frozen, Approved),
            (Frozen, Denied),
            (Frozen, Reversed),
            (Approved, InPayout),
            (Approved, Paid),
            (Approved, Reversed),
            (InPayout, Approved),
            (InPayout, Paid),
            (Paid, Approved),
            (Paid, InPayout),
        ];
        for from in RewardState::ALL {
            for to in RewardState::ALL {
                assert_eq!(from.may_become(*to), allowed.contains(&(*from, *to)), "{from} -> {to}");
            }
        }
    }
}
