//! The rules of items.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, ItemId};
use crate::domain::item::{Item, ItemState};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Create an item.
#[derive(Debug, Clone)]
pub struct CreateItem {
    /// The SKU or short name.
    pub sku: String,
    /// The name that people see; may be empty.
    pub display_name: String,
    /// Free text; may be empty.
    pub note: String,
}

impl Rule for CreateItem {
    type Answer = Arc<Item>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.item_sku(account, &self.sku);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        if let Some(other) = context.set.item_with_sku(context.account_id, &self.sku)? {
            return Err(Refusal::AlreadyExists {
                field: Field::Sku,
                value: self.sku.clone(),
                resource: Resource::Item,
                resource_id: other.id.to_string(),
            });
        }
        let item = Item {
            id: ItemId::new(context.ids),
            account_id: context.account_id,
            sku: self.sku.clone(),
            display_name: self.display_name.clone(),
            note: self.note.clone(),
            state: ItemState::Active,
            created_at: context.now,
            updated_at: context.now,
            archived_at: None,
        };
        Ok(put(context, EventKind::ItemCreated, item))
    }
}

fn put(context: &mut Context<'_>, kind: EventKind, item: Item) -> Arc<Item> {
    let item = context.put(item);
    context.tell(kind, EventImage::Item(Arc::clone(&item)));
    item
}

/// Change an item. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateItem {
    /// The item to change.
    pub id: ItemId,
    /// The name that people see.
    pub display_name: Option<String>,
    /// Free text.
    pub note: Option<String>,
}

impl Rule for UpdateItem {
    type Answer = Arc<Item>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Item>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut item = context.get::<Item, _>(self.id)?.as_ref().clone();
        if let Some(display_name) = &self.display_name {
            item.display_name.clone_from(display_name);
        }
        if let Some(note) = &self.note {
            item.note.clone_from(note);
        }
        item.updated_at = context.now;
        Ok(put(context, EventKind::ItemUpdated, item))
    }
}

/// Archive an item.
#[derive(Debug, Clone)]
pub struct ArchiveItem {
    /// The item to archive.
    pub id: ItemId,
}

impl Rule for ArchiveItem {
    type Answer = Arc<Item>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Item>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let item = context.get::<Item, _>(self.id)?;
        if item.state == ItemState::Archived {
            return Ok(Arc::clone(item));
        }
        let archived = Item {
            state: ItemState::Archived,
            updated_at: context.now,
            archived_at: Some(context.now),
            ..item.as_ref().clone()
        };
        Ok(put(context, EventKind::ItemArchived, archived))
    }
}
