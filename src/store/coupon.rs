//! Coupons: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::coupon as table;
use super::row::RowName;
use super::{Store, StoreError};
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::id::{AccountId, AffiliateId, CouponId, EnrollmentId};
use crate::domain::time::Time;

pub(super) fn to_row(coupon: &Coupon) -> table::Model {
    table::Model {
        account_id: coupon.account_id.uuid(),
        id: coupon.id.uuid(),
        enrollment_id: coupon.enrollment_id.uuid(),
        affiliate_id: coupon.affiliate_id.uuid(),
        code: coupon.code.clone(),
        // Unique where it is set: a code is free again once its coupon is removed.
        active_code: (coupon.state == CouponState::Active).then(|| coupon.code.clone()),
        description: coupon.description.clone(),
        state: coupon.state.as_str().to_owned(),
        created_at: coupon.created_at.micros(),
        removed_at: coupon.removed_at.map(Time::micros),
    }
}

pub(super) fn from_row(row: table::Model) -> Result<Coupon, StoreError> {
    let name = RowName::new("coupon", row.id);
    Ok(Coupon {
        id: CouponId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
        affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
        code: row.code,
        description: row.description,
        state: name.parse(&row.state)?,
        created_at: Time::from_micros(row.created_at),
        removed_at: row.removed_at.map(Time::from_micros),
    })
}

/// Which coupons are wanted. Fields narrow together.
#[derive(Debug, Clone, Default)]
pub struct CouponQuery {
    /// Of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// With this code, in capitals.
    pub code: Option<String>,
    /// In this state.
    pub state: Option<CouponState>,
}

/// Coupons in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &CouponQuery,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Coupon>, StoreError> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    if let Some(affiliate_id) = wanted.affiliate_id {
        query = query.filter(table::Column::AffiliateId.eq(affiliate_id.uuid()));
    }
    if let Some(code) = &wanted.code {
        query = query.filter(table::Column::Code.eq(code));
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
