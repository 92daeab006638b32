//! What the commands of a batch change in the figures of accounts. Knows no rule: it compares rows as they are with rows as they were
//! loaded.

use hashbrown::HashMap;

use super::kind::Kind;
use super::rows::Versions;
use super::working_set::WorkingSet;
use crate::domain::conversion::Conversion;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;
use crate::domain::statistic::{Changes, conversions_add_the_same, rewards_add_the_same};

type ConversionKey = (AccountId, ConversionId);

impl WorkingSet {
    /// What the rows that were written and removed change in the figures. What adds the same as before is not looked at, so most batches
    /// that move rewards on cost nothing.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`] if a reward that counts otherwise was written without its conversion.
    pub fn changed_figures(&self) -> Result<Changes, Refusal> {
        let mut changes = Changes::default();
        for (now, before) in self.clicks.written_versions() {
            now.into_iter().for_each(|click| changes.click(click, 1));
            before.into_iter().for_each(|click| changes.click(click, -1));
        }
        // The conversions that count otherwise, or whose rewards do, each with all of its rewards.
        let mut touched: HashMap<ConversionKey, Vec<Versions<'_, Reward>>> = HashMap::new();
        for (now, before) in self.conversions.written_versions() {
            if let (Some(new), None) = (now, before) {
                changes.conversion(new, 1);
                continue;
            }
            if is_same((now, before), conversions_add_the_same) {
                continue;
            }
            touched.extend(now.or(before).map(|conversion| (conversion.key(), Vec::new())));
        }
        for (now, before) in self.rewards.written_versions() {
            if is_same((now, before), rewards_add_the_same) {
                continue;
            }
            let Some(reward) = now.or(before) else { continue };
            let Some(id) = reward.conversion_id else {
                add_reward(&mut changes, (now, before), (None, None));
                continue;
            };
            let key = (reward.account_id, id);
            match self.conversions.versions_of(&key) {
                // All rewards of a new conversion are new.
                Some((new, None)) => add_reward(&mut changes, (now, before), (new, None)),
                _ => _ = touched.entry(key).or_default(),
            }
        }
        if touched.is_empty() {
            return Ok(changes);
        }
        // Also a reward that was not written may count for another link now, because its conversion was.
        for (now, before) in self.rewards.versions() {
            let Some(reward) = now.or(before) else { continue };
            let key = reward.conversion_id.map(|id| (reward.account_id, id));
            if let Some(rewards) = key.and_then(|key| touched.get_mut(&key)) {
                rewards.push((now, before));
            }
        }
        for (key, rewards) in touched {
            let conversion = self.conversions.versions_of(&key).ok_or(Refusal::NotLoaded("conversion"))?;
            conversion.0.into_iter().for_each(|row| changes.conversion(row, 1));
            conversion.1.into_iter().for_each(|row| changes.conversion(row, -1));
            rewards.into_iter().for_each(|reward| add_reward(&mut changes, reward, conversion));
        }
        Ok(changes)
    }
}

fn is_same<K>(versions: Versions<'_, K>, add_the_same: fn(&K, &K) -> bool) -> bool {
    matches!(versions, (Some(now), Some(before)) if add_the_same(now, before))
}

fn add_reward(changes: &mut Changes, reward: Versions<'_, Reward>, conversion: Versions<'_, Conversion>) {
    let (now, before) = (conversion.0.map(AsRef::as_ref), conversion.1.map(AsRef::as_ref));
    reward.0.into_iter().for_each(|row| changes.reward(row, now, 1));
    reward.1.into_iter().for_each(|row| changes.reward(row, before, -1));
}
