//! Look-ups of rewards by their conversion, and by the reward that they reverse.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::id::{AccountId, AffiliateId, ConversionId, PayoutId, RewardId};
use crate::domain::money::Currency;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::reward::Reward;

impl Kind for Reward {
    type Key = (AccountId, RewardId);

    const NAME: &'static str = "reward";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let payout_of = |reward: Option<&Self>| reward.and_then(|reward| Some((reward.account_id, reward.payout_id?)));
        if let Some(payout) = payout_of(before).filter(|payout| payout_of(after) != Some(*payout)) {
            before.into_iter().for_each(|reward| names.rewards_of_payout.remove(payout, reward.id));
        }
        let Some(new) = after else { return };
        if let Some(payout) = payout_of(after) {
            names.rewards_of_payout.add(payout, new.id);
        }
        if new.is_payable() {
            names.payable_of.add((new.account_id, new.affiliate_id, new.value.currency), new.id);
        }
        if before.is_some() {
            return;
        }
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

    /// The approved rewards in cash of an affiliate in this currency, in the order of their ids. Of those above zero and of those below
    /// zero the first [`super::PAYABLE_REWARDS_LOADED`] are sure to be among them.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`], after which they are wanted.
    pub fn payable_of(
        &mut self,
        account_id: AccountId,
        affiliate_id: AffiliateId,
        currency: Currency,
    ) -> Result<Vec<Arc<Reward>>, Refusal> {
        let key = (account_id, affiliate_id, currency);
        let Some(ids) = self.names.payable_of.get(&key).map(<[_]>::to_vec) else {
            self.wanted().names.payable_of.insert(key);
            return Err(Refusal::NotLoaded("approved rewards of an affiliate"));
        };
        let rewards = self.in_order_of_id(account_id, &ids)?;
        Ok(rewards.into_iter().filter(|reward| reward.is_payable()).cloned().collect())
    }

    /// The rewards of a payout, in the order of their ids.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`], after which they are wanted.
    pub fn rewards_of_payout(&mut self, account_id: AccountId, id: PayoutId) -> Result<Vec<Arc<Reward>>, Refusal> {
        let Some(ids) = self.names.rewards_of_payout.get(&(account_id, id)).map(<[_]>::to_vec) else {
            self.wanted().names.rewards_of_payout.insert((account_id, id));
            return Err(Refusal::NotLoaded("rewards of a payout"));
        };
        Ok(self.in_order_of_id(account_id, &ids)?.into_iter().cloned().collect())
    }

    fn in_order_of_id(&self, account_id: AccountId, ids: &[RewardId]) -> Result<Vec<&Arc<Reward>>, Refusal> {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        ids.into_iter().map(|id| self.reward(account_id, id)).collect()
    }
}
