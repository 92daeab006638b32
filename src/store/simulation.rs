//! Finds the customers whose events a simulation judges again: leads, and events without a lead. Reads only.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::entity::{conversion, lead, reward, terms};
use super::list::{self, Walk};
use super::{Snapshot, Source, StoreError};
use crate::domain::conversion::{Conversion, ConversionKind};
use crate::domain::id::{AccountId, ConversionId, LeadId, RewardId};
use crate::domain::lead::Lead;
use crate::domain::program::Terms;
use crate::domain::reward::Reward;
use crate::domain::time::Interval;

/// The leads after this one, in the order of their ids. Merged and deleted ones too.
///
/// # Errors
/// [`StoreError`].
pub async fn leads_after(
    snapshot: &Snapshot,
    account_id: AccountId,
    after: Option<LeadId>,
    limit: u64,
) -> Result<Vec<LeadId>, StoreError> {
    let walk = Walk { after: after.map(LeadId::uuid), ..Walk::first(limit) };
    let query = list::page::<Lead>(account_id, walk).select_only().column(lead::Column::Id);
    let ids: Vec<Uuid> = query.into_tuple().all(snapshot.connection()).await?;
    Ok(ids.into_iter().map(LeadId::from_uuid).collect())
}

/// A page of conversions: those without a lead, and the last one of the page.
#[derive(Debug)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct WithoutLead {
    pub ids: Vec<ConversionId>,
    /// `None`: there are no further conversions.
    pub last: Option<ConversionId>,
}

/// The conversions without a lead among this many after this one, in the order of their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn without_lead_after(
    snapshot: &Snapshot,
    account_id: AccountId,
    after: Option<ConversionId>,
    limit: u64,
) -> Result<WithoutLead, StoreError> {
    let walk = Walk { after: after.map(ConversionId::uuid), ..Walk::first(limit) };
    let query = list::page::<Conversion>(account_id, walk);
    let query = query.select_only().column(conversion::Column::Id).column(conversion::Column::LeadId);
    let page: Vec<(Uuid, Option<Uuid>)> = query.into_tuple().all(snapshot.connection()).await?;
    let last = page.last().map(|(id, _)| ConversionId::from_uuid(*id));
    let without = page.into_iter().filter(|(_, lead_id)| lead_id.is_none());
    Ok(WithoutLead { ids: without.map(|(id, _)| ConversionId::from_uuid(id)).collect(), last })
}

/// The refunds, what undid them, and corrections without a lead after this one, in the order of their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn changes_without_lead_after(
    snapshot: &Snapshot,
    account_id: AccountId,
    after: Option<ConversionId>,
    limit: u64,
) -> Result<Vec<Conversion>, StoreError> {
    use conversion::Column;
    let walk = Walk { after: after.map(ConversionId::uuid), ..Walk::first(limit) };
    let query = list::page::<Conversion>(account_id, walk).filter(Column::LeadId.is_null());
    let kinds: Vec<_> = ConversionKind::ALL.iter().copied().filter(|kind| kind.changes_sale()).collect();
    let query = list::one_of(query, Column::Kind, &kinds);
    list::read(query, snapshot.connection()).await
}

/// The rewards of no conversion after this one, in the order of their ids: those of clicks, bonuses, and those that a person created.
///
/// # Errors
/// [`StoreError`].
pub async fn rewards_without_conversion_after(
    snapshot: &Snapshot,
    account_id: AccountId,
    after: Option<RewardId>,
    limit: u64,
) -> Result<Vec<Reward>, StoreError> {
    let walk = Walk { after: after.map(RewardId::uuid), ..Walk::first(limit) };
    let query = list::page::<Reward>(account_id, walk).filter(reward::Column::ConversionId.is_null());
    list::read(query, snapshot.connection()).await
}

/// How many events that can be credited occurred in an interval.
///
/// # Errors
/// [`StoreError`].
pub async fn count_events(snapshot: &Snapshot, account_id: AccountId, occurred: Interval) -> Result<i64, StoreError> {
    use conversion::Column;
    let kinds: Vec<_> = ConversionKind::ALL.iter().copied().filter(|kind| kind.is_attributed()).collect();
    let query = conversion::Entity::find().filter(Column::AccountId.eq(account_id.uuid()));
    let mut query = list::one_of(query, Column::Kind, &kinds);
    if let Some(start) = occurred.start {
        query = query.filter(Column::OccurredAt.gte(start.micros()));
    }
    if let Some(end) = occurred.end {
        query = query.filter(Column::OccurredAt.lt(end.micros()));
    }
    list::count(query, Column::Id, snapshot.connection()).await
}

/// All versions of the terms of all programs.
///
/// # Errors
/// [`StoreError`].
pub async fn versions(source: &impl Source, account_id: AccountId) -> Result<Vec<Terms>, StoreError> {
    let query = terms::Entity::find().filter(terms::Column::AccountId.eq(account_id.uuid()));
    list::read::<Terms>(query, source.connection()).await
}
