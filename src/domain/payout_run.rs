//! Payout runs: payouts to many affiliates in one currency. A worker creates the payouts in the order of the affiliates' ids, some in each
//! transaction, so that a run may have any number of them.
//!
//! | from | may become |
//! |---|---|
//! | creating | created |
//! | created | final |

use super::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId};
use super::money::{Currency, Money};
use super::payout::{Payable, PayoutProvider};
use super::payout_method::MethodFault;
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
        /// Less than the run's minimum is due.
        BelowMinimum = "below_minimum",
        /// The run is one of a provider, and the affiliate has no payout method.
        NoMethod = "no_method",
        /// The run is one of a provider, and the affiliate's payout method is another one's.
        OtherMethod = "other_method",
    }
}

impl PayoutRunVerdict {
    /// The verdict of a run with this minimum about an affiliate to whom this is due, and whom the run's provider cannot pay for this reason.
    pub fn of(due: &Payable, minimum: Option<Money>, fault: Option<MethodFault>) -> Self {
        match due.sum_minor {
            _ if due.rewards.is_empty() => Self::NothingDue,
            sum_minor if sum_minor <= 0 => Self::Negative,
            sum_minor if minimum.is_some_and(|minimum| sum_minor < minimum.amount_minor) => Self::BelowMinimum,
            _ => match fault {
                Some(MethodFault::NoMethod) => Self::NoMethod,
                Some(MethodFault::OtherMethod) => Self::OtherMethod,
                None => Self::Pays,
            },
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
    /// Who pays. `None`: the provider of each affiliate's payout method, as far as the account is connected to it.
    pub provider: Option<PayoutProvider>,
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
        assert_eq!(PayoutRunVerdict::of(&due(0, 0), minimum, None), PayoutRunVerdict::NothingDue);
        assert_eq!(PayoutRunVerdict::of(&due(0, 2), minimum, None), PayoutRunVerdict::Negative);
        assert_eq!(PayoutRunVerdict::of(&due(-1, 1), None, None), PayoutRunVerdict::Negative);
        assert_eq!(PayoutRunVerdict::of(&due(499, 1), minimum, None), PayoutRunVerdict::BelowMinimum);
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), minimum, None), PayoutRunVerdict::Pays);
        assert_eq!(PayoutRunVerdict::of(&due(1, 1), None, None), PayoutRunVerdict::Pays);
        let fault = Some(MethodFault::OtherMethod);
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), minimum, fault), PayoutRunVerdict::OtherMethod);
        assert_eq!(PayoutRunVerdict::of(&due(499, 1), minimum, fault), PayoutRunVerdict::BelowMinimum);
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), None, Some(MethodFault::NoMethod)), PayoutRunVerdict::NoMethod);
    }
}
