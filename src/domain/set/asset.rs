//! How assets are found.

use super::kind::{Kind, Named};
use crate::domain::asset::Asset;
use crate::domain::id::{AccountId, AssetId};
use crate::domain::refusal::Resource;

impl Kind for Asset {
    type Key = (AccountId, AssetId);

    const NAME: &'static str = "asset";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for Asset {
    const RESOURCE: Resource = Resource::Asset;
}
