//! Accounts and API keys: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::{account as table, api_key as key_table};
use super::row::RowName;
use super::{Store, StoreError};
use crate::domain::account::{Account, ApiKey};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::time::Time;

pub(super) fn to_row(account: &Account) -> table::Model {
    table::Model {
        id: account.id.uuid(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        max_active_coupons_per_affiliate: account.max_active_coupons_per_affiliate,
        created_at: account.created_at.micros(),
        updated_at: account.updated_at.micros(),
    }
}

pub(super) fn from_row(row: table::Model) -> Account {
    Account {
        id: AccountId::from_uuid(row.id),
        display_name: row.display_name,
        email: row.email,
        max_active_coupons_per_affiliate: row.max_active_coupons_per_affiliate,
        created_at: Time::from_micros(row.created_at),
        updated_at: Time::from_micros(row.updated_at),
    }
}

pub(super) fn key_to_row(key: &ApiKey) -> key_table::Model {
    key_table::Model {
        account_id: key.account_id.uuid(),
        id: key.id.uuid(),
        prefix: key.prefix.clone(),
        kind: key.kind.as_str().to_owned(),
        display_name: key.display_name.clone(),
        secret_hash: key.secret_hash.to_vec(),
        created_at: key.created_at.micros(),
        expires_at: key.expires_at.map(Time::micros),
        revoked_at: key.revoked_at.map(Time::micros),
    }
}

pub(super) fn key_from_row(row: key_table::Model) -> Result<ApiKey, StoreError> {
    let name = RowName::new("api_key", row.id);
    Ok(ApiKey {
        id: ApiKeyId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        kind: name.parse(&row.kind)?,
        display_name: row.display_name,
        prefix: row.prefix,
        secret_hash: name.hash(row.secret_hash)?,
        created_at: Time::from_micros(row.created_at),
        expires_at: row.expires_at.map(Time::from_micros),
        revoked_at: row.revoked_at.map(Time::from_micros),
    })
}

/// An account.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, id: AccountId) -> Result<Option<Account>, StoreError> {
    let row = table::Entity::find_by_id(id.uuid()).one(store.read()).await?;
    Ok(row.map(from_row))
}

/// The keys of an account in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list_keys(
    store: &Store,
    account_id: AccountId,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<ApiKey>, StoreError> {
    let mut query = key_table::Entity::find().filter(key_table::Column::AccountId.eq(account_id.uuid()));
    if let Some(after) = after {
        query = query.filter(key_table::Column::Id.gt(after));
    }
    let rows = query.order_by_asc(key_table::Column::Id).limit(limit).all(store.read()).await?;
    rows.into_iter().map(key_from_row).collect()
}

/// The key whose text begins so, of whichever account: for the check of credentials alone.
///
/// # Errors
/// [`StoreError`].
pub async fn find_key_by_prefix(store: &Store, prefix: &str) -> Result<Option<ApiKey>, StoreError> {
    let row = key_table::Entity::find().filter(key_table::Column::Prefix.eq(prefix)).one(store.read()).await?;
    row.map(key_from_row).transpose()
}

/// A key of an account.
///
/// # Errors
/// [`StoreError`].
pub async fn find_key(store: &Store, account_id: AccountId, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
    let row = key_table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(key_from_row).transpose()
}
