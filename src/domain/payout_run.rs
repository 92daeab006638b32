//! Payout runs: payouts to many affiliates in one currency. A worker creates the payouts in the order of the affiliates' ids, some in each
//! transaction, so that a run may have any number of them.
//!
//! | from | may become |
//! |---|---|
//! | creating | created |
//! | created | final |

use super::affiliate_state::AffiliateState;
use super::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId};
use super::money::{Currency, Money};
use super::payout::Payable;
use super::text_enum::text_enum;
use super::time::Time;

/// The most affiliates that a run names. A run for all affiliates has no such limit.
pub const RUN_AFFILIATES_MAX: usize = 1_000;

text_enum! {
    /// The state of a run.
    PayoutRunState {
        /// The worker creates its payouts.
        Creating = "creating",
        /// All of its payouts are created.
        Created = "created",
    }
}

text_enum! {
    /// Why a run pays an affiliate, or does not.
    PayoutRunVerdict {
        /// It pays what is due.
        Pays = "pays",
        /// Nothing is due.
        NothingDue = "nothing_due",
        /// Refunds took back as much as is due, or more.
        Negative = "negative",
        /// The affiliate is not active, and the run does not name it.
        NotActive = "not_active",
        /// The affiliate was erased.
        Erased = "erased",
        /// Less than the run's minimum is due.
        BelowMinimum = "below_minimum",
    }
}

impl PayoutRunVerdict {
    /// The verdict of a run with this minimum about an affiliate in this state, to whom this is due. `is_named`: the run names its affiliates.
    pub fn of(due: &Payable, minimum: Option<Money>, state: AffiliateState, is_named: bool) -> Self {
        match due.sum_minor {
            _ if due.rewards.is_empty() => Self::NothingDue,
            sum_minor if sum_minor <= 0 => Self::Negative,
            _ if state == AffiliateState::Erased => Self::Erased,
            _ if state != AffiliateState::Active && !is_named => Self::NotActive,
            sum_minor if minimum.is_some_and(|minimum| sum_minor < minimum.amount_minor) => Self::BelowMinimum,
            _ => Self::Pays,
        }
    }
}

/// Payouts to many affiliates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutRun {
    pub id: PayoutRunId,
    pub account_id: AccountId,
    pub state: PayoutRunState,
    pub currency: Currency,
    /// In the order of the ids, without repeats. `None`: all affiliates. A list is never empty.
    pub affiliate_ids: Option<Vec<AffiliateId>>,
    /// The least amount that is worth a payout.
    pub minimum: Option<Money>,
    /// Text for the merchant, which each payout gets. May be empty.
    pub note: String,
    /// Text for the affiliates, which each payout gets. May be empty.
    pub message: String,
    /// The last affiliate that was looked at. `None`: none yet.
    pub cursor: Option<AffiliateId>,
    pub payout_count: i64,
    /// The sum of the payouts when they were created.
    pub total: Money,
    /// The key that created it. `None` if the server did.
    pub created_by: Option<ApiKeyId>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl PayoutRun {
    /// The named affiliates that were not looked at, up to `limit`. `None` if the run is for all affiliates.
    pub fn next_named(&self, limit: usize) -> Option<Vec<AffiliateId>> {
        let ids = self.affiliate_ids.as_ref()?;
        let first = self.cursor.map_or(0, |cursor| ids.partition_point(|id| *id <= cursor));
        Some(ids.iter().skip(first).take(limit).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::payout::tests::any_reward;

    #[test]
    fn a_run_pays_what_is_due_from_its_minimum_on() {
        let minimum = Some(Money::new(500, "USD".parse().unwrap()));
        let due =
            |sum_minor, count| Payable { rewards: (0..count).map(|_| Arc::new(any_reward(1, 1))).collect(), sum_minor };
        let of = |due, minimum| PayoutRunVerdict::of(&due, minimum, AffiliateState::Active, false);
        assert_eq!(of(due(0, 0), minimum), PayoutRunVerdict::NothingDue);
        assert_eq!(of(due(0, 2), minimum), PayoutRunVerdict::Negative);
        assert_eq!(of(due(-1, 1), None), PayoutRunVerdict::Negative);
        assert_eq!(of(due(499, 1), minimum), PayoutRunVerdict::BelowMinimum);
        assert_eq!(of(due(500, 1), minimum), PayoutRunVerdict::Pays);
        assert_eq!(of(due(1, 1), None), PayoutRunVerdict::Pays);
    }

    #[test]
    fn who_is_not_active_is_paid_by_name_and_who_was_erased_never() {
        let due = |sum_minor| Payable { rewards: vec![Arc::new(any_reward(1, 1))], sum_minor };
        let of = |sum_minor, state, is_named| PayoutRunVerdict::of(&due(sum_minor), None, state, is_named);
        for state in [AffiliateState::Applied, AffiliateState::Inactive, AffiliateState::Rejected] {
            assert_eq!(of(1, state, false), PayoutRunVerdict::NotActive);
            assert_eq!(of(1, state, true), PayoutRunVerdict::Pays);
            assert_eq!(of(0, state, false), PayoutRunVerdict::Negative);
        }
        assert_eq!(of(1, AffiliateState::Erased, false), PayoutRunVerdict::Erased);
        assert_eq!(of(1, AffiliateState::Erased, true), PayoutRunVerdict::Erased);
    }
}
