//! Payout schedules: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::backend::table::Reads;
use super::entity::balance as balance_table;
use super::entity::payout_schedule as table;
use super::list::{self, Walk};
use super::row::{RowName, to_json, words};
use super::set::Loading;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, PayoutRunId, PayoutScheduleId};
use crate::domain::money::{Currency, Money};
use crate::domain::payout_schedule::{Cutoff, PayoutSchedule, PayoutScheduleState};
use crate::domain::reward::RewardUnit;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for PayoutSchedule {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            state: self.state.as_str().to_owned(),
            display_name: self.display_name.clone(),
            timing: to_json(&self.timing)?,
            currency: self.currency.code().to_owned(),
            affiliate_ids: self.affiliate_ids.as_deref().and_then(words),
            minimum_minor: self.minimum.map(|minimum| minimum.amount_minor),
            maximum_total_minor: self.maximum_total.map(|maximum| maximum.amount_minor),
            provider: self.provider.map(|provider| provider.as_str().to_owned()),
            net_days: match self.cutoff {
                Some(Cutoff::NetDays { days }) => Some(days),
                Some(Cutoff::MonthBefore) | None => None,
            },
            pays_month_before: self.cutoff == Some(Cutoff::MonthBefore),
            needs_approval: self.needs_approval,
            note: self.note.clone(),
            message: self.message.clone(),
            set_by: self.set_by.map(ApiKeyId::uuid),
            next_run_at: self.next_run_at.map(Time::micros),
            last_run_id: self.last_run_id.map(PayoutRunId::uuid),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            archived_at: self.archived_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_schedule", row.id);
        let currency: Currency = name.parse(&row.currency)?;
        let net_days = row.net_days.map(|days| Cutoff::NetDays { days });
        Ok(Self {
            id: PayoutScheduleId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            state: name.parse(&row.state)?,
            display_name: row.display_name,
            timing: name.json(&row.timing)?,
            currency,
            affiliate_ids: row.affiliate_ids.map(|text| name.words(Some(&text))).transpose()?,
            minimum: row.minimum_minor.map(|minor| Money::new(minor, currency)),
            maximum_total: row.maximum_total_minor.map(|minor| Money::new(minor, currency)),
            provider: row.provider.map(|provider| name.parse(&provider)).transpose()?,
            cutoff: if row.pays_month_before { Some(Cutoff::MonthBefore) } else { net_days },
            needs_approval: row.needs_approval,
            note: row.note,
            message: row.message,
            set_by: row.set_by.map(ApiKeyId::from_uuid),
            next_run_at: row.next_run_at.map(Time::from_micros),
            last_run_id: row.last_run_id.map(PayoutRunId::from_uuid),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            archived_at: row.archived_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        for account_id in std::mem::take(&mut loading.needs.names.payout_schedules_of) {
            let active = table::Entity::find()
                .filter(table::Column::AccountId.eq(account_id.uuid()))
                .filter(table::Column::State.eq(PayoutScheduleState::Active.as_str()))
                .into_query();
            for row in loading.connection.models::<table::Entity>(&active).await? {
                loading.enter(Self::from_row(row)?);
            }
            loading.set.names.payout_schedules_of.insert_absent(account_id);
        }
        loading.by_key::<Self>().await
    }
}

/// The schedule with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    id: PayoutScheduleId,
) -> Result<Option<PayoutSchedule>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(PayoutSchedule::from_row).transpose()
}

/// One page of schedules. If states are given, only schedules in one of them.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    states: &[PayoutScheduleState],
    walk: Walk,
) -> Result<Vec<PayoutSchedule>, StoreError> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    list::read(walk.cut(list::one_of(mine, table::Column::State, states), table::Column::Id), store.read()).await
}

/// The schedule that is due for the longest time, of any account but those in `left_out`. An index has the schedules by their next times, so
/// accounts without a due one cost nothing.
///
/// # Errors
/// [`StoreError`].
pub async fn longest_due(
    store: &Store,
    now: Time,
    left_out: &[AccountId],
) -> Result<Option<PayoutSchedule>, StoreError> {
    let row = table::Entity::find()
        .filter(table::Column::NextRunAt.lte(now.micros()))
        .filter(table::Column::AccountId.is_not_in(left_out.iter().map(|account_id| account_id.uuid())))
        .order_by_asc(table::Column::NextRunAt)
        .order_by_asc(table::Column::Id)
        .one(store.read())
        .await?;
    row.map(PayoutSchedule::from_row).transpose()
}

/// Whether something is owed in a currency to one of these affiliates, or to any.
///
/// # Errors
/// [`StoreError`].
pub async fn is_anybody_owed(
    store: &Store,
    account_id: AccountId,
    currency: Currency,
    affiliate_ids: Option<&[AffiliateId]>,
) -> Result<bool, StoreError> {
    use balance_table::Column;
    let found: Option<Uuid> = balance_table::Entity::find()
        .select_only()
        .column(Column::AffiliateId)
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Unit.eq(RewardUnit::Cash.as_str()))
        .filter(Column::Currency.eq(currency.code()))
        .filter(Column::OwedMinor.gt(0))
        .apply_if(affiliate_ids, |query, ids| query.filter(Column::AffiliateId.is_in(ids.iter().map(|id| id.uuid()))))
        .into_tuple()
        .one(store.read())
        .await?;
    Ok(found.is_some())
}
