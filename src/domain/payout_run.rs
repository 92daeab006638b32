//! Payout runs: payouts to many affiliates in one currency. A worker creates the payouts in the order of the affiliates' ids, some in each
//! transaction, so that a run may have any number of them.
//!
//! | from | may become |
//! |---|---|
//! | creating | created, cancelling |
//! | created | cancelling |
//! | cancelling | cancelled |
//! | cancelled | final |

use super::affiliate_state::AffiliateState;
use super::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId, PayoutScheduleId};
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
        /// The worker cancels those of its payouts that nobody has begun to pay.
        Cancelling = "cancelling",
        /// These are cancelled.
        Cancelled = "cancelled",
    }
}

impl PayoutRunState {
    /// Whether a run may change from this state to the next: the table above.
    pub fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Creating, Self::Created | Self::Cancelling)
                | (Self::Created, Self::Cancelling)
                | (Self::Cancelling, Self::Cancelled)
        )
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
        /// The run is one of a provider, and the affiliate has no payout method.
        NoMethod = "no_method",
        /// The run is one of a provider, and the affiliate's payout method is another one's.
        OtherMethod = "other_method",
        /// The account pays nobody without a tax profile, and the affiliate has none that counts.
        NoTaxProfile = "no_tax_profile",
        /// The run's maximum has not enough left.
        AboveMaximumTotal = "above_maximum_total",
    }
}

/// The limits of what a run pays, in its currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunLimits {
    /// The least amount that is worth a payout.
    pub minimum: Option<Money>,
    /// The most that all payouts add up to.
    pub maximum_total: Option<Money>,
}

impl RunLimits {
    /// Whether a payout can fit.
    pub fn have_room(self) -> bool {
        let least_minor = self.minimum.map_or(1, |minimum| minimum.amount_minor.max(1));
        self.maximum_total.is_none_or(|maximum_total| maximum_total.amount_minor >= least_minor)
    }
}

/// An affiliate whom a run may pay.
#[derive(Debug, Clone, Copy)]
pub struct Payee {
    /// The affiliate's state.
    pub state: AffiliateState,
    /// Whether the run names its affiliates.
    pub is_named: bool,
    /// Why the run's provider cannot pay the affiliate. `None`: it can.
    pub fault: Option<MethodFault>,
    /// Whether the affiliate is not paid because of its tax profile.
    pub lacks_tax_profile: bool,
}

impl PayoutRunVerdict {
    /// The verdict of a run with these limits about an affiliate to whom this is due, after payouts of this sum.
    pub fn of(due: &Payable, limits: RunLimits, total_minor: i64, payee: Payee) -> Self {
        let is_below = |sum_minor| limits.minimum.is_some_and(|minimum| sum_minor < minimum.amount_minor);
        let is_above = |sum_minor| {
            let left_minor = limits.maximum_total.map(|maximum| maximum.amount_minor.saturating_sub(total_minor));
            left_minor.is_some_and(|left_minor| sum_minor > left_minor)
        };
        match (due.sum_minor, payee.fault) {
            _ if due.rewards.is_empty() => Self::NothingDue,
            (sum_minor, _) if sum_minor <= 0 => Self::Negative,
            _ if payee.state == AffiliateState::Erased => Self::Erased,
            _ if payee.state != AffiliateState::Active && !payee.is_named => Self::NotActive,
            (sum_minor, _) if is_below(sum_minor) => Self::BelowMinimum,
            _ if payee.lacks_tax_profile => Self::NoTaxProfile,
            (_, Some(MethodFault::NoMethod)) => Self::NoMethod,
            (_, Some(MethodFault::OtherMethod)) => Self::OtherMethod,
            (sum_minor, None) if is_above(sum_minor) => Self::AboveMaximumTotal,
            (_, None) => Self::Pays,
        }
    }
}

/// A run of a schedule, as it was planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct RunPlan {
    pub schedule_id: PayoutScheduleId,
    /// The time of the schedule for which the run was created.
    pub planned_at: Time,
    /// It pays rewards that were approved up to this time. `None`: as the account's policy for payouts says.
    pub due_until: Option<Time>,
    /// Whether each payout needs an approval.
    pub needs_approval: bool,
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
    /// The most that all payouts add up to.
    pub maximum_total: Option<Money>,
    /// What its schedule planned. `None`: a key created it.
    pub plan: Option<RunPlan>,
    /// Text for the merchant, which each payout gets. May be empty.
    pub note: String,
    /// Text for the affiliates, which each payout gets. May be empty.
    pub message: String,
    /// The last affiliate that was looked at. `None`: none yet.
    pub cursor: Option<AffiliateId>,
    pub payout_count: i64,
    /// The sum of the payouts when they were created.
    pub total: Money,
    /// The key that created it, or last set its schedule.
    pub created_by: Option<ApiKeyId>,
    /// The key that cancelled it.
    pub cancelled_by: Option<ApiKeyId>,
    pub cancelled_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl PayoutRun {
    /// The limits of what it pays.
    pub const fn limits(&self) -> RunLimits {
        RunLimits { minimum: self.minimum, maximum_total: self.maximum_total }
    }

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

    const ACTIVE: Payee =
        Payee { state: AffiliateState::Active, is_named: false, fault: None, lacks_tax_profile: false };

    #[test]
    fn a_run_pays_what_is_due_within_its_limits() {
        let usd = |minor| Some(Money::new(minor, "USD".parse().unwrap()));
        let limits = RunLimits { minimum: usd(500), maximum_total: None };
        let due =
            |sum_minor, count| Payable { rewards: (0..count).map(|_| Arc::new(any_reward(1, 1))).collect(), sum_minor };
        let none = RunLimits::default();
        assert_eq!(PayoutRunVerdict::of(&due(0, 0), limits, 0, ACTIVE), PayoutRunVerdict::NothingDue);
        assert_eq!(PayoutRunVerdict::of(&due(0, 2), limits, 0, ACTIVE), PayoutRunVerdict::Negative);
        assert_eq!(PayoutRunVerdict::of(&due(-1, 1), none, 0, ACTIVE), PayoutRunVerdict::Negative);
        assert_eq!(PayoutRunVerdict::of(&due(499, 1), limits, 0, ACTIVE), PayoutRunVerdict::BelowMinimum);
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), limits, i64::MAX, ACTIVE), PayoutRunVerdict::Pays);
        assert_eq!(PayoutRunVerdict::of(&due(1, 1), none, 0, ACTIVE), PayoutRunVerdict::Pays);
        let limits = RunLimits { minimum: usd(500), maximum_total: usd(2_000) };
        assert_eq!(PayoutRunVerdict::of(&due(2_000, 1), limits, 0, ACTIVE), PayoutRunVerdict::Pays);
        assert_eq!(PayoutRunVerdict::of(&due(2_001, 1), limits, 0, ACTIVE), PayoutRunVerdict::AboveMaximumTotal);
        assert_eq!(PayoutRunVerdict::of(&due(600, 1), limits, 1_400, ACTIVE), PayoutRunVerdict::Pays);
        assert_eq!(PayoutRunVerdict::of(&due(601, 1), limits, 1_400, ACTIVE), PayoutRunVerdict::AboveMaximumTotal);
        assert_eq!(PayoutRunVerdict::of(&due(499, 1), limits, 2_000, ACTIVE), PayoutRunVerdict::BelowMinimum);
        let other = Payee { fault: Some(MethodFault::OtherMethod), ..ACTIVE };
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), limits, 2_000, other), PayoutRunVerdict::OtherMethod);
        assert_eq!(PayoutRunVerdict::of(&due(499, 1), limits, 0, other), PayoutRunVerdict::BelowMinimum);
        let untaxed = Payee { lacks_tax_profile: true, ..other };
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), limits, 2_000, untaxed), PayoutRunVerdict::NoTaxProfile);
        assert_eq!(PayoutRunVerdict::of(&due(499, 1), limits, 0, untaxed), PayoutRunVerdict::BelowMinimum);
        let without = Payee { fault: Some(MethodFault::NoMethod), ..ACTIVE };
        assert_eq!(PayoutRunVerdict::of(&due(500, 1), none, 0, without), PayoutRunVerdict::NoMethod);
    }

    #[test]
    fn states_follow_the_table() {
        use PayoutRunState::{Cancelled, Cancelling, Created, Creating};
        let allowed = [(Creating, Created), (Creating, Cancelling), (Created, Cancelling), (Cancelling, Cancelled)];
        for from in PayoutRunState::ALL {
            for to in PayoutRunState::ALL {
                assert_eq!(from.may_become(*to), allowed.contains(&(*from, *to)), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn who_is_not_active_is_paid_by_name_and_who_was_erased_never() {
        let due = |sum_minor| Payable { rewards: vec![Arc::new(any_reward(1, 1))], sum_minor };
        let of = |sum_minor, state, is_named| {
            PayoutRunVerdict::of(&due(sum_minor), RunLimits::default(), 0, Payee { state, is_named, ..ACTIVE })
        };
        for state in [AffiliateState::Applied, AffiliateState::Inactive, AffiliateState::Rejected] {
            assert_eq!(of(1, state, false), PayoutRunVerdict::NotActive);
            assert_eq!(of(1, state, true), PayoutRunVerdict::Pays);
            assert_eq!(of(0, state, false), PayoutRunVerdict::Negative);
        }
        assert_eq!(of(1, AffiliateState::Erased, false), PayoutRunVerdict::Erased);
        assert_eq!(of(1, AffiliateState::Erased, true), PayoutRunVerdict::Erased);
    }
}
