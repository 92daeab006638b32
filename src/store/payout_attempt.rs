//! Attempts of payouts and their purses: rows, and the steps that are due.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationDef};

use super::entity::payout_attempt as table;
use super::entity::payout_purse as purse_table;
use super::row::{RowName, to_json};
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_attempt::{NextStep, PayoutAttempt};
use crate::domain::payout_purse::PayoutPurse;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for PayoutAttempt {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            payout_id: self.payout_id.uuid(),
            provider: self.provider.as_str().to_owned(),
            number: self.number,
            next_step: self.next_step.as_str().to_owned(),
            first_try_at: self.first_try_at.map(Time::micros),
            last_try_at: self.last_try_at.map(Time::micros),
            provider_payment_id: self.provider_payment_id.clone(),
            is_probe: self.is_probe,
            tries: self.tries,
            lease_id: self.lease_id,
            next_at: self.next_at.map(Time::micros),
            is_under_way: self.is_under_way,
            seen_wake: self.seen_wake,
            doubt_code: self.doubt_code.clone(),
            doubt_debug_id: self.doubt_debug_id.clone(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_attempt", row.payout_id);
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            payout_id: PayoutId::from_uuid(row.payout_id),
            provider: name.parse(&row.provider)?,
            number: row.number,
            next_step: name.parse(&row.next_step)?,
            first_try_at: row.first_try_at.map(Time::from_micros),
            last_try_at: row.last_try_at.map(Time::from_micros),
            provider_payment_id: row.provider_payment_id,
            is_probe: row.is_probe,
            tries: row.tries,
            lease_id: row.lease_id,
            next_at: row.next_at.map(Time::from_micros),
            is_under_way: row.is_under_way,
            seen_wake: row.seen_wake,
            doubt_code: row.doubt_code,
            doubt_debug_id: row.doubt_debug_id,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

impl Stored for PayoutPurse {
    type Table = purse_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<purse_table::Model, StoreError> {
        Ok(purse_table::Model {
            account_id: self.account_id.uuid(),
            provider: self.provider.as_str().to_owned(),
            wake_count: self.wake_count,
            waits: (!self.waits.is_empty()).then(|| to_json(&self.waits)).transpose()?,
        })
    }

    fn from_row(row: purse_table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_purse", row.account_id);
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            provider: name.parse(&row.provider)?,
            wake_count: row.wake_count,
            waits: row.waits.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The attempts whose next step is due, in the order in which they fell due, at most `limit`. Those of accounts in `left_out` are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn due(
    store: &Store,
    now: Time,
    left_out: &[(AccountId, PayoutProvider)],
    limit: u64,
) -> Result<Vec<PayoutAttempt>, StoreError> {
    let mut query = table::Entity::find()
        .filter(table::Column::NextAt.lte(now.micros()))
        .order_by_asc(table::Column::NextAt)
        .order_by_asc(table::Column::PayoutId)
        .limit(limit);
    for (account_id, provider) in left_out {
        query = query
            .filter(table::Column::AccountId.ne(account_id.uuid()).or(table::Column::Provider.ne(provider.as_str())));
    }
    query.all(store.read()).await?.into_iter().map(PayoutAttempt::from_row).collect()
}

/// The attempts that were woken and have not been looked at since, at most `limit`. Neither those that are under way nor those that were paid.
///
/// # Errors
/// [`StoreError`].
pub async fn woken(
    store: &Store,
    left_out: &[(AccountId, PayoutProvider)],
    limit: u64,
) -> Result<Vec<PayoutAttempt>, StoreError> {
    let of_purse: RelationDef = table::Entity::belongs_to(purse_table::Entity)
        .from((table::Column::AccountId, table::Column::Provider))
        .to((purse_table::Column::AccountId, purse_table::Column::Provider))
        .into();
    let wake_count = Expr::col((purse_table::Entity, purse_table::Column::WakeCount));
    let mut query = table::Entity::find()
        .join(JoinType::InnerJoin, of_purse)
        .filter(wake_count.gt(Expr::col((table::Entity, table::Column::SeenWake))))
        .filter(table::Column::NextAt.is_not_null())
        .filter(table::Column::IsUnderWay.eq(false))
        .filter(table::Column::NextStep.ne(NextStep::Watch.as_str()))
        .order_by_asc(table::Column::PayoutId)
        .limit(limit);
    for (account_id, provider) in left_out {
        query = query
            .filter(table::Column::AccountId.ne(account_id.uuid()).or(table::Column::Provider.ne(provider.as_str())));
    }
    query.all(store.read()).await?.into_iter().map(PayoutAttempt::from_row).collect()
}

/// The attempt of a payout.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    payout_id: PayoutId,
) -> Result<Option<PayoutAttempt>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), payout_id.uuid())).one(store.read()).await?;
    row.map(PayoutAttempt::from_row).transpose()
}
