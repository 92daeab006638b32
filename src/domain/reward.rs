//! Rewards: what affiliates get for conversions or by hand, and their states.
//!
//! | from | may become |
//! |---|---|
//! | pending | approved, denied, reversed, held |
//! | held | pending, denied, reversed |
//! | approved | paid, reversed |
//! | denied, paid, reversed | final |

use std::sync::Arc;

use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId, RewardId};
use super::money::{Money, Rounding};
use super::program::Commission;
pub use super::reward_unit::RewardUnit;
use super::split::Split;
use super::text_enum::text_enum;
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
        /// The reward was paid, or the affiliate was given what is no cash.
        Paid = "paid",
        /// Refunds took the whole reward back before it was paid.
        Reversed = "reversed",
        /// The reward is kept from approval until a person releases it.
        Held = "held",
    }
}

impl RewardState {
    /// Whether a reward may change from this state to the next: the table above.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Approved | Self::Denied | Self::Reversed | Self::Held)
                | (Self::Held, Self::Pending | Self::Denied | Self::Reversed)
                | (Self::Approved, Self::Paid | Self::Reversed)
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
    }
}

/// How a reward came about without a conversion: a person created it, or it is the bonus of an enrollment. Texts that were not sent are empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ByHand {
    pub reason: String,
    /// The lead that was named. The reward goes to the affiliate that the lead was bound to.
    pub lead_id: Option<LeadId>,
    /// The version of the terms that give the bonus of the enrollment. 0 if a person created the reward.
    pub bonus_terms_version: i32,
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
    /// Set if others share the commission. `share_ppm` is the share of this one.
    pub split: Option<Split>,
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

/// The value that one affiliate gets for one conversion, or by hand. The value never changes. A refund creates a second, negative reward.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Reward {
    pub id: RewardId,
    pub account_id: AccountId,
    /// The conversion that the reward comes from. `None` if a person created it.
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
    /// Set if it comes from no conversion.
    pub by_hand: Option<ByHand>,
    /// The end of the hold period. A worker approves the reward after this time, unless it is held.
    pub auto_approve_at: Time,
    pub created_at: Time,
    /// When the state last changed, or a refund last took something back.
    pub updated_at: Time,
    /// Why the reward was denied. Empty unless it was.
    pub deny_reason: String,
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
        self.enrollment_id == enrollment_id && self.upline().is_none()
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
        use RewardState::{Approved, Denied, Held, Paid, Pending, Reversed};
        let allowed = [
            (Pending, Approved),
            (Pending, Denied),
            (Pending, Reversed),
            (Pending, Held),
            (Held, Pending),
            (Held, Denied),
            (Held, Reversed),
            (Approved, Paid),
            (Approved, Reversed),
        ];
        for from in RewardState::ALL {
            for to in RewardState::ALL {
                assert_eq!(from.may_become(*to), allowed.contains(&(*from, *to)), "{from} -> {to}");
            }
        }
    }
}
