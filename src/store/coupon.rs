//! Coupons: rows and reads.

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait, Select};
use uuid::Uuid;

use super::entity::coupon as table;
use super::entity::coupon_count as count_table;
use super::entity::coupon_use as use_table;
use super::list::{self, Walk};
use super::metadata::{self, HasMetadata, Metadata, Scanned};
use super::row::{RowName, to_json};
use super::set::Loading;
use super::set::keyed::rows_by;
use super::set::stored::{SqlKey, Stored, key_columns};
use super::{Store, StoreError};
use crate::domain::coupon::{Coupon, CouponCount, CouponDetails, CouponState, CouponUses};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, CouponId, EnrollmentId, ItemId, LeadId, OfferId};
use crate::domain::item::Item;
use crate::domain::offer::Offer;
use crate::domain::set::Needs;
use crate::domain::time::Time;

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
            item_id: self.item_id.map(ItemId::uuid),
            offer_id: self.offer_id.map(OfferId::uuid),
            starts_at: self.starts_at.map(Time::micros),
            ends_at: self.ends_at.map(Time::micros),
            channel: self.channel.map(|channel| channel.as_str().to_owned()),
            max_uses: self.max_uses,
            max_uses_per_customer: self.max_uses_per_customer,
            details: (self.details != CouponDetails::default()).then(|| to_json(&self.details)).transpose()?,
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
            item_id: row.item_id.map(ItemId::from_uuid),
            offer_id: row.offer_id.map(OfferId::from_uuid),
            starts_at: row.starts_at.map(Time::from_micros),
            ends_at: row.ends_at.map(Time::from_micros),
            channel: row.channel.map(|channel| name.parse(&channel)).transpose()?,
            max_uses: row.max_uses,
            max_uses_per_customer: row.max_uses_per_customer,
            details: row.details.map(|text| name.json(&text)).transpose()?.unwrap_or_default(),
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            removed_at: row.removed_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Enrollment>((self.account_id, self.enrollment_id));
        if let Some(item_id) = self.item_id {
            needs.row::<Item>((self.account_id, item_id));
        }
        if let Some(offer_id) = self.offer_id {
            needs.row::<Offer>((self.account_id, offer_id));
        }
        if self.has_limit() {
            needs.row::<CouponUses>((self.account_id, self.id, None));
        }
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
        let affiliates = std::mem::take(&mut loading.needs.names.coupons_of);
        let columns = [table::Column::AccountId, table::Column::AffiliateId];
        loading.by::<Self, _>(&columns, affiliates.iter().map(SqlKey::values)).await?;
        // Their links and submissions were loaded before them.
        affiliates.into_iter().for_each(|affiliate| loading.set.names.code_holders.insert_absent(affiliate));
        loading.by_key::<Self>().await
    }
}

impl Stored for CouponCount {
    type Table = count_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<count_table::Model, StoreError> {
        Ok(count_table::Model {
            account_id: self.account_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            active_count: self.active_count,
        })
    }

    fn from_row(row: count_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            active_count: row.active_count,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

impl HasMetadata for Coupon {
    fn metadata(&self) -> &Metadata {
        &self.details.metadata
    }
}

impl Stored for CouponUses {
    type Table = use_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<use_table::Model, StoreError> {
        Ok(use_table::Model {
            account_id: self.account_id.uuid(),
            coupon_id: self.coupon_id.uuid(),
            lead_id: customer_column(self.lead_id),
            use_count: self.use_count,
        })
    }

    fn from_row(row: use_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            coupon_id: CouponId::from_uuid(row.coupon_id),
            lead_id: customer_of(row.lead_id),
            use_count: row.use_count,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The number in total has an id of zeros, because no part of a primary key may be null.
fn customer_column(lead_id: Option<LeadId>) -> Uuid {
    lead_id.map_or(Uuid::nil(), LeadId::uuid)
}

/// See [`customer_column`].
pub(super) fn customer_of(column: Uuid) -> Option<LeadId> {
    (!column.is_nil()).then(|| LeadId::from_uuid(column))
}

impl SqlKey for (AccountId, CouponId, Option<LeadId>) {
    fn values(&self) -> ValueTuple {
        ValueTuple::Three(self.0.uuid().into(), self.1.uuid().into(), customer_column(self.2).into())
    }
}

/// How often a coupon was used: in total (`None`), or by all of these customers together.
///
/// # Errors
/// [`StoreError`].
pub async fn use_count(
    store: &Store,
    account_id: AccountId,
    coupon_id: CouponId,
    by: Option<&[LeadId]>,
) -> Result<i32, StoreError> {
    let of = |lead_id| (account_id, coupon_id, lead_id).values();
    let keys: Vec<_> = by.map_or_else(|| vec![of(None)], |leads| leads.iter().map(|id| of(Some(*id))).collect());
    let rows = rows_by::<use_table::Entity, _>(store.read(), &key_columns::<use_table::Entity>(), keys).await?;
    Ok(rows.iter().fold(0, |sum, row| row.use_count.saturating_add(sum)))
}

/// A filter of coupons. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct CouponQuery {
    /// Only coupons of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only coupons with this code, folded.
    pub code: Option<String>,
    /// Only coupons that are tied to this item.
    pub item_id: Option<ItemId>,
    /// Only coupons that this offer was claimed with.
    pub offer_id: Option<OfferId>,
    /// Only coupons in this state.
    pub states: Vec<CouponState>,
    /// Only coupons with these texts of the merchant's own.
    pub metadata: Metadata,
}

/// The coupon with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: CouponId) -> Result<Option<Coupon>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Coupon::from_row).transpose()
}

/// The coupon that has a code now; or else the last one that had it.
///
/// # Errors
/// [`StoreError`].
pub async fn with_code(store: &Store, account_id: AccountId, code: &str) -> Result<Option<Coupon>, StoreError> {
    let with_code = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::Code.eq(code));
    let mut coupons = list::read::<Coupon>(with_code, store.read()).await?;
    coupons.sort_by_key(|coupon| (coupon.state == CouponState::Active, coupon.created_at, coupon.id));
    Ok(coupons.pop())
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
) -> Result<Scanned<Coupon>, StoreError> {
    let columns = (table::Column::Id, table::Column::Details);
    metadata::read(store.read(), filtered(account_id, wanted), columns, &wanted.metadata, walk).await
}

/// How many coupons a list has in all, if its filter names no texts of the merchant's own.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, wanted: &CouponQuery) -> Result<i64, StoreError> {
    list::count(filtered(account_id, wanted), table::Column::Id, store.read()).await
}

/// The coupons that a filter takes, if it names no texts.
fn filtered(account_id: AccountId, wanted: &CouponQuery) -> Select<table::Entity> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(table::Column::AffiliateId.eq(id.uuid())))
        .apply_if(wanted.code.as_ref(), |query, code| query.filter(table::Column::Code.eq(code)))
        .apply_if(wanted.item_id, |query, id| query.filter(table::Column::ItemId.eq(id.uuid())))
        .apply_if(wanted.offer_id, |query, id| query.filter(table::Column::OfferId.eq(id.uuid())));
    list::one_of(query, table::Column::State, &wanted.states)
}
