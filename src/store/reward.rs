//! Rewards: rows and reads.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::reward as table;
use super::row::{RowName, to_json};
use super::{Source, Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, ProgramId, RewardId};
use crate::domain::reward::{Reward, RewardState};
use crate::domain::time::Time;

pub(super) fn to_row(reward: &Reward) -> Result<table::Model, StoreError> {
    Ok(table::Model {
        account_id: reward.account_id.uuid(),
        id: reward.id.uuid(),
        conversion_id: reward.conversion_id.uuid(),
        affiliate_id: reward.affiliate_id.uuid(),
        enrollment_id: reward.enrollment_id.uuid(),
        program_id: reward.program_id.uuid(),
        unit: reward.unit.as_str().to_owned(),
        value_minor: reward.value.amount_minor,
        currency: reward.value.currency.code().to_owned(),
        reversed_minor: reward.reversed_minor,
        reverses: reward.reverses.map(RewardId::uuid),
        state: reward.state.as_str().to_owned(),
        calculation: to_json(&reward.calculation)?,
        approve_after: reward.approve_after.micros(),
        created_at: reward.created_at.micros(),
        updated_at: reward.updated_at.micros(),
        deny_reason: reward.deny_reason.clone(),
    })
}

pub(super) fn from_row(row: table::Model) -> Result<Reward, StoreError> {
    let name = RowName::new("reward", row.id);
    Ok(Reward {
        id: RewardId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        conversion_id: ConversionId::from_uuid(row.conversion_id),
        affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
        enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
        program_id: ProgramId::from_uuid(row.program_id),
        unit: name.parse(&row.unit)?,
        value: name.money(row.value_minor, &row.currency)?,
        reversed_minor: row.reversed_minor,
        reverses: row.reverses.map(RewardId::from_uuid),
        state: name.parse(&row.state)?,
        calculation: name.json(&row.calculation)?,
        approve_after: Time::from_micros(row.approve_after),
        created_at: Time::from_micros(row.created_at),
        updated_at: Time::from_micros(row.updated_at),
        deny_reason: row.deny_reason,
    })
}

/// Which rewards are wanted. Fields narrow together.
#[derive(Debug, Clone, Default)]
pub struct RewardQuery {
    /// In this state.
    pub state: Option<RewardState>,
    /// Of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Earned in this program.
    pub program_id: Option<ProgramId>,
    /// Made at this time or later.
    pub created_from: Option<Time>,
    /// Made before this time.
    pub created_before: Option<Time>,
}

/// A reward.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: RewardId) -> Result<Option<Reward>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(from_row).transpose()
}

/// Rewards in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    source: &impl Source,
    account_id: AccountId,
    wanted: &RewardQuery,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Reward>, StoreError> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    if let Some(state) = wanted.state {
        query = query.filter(table::Column::State.eq(state.as_str()));
    }
    if let Some(affiliate_id) = wanted.affiliate_id {
        query = query.filter(table::Column::AffiliateId.eq(affiliate_id.uuid()));
    }
    if let Some(program_id) = wanted.program_id {
        query = query.filter(table::Column::ProgramId.eq(program_id.uuid()));
    }
    if let Some(from) = wanted.created_from {
        query = query.filter(table::Column::CreatedAt.gte(from.micros()));
    }
    if let Some(before) = wanted.created_before {
        query = query.filter(table::Column::CreatedAt.lt(before.micros()));
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    let rows = query.order_by_asc(table::Column::Id).limit(limit).all(source.connection()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Rewards of all accounts but those left out whose hold period has ended, the longest overdue first: for the worker that
/// approves them. What a refund takes back is approved with what it is taken from, and so is not among them.
///
/// # Errors
/// [`StoreError`].
pub async fn due(
    store: &Store,
    now: Time,
    left_out: &[AccountId],
    limit: u64,
) -> Result<Vec<(AccountId, RewardId)>, StoreError> {
    // The state as a constant: that is how the planner sees that the index of pending rewards serves.
    let is_pending =
        Expr::col(table::Column::State.as_column_ref()).eq(Expr::Constant(RewardState::Pending.as_str().into()));
    let rows: Vec<(Uuid, Uuid)> = table::Entity::find()
        .select_only()
        .columns([table::Column::AccountId, table::Column::Id])
        .filter(is_pending)
        .filter(table::Column::Reverses.is_null())
        .filter(table::Column::ApproveAfter.lte(now.micros()))
        .filter(table::Column::AccountId.is_not_in(left_out.iter().map(|account_id| account_id.uuid())))
        .order_by_asc(table::Column::ApproveAfter)
        .limit(limit)
        .into_tuple()
        .all(store.read())
        .await?;
    Ok(rows.into_iter().map(|(account, id)| (AccountId::from_uuid(account), RewardId::from_uuid(id))).collect())
}

/// All rewards of an account in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    source: &impl Source,
    account_id: AccountId,
    after: Option<RewardId>,
    limit: u64,
) -> Result<Vec<Reward>, StoreError> {
    list(source, account_id, &RewardQuery::default(), after.map(RewardId::uuid), limit).await
}
