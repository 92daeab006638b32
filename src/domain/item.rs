//! Items: products and services of the account. Coupons and offers may be tied to one.

use super::id::{AccountId, ItemId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of an item.
    ItemState {
        /// New coupons and offers may be tied to the item.
        Active = "active",
        /// No new coupon or offer may be tied to the item.
        Archived = "archived",
    }
}

/// A product or service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Item {
    pub id: ItemId,
    pub account_id: AccountId,
    /// The SKU or short name, as the merchant wrote it. Unique among the account's active items. It never changes, because sales
    /// that are told late name it.
    pub sku: String,
    /// May be empty.
    pub display_name: String,
    pub note: String,
    pub state: ItemState,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}

/// The identifiers by which an item may be named.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ItemSelector {
    /// Headwater's id.
    Id(ItemId),
    /// The SKU or short name of an active item.
    Sku(String),
}

impl std::fmt::Display for ItemSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Sku(sku) => formatter.write_str(sku),
        }
    }
}
