//! Checks the numbers that limits are compared with: each must be the number of rows that it stands for. Knows no limit.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::backend::text_contains;
use super::coupon::customer_of;
use super::entity::{conversion, coupon, coupon_count, coupon_use, offer, offer_claim};
use super::row::RowName;
use super::{Snapshot, Source, StoreError};
use crate::domain::conversion::{ConversionKind, OrderDetails};
use crate::domain::coupon::CouponState;
use crate::domain::id::{AccountId, AffiliateId, CouponId, LeadId, OfferId};

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The numbers of rows by the rows that they belong to. A number of zero is the same as none.
type Counts<K> = BTreeMap<K, i64>;

/// The differences between the account's numbers of coupons and claims and its coupons, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let active = || {
        coupon::Entity::find()
            .filter(coupon::Column::AccountId.eq(account_id.uuid()))
            .filter(coupon::Column::State.eq(CouponState::Active.as_str()))
            .select_only()
    };
    let of_affiliates: Vec<(Uuid, i64)> = active()
        .column(coupon::Column::AffiliateId)
        .column_as(coupon::Column::Id.count(), "row_count")
        .group_by(coupon::Column::AffiliateId)
        .into_tuple()
        .all(connection)
        .await?;
    let of_claimants: Vec<(Uuid, Uuid, i64)> = active()
        .filter(coupon::Column::OfferId.is_not_null())
        .column(coupon::Column::OfferId)
        .column(coupon::Column::AffiliateId)
        .column_as(coupon::Column::Id.count(), "row_count")
        .group_by(coupon::Column::OfferId)
        .group_by(coupon::Column::AffiliateId)
        .into_tuple()
        .all(connection)
        .await?;
    let counts = coupon_count::Entity::find().filter(coupon_count::Column::AccountId.eq(account_id.uuid()));
    let counts = counts.all(connection).await?;
    let claims = offer_claim::Entity::find().filter(offer_claim::Column::AccountId.eq(account_id.uuid()));
    let claims = claims.all(connection).await?;
    let offers = offer::Entity::find().filter(offer::Column::AccountId.eq(account_id.uuid())).all(connection).await?;

    let mut of_offers: Counts<Uuid> = BTreeMap::new();
    for (offer_id, _, count) in &of_claimants {
        *of_offers.entry(*offer_id).or_default() += count;
    }
    let mut differences = Vec::new();
    compare(
        &of_affiliates.into_iter().collect(),
        &counts.into_iter().map(|row| (row.affiliate_id, row.active_count.into())).collect(),
        |id| format!("the number of active coupons of {}", AffiliateId::from_uuid(*id)),
        &mut differences,
    );
    compare(
        &of_claimants.into_iter().map(|(offer_id, affiliate_id, count)| ((offer_id, affiliate_id), count)).collect(),
        &claims.into_iter().map(|row| ((row.offer_id, row.affiliate_id), row.claim_count.into())).collect(),
        |(offer_id, affiliate_id)| {
            let (offer_id, affiliate_id) = (OfferId::from_uuid(*offer_id), AffiliateId::from_uuid(*affiliate_id));
            format!("the number of claims that {affiliate_id} has of {offer_id}")
        },
        &mut differences,
    );
    compare(
        &of_offers,
        &offers.into_iter().map(|row| (row.id, row.claim_count.into())).collect(),
        |id| format!("the number of claims of {}", OfferId::from_uuid(*id)),
        &mut differences,
    );
    compare_uses(snapshot, account_id, &mut differences).await?;
    if differences.len() > DIFFERENCES_MAX {
        let others = differences.len() - DIFFERENCES_MAX;
        differences.truncate(DIFFERENCES_MAX);
        differences.push(format!("the numbers of coupons have {others} more differences"));
    }
    Ok(differences)
}

/// Compares the numbers of uses of coupons with the sales that used them.
async fn compare_uses(
    snapshot: &Snapshot,
    account_id: AccountId,
    differences: &mut Vec<String>,
) -> Result<(), StoreError> {
    let connection = snapshot.connection();
    // Few sales use a coupon with a limit. A value cannot look like the field, because its quotes are escaped.
    let sales: Vec<(Uuid, String)> = conversion::Entity::find()
        .filter(conversion::Column::AccountId.eq(account_id.uuid()))
        .filter(conversion::Column::Kind.eq(ConversionKind::Sale.as_str()))
        .filter(text_contains(connection, conversion::Column::OrderDetails, "\"coupon_use\":"))
        .select_only()
        .column(conversion::Column::Id)
        .column(conversion::Column::OrderDetails)
        .into_tuple()
        .all(connection)
        .await?;
    let mut of_sales: Counts<(CouponId, Option<LeadId>)> = BTreeMap::new();
    for (id, order) in sales {
        let order: OrderDetails = RowName::new("conversion", id).json(&order)?;
        let Some(used) = order.coupon_use else { continue };
        *of_sales.entry((used.coupon_id, None)).or_default() += 1;
        if used.lead_id.is_some() {
            *of_sales.entry((used.coupon_id, used.lead_id)).or_default() += 1;
        }
    }
    let uses = coupon_use::Entity::find().filter(coupon_use::Column::AccountId.eq(account_id.uuid()));
    let uses = uses.all(connection).await?.into_iter();
    let kept = uses.map(|row| ((CouponId::from_uuid(row.coupon_id), customer_of(row.lead_id)), row.use_count.into()));
    let name = |(coupon_id, lead_id): &(CouponId, Option<LeadId>)| match lead_id {
        Some(lead_id) => format!("the number of uses that {lead_id} made of {coupon_id}"),
        None => format!("the number of uses of {coupon_id}"),
    };
    compare(&of_sales, &kept.collect(), name, differences);
    Ok(())
}

/// Adds the keys whose number of rows differs from the number that is kept.
fn compare<K: Ord>(rows: &Counts<K>, kept: &Counts<K>, name: impl Fn(&K) -> String, differences: &mut Vec<String>) {
    let number = |counts: &Counts<K>, key: &K| counts.get(key).copied().unwrap_or_default();
    let of_kept = kept.keys().filter(|key| !rows.contains_key(key));
    for key in rows.keys().chain(of_kept) {
        let (expected, found) = (number(rows, key), number(kept, key));
        if expected != found {
            differences.push(format!("{} is {found} and should be {expected}", name(key)));
        }
    }
}
