//! Affiliates: rows and reads.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::{affiliate as table, enrollment};
use super::keyed::rows_by;
use super::row::{RowName, to_json};
use super::{Store, StoreError};
use crate::domain::affiliate::{Affiliate, AffiliateSelector};
use crate::domain::id::{AccountId, AffiliateId, ProgramId};
use crate::domain::time::Time;

pub(super) fn to_row(affiliate: &Affiliate) -> Result<table::Model, StoreError> {
    Ok(table::Model {
        account_id: affiliate.account_id.uuid(),
        id: affiliate.id.uuid(),
        external_id: affiliate.external_id.clone(),
        email: affiliate.email.clone(),
        first_name: affiliate.first_name.clone(),
        last_name: affiliate.last_name.clone(),
        profile: to_json(&affiliate.profile)?,
        token_hash: affiliate.token_hash.to_vec(),
        created_at: affiliate.created_at.micros(),
        updated_at: affiliate.updated_at.micros(),
    })
}

pub(super) fn from_row(row: table::Model) -> Result<Affiliate, StoreError> {
    let name = RowName::new("affiliate", row.id);
    Ok(Affiliate {
        id: AffiliateId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        external_id: row.external_id,
        email: row.email,
        first_name: row.first_name,
        last_name: row.last_name,
        profile: name.json(&row.profile)?,
        token_hash: name.hash(row.token_hash)?,
        created_at: Time::from_micros(row.created_at),
        updated_at: Time::from_micros(row.updated_at),
    })
}

/// The affiliate with this name.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    selector: &AffiliateSelector,
) -> Result<Option<Affiliate>, StoreError> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let query = match selector {
        AffiliateSelector::Id(id) => mine.filter(table::Column::Id.eq(id.uuid())),
        AffiliateSelector::ExternalId(external_id) => mine.filter(table::Column::ExternalId.eq(external_id)),
        AffiliateSelector::Email(email) => mine.filter(table::Column::Email.eq(email)),
        AffiliateSelector::TokenHash(hash) => mine.filter(table::Column::TokenHash.eq(hash.to_vec())),
        AffiliateSelector::RefId(ref_id) => {
            let enrollment = enrollment::Entity::find()
                .filter(enrollment::Column::AccountId.eq(account_id.uuid()))
                .filter(enrollment::Column::RefId.eq(ref_id))
                .one(store.read())
                .await?;
            let Some(enrollment) = enrollment else { return Ok(None) };
            mine.filter(table::Column::Id.eq(enrollment.affiliate_id))
        }
    };
    query.one(store.read()).await?.map(from_row).transpose()
}

/// Affiliates in the order of their ids, those after the named one; only those ever enrolled in the program when one is named.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    program_id: Option<ProgramId>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Affiliate>, StoreError> {
    let mut query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    if let Some(program_id) = program_id {
        let enrolled = Query::select()
            .column(enrollment::Column::AffiliateId)
            .from(enrollment::Entity)
            .and_where(enrollment::Column::AccountId.eq(account_id.uuid()))
            .and_where(enrollment::Column::ProgramId.eq(program_id.uuid()))
            .take();
        query = query.filter(Expr::col(table::Column::Id.as_column_ref()).in_subquery(enrolled));
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    let rows = query.order_by_asc(table::Column::Id).limit(limit).all(store.read()).await?;
    rows.into_iter().map(from_row).collect()
}

/// The affiliates with these ids, in no order.
///
/// # Errors
/// [`StoreError`].
pub async fn by_ids(store: &Store, account_id: AccountId, ids: &[AffiliateId]) -> Result<Vec<Affiliate>, StoreError> {
    let columns = [table::Column::AccountId, table::Column::Id];
    let keys = ids.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<table::Entity, _>(store.read(), &columns, keys).await?;
    rows.into_iter().map(from_row).collect()
}
