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
    /// The unit that a reward is counted in.
    RewardUnit {
        /// Money, in minor units of a currency.
        Cash = "cash",
    }
}

/// How a reward was computed, enough to compute it again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Calculation {
    pub rule: RewardRule,
    /// The amount it was computed from: the part of the sale that was not refunded when it was priced.
    pub base_amount: Money,
    /// The rate. A flat amount is for the whole sale.
    pub commission: Commission,
    pub terms_version: i32,
    /// How it was rounded. Reversals of it are rounded the same way.
    pub rounding: Rounding,
}

/// The earnings of one affiliate from one conversion. The value never changes; a refund makes a second, negative reward.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Reward {
    pub id: RewardId,
    pub account_id: AccountId,
    /// The conversion it comes from.
    pub conversion_id: ConversionId,
    pub affiliate_id: AffiliateId,
    /// The enrollment it was earned through.
    pub enrollment_id: EnrollmentId,
    /// The program it was earned in.
    pub program_id: ProgramId,
    pub unit: RewardUnit,
    /// Negative for a refund's reward.
    pub value: Money,
    /// How much of it refunds have taken back, in minor units, positive.
    pub reversed_minor: i64,
    /// Of a refund's reward: the reward it takes back from.
    pub reverses: Option<RewardId>,
    pub state: RewardState,
    pub calculation: Calculation,
    /// The end of its hold period: a worker approves it after this time.
    pub auto_approve_at: Time,
    pub created_at: Time,
    /// When its state last changed, or a refund last took back from it.
    pub updated_at: Time,
    /// Why it was denied; empty otherwise.
    pub deny_reason: String,
}

/// A reward as first made: the part that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RewardSummary {
    pub reward_id: RewardId,
    pub affiliate_id: AffiliateId,
    pub unit: RewardUnit,
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
