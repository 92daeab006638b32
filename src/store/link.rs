//! Referral links: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::link as table;
use super::row::RowName;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use crate::domain::link::{Link, LinkState};
use crate::domain::time::Time;

pub(super) fn to_row(link: &Link) -> table::Model {
    table::Model {
        account_id: link.account_id.uuid(),
        id: link.id.uuid(),
        enrollment_id: link.enrollment_id.uuid(),
        affiliate_id: link.affiliate_id.uuid(),
        code: link.code.clone(),
        destination_url: link.destination_url.clone(),
        state: link.state.as_str().to_owned(),
        created_at: link.created_at.micros(),
        revoked_at: link.revoked_at.map(Time::micros),
    }
}

pub(super) fn from_row(row: table::Model) -> Result<Link, StoreError> {
    let name = RowName::new("link", row.id);
    Ok(Link {
        id: LinkId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
        affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
        code: row.code,
        destination_url: row.destination_url,
        state: name.parse(&row.state)?,
        created_at: Time::from_micros(row.created_at),
        revoked_at: row.revoked_at.map(Time::from_micros),
    })
}

/// Which links are wanted. Fields narrow together.
#[derive(Debug, Clone, Default)]
pub struct LinkQuery {
    /// Of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Of this enrollment.
    pub enrollment_id: Option<EnrollmentId>,
    /// In this state.
    pub state: Option<LinkState>,
}

/// Links in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &LinkQuery,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Link>, StoreError> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    if let Some(affiliate_id) = wanted.affiliate_id {
        query = query.filter(table::Column::AffiliateId.eq(affiliate_id.uuid()));
    }
    if let Some(enrollment_id) = wanted.enrollment_id {
        query = query.filter(table::Column::EnrollmentId.eq(enrollment_id.uuid()));
    }
    if let Some(state) = wanted.state {
        query = query.filter(table::Column::State.eq(state.as_str()));
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    let rows = query.order_by_asc(table::Column::Id).limit(limit).all(store.read()).await?;
    rows.into_iter().map(from_row).collect()
}
