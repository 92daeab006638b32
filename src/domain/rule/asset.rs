//! The rules of assets.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::asset::Asset;
use crate::domain::event::{EventImage, EventType};
use crate::domain::id::{AccountId, AssetId};
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;

/// Make an asset.
#[derive(Debug, Clone)]
pub struct CreateAsset {
    /// A name for people.
    pub display_name: String,
    /// Where it is.
    pub url: String,
}

impl Rule for CreateAsset {
    type Answer = Arc<Asset>;

    fn needs(&self, _account: AccountId, _needs: &mut Needs) {}

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let asset = Asset {
            id: AssetId::new(context.ids),
            account_id: context.account_id,
            display_name: self.display_name.clone(),
            url: self.url.clone(),
            created_at: context.now,
        };
        let asset = context.put(asset);
        context.tell(EventType::AssetCreated, EventImage::Asset(Arc::clone(&asset)));
        Ok(asset)
    }
}
