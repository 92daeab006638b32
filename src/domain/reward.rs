//! Rewards: the earnings of affiliates from conversions, and their states.
//!
//! | from | may become |
//! |---|---|
//! | pending | approved, denied, reversed |
//! | approved | paid, reversed |
//! | denied, paid, reversed | final |

use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use super::money::{Money, Rounding};
use super::program::Commission;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a reward.
    RewardState {
        /// The reward waits for the end of its hold period, or for a person.
        Pending = "pending",
        /// The reward is owed.
        Approved = "approved",
        /// A person refused the reward.
        Denied = "denied",
        /// The reward was paid.
        Paid = "paid",
        /// Refunds took the whole reward back before it was paid.
        Reversed = "reversed",
    }
}

impl RewardState {
    /// Whether a reward may change from this state to the next: the table above.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Pending, Self::Approved | Self::Denied | Self::Reversed)
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
    }
}

text_enum! {
    /// The unit that a reward is counted in.
    RewardUnit {
        /// Money, in minor units of a currency.
        Cash = "cash",
    }
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
}

/// The earnings of one affiliate from one conversion. The value never changes. A refund creates a second, negative reward.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Reward {
    pub id: RewardId,
    pub account_id: AccountId,
    /// The conversion that the reward comes from.
    pub conversion_id: ConversionId,
    pub affiliate_id: AffiliateId,
    /// The enrollment through which the reward was earned.
    pub enrollment_id: EnrollmentId,
    /// The program in which the reward was earned.
    pub program_id: ProgramId,
    pub unit: RewardUnit,
    /// Negative for a refund's reward.
    pub value: Money,
    /// How much refunds have taken back, in minor units, positive.
    pub reversed_minor: i64,
    /// For the reward of a refund: the reward that it reverses.
    pub reverses: Option<RewardId>,
    pub state: RewardState,
    pub calculation: Calculation,
    /// The end of the hold period. A worker approves the reward after this time.
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
        use RewardState::{Approved, Denied, Paid, Pending, Reversed};
        let allowed =
            [(Pending, Approved), (Pending, Denied), (Pending, Reversed), (Approved, Paid), (Approved, Reversed)];
        for from in RewardState::ALL {
            for to in RewardState::ALL {
                assert_eq!(from.may_become(*to), allowed.contains(&(*from, *to)), "{from} -> {to}");
            }
        }
    }
}
