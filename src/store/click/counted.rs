//! The clicks that count: rows, and their comparison with the rewards of clicks.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use crate::domain::calendar::Day;
use crate::domain::click::CountedClick;
use crate::domain::id::{AccountId, AffiliateId, ClickId, RewardId};
use crate::domain::reward::Reward;
use crate::domain::set::Needs;
use crate::store::entity::{counted_click as table, reward};
use crate::store::list;
use crate::store::row::{RowName, to_json};
use crate::store::set::stored::Stored;
use crate::store::{Snapshot, Source, StoreError};

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

impl Stored for CountedClick {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            tid: self.tid.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            day: self.day.0,
            click_id: self.click_id.uuid(),
            reward_id: self.reward_id.map(RewardId::uuid),
            counted: self.counted.as_ref().map(to_json).transpose()?,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("counted_click", row.click_id);
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            tid: ClickId::from_uuid(row.tid),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            day: Day(row.day),
            click_id: ClickId::from_uuid(row.click_id),
            reward_id: row.reward_id.map(RewardId::from_uuid),
            counted: row.counted.map(|text| name.json(&text)).transpose()?,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// All clicks of an account that count.
///
/// # Errors
/// [`StoreError`].
pub(in crate::store) async fn all(
    source: &impl Source,
    account_id: AccountId,
) -> Result<Vec<CountedClick>, StoreError> {
    let query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    list::read(query, source.connection()).await
}

/// The differences between the account's clicks that count and the rewards of clicks, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let clicks = all(snapshot, account_id).await?;
    let rewards = reward::Entity::find()
        .filter(reward::Column::AccountId.eq(account_id.uuid()))
        .filter(reward::Column::Click.is_not_null());
    let rewards: Vec<Reward> = list::read(rewards, snapshot.connection()).await?;
    let mut differences = compare(&clicks, &rewards);
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the clicks have {others} more differences"));
    }
    Ok(differences)
}

/// Each click that counts names the only reward that its affiliate has of it, and no other click has any reward.
fn compare(clicks: &[CountedClick], rewards: &[Reward]) -> Vec<String> {
    // The rewards of the credited affiliates, and of all.
    let (mut paid, mut all): (BTreeMap<ClickId, Vec<RewardId>>, BTreeMap<ClickId, usize>) = Default::default();
    for (reward, click) in rewards.iter().filter_map(|reward| Some((reward, reward.click.as_ref()?))) {
        *all.entry(click.click_id).or_default() += 1;
        if reward.upline().is_none() {
            paid.entry(click.click_id).or_default().push(reward.id);
        }
    }
    let mut differences = Vec::new();
    for click in clicks {
        let found = paid.remove(&click.click_id).unwrap_or_default();
        let count = all.remove(&click.click_id).unwrap_or_default();
        if found != Vec::from_iter(click.reward_id) || (found.is_empty() && count > 0) {
            let (id, count, expected) = (click.click_id, found.len(), i32::from(click.reward_id.is_some()));
            differences.push(format!(
                "{id} has {count} rewards of its affiliate and should have {expected}, the one that it names"
            ));
        }
    }
    differences.extend(all.into_keys().map(|id| format!("{id} has a reward and does not count")));
    differences
}
