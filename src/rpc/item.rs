//! Items on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use crate::domain::item::Item;
use crate::domain::refusal::Field;
use crate::domain::rule::{ArchiveItem, CreateItem, UpdateItem};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;

impl Change for pb::CreateItemRequest {
    type Rule = CreateItem;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateItemRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            note: canonical::trimmed(&self.note);
            as_sent: request_id, sku,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateItem, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let sku = fields.required_key("sku", &self.sku);
        let display_name = fields.line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let note = fields.paragraph("note", &self.note);
        fields.finish()?;
        Ok((CreateItem { sku, display_name, note }, ()))
    }

    fn render(item: Arc<Item>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateItemResponse {
        pb::CreateItemResponse { item: Some(render(&item)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetItemRequest) -> Result<pb::GetItemResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::item(&mut fields, "item", message.item.as_ref());
    let wanted = fields.complete(wanted)?;
    Ok(pb::GetItemResponse { item: Some(render(&call.item(&wanted).await?)) })
}

pub(super) async fn list(call: Call, message: pb::ListItemsRequest) -> Result<pb::ListItemsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter =
        pb::ListItemsRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let items = store::item::list(call.store(), call.account_id(), &states, page.walk()).await?;
    call.works_on(items.len()).await;
    let (items, next_page_token) = page.fill(items, |item| item.id.uuid(), |item| render(&item));
    let total_count = if message.with_total_count {
        Some(store::item::count(call.store(), call.account_id(), &states).await?)
    } else {
        None
    };
    Ok(pb::ListItemsResponse { items, next_page_token, total_count })
}

impl Change for pb::UpdateItemRequest {
    type Rule = UpdateItem;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Item, "item.id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateItemRequest,
            self,
            item: canonical::inside(self.item.as_ref(), |item| canonical_update(item, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateItem, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &["display_name", "note"]);
        let Some(values) = fields.required("item", self.item.as_ref()) else {
            return Err(fields.into_error());
        };
        let rule = fields.within("item", |fields| {
            let id = fields.id("id", &values.id);
            let name = paths.contains(&"display_name");
            let display_name = name.then(|| fields.line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let note = paths.contains(&"note").then(|| fields.paragraph("note", &values.note));
            Some(UpdateItem { id: id?, display_name, note })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(item: Arc<Item>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateItemResponse {
        pb::UpdateItemResponse { item: Some(render(&item)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Item, mask: Mask<'_>) -> Cow<'message, pb::Item> {
    canonical!(
        pb::Item,
        sent,
        sku: canonical::unread(&sent.sku),
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        note: mask.field("note", &sent.note, |text| canonical::trimmed(text)),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        archive_time: canonical::unread(&sent.archive_time);
        as_sent: id,
    )
}

impl Change for pb::ArchiveItemRequest {
    type Rule = ArchiveItem;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Item, "item_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ArchiveItemRequest, self; as_sent: request_id, item_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(ArchiveItem, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("item_id", &self.item_id);
        Ok((ArchiveItem { id: fields.complete(id)? }, ()))
    }

    fn render(item: Arc<Item>, replayed: bool, (): (), _asking: &Asking) -> pb::ArchiveItemResponse {
        pb::ArchiveItemResponse { item: Some(render(&item)), replayed }
    }
}

/// The item as stored in the feed, without personal data.
pub(super) fn image(item: &Item) -> pb::Item {
    pb::Item { note: String::new(), ..render(item) }
}

/// An item as a message.
pub(super) fn render(item: &Item) -> pb::Item {
    pb::Item {
        id: item.id.to_string(),
        sku: item.sku.clone(),
        display_name: item.display_name.clone(),
        note: item.note.clone(),
        state: item.state.number(),
        create_time: Some(timestamp(item.created_at)),
        update_time: Some(timestamp(item.updated_at)),
        archive_time: item.archived_at.map(timestamp),
    }
}
