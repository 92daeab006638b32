//! Look-ups of rewards by their conversion, and by the reward that they reverse.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::reward::Reward;

impl Kind for Reward {
    type Key = (AccountId, RewardId);

    const NAME: &'static str = "reward";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let (None, Some(new)) = (before, after) else { return };
        if let Some(conversion_id) = new.conversion_id {
            names.rewards_of.add((new.account_id, conversion_id), new.id);
        }
        if let Some(original) = new.reverses {
            names.reversals_of.add((new.account_id, original), new.id);
        }
    }

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after) {
            names.reversals_of.insert_absent(new.key());
        }
    }
}

impl Named for Reward {
    const RESOURCE: Resource = Resource::Reward;
}

impl WorkingSet {
    /// The reward with this id.
    pub fn reward(&self, account_id: AccountId, id: RewardId) -> Result<&Arc<Reward>, Refusal> {
        self.get(account_id, id)
    }

    /// The rewards of a conversion in the order of their ids.
    pub fn rewards_of(&self, account_id: AccountId, conversion_id: ConversionId) -> Result<Vec<&Arc<Reward>>, Refusal> {
        let ids = known(self.names.rewards_of.get(&(account_id, conversion_id)), "rewards of a conversion")?;
        self.in_order_of_id(account_id, ids)
    }

    /// The reversals of a reward, in the order of their ids.
    pub fn reversals_of(&self, account_id: AccountId, id: RewardId) -> Result<Vec<&Arc<Reward>>, Refusal> {
        let ids = known(self.names.reversals_of.get(&(account_id, id)), "reversals of a reward")?;
        self.in_order_of_id(account_id, ids)
    }

    fn in_order_of_id(&self, account_id: AccountId, ids: &[RewardId]) -> Result<Vec<&Arc<Reward>>, Refusal> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.into_iter().map(|id| self.reward(account_id, id)).collect()
    }
}
