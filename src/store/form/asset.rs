//! The form of an asset.

use super::field::Text;
use crate::domain::asset::Asset;
use crate::domain::id::{AccountId, AssetId};
use crate::domain::time::Time;

form! {
    /// An asset.
    AssetForm<'a> of Asset {
        id: AssetId,
        account_id: AccountId,
        display_name: Text<'a>,
        url: Text<'a>,
        created_at: Time,
    }
}
