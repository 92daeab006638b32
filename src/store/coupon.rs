//! Coupons: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::backend::keys::join;
use super::backend::kind::Kind as ColumnKind;
use super::backend::table::Reads;
use super::entity::coupon as table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::Loading;
use super::set::keyed::chunks;
use super::set::stored::SqlKey;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, CouponId, EnrollmentId};
use crate::domain::set::Needs;
use crate::domain::time::Time;
use sea_orm::QueryTrait;
use sea_orm::Value;
use sea_orm::sea_query::{Expr, ExprTrait, Query};

impl Stored for Coupon {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            enrollment_id: self.enrollment_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            code: self.code.clone(),
            // Null for a removed coupon, because the column is unique and the code of a removed coupon is free again.
            active_code: (self.state == CouponState::Active).then(|| self.code.clone()),
            note: self.note.clone(),
            state: self.state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            removed_at: self.removed_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("coupon", row.id);
        Ok(Self {
            id: CouponId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            code: row.code,
            note: row.note,
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            removed_at: row.removed_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Enrollment>((self.account_id, self.enrollment_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let mut codes = std::mem::take(&mut loading.needs.names.coupon_codes);
        codes.retain(|code| match loading.catalogues.coupons_with_code(code) {
            Some(coupons) => {
                coupons.into_iter().for_each(|coupon| loading.enter_remembered(coupon));
                loading.set.names.coupon_codes.insert_absent(code.clone());
                false
            }
            None => true,
        });
        let columns = [table::Column::AccountId, table::Column::Code];
        for coupon in loading.by::<Self, _>(&columns, codes.iter().map(SqlKey::values)).await? {
            loading.catalogues.keep_coupon_code(&coupon);
        }
        codes.into_iter().for_each(|code| loading.set.names.coupon_codes.insert_absent(code));
        load_counts(loading).await?;
        loading.by_key::<Self>().await
    }
}

/// Counts the active coupons of affiliates.
async fn load_counts(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    use table::{Column, Entity};
    let mut affiliates = std::mem::take(&mut loading.needs.names.active_coupons_of);
    affiliates.retain(|affiliate| loading.set.names.coupon_counts.get(affiliate).is_none());
    // The query returns no group for an affiliate without active coupons. The count of such an affiliate stays 0.
    affiliates.iter().for_each(|affiliate| loading.set.names.coupon_counts.insert(*affiliate, Some(0)));
    let columns = [Column::AccountId, Column::AffiliateId];
    for chunk in chunks(affiliates.iter().map(SqlKey::values)) {
        let mut query = Query::select();
        query
            .columns(columns.map(|column| (Entity, column)))
            .expr(Expr::col((Entity, Column::Id)).count())
            .from(Entity)
            .and_where(Expr::col((Entity, Column::State)).eq(CouponState::Active.as_str()))
            .group_by_columns(columns.map(|column| (Entity, column)));
        join::<Entity>(loading.connection.backend(), &mut query, &columns, chunk)?;
        let kinds = [ColumnKind::Uuid, ColumnKind::Uuid, ColumnKind::BigInteger];
        for row in loading.connection.values(&query, &kinds).await? {
            let [Value::Uuid(Some(account_id)), Value::Uuid(Some(affiliate_id)), Value::BigInt(Some(count))] = row[..]
            else {
                return Err(StoreError::Unexpected("a count of coupons that is none".to_owned()));
            };
            let affiliate = (AccountId::from_uuid(account_id), AffiliateId::from_uuid(affiliate_id));
            loading.set.names.coupon_counts.insert(affiliate, Some(count));
        }
    }
    Ok(())
}

/// A filter of coupons. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct CouponQuery {
    /// Only coupons of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only coupons with this code, folded.
    pub code: Option<String>,
    /// Only coupons in this state.
    pub states: Vec<CouponState>,
}

/// The coupon with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: CouponId) -> Result<Option<Coupon>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Coupon::from_row).transpose()
}

/// One page of coupons.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &CouponQuery,
    walk: Walk,
) -> Result<Vec<Coupon>, StoreError> {
    let query = list::page::<Coupon>(account_id, walk)
        .apply_if(wanted.affiliate_id, |query, id| query.filter(table::Column::AffiliateId.eq(id.uuid())))
        .apply_if(wanted.code.as_ref(), |query, code| query.filter(table::Column::Code.eq(code)));
    list::read(list::one_of(query, table::Column::State, &wanted.states), store.read()).await
}
