//! Payout runs: rows and reads.

use sea_orm::sea_query::{Alias, Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::entity::balance as balance_table;
use super::entity::payout as payout_table;
use super::entity::payout_run as table;
use super::row::{RowName, words};
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId, PayoutScheduleId};
use crate::domain::money::{Currency, Money};
use crate::domain::payout::PayoutState;
use crate::domain::payout_run::{PayoutRun, PayoutRunState, RunPlan};
use crate::domain::reward::RewardUnit;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for PayoutRun {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            state: self.state.as_str().to_owned(),
            currency: self.currency.code().to_owned(),
            affiliate_ids: self.affiliate_ids.as_deref().and_then(words),
            minimum_minor: self.minimum.map(|minimum| minimum.amount_minor),
            maximum_total_minor: self.maximum_total.map(|maximum| maximum.amount_minor),
            provider: self.provider.map(|provider| provider.as_str().to_owned()),
            schedule_id: self.plan.map(|plan| plan.schedule_id.uuid()),
            planned_at: self.plan.map(|plan| plan.planned_at.micros()),
            due_until: self.plan.and_then(|plan| plan.due_until).map(Time::micros),
            needs_approval: self.plan.is_some_and(|plan| plan.needs_approval),
            note: self.note.clone(),
            message: self.message.clone(),
            cursor: self.cursor.map(AffiliateId::uuid),
            payout_count: self.payout_count,
            total_minor: self.total.amount_minor,
            created_by: self.created_by.map(ApiKeyId::uuid),
            cancelled_by: self.cancelled_by.map(ApiKeyId::uuid),
            cancelled_at: self.cancelled_at.map(Time::micros),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_run", row.id);
        let currency: Currency = name.parse(&row.currency)?;
        let plan = match (row.schedule_id, row.planned_at) {
            (Some(schedule_id), Some(planned_at)) => Some(RunPlan {
                schedule_id: PayoutScheduleId::from_uuid(schedule_id),
                planned_at: Time::from_micros(planned_at),
                due_until: row.due_until.map(Time::from_micros),
                needs_approval: row.needs_approval,
            }),
            (None, None) => None,
            _ => return Err(name.inconsistent()),
        };
        Ok(Self {
            id: PayoutRunId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            state: name.parse(&row.state)?,
            currency,
            affiliate_ids: row.affiliate_ids.map(|text| name.words(Some(&text))).transpose()?,
            minimum: row.minimum_minor.map(|minor| Money::new(minor, currency)),
            maximum_total: row.maximum_total_minor.map(|minor| Money::new(minor, currency)),
            provider: row.provider.map(|provider| name.parse(&provider)).transpose()?,
            plan,
            note: row.note,
            message: row.message,
            cursor: row.cursor.map(AffiliateId::from_uuid),
            payout_count: row.payout_count,
            total: Money::new(row.total_minor, currency),
            created_by: row.created_by.map(ApiKeyId::from_uuid),
            cancelled_by: row.cancelled_by.map(ApiKeyId::from_uuid),
            cancelled_at: row.cancelled_at.map(Time::from_micros),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The run with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: PayoutRunId) -> Result<Option<PayoutRun>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(PayoutRun::from_row).transpose()
}

/// The oldest run in this state, of any account but those in `left_out`. Runs that are being created or cancelled have an index each.
///
/// # Errors
/// [`StoreError`].
pub async fn oldest(
    store: &Store,
    state: PayoutRunState,
    left_out: &[AccountId],
) -> Result<Option<PayoutRun>, StoreError> {
    let row = table::Entity::find()
        // A constant and not a parameter, so that the planner can use the index of such runs.
        .filter(Expr::col(table::Column::State.as_column_ref()).eq(Expr::Constant(state.as_str().into())))
        .filter(table::Column::AccountId.is_not_in(left_out.iter().map(|account_id| account_id.uuid())))
        .order_by_asc(table::Column::Id)
        .one(store.read())
        .await?;
    row.map(PayoutRun::from_row).transpose()
}

/// The payouts of a run in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateCount {
    /// The state.
    pub state: PayoutState,
    /// How many payouts are in it.
    pub payout_count: i64,
    /// What they add up to, in minor units. It fits, because the sum of the whole run does.
    pub total_minor: i64,
}

/// The payouts of a run by state, in no order.
///
/// # Errors
/// [`StoreError`].
pub async fn state_counts(
    store: &Store,
    account_id: AccountId,
    id: PayoutRunId,
) -> Result<Vec<StateCount>, StoreError> {
    use payout_table::Column;
    let amount = Expr::col(Column::AmountMinor.as_column_ref());
    let rows: Vec<(String, i64, i64)> = payout_table::Entity::find()
        .select_only()
        .column(Column::State)
        .expr_as(Expr::col(Column::Id.as_column_ref()).count(), "payout_count")
        .expr_as(amount.sum().cast_as(Alias::new("bigint")), "total_minor")
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::RunId.eq(id.uuid()))
        .group_by(Column::State)
        .into_tuple()
        .all(store.read())
        .await?;
    let name = RowName::new("payout_run", id.uuid());
    let count = |(state, payout_count, total_minor): (String, i64, i64)| -> Result<StateCount, StoreError> {
        Ok(StateCount { state: name.parse(&state)?, payout_count, total_minor })
    };
    rows.into_iter().map(count).collect()
}

/// The affiliates after this one who are owed something in a currency, in the order of their ids. With `with_negative`, also those who owe
/// something.
///
/// # Errors
/// [`StoreError`].
pub async fn payees(
    store: &Store,
    account_id: AccountId,
    currency: Currency,
    after: Option<AffiliateId>,
    with_negative: bool,
    limit: u64,
) -> Result<Vec<AffiliateId>, StoreError> {
    use balance_table::Column;
    let owed = if with_negative { Column::OwedMinor.ne(0) } else { Column::OwedMinor.gt(0) };
    let ids: Vec<Uuid> = balance_table::Entity::find()
        .select_only()
        .column(Column::AffiliateId)
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Unit.eq(RewardUnit::Cash.as_str()))
        .filter(Column::Currency.eq(currency.code()))
        .filter(owed)
        .apply_if(after, |query, after| query.filter(Column::AffiliateId.gt(after.uuid())))
        .order_by_asc(Column::AffiliateId)
        .limit(limit)
        .into_tuple()
        .all(store.read())
        .await?;
    Ok(ids.into_iter().map(AffiliateId::from_uuid).collect())
}
