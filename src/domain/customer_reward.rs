//! Rewards of customers: what terms promise the people whom affiliates refer, and what was granted. They are kept in the lead, and are in no
//! ledger. Knows no rows.

use super::id::{ConversionId, ProgramId};
use super::money::Money;
use super::reward_unit::RewardUnit;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The event that grants a customer its reward.
    CustomerRewardEvent {
        /// The sign-up that binds the customer.
        SignUp = "sign_up",
        /// The first sale that counts.
        FirstSale = "first_sale",
    }
}

text_enum! {
    /// The state of a customer's reward.
    CustomerRewardState {
        /// The customer is to get it.
        Granted = "granted",
        /// The customer is to get it, unless the dispute of the sale that granted it is lost.
        Frozen = "frozen",
        /// The customer got it. Final.
        Fulfilled = "fulfilled",
        /// The event that granted it does not count any more.
        Revoked = "revoked",
    }
}

/// What terms promise the customers whom affiliates refer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CustomerRewardPromise {
    pub event: CustomerRewardEvent,
    /// Never cash.
    pub unit: RewardUnit,
    pub value: Money,
}

/// The reward of a customer in a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CustomerReward {
    pub program_id: ProgramId,
    pub unit: RewardUnit,
    pub value: Money,
    pub state: CustomerRewardState,
    /// The event that granted it.
    pub conversion_id: ConversionId,
    pub terms_version: i32,
    pub granted_at: Time,
    pub updated_at: Time,
}

impl CustomerReward {
    /// Whether the same event granted both by the same terms.
    pub fn is_same_grant(&self, other: &Self) -> bool {
        (self.program_id, self.conversion_id, self.terms_version)
            == (other.program_id, other.conversion_id, other.terms_version)
    }
}

/// Rewards of a customer, at most one for each program, in the order of the programs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomerRewards(Vec<CustomerReward>);

impl CustomerRewards {
    /// All of them.
    pub fn all(&self) -> &[CustomerReward] {
        &self.0
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The reward in a program.
    pub fn of_program(&self, program_id: ProgramId) -> Option<&CustomerReward> {
        self.0.iter().find(|reward| reward.program_id == program_id)
    }

    /// The reward that an event granted and that was not revoked.
    pub fn of_conversion(&self, id: ConversionId) -> Option<&CustomerReward> {
        self.0.iter().find(|reward| reward.conversion_id == id && reward.state != CustomerRewardState::Revoked)
    }

    /// Keeps a reward in place of the one in its program.
    pub fn keep(&mut self, reward: CustomerReward) {
        let place = self.0.partition_point(|other| other.program_id < reward.program_id);
        match self.0.get_mut(place) {
            Some(other) if other.program_id == reward.program_id => *other = reward,
            _ => self.0.insert(place, reward),
        }
    }

    /// Keeps a reward unless the customer has one in its program.
    pub fn grant(&mut self, reward: CustomerReward) {
        let has = |other: &CustomerReward| other.state != CustomerRewardState::Revoked;
        if !self.of_program(reward.program_id).is_some_and(has) {
            self.keep(reward);
        }
    }

    /// Takes the rewards back that an event granted and that were not fulfilled.
    pub fn revoke(&mut self, id: ConversionId, now: Time) {
        let is_granted = |state| matches!(state, CustomerRewardState::Granted | CustomerRewardState::Frozen);
        let granted = self.0.iter_mut().filter(|reward| is_granted(reward.state));
        for reward in granted.filter(|reward| reward.conversion_id == id) {
            reward.state = CustomerRewardState::Revoked;
            reward.updated_at = now;
        }
    }

    /// Freezes the rewards that a sale granted, because it is disputed. Returns whether there are any.
    pub fn freeze(&mut self, id: ConversionId, now: Time) -> bool {
        self.exchange(id, CustomerRewardState::Granted, CustomerRewardState::Frozen, now)
    }

    /// Grants the frozen rewards of a sale again. Returns whether there are any.
    pub fn thaw(&mut self, id: ConversionId, now: Time) -> bool {
        self.exchange(id, CustomerRewardState::Frozen, CustomerRewardState::Granted, now)
    }

    fn exchange(&mut self, id: ConversionId, from: CustomerRewardState, to: CustomerRewardState, now: Time) -> bool {
        let mut is_changed = false;
        for reward in self.0.iter_mut().filter(|reward| reward.conversion_id == id && reward.state == from) {
            reward.state = to;
            reward.updated_at = now;
            is_changed = true;
        }
        is_changed
    }

    /// Adds the rewards of the same customer that were kept elsewhere. A fulfilled one is stronger than one that is not, and a revoked one is
    /// the weakest. Of two alike, the own one stays.
    pub fn take_over(&mut self, others: Self) {
        let strength = |reward: &CustomerReward| match reward.state {
            CustomerRewardState::Revoked => 1,
            CustomerRewardState::Granted | CustomerRewardState::Frozen => 2,
            CustomerRewardState::Fulfilled => 3,
        };
        for other in others.0 {
            if self.of_program(other.program_id).map_or(0, strength) < strength(&other) {
                self.keep(other);
            }
        }
    }
}

impl From<Vec<CustomerReward>> for CustomerRewards {
    fn from(rewards: Vec<CustomerReward>) -> Self {
        let mut all = Self::default();
        rewards.into_iter().for_each(|reward| all.keep(reward));
        all
    }
}
