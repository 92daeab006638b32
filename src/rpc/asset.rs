//! Assets on the wire.

use std::sync::Arc;

use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::{Call, page};
use crate::domain::asset::Asset;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::rule::CreateAsset;
use crate::error::Error;
use crate::pb;
use crate::store;

impl Change for pb::CreateAssetRequest {
    type Rule = CreateAsset;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateAsset, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let display_name = fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let url = fields.url("url", &self.url);
        fields.finish()?;
        Ok((CreateAsset { display_name, url }, ()))
    }

    fn render(asset: Arc<Asset>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateAssetResponse {
        pb::CreateAssetResponse { asset: Some(render(&asset)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetAssetRequest) -> Result<pb::GetAssetResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("asset_id", &message.asset_id);
    let id = fields.complete(id)?;
    let asset = store::asset::find(call.store(), call.account_id(), id)
        .await?
        .ok_or_else(|| Refusal::not_found(Resource::Asset, id))?;
    Ok(pb::GetAssetResponse { asset: Some(render(&asset)) })
}

pub(super) async fn list(call: Call, message: pb::ListAssetsRequest) -> Result<pb::ListAssetsResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    fields.finish()?;
    let page = call.page(&pb::ListAssetsRequest::default(), size, &message.page_token)?;
    let mut assets = store::asset::list(call.store(), call.account_id(), page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut assets, |asset| asset.id.uuid());
    Ok(pb::ListAssetsResponse { assets: assets.iter().map(render).collect(), next_page_token })
}

fn render(asset: &Asset) -> pb::Asset {
    pb::Asset {
        id: asset.id.to_string(),
        display_name: asset.display_name.clone(),
        url: asset.url.clone(),
        create_time: Some(timestamp(asset.created_at)),
    }
}
