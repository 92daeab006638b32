//! Payouts: money on its way to one affiliate in one currency, and the rewards that it pays.

use super::id::{AccountId, AffiliateId, PayoutId, RewardId};
use super::money::Money;
use super::reward::{Reward, RewardState, RewardUnit};
use super::text_enum::text_enum;
use super::time::Time;

/// The most rewards that one payout pays.
pub const PAYOUT_REWARDS_MAX: usize = 1_000;

text_enum! {
    /// The state of a payout.
    PayoutState {
        /// The affiliate has the money.
        Paid = "paid",
    }
}

text_enum! {
    /// Who moves the money of a payout.
    PayoutProvider {
        /// The owner, outside Headwater.
        Manual = "manual",
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
        /// It was denied.
        Denied = "denied",
        /// It was paid.
        Paid = "paid",
        /// Refunds took all of it back.
        Reversed = "reversed",
        /// It takes back from a reward that is not paid, and is paid together with that one.
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
            RewardState::Denied => Some(Self::Denied),
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
            Self::Denied => "is denied",
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
    pub state: PayoutState,
    /// How many rewards it pays, with those that take back.
    pub reward_count: i32,
    /// The bank's or the provider's name for the transfer. May be empty.
    pub reference: String,
    /// The owner's text about the payout. May be empty.
    pub note: String,
    /// The owner's text for the affiliate. May be empty.
    pub message: String,
    /// When the affiliate got the money.
    pub paid_at: Time,
    pub created_at: Time,
    pub updated_at: Time,
}
