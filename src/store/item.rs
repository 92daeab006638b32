//! Items: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::entity::item as table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::Loading;
use super::set::stored::{SqlKey, Stored};
use super::{Store, StoreError};
use crate::domain::id::{AccountId, ItemId};
use crate::domain::item::{Item, ItemSelector, ItemState};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for Item {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            sku: self.sku.clone(),
            // Null for an archived item, because the column is unique and the SKU of an archived item is free again.
            active_sku: (self.state == ItemState::Active).then(|| self.sku.clone()),
            display_name: self.display_name.clone(),
            note: self.note.clone(),
            state: self.state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            archived_at: self.archived_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("item", row.id);
        Ok(Self {
            id: ItemId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            sku: row.sku,
            display_name: row.display_name,
            note: row.note,
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            archived_at: row.archived_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let skus = std::mem::take(&mut loading.needs.names.item_skus);
        let columns = [table::Column::AccountId, table::Column::ActiveSku];
        loading.by::<Self, _>(&columns, skus.iter().map(SqlKey::values)).await?;
        skus.into_iter().for_each(|sku| loading.set.names.item_skus.insert_absent(sku));
        loading.by_key::<Self>().await
    }
}

/// The item with this identifier.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, selector: &ItemSelector) -> Result<Option<Item>, StoreError> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let query = match selector {
        ItemSelector::Id(id) => mine.filter(table::Column::Id.eq(id.uuid())),
        ItemSelector::Sku(sku) => mine.filter(table::Column::ActiveSku.eq(sku)),
    };
    query.one(store.read()).await?.map(Item::from_row).transpose()
}

/// One page of items. If states are given, only items in one of them.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    states: &[ItemState],
    walk: Walk,
) -> Result<Vec<Item>, StoreError> {
    list::read(walk.cut(filtered(account_id, states), table::Column::Id), store.read()).await
}

/// How many items a list has in all.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, states: &[ItemState]) -> Result<i64, StoreError> {
    list::count(filtered(account_id, states), table::Column::Id, store.read()).await
}

fn filtered(account_id: AccountId, states: &[ItemState]) -> Select<table::Entity> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    list::one_of(mine, table::Column::State, states)
}
