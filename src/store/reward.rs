//! Rewards: rows and reads.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value};
use smallvec::smallvec;
use uuid::Uuid;

use super::backend::table::Reads;
use super::conversion::ConversionFilter;
use super::entity::reward as table;
use super::list::{self, Walk};
use super::lists::{EntriesOfRow, Entry, List, Place, Rows, rows_of_list};
use super::row::{RowName, to_json};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use super::{Source, Store, StoreError};
use crate::domain::conversion::Conversion;
use crate::domain::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, PayoutId, ProgramId, RewardId};
use crate::domain::money::Currency;
use crate::domain::reward::{Reward, RewardState, RewardUnit};
use crate::domain::set::Kind;
use crate::domain::set::Needs;
use crate::domain::set::PAYABLE_REWARDS_LOADED;
use crate::domain::time::{Interval, Time};
use sea_orm::QueryTrait;

impl Stored for Reward {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            conversion_id: self.conversion_id.map(ConversionId::uuid),
            affiliate_id: self.affiliate_id.uuid(),
            enrollment_id: self.enrollment_id.uuid(),
            program_id: self.program_id.uuid(),
            unit: self.unit.as_str().to_owned(),
            value_minor: self.value.amount_minor,
            currency: self.value.currency.code().to_owned(),
            reversed_minor: self.reversed_minor,
            reverses: self.reverses.map(RewardId::uuid),
            state: self.state.as_str().to_owned(),
            calculation: self.calculation.as_ref().map(to_json).transpose()?,
            by_hand: self.by_hand.as_ref().map(to_json).transpose()?,
            click: self.click.as_ref().map(to_json).transpose()?,
            review: self.review.as_deref().map(to_json).transpose()?,
            auto_approve_at: self.auto_approve_at.micros(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            deny_reason: self.deny_reason.clone(),
            payout_id: self.payout_id.map(PayoutId::uuid),
            approved_at: self.approved_at.map(Time::micros),
            dispute: self.dispute.as_ref().map(to_json).transpose()?,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("reward", row.id);
        Ok(Self {
            id: RewardId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            conversion_id: row.conversion_id.map(ConversionId::from_uuid),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
            program_id: ProgramId::from_uuid(row.program_id),
            unit: name.parse(&row.unit)?,
            value: name.money(row.value_minor, &row.currency)?,
            reversed_minor: row.reversed_minor,
            reverses: row.reverses.map(RewardId::from_uuid),
            state: name.parse(&row.state)?,
            calculation: row.calculation.map(|text| name.json(&text)).transpose()?,
            by_hand: row.by_hand.map(|text| name.json(&text)).transpose()?,
            click: row.click.map(|text| name.json(&text)).transpose()?,
            review: row.review.map(|text| name.json(&text)).transpose()?.map(Arc::new),
            auto_approve_at: Time::from_micros(row.auto_approve_at),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            deny_reason: row.deny_reason,
            payout_id: row.payout_id.map(PayoutId::from_uuid),
            approved_at: row.approved_at.map(Time::from_micros),
            dispute: row.dispute.map(|text| name.json(&text)).transpose()?,
        })
    }

    fn entries(&self) -> EntriesOfRow {
        let place = Place::of_id(self.id.uuid());
        smallvec![(self.account_id, Entry { list: List::rewards_of(self.affiliate_id), place })]
    }

    fn leads_to(&self, needs: &mut Needs) {
        if let Some(conversion_id) = self.conversion_id {
            needs.row::<Conversion>((self.account_id, conversion_id));
        }
        if self.reverses.is_none() {
            needs.names.rewards_of.extend(self.conversion_id.map(|id| (self.account_id, id)));
            needs.names.reversals_of.insert(self.key());
        }
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        load_payable_of(loading).await?;
        load_rewards_of_payout(loading).await?;
        loading.by_key::<Self>().await?;
        load_rewards_of(loading).await?;
        load_reversals_of(loading).await
    }
}

/// Reads the rewards of conversions.
async fn load_rewards_of(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    let mut conversions = std::mem::take(&mut loading.needs.names.rewards_of);
    conversions.retain(|key| loading.set.names.rewards_of.get(key).is_none());
    let columns = [table::Column::AccountId, table::Column::ConversionId];
    loading.by::<Reward, _>(&columns, conversions.iter().map(SqlKey::values)).await?;
    conversions.into_iter().for_each(|conversion| loading.set.names.rewards_of.insert_absent(conversion));
    Ok(())
}

/// Reads approved rewards of affiliates in a currency: the oldest ones above zero, and the oldest ones below zero.
async fn load_payable_of(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    for key in std::mem::take(&mut loading.needs.names.payable_of) {
        let query = payable_of(key).order_by_asc(table::Column::Id);
        let [above, below] = signs(query).map(QueryTrait::into_query);
        let mut rows = loading.connection.models::<table::Entity>(&above).await?;
        rows.extend(loading.connection.models::<table::Entity>(&below).await?);
        enter_with_originals(loading, rows)?;
        loading.set.names.payable_of.insert_absent(key);
    }
    Ok(())
}

/// The first rewards above zero and the first ones below zero. More of these, because a payout takes them beside all that it pays.
fn signs(query: Select<table::Entity>) -> [Select<table::Entity>; 2] {
    let above = query.clone().filter(table::Column::ValueMinor.gte(0)).limit(PAYABLE_REWARDS_LOADED);
    [above, query.filter(table::Column::ValueMinor.lt(0)).limit(4 * PAYABLE_REWARDS_LOADED)]
}

/// The approved rewards in cash of an affiliate in a currency.
fn payable_of((account_id, affiliate_id, currency): (AccountId, AffiliateId, Currency)) -> Select<table::Entity> {
    table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::AffiliateId.eq(affiliate_id.uuid()))
        .filter(table::Column::Currency.eq(currency.code()))
        .filter(is_in_state(RewardState::Approved))
        .filter(table::Column::Unit.eq(RewardUnit::Cash.as_str()))
}

/// The condition that a reward is in this state. The state is a constant and not a parameter, so that the planner can use an index of rewards
/// in this state.
pub(super) fn is_in_state(state: RewardState) -> Expr {
    Expr::col(table::Column::State.as_column_ref()).eq(Expr::Constant(state.as_str().into()))
}

/// The approved rewards in cash of an affiliate in a currency, as a payout sees them: the oldest ones above zero and below zero, in the order of
/// their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn payable(
    store: &Store,
    account_id: AccountId,
    affiliate_id: AffiliateId,
    currency: Currency,
) -> Result<Vec<Arc<Reward>>, StoreError> {
    let query = payable_of((account_id, affiliate_id, currency)).order_by_asc(table::Column::Id);
    let mut rewards = Vec::new();
    for of_sign in signs(query) {
        rewards.extend(list::read::<Reward>(of_sign, store.read()).await?);
    }
    // Also those that take back from these.
    let originals = rewards.iter().filter(|reward| reward.reverses.is_none()).map(|reward| reward.id.uuid());
    let originals: Vec<_> = originals.collect();
    let of_these = payable_of((account_id, affiliate_id, currency)).filter(table::Column::Reverses.is_in(originals));
    rewards.extend(list::read::<Reward>(of_these, store.read()).await?);
    rewards.sort_unstable_by_key(|reward| reward.id);
    let mut rewards: Vec<_> = rewards.into_iter().map(Arc::new).collect();
    rewards.dedup_by_key(|reward| reward.id);
    Ok(rewards)
}

/// Reads the rewards of payouts.
async fn load_rewards_of_payout(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    let mut payouts = std::mem::take(&mut loading.needs.names.rewards_of_payout);
    payouts.retain(|key| loading.set.names.rewards_of_payout.get(key).is_none());
    let columns = [table::Column::AccountId, table::Column::PayoutId];
    let keys = payouts.iter().map(SqlKey::values);
    let rows = rows_by::<table::Entity, _>(loading.connection, &columns, keys).await?;
    enter_with_originals(loading, rows)?;
    payouts.into_iter().for_each(|payout| loading.set.names.rewards_of_payout.insert_absent(payout));
    Ok(())
}

/// Enters rewards, and asks for those that they take back from.
fn enter_with_originals(loading: &mut Loading<'_>, rows: Vec<table::Model>) -> Result<(), StoreError> {
    for row in rows {
        let reward = loading.enter(Reward::from_row(row)?);
        if let Some(original) = reward.reverses {
            loading.needs.row::<Reward>((reward.account_id, original));
        }
    }
    Ok(())
}

/// Reads the reversals of rewards.
async fn load_reversals_of(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    let mut rewards = std::mem::take(&mut loading.needs.names.reversals_of);
    rewards.retain(|key| loading.set.names.reversals_of.get(key).is_none());
    let columns = [table::Column::AccountId, table::Column::Reverses];
    for reversal in loading.by::<Reward, _>(&columns, rewards.iter().map(SqlKey::values)).await? {
        // All rewards of this refund are loaded now. Each of them reverses a reward of the refund's sale, and all reversals of
        // those rewards were read.
        if let Some(conversion_id) = reversal.conversion_id {
            loading.set.names.rewards_of.insert_absent((reversal.account_id, conversion_id));
        }
    }
    rewards.into_iter().for_each(|reward| loading.set.names.reversals_of.insert_absent(reward));
    Ok(())
}

/// How a reward came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardOrigin {
    /// From a conversion.
    Conversion,
    /// A person created it, or it is a bonus or the reward of a submission.
    ByHand,
    /// From a click.
    Click,
}

impl RewardOrigin {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Conversion, Self::ByHand, Self::Click];
}

/// A filter of rewards. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct RewardQuery {
    /// Only rewards in these states. Empty: any state.
    pub states: Vec<RewardState>,
    /// Only rewards in these units. Empty: any unit.
    pub units: Vec<RewardUnit>,
    /// Only rewards of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only rewards earned in this program.
    pub program_id: Option<ProgramId>,
    /// Only rewards created in this interval.
    pub created: Interval,
    /// Only rewards of conversions that pass this.
    pub conversion: ConversionFilter,
    /// Only rewards that came to be in this way.
    pub origin: Option<RewardOrigin>,
    /// Only rewards that this payout paid.
    pub payout_id: Option<PayoutId>,
}

/// The reward with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: RewardId) -> Result<Option<Reward>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Reward::from_row).transpose()
}

/// One page of rewards.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    source: &impl Source,
    account_id: AccountId,
    wanted: &RewardQuery,
    walk: Walk,
) -> Result<Vec<Reward>, StoreError> {
    let conversions = wanted.conversion.ids(source.connection(), account_id);
    let filter = |query: Select<table::Entity>| {
        let query = query
            .apply_if(wanted.payout_id, |query, id| query.filter(table::Column::PayoutId.eq(id.uuid())))
            .apply_if(wanted.program_id, |query, id| query.filter(table::Column::ProgramId.eq(id.uuid())))
            .apply_if(wanted.origin, |query, origin| query.filter(is_of(origin)))
            .apply_if(conversions.clone(), |query, ids| query.filter(table::Column::ConversionId.in_subquery(ids)))
            .apply_if(wanted.created.start, |query, start| query.filter(table::Column::CreatedAt.gte(start.micros())))
            .apply_if(wanted.created.end, |query, end| query.filter(table::Column::CreatedAt.lt(end.micros())));
        let query = list::one_of(query, table::Column::Unit, &wanted.units);
        list::one_of(query, table::Column::State, &wanted.states)
    };
    let Some(affiliate_id) = wanted.affiliate_id else {
        return list::read(filter(list::page::<Reward>(account_id, walk)), source.connection()).await;
    };
    let key = [table::Column::AccountId, table::Column::Id];
    let rows = Rows { key, value: Value::from, id: |row: &table::Model| row.id, filter };
    let rows = rows_of_list(source.connection(), (account_id, List::rewards_of(affiliate_id)), &rows, walk).await?;
    rows.into_iter().map(Reward::from_row).collect()
}

fn is_of(origin: RewardOrigin) -> Expr {
    match origin {
        RewardOrigin::Conversion => table::Column::ConversionId.is_not_null(),
        RewardOrigin::ByHand => table::Column::ByHand.is_not_null(),
        RewardOrigin::Click => table::Column::Click.is_not_null(),
    }
}

/// Pending rewards whose hold period has ended, the longest overdue first. The worker that approves them uses this. Excludes the
/// accounts in `left_out`. Excludes reversals, because they are approved with the reward that they reverse.
///
/// # Errors
/// [`StoreError`].
pub async fn due(
    store: &Store,
    now: Time,
    left_out: &[AccountId],
    limit: u64,
) -> Result<Vec<(AccountId, RewardId)>, StoreError> {
    let rows: Vec<(Uuid, Uuid)> = table::Entity::find()
        .select_only()
        .columns([table::Column::AccountId, table::Column::Id])
        .filter(is_in_state(RewardState::Pending))
        .filter(table::Column::Reverses.is_null())
        .filter(table::Column::AutoApproveAt.lte(now.micros()))
        .filter(table::Column::AccountId.is_not_in(left_out.iter().map(|account_id| account_id.uuid())))
        .order_by_asc(table::Column::AutoApproveAt)
        .limit(limit)
        .into_tuple()
        .all(store.read())
        .await?;
    Ok(rows.into_iter().map(|(account, id)| (AccountId::from_uuid(account), RewardId::from_uuid(id))).collect())
}

/// One page of all rewards of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    source: &impl Source,
    account_id: AccountId,
    after: Option<RewardId>,
    limit: u64,
) -> Result<Vec<Reward>, StoreError> {
    let walk = Walk { after: after.map(RewardId::uuid), ..Walk::first(limit) };
    list(source, account_id, &RewardQuery::default(), walk).await
}

/// One page of the rewards that came to be in this way.
///
/// # Errors
/// [`StoreError`].
pub async fn page_of(
    source: &impl Source,
    account_id: AccountId,
    origin: RewardOrigin,
    after: Option<RewardId>,
    limit: u64,
) -> Result<Vec<Reward>, StoreError> {
    let walk = Walk { after: after.map(RewardId::uuid), ..Walk::first(limit) };
    list(source, account_id, &RewardQuery { origin: Some(origin), ..RewardQuery::default() }, walk).await
}

/// Those of these rewards that exist.
///
/// # Errors
/// [`StoreError`].
pub async fn find_all(
    source: &impl Source,
    account_id: AccountId,
    ids: &[RewardId],
) -> Result<Vec<Reward>, StoreError> {
    with(source, account_id, table::Column::Id, ids).await
}

/// The same, by id. For more ids than one statement takes.
///
/// # Errors
/// [`StoreError`].
pub async fn by_ids(
    source: &impl Source,
    account_id: AccountId,
    ids: impl IntoIterator<Item = RewardId>,
) -> Result<HashMap<RewardId, Reward>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.into_iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(source.connection(), &columns, keys).await?;
    rows.into_iter().map(|row| Reward::from_row(row).map(|reward| (reward.id, reward))).collect()
}

/// These rewards, and all rewards that reverse one of them.
///
/// # Errors
/// [`StoreError`].
pub async fn with_reversals(
    source: &impl Source,
    account_id: AccountId,
    ids: &[RewardId],
) -> Result<Vec<Reward>, StoreError> {
    let mut rewards = find_all(source, account_id, ids).await?;
    rewards.extend(with(source, account_id, table::Column::Reverses, ids).await?);
    Ok(rewards)
}

/// The rewards that have one of these ids in a column.
async fn with(
    source: &impl Source,
    account_id: AccountId,
    column: table::Column,
    ids: &[RewardId],
) -> Result<Vec<Reward>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(column.is_in(ids.iter().map(|id| id.uuid())));
    list::read(query, source.connection()).await
}
