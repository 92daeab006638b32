//! Tax profiles: rows and reads.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::entity::affiliate as affiliate_table;
use super::entity::tax_profile as table;
use super::list::{SCAN_MAX, Walk};
use super::row::{RowName, to_json};
use super::set::keyed::rows_by;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::affiliate::AffiliateState;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::payout_method::Sealed;
use crate::domain::set::Needs;
use crate::domain::tax_profile::{TaxDetails, TaxNumber, TaxProfile, TaxProfileState};
use crate::domain::time::Time;

/// How many affiliates are looked at together at least.
const AFFILIATES_PER_READ: u64 = 200;

impl Stored for TaxProfile {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        let number = self.details.as_ref().and_then(|details| details.number.as_ref());
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            details: self.details.as_ref().map(to_json).transpose()?,
            number_sealed: number.map(|number| number.sealed.bytes().to_vec()),
            version: self.version,
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("tax_profile", row.affiliate_id);
        let mut details = row.details.map(|text| name.json::<TaxDetails>(&text)).transpose()?;
        let number = details.as_mut().and_then(|details| details.number.as_mut());
        match (number, row.number_sealed) {
            (Some(number), Some(sealed)) => *number = TaxNumber { sealed: Sealed::new(sealed), ..number.clone() },
            (None, None) => {}
            _ => return Err(name.inconsistent()),
        }
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            details,
            version: row.version,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The tax profile of an affiliate, if it ever had one.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    affiliate_id: AffiliateId,
) -> Result<Option<TaxProfile>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), affiliate_id.uuid())).one(store.read()).await?;
    row.map(TaxProfile::from_row).transpose()
}

/// The tax profiles of these affiliates.
///
/// # Errors
/// [`StoreError`].
pub async fn of_affiliates(
    store: &Store,
    account_id: AccountId,
    affiliate_ids: &[AffiliateId],
) -> Result<HashMap<AffiliateId, TaxProfile>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::AffiliateId];
    let keys = affiliate_ids.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    let profiles = rows.into_iter().map(TaxProfile::from_row);
    profiles.map(|profile| profile.map(|profile| (profile.affiliate_id, profile))).collect()
}

/// An affiliate and its tax profile, if it ever had one.
pub type OfAffiliate = (AffiliateId, Option<TaxProfile>);

/// One page of the affiliates that are not erased and whose tax profiles are in these states at this time, and the affiliate where the page
/// ended because it had looked at many and was not full. No states are all states.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    states: &[TaxProfileState],
    now: Time,
    walk: Walk,
) -> Result<(Vec<OfAffiliate>, Option<Uuid>), StoreError> {
    use affiliate_table::Column;
    let limit = usize::try_from(walk.limit).unwrap_or(usize::MAX);
    let length = walk.limit.max(AFFILIATES_PER_READ);
    let (mut page, mut after, mut looked_at) = (Vec::new(), walk.after, 0);
    while page.len() < limit {
        let query = affiliate_table::Entity::find()
            .select_only()
            .column(Column::Id)
            .column(Column::State)
            .filter(Column::AccountId.eq(account_id.uuid()));
        let walk = Walk { order: walk.order, after, limit: length };
        let rows: Vec<(Uuid, String)> = walk.cut(query, Column::Id).into_tuple().all(store.read()).await?;
        let living = rows.iter().filter(|(_, state)| state != AffiliateState::Erased.as_str());
        let living: Vec<AffiliateId> = living.map(|(id, _)| AffiliateId::from_uuid(*id)).collect();
        let mut profiles = of_affiliates(store, account_id, &living).await?;
        let wanted = living.into_iter().map(|id| (id, profiles.remove(&id))).filter(|(_, profile)| {
            let state = profile.as_ref().map_or(TaxProfileState::Missing, |profile| profile.state_at(now));
            states.is_empty() || states.contains(&state)
        });
        page.extend(wanted);
        after = rows.last().map(|(id, _)| *id);
        looked_at += rows.len() as u64;
        if (rows.len() as u64) < length {
            break;
        }
        if looked_at >= SCAN_MAX && page.len() < limit {
            return Ok((page, after));
        }
    }
    page.truncate(limit);
    Ok((page, None))
}
