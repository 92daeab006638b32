//! Rewards: what a conversion gives an affiliate, and the states it passes through.
//!
//! | from | may become |
//! |---|---|
//! | pending | approved, denied, reversed |
//! | approved | paid, reversed |
//! | denied, paid, reversed | final |

use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use super::money::{Money, Rounding};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a reward.
    RewardState {
        /// Waits for the end of its hold period, or for a person.
        Pending = "pending",
        /// Is owed.
        Approved = "approved",
        /// Was refused by a person.
        Denied = "denied",
        /// Was paid.
        Paid = "paid",
        /// Was taken back as a whole before it was paid.
        Reversed = "reversed",
    }
}

impl RewardState {
    /// Whether a reward in this state may take the next one: the table above.
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
        /// Taken back in proportion to a refund.
        Reversal = "reversal",
    }
}

text_enum! {
    /// What a reward is counted in.
    RewardUnit {
        /// Money, in minor units of a currency.
        Cash = "cash",
    }
}

/// How a reward was computed, enough to compute it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calculation {
    /// Where the rate came from.
    pub rule: RewardRule,
    /// The amount it was computed from: what was left of the sale when it was priced.
    pub base: Money,
    /// The rate in parts per million; 0 for a flat commission.
    pub percent_ppm: i64,
    /// The flat amount for the whole sale in minor units; 0 for a percentage.
    pub flat_minor: i64,
    /// The version of the terms.
    pub terms_version: i32,
    /// How it was rounded, and how what is taken back from it is.
    pub rounding: Rounding,
}

/// What one conversion gives one affiliate. The value never changes; a refund makes a second, negative reward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reward {
    /// Its id.
    pub id: RewardId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The conversion it comes from.
    pub conversion_id: ConversionId,
    /// Who gets it.
    pub affiliate_id: AffiliateId,
    /// The enrollment it was earned through.
    pub enrollment_id: EnrollmentId,
    /// The program it was earned in.
    pub program_id: ProgramId,
    /// What it is counted in.
    pub unit: RewardUnit,
    /// How much; negative for what a refund takes back.
    pub value: Money,
    /// How much of it refunds have taken back, in minor units, positive.
    pub reversed_minor: i64,
    /// Of a refund's reward: the reward it takes back from.
    pub reverses: Option<RewardId>,
    /// Its state.
    pub state: RewardState,
    /// How it was computed.
    pub calculation: Calculation,
    /// When it is approved by itself.
    pub approve_after: Time,
    /// When it was made.
    pub created_at: Time,
    /// When its state last changed.
    pub updated_at: Time,
    /// Why it was denied; empty otherwise.
    pub deny_reason: String,
}

/// A reward as first made: the part that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewardSummary {
    /// The reward.
    pub reward_id: RewardId,
    /// Who gets it.
    pub affiliate_id: AffiliateId,
    /// What it is counted in.
    pub unit: RewardUnit,
    /// How much.
    pub value: Money,
}

impl Reward {
    /// The part that never changes.
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
