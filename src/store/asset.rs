//! Assets: rows and reads.

use sea_orm::EntityTrait;
use uuid::Uuid;

use super::entity::asset as table;
use super::list;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::asset::Asset;
use crate::domain::id::{AccountId, AssetId};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for Asset {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            display_name: self.display_name.clone(),
            url: self.url.clone(),
            created_at: self.created_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: AssetId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            display_name: row.display_name,
            url: row.url,
            created_at: Time::from_micros(row.created_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// An asset.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: AssetId) -> Result<Option<Asset>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Asset::from_row).transpose()
}

/// Assets in the order of their ids, those after the named one.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<Asset>, StoreError> {
    list::read(list::page::<Asset>(account_id, after, limit), store.read()).await
}
