//! Assets: what affiliates advertise with.

use super::id::{AccountId, AssetId};
use super::time::Time;

/// A file or page that affiliates advertise with.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Asset {
    pub id: AssetId,
    pub account_id: AccountId,
    pub display_name: String,
    pub url: String,
    pub created_at: Time,
}
