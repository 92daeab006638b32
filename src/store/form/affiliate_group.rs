//! The form of a group of affiliates.

use super::field::Text;
use crate::domain::affiliate_group::{AffiliateGroup, AffiliateGroupState};
use crate::domain::id::{AccountId, AffiliateGroupId};
use crate::domain::time::Time;

form! {
    /// A group of affiliates.
    AffiliateGroupForm<'a> of AffiliateGroup {
        id: AffiliateGroupId,
        account_id: AccountId,
        display_name: Text<'a>,
        state: AffiliateGroupState,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        note: Text<'a>,
        archived_at: Option<Time>,
    }
}
