//! Look-ups of items by SKU. An archived item is found by its id only.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::id::{AccountId, ItemId};
use crate::domain::item::{Item, ItemSelector, ItemState};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Item {
    type Key = (AccountId, ItemId);

    const NAME: &'static str = "item";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        for (row, id) in [(before, None), (after, after.map(|row| row.id))] {
            if let Some(row) = row.filter(|row| row.state == ItemState::Active) {
                names.item_skus.insert((row.account_id, row.sku.clone()), id);
            }
        }
    }
}

impl Named for Item {
    const RESOURCE: Resource = Resource::Item;
}

impl WorkingSet {
    /// The active item with this SKU, or `None`.
    pub fn item_with_sku(&self, account_id: AccountId, sku: &str) -> Result<Option<&Arc<Item>>, Refusal> {
        let id = known(self.names.item_skus.get(&(account_id, sku.to_owned())), "item by SKU")?;
        id.map(|id| self.existing::<Item>(&(account_id, id))).transpose()
    }

    /// The item with this identifier. Refuses if there is none, or if it is archived.
    pub fn active_item(&self, account_id: AccountId, selector: &ItemSelector) -> Result<&Arc<Item>, Refusal> {
        let item = match selector {
            ItemSelector::Id(id) => self.find::<Item>(&(account_id, *id))?,
            ItemSelector::Sku(sku) => self.item_with_sku(account_id, sku)?,
        };
        let item = item.ok_or_else(|| Refusal::not_found(Resource::Item, selector))?;
        match item.state {
            ItemState::Active => Ok(item),
            ItemState::Archived => Err(Refusal::ItemArchived { item_id: item.id }),
        }
    }
}
