//! Groups of affiliates on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::affiliate_group::AffiliateGroup;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ArchiveAffiliateGroup, CreateAffiliateGroup, UpdateAffiliateGroup};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;

impl Change for pb::CreateAffiliateGroupRequest {
    type Rule = CreateAffiliateGroup;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateAffiliateGroupRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            note: canonical::trimmed(&self.note);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateAffiliateGroup, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let display_name = fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let note = fields.paragraph("note", &self.note);
        fields.finish()?;
        Ok((CreateAffiliateGroup { display_name, note }, ()))
    }

    fn render(
        group: Arc<AffiliateGroup>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::CreateAffiliateGroupResponse {
        pb::CreateAffiliateGroupResponse { group: Some(render(&group)), replayed }
    }
}

pub(super) async fn get(
    call: Call,
    message: pb::GetAffiliateGroupRequest,
) -> Result<pb::GetAffiliateGroupResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("group_id", &message.group_id);
    let id = fields.complete(id)?;
    let found = store::affiliate_group::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::AffiliateGroup, id))?;
    Ok(pb::GetAffiliateGroupResponse { group: Some(render(&found)) })
}

pub(super) async fn list(
    call: Call,
    message: pb::ListAffiliateGroupsRequest,
) -> Result<pb::ListAffiliateGroupsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListAffiliateGroupsRequest {
        page_size: 0,
        page_token: String::new(),
        with_total_count: false,
        ..message.clone()
    };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let groups = store::affiliate_group::list(call.store(), call.account_id(), &states, page.walk()).await?;
    call.works_on(groups.len()).await;
    let (groups, next_page_token) = page.fill(groups, |group| group.id.uuid(), |group| render(&group));
    let total_count = if message.with_total_count {
        Some(store::affiliate_group::count(call.store(), call.account_id(), &states).await?)
    } else {
        None
    };
    Ok(pb::ListAffiliateGroupsResponse { groups, next_page_token, total_count })
}

impl Change for pb::UpdateAffiliateGroupRequest {
    type Rule = UpdateAffiliateGroup;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::GroupId, "group.id"), (Field::DisplayName, "group.display_name")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateAffiliateGroupRequest,
            self,
            group: canonical::inside(self.group.as_ref(), |group| canonical_update(group, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateAffiliateGroup, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &["display_name", "note"]);
        let Some(values) = fields.required("group", self.group.as_ref()) else {
            return Err(fields.into_error());
        };
        let rule = fields.within("group", |fields| {
            let id = fields.id("id", &values.id);
            let name = paths.contains(&"display_name");
            let display_name =
                name.then(|| fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let note = paths.contains(&"note").then(|| fields.paragraph("note", &values.note));
            Some(UpdateAffiliateGroup { id: id?, display_name, note })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(
        group: Arc<AffiliateGroup>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::UpdateAffiliateGroupResponse {
        pb::UpdateAffiliateGroupResponse { group: Some(render(&group)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::AffiliateGroup, mask: Mask<'_>) -> Cow<'message, pb::AffiliateGroup> {
    canonical!(
        pb::AffiliateGroup,
        sent,
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        note: mask.field("note", &sent.note, |text| canonical::trimmed(text)),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        archive_time: canonical::unread(&sent.archive_time);
        as_sent: id,
    )
}

impl Change for pb::ArchiveAffiliateGroupRequest {
    type Rule = ArchiveAffiliateGroup;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ArchiveAffiliateGroupRequest, self; as_sent: request_id, group_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(ArchiveAffiliateGroup, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("group_id", &self.group_id);
        Ok((ArchiveAffiliateGroup { id: fields.complete(id)? }, ()))
    }

    fn render(
        group: Arc<AffiliateGroup>,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::ArchiveAffiliateGroupResponse {
        pb::ArchiveAffiliateGroupResponse { group: Some(render(&group)), replayed }
    }
}

/// The group as stored in the feed, without personal data.
pub(super) fn image(group: &AffiliateGroup) -> pb::AffiliateGroup {
    pb::AffiliateGroup { note: String::new(), ..render(group) }
}

/// A group as a message.
pub(super) fn render(group: &AffiliateGroup) -> pb::AffiliateGroup {
    pb::AffiliateGroup {
        id: group.id.to_string(),
        display_name: group.display_name.clone(),
        note: group.note.clone(),
        state: group.state.number(),
        create_time: Some(timestamp(group.created_at)),
        update_time: Some(timestamp(group.updated_at)),
        archive_time: group.archived_at.map(timestamp),
    }
}
