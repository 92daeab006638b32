//! What is approved and owed to several affiliates at once, as a payout run sees it. The number of statements does not depend on the number
//! of affiliates.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::balance as balance_table;
use super::entity::reward as table;
use super::reward::is_in_state;
use super::{Store, StoreError, list};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::money::Currency;
use crate::domain::reward::{Reward, RewardState, RewardUnit};

/// The most rewards that are read at once. No more than a payout sees of one affiliate, so that these are what it sees. Affiliates with more of
/// them are read one by one.
const REWARDS_MAX: usize = 1_000;

/// All approved rewards in cash of these affiliates in a currency, in the order of their ids. `None` if they are too many to be read at once.
///
/// # Errors
/// [`StoreError`].
pub async fn payable_of_each(
    store: &Store,
    account_id: AccountId,
    affiliates: &[AffiliateId],
    currency: Currency,
) -> Result<Option<HashMap<AffiliateId, Vec<Arc<Reward>>>>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::AffiliateId.is_in(affiliates.iter().map(|id| id.uuid())))
        .filter(table::Column::Currency.eq(currency.code()))
        .filter(is_in_state(RewardState::Approved))
        .filter(table::Column::Unit.eq(RewardUnit::Cash.as_str()))
        .limit(REWARDS_MAX as u64 + 1);
    let mut rewards = list::read::<Reward>(query, store.read()).await?;
    if rewards.len() > REWARDS_MAX {
        return Ok(None);
    }
    rewards.sort_unstable_by_key(|reward| reward.id);
    let mut of_each: HashMap<AffiliateId, Vec<Arc<Reward>>> = HashMap::new();
    for reward in rewards {
        of_each.entry(reward.affiliate_id).or_default().push(Arc::new(reward));
    }
    Ok(Some(of_each))
}

/// What is owed to these affiliates in cash in a currency. Those without a balance are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn owed_to_each(
    store: &Store,
    account_id: AccountId,
    affiliates: &[AffiliateId],
    currency: Currency,
) -> Result<HashMap<AffiliateId, i64>, StoreError> {
    use balance_table::Column;
    let rows: Vec<(Uuid, i64)> = balance_table::Entity::find()
        .select_only()
        .columns([Column::AffiliateId, Column::OwedMinor])
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::AffiliateId.is_in(affiliates.iter().map(|id| id.uuid())))
        .filter(Column::Unit.eq(RewardUnit::Cash.as_str()))
        .filter(Column::Currency.eq(currency.code()))
        .order_by_asc(Column::AffiliateId)
        .into_tuple()
        .all(store.read())
        .await?;
    Ok(rows.into_iter().map(|(id, owed_minor)| (AffiliateId::from_uuid(id), owed_minor)).collect())
}
