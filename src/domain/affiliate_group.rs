//! Groups of affiliates. An affiliate is in one group at most.

use super::id::{AccountId, AffiliateGroupId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a group.
    AffiliateGroupState {
        /// Affiliates may be put into the group.
        Active = "active",
        /// No more affiliates may be put into the group. Those in it stay.
        Archived = "archived",
    }
}

/// A group of affiliates.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct AffiliateGroup {
    pub id: AffiliateGroupId,
    pub account_id: AccountId,
    /// As the merchant wrote it. Unique among the account's active groups.
    pub display_name: String,
    pub note: String,
    pub state: AffiliateGroupState,
    pub created_at: Time,
    pub updated_at: Time,
    pub archived_at: Option<Time>,
}
