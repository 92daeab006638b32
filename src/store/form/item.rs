//! The form of an item.

use super::field::Text;
use crate::domain::id::{AccountId, ItemId};
use crate::domain::item::{Item, ItemState};
use crate::domain::time::Time;

form! {
    /// An item.
    ItemForm<'a> of Item {
        id: ItemId,
        account_id: AccountId,
        sku: Text<'a>,
        state: ItemState,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        display_name: Text<'a>,
        note: Text<'a>,
        archived_at: Option<Time>,
    }
}
