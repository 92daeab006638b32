//! Payouts: money on its way to one affiliate in one currency, and the rewards that it pays.
//!
//! | from | may become |
//! |---|---|
//! | needs approval | ready, cancelled |
//! | ready | exported, paid, cancelled, failed, sending, awaiting funds |
//! | exported | paid, cancelled, failed |
//! | sending | processing, unclaimed, on hold, paid, awaiting funds, needs attention, failed, returned |
//! | awaiting funds | sending, paid, cancelled |
//! | processing | unclaimed, on hold, paid, awaiting funds, needs attention, failed, returned, cancelled, sending |
//! | unclaimed, on hold | each other, processing, paid, awaiting funds, needs attention, failed, returned, cancelled, sending |
//! | needs attention | sending, paid, cancelled |
//! | paid | returned, ready, needs approval |
//! | cancelled, failed, returned | final |
//!
//! A payout is open until it is paid, cancelled, failed or returned. It has reserved its rewards and its amount. Only the sending of
//! payouts (`rule/payout/send.rs`) knows the states from sending on; those of payouts that the owner pays are in the first rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::id::{AccountId, AffiliateId, ApiKeyId, PayoutDocumentId, PayoutExportId, PayoutId, PayoutRunId, RewardId};
use super::money::{Money, Overflow};
use super::payout_method::PayoutDestination;
pub use super::payout_provider::PayoutProvider;
pub use super::payout_sending::{PayoutProblem, ProblemKind, Sending, WhoMustAct};
use super::reward::{Reward, RewardState, RewardUnit};
use super::text_enum::text_enum;
use super::time::Time;

/// The most rewards that one payout pays.
pub const PAYOUT_REWARDS_MAX: usize = 1_000;

/// How often a payout is reopened at most, because it keeps each time.
pub const REOPENINGS_MAX: usize = 20;

text_enum! {
    /// The state of a payout.
    PayoutState {
        /// Another key than the one that created the payout must approve it.
        NeedsApproval = "needs_approval",
        /// The owner may pay it.
        Ready = "ready",
        /// It is in a file that the owner uploads.
        Exported = "exported",
        /// The affiliate has the money.
        Paid = "paid",
        /// A person cancelled it. Its rewards are approved again.
        Cancelled = "cancelled",
        /// The provider is asked to pay it. Whether it does is not known yet.
        Sending = "sending",
        /// The account at the provider had too little money. Nothing was made, and it is sent again by itself.
        AwaitingFunds = "awaiting_funds",
        /// The provider has it.
        Processing = "processing",
        /// The provider waits for the receiver.
        Unclaimed = "unclaimed",
        /// The provider keeps it until something is done or checked.
        OnHold = "on_hold",
        /// A person must act before it goes on.
        NeedsAttention = "needs_attention",
        /// The provider does not pay it. Its rewards are approved again.
        Failed = "failed",
        /// The money came back. Its rewards are approved again.
        Returned = "returned",
    }
}

impl PayoutState {
    /// Whether a payout may change from this state to the next: the table above.
    pub fn may_become(self, next: Self) -> bool {
        use PayoutState::{
            AwaitingFunds, Cancelled, Exported, Failed, NeedsApproval, NeedsAttention, OnHold, Paid, Processing, Ready,
            Returned, Sending, Unclaimed,
        };
        match self {
            NeedsApproval => matches!(next, Ready | Cancelled),
            Ready => matches!(next, Exported | Paid | Cancelled | Failed | Sending | AwaitingFunds),
            Exported => matches!(next, Paid | Cancelled | Failed),
            Sending => matches!(
                next,
                Processing | Unclaimed | OnHold | Paid | AwaitingFunds | NeedsAttention | Failed | Returned
            ),
            AwaitingFunds | NeedsAttention => matches!(next, Sending | Paid | Cancelled),
            Processing => matches!(
                next,
                Unclaimed | OnHold | Paid | AwaitingFunds | NeedsAttention | Failed | Returned | Cancelled | Sending
            ),
            Unclaimed | OnHold => {
                matches!(
                    next,
                    Unclaimed
                        | OnHold
                        | Processing
                        | Paid
                        | AwaitingFunds
                        | NeedsAttention
                        | Failed
                        | Returned
                        | Cancelled
                        | Sending
                ) && next != self
            }
            Paid => matches!(next, Returned | Ready | NeedsApproval),
            Cancelled | Failed | Returned => false,
        }
    }

    /// Whether the provider has the payout, or may have it. Then only the provider knows how it ends.
    pub fn is_at_provider(self) -> bool {
        matches!(self, Self::Sending | Self::Processing | Self::Unclaimed | Self::OnHold)
    }

    /// The states in which nobody has the payout, so that it can be cancelled without asking anybody. One that waits for money was refused.
    pub const UNSENT: [Self; 3] = [Self::NeedsApproval, Self::Ready, Self::AwaitingFunds];

    /// Whether the payout has reserved what it will pay.
    pub fn is_open(self) -> bool {
        self != Self::Paid && !self.is_released()
    }

    /// Whether the payout ended without payment, and its rewards are owed again.
    pub fn is_released(self) -> bool {
        matches!(self, Self::Cancelled | Self::Failed | Self::Returned)
    }
}

/// How many hours a change of a payout method waits, unless the account says otherwise.
pub const METHOD_CHANGE_HOURS_DEFAULT: i32 = 72;

/// The longest time until a reward is due, in days.
pub const NET_DAYS_MAX: i32 = 366;

/// How an account pays its affiliates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutPolicy {
    /// How many days after its approval a reward is due.
    pub net_days: i32,
    /// The largest payouts that need no approval, each in another currency. If there are any, payouts in other currencies need one.
    pub approval_above: Vec<Money>,
    /// How many hours a change of a payout method waits before it takes effect.
    pub method_change_hours: i32,
    /// Whether nobody is paid without a tax profile.
    pub requires_tax_profile: bool,
    /// Whether each payout gets a self-billing invoice.
    pub self_billing_invoices: bool,
}

impl Default for PayoutPolicy {
    fn default() -> Self {
        Self {
            net_days: 0,
            approval_above: Vec::new(),
            method_change_hours: METHOD_CHANGE_HOURS_DEFAULT,
            requires_tax_profile: false,
            self_billing_invoices: false,
        }
    }
}

impl PayoutPolicy {
    /// Whether a payout of this amount needs the approval of another key than the one that created it.
    pub fn needs_approval(&self, amount: Money) -> bool {
        let limit = self.approval_above.iter().find(|limit| limit.currency == amount.currency);
        !self.approval_above.is_empty() && limit.is_none_or(|limit| amount.amount_minor > limit.amount_minor)
    }

    /// The last time of an approval that is due at `now`.
    pub fn due_until(&self, now: Time) -> Time {
        // Without net days everything is due, whatever the clocks of two servers say.
        if self.net_days == 0 { Time::from_micros(i64::MAX) } else { self.overdue_until(now) }
    }

    /// The last end of a hold period after which an approval would be due at `now`.
    pub fn overdue_until(&self, now: Time) -> Time {
        now.plus_days(self.net_days.saturating_neg())
    }
}

text_enum! {
    /// Why a payout cannot pay a reward.
    PayoutFault {
        /// It is another affiliate's.
        OtherAffiliate = "other_affiliate",
        /// It is in another currency than the first one.
        OtherCurrency = "other_currency",
        /// It is no cash.
        NotCash = "not_cash",
        /// It waits for its approval.
        Pending = "pending",
        /// It is kept from approval.
        Held = "held",
        /// A dispute of its sale is open.
        Frozen = "frozen",
        /// It was denied.
        Denied = "denied",
        /// An open payout has it.
        InPayout = "in_payout",
        /// It was paid.
        Paid = "paid",
        /// Refunds took all of it back.
        Reversed = "reversed",
        /// It takes back from a reward that is in no payout, and is paid together with that one.
        TakesBack = "takes_back",
    }
}

impl PayoutFault {
    /// Why this affiliate's payout in the currency of `amount` cannot pay a reward. `None` if it can.
    pub fn of(reward: &Reward, affiliate_id: AffiliateId, amount: Money) -> Option<Self> {
        if reward.affiliate_id != affiliate_id {
            return Some(Self::OtherAffiliate);
        }
        if reward.unit != RewardUnit::Cash {
            return Some(Self::NotCash);
        }
        match reward.state {
            RewardState::Approved if reward.value.currency != amount.currency => Some(Self::OtherCurrency),
            RewardState::Approved => None,
            RewardState::Pending => Some(Self::Pending),
            RewardState::Held => Some(Self::Held),
            RewardState::Frozen => Some(Self::Frozen),
            RewardState::Denied => Some(Self::Denied),
            RewardState::InPayout => Some(Self::InPayout),
            RewardState::Paid => Some(Self::Paid),
            RewardState::Reversed => Some(Self::Reversed),
        }
    }

    /// The fault in words, after the id of the reward.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::OtherAffiliate => "is another affiliate's",
            Self::OtherCurrency => "is in another currency; a payout has one",
            Self::NotCash => "is no cash; FulfillReward tells that the affiliate got it",
            Self::Pending => "is pending; approve it first",
            Self::Held => "is held; release and approve it first",
            Self::Frozen => "is frozen, because its sale is disputed; ResolveDispute ends the dispute",
            Self::Denied => "is denied",
            Self::InPayout => "is in another payout; cancel that one first",
            Self::Paid => "is paid already",
            Self::Reversed => "was taken back by refunds",
            Self::TakesBack => "takes back from an unpaid reward and is paid with it; name that one",
        }
    }
}

/// A reward that a payout cannot pay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UnpayableReward {
    pub reward_id: RewardId,
    pub fault: PayoutFault,
}

/// Money that one affiliate gets in one currency.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Payout {
    pub id: PayoutId,
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    /// More than zero. What the rewards add up to.
    pub amount: Money,
    pub provider: PayoutProvider,
    /// Where the money goes, as it was when the payout was created. `None`: the affiliate had no payout method, or was erased. Left out of the
    /// answers that are stored for repeated requests.
    pub destination: Option<PayoutDestination>,
    /// Whether its account is one for tests, whose payouts move no money.
    pub is_test: bool,
    pub state: PayoutState,
    /// How many rewards it pays, with those that take back. A cancelled payout keeps the number.
    pub reward_count: i32,
    /// The bank's or the provider's name for the transfer. May be empty.
    pub reference: String,
    /// The owner's text about the payout. May be empty.
    pub note: String,
    /// The owner's text for the affiliate. May be empty.
    pub message: String,
    /// When the affiliate got the money. `None` unless it is paid.
    pub paid_at: Option<Time>,
    /// The run that it belongs to.
    pub run_id: Option<PayoutRunId>,
    /// The key that created it, or its run. `None` if the server did.
    pub created_by: Option<ApiKeyId>,
    /// The key that approved it. `None` if nobody had to.
    pub approved_by: Option<ApiKeyId>,
    pub approved_at: Option<Time>,
    pub cancelled_at: Option<Time>,
    /// What is known of its sending. `None` before its first attempt, and for what the owner pays unless a bank refused it or sent it back.
    pub sending: Option<Arc<Sending>>,
    /// The export that it is in.
    pub export_id: Option<PayoutExportId>,
    /// Its document: a draft until it is paid. One that is void stays here until a new one is made. `None`: the account wants none.
    pub document_id: Option<PayoutDocumentId>,
    /// The number of the document. Empty without one, and for a draft.
    pub document_number: String,
    /// The payments that were undone, the oldest first.
    pub reopenings: Vec<Reopening>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl Payout {
    /// The payout as it is kept in answers, so that nothing of the affiliate's is left there when it is erased.
    pub fn without_destination(&self) -> Self {
        Self { destination: None, ..self.clone() }
    }

    /// The etag. It is different after every change of the payout, because each commit of an account has a time of its own.
    pub fn etag(&self) -> String {
        format!("{}-{}-{}", self.updated_at.micros(), self.state, self.reopenings.len())
    }
}

/// A payment that a person undid, because the affiliate did not get the money.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Reopening {
    pub reopened_at: Time,
    /// The key that undid it.
    pub reopened_by: Option<ApiKeyId>,
    pub reason: String,
    /// When the affiliate was said to have got the money.
    pub paid_at: Option<Time>,
    /// The name of the transfer. May be empty.
    pub reference: String,
}

/// A reward with those that take back from it.
#[derive(Debug, Default)]
struct Family {
    ids: Vec<RewardId>,
    sum_minor: i64,
    is_due: bool,
}

/// The rewards that one payout can take of the approved ones of an affiliate in a currency, and what they add up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Payable {
    /// With those that take back, in the order of their ids.
    pub rewards: Vec<Arc<Reward>>,
    /// In minor units. Zero or less if later refunds took back more.
    pub sum_minor: i64,
}

impl Payable {
    /// Chooses among `approved`, which are in the order of their ids. A family is a reward with those that take back from it. Families that add
    /// up to less than zero come first, whenever they were approved. Then come those that were approved up to `due_until`, from the oldest
    /// on, as long as there is room and they add up to no more than is owed. `is_approved` says whether the reward with an id is approved.
    ///
    /// # Errors
    /// [`Overflow`] when the sum does not fit into 64 bits.
    pub fn choose(
        approved: &[Arc<Reward>],
        due_until: Time,
        owed_minor: i64,
        is_approved: impl Fn(RewardId) -> bool,
    ) -> Result<Self, Overflow> {
        let takes_back = |reward: &Reward| reward.reverses.is_some_and(&is_approved);
        let mut families: BTreeMap<RewardId, Family> = BTreeMap::new();
        for reward in approved {
            let head = reward.reverses.filter(|id| is_approved(*id)).unwrap_or(reward.id);
            let family = families.entry(head).or_default();
            family.sum_minor = family.sum_minor.checked_add(reward.value.amount_minor).ok_or(Overflow)?;
            family.ids.push(reward.id);
            if !takes_back(reward) {
                family.is_due = reward.approved_at.is_none_or(|approved_at| approved_at <= due_until);
            }
        }
        let (negative, positive): (Vec<_>, Vec<_>) = families.into_values().partition(|family| family.sum_minor < 0);
        let mut chosen: BTreeSet<RewardId> = BTreeSet::new();
        let (mut so_far_minor, mut paid_count) = (0_i64, 0);
        for family in negative.into_iter().chain(positive.into_iter().filter(|family| family.is_due)) {
            let with_it = so_far_minor.checked_add(family.sum_minor).ok_or(Overflow)?;
            // However much was taken back, there is room for what is paid.
            let is_negative = family.sum_minor < 0;
            let has_room = paid_count + family.ids.len() <= PAYOUT_REWARDS_MAX && with_it <= owed_minor;
            if is_negative || has_room {
                paid_count += if is_negative { 0 } else { family.ids.len() };
                so_far_minor = with_it;
                chosen.extend(family.ids);
            }
        }
        let rewards = approved.iter().filter(|reward| chosen.contains(&reward.id)).cloned().collect();
        Ok(Self { rewards, sum_minor: so_far_minor })
    }
}

#[cfg(test)]
pub(super) mod tests;
