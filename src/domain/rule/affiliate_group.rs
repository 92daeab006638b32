//! The rules of groups of affiliates.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::affiliate_group::{AffiliateGroup, AffiliateGroupState};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateGroupId};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Create a group.
#[derive(Debug, Clone)]
pub struct CreateAffiliateGroup {
    /// The name.
    pub display_name: String,
    /// Free text; may be empty.
    pub note: String,
}

impl Rule for CreateAffiliateGroup {
    type Answer = Arc<AffiliateGroup>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.group_name(account, &self.display_name);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        name_is_free(context, &self.display_name, None)?;
        let group = AffiliateGroup {
            id: AffiliateGroupId::new(context.ids),
            account_id: context.account_id,
            display_name: self.display_name.clone(),
            note: self.note.clone(),
            state: AffiliateGroupState::Active,
            created_at: context.now,
            updated_at: context.now,
            archived_at: None,
        };
        Ok(put(context, EventKind::AffiliateGroupCreated, group))
    }
}

/// Refuses a name that another active group has. `own` is the group that may have it.
fn name_is_free(context: &Context<'_>, name: &str, own: Option<AffiliateGroupId>) -> Result<(), Refusal> {
    match context.set.group_with_name(context.account_id, name)? {
        Some(other) if Some(other.id) != own => Err(Refusal::AlreadyExists {
            field: Field::DisplayName,
            value: name.to_owned(),
            resource: Resource::AffiliateGroup,
            resource_id: other.id.to_string(),
        }),
        _ => Ok(()),
    }
}

fn put(context: &mut Context<'_>, kind: EventKind, group: AffiliateGroup) -> Arc<AffiliateGroup> {
    let group = context.put(group);
    context.tell(kind, EventImage::AffiliateGroup(Arc::clone(&group)));
    group
}

/// Change a group. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateAffiliateGroup {
    /// The group to change.
    pub id: AffiliateGroupId,
    /// The name.
    pub display_name: Option<String>,
    /// Free text.
    pub note: Option<String>,
}

impl Rule for UpdateAffiliateGroup {
    type Answer = Arc<AffiliateGroup>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<AffiliateGroup>((account, self.id));
        if let Some(name) = &self.display_name {
            needs.group_name(account, name);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let mut group = context.set.active_group(context.account_id, self.id)?.as_ref().clone();
        if let Some(display_name) = &self.display_name {
            name_is_free(context, display_name, Some(group.id))?;
            group.display_name.clone_from(display_name);
        }
        if let Some(note) = &self.note {
            group.note.clone_from(note);
        }
        group.updated_at = context.now;
        Ok(put(context, EventKind::AffiliateGroupUpdated, group))
    }
}

/// Archive a group.
#[derive(Debug, Clone)]
pub struct ArchiveAffiliateGroup {
    /// The group to archive.
    pub id: AffiliateGroupId,
}

impl Rule for ArchiveAffiliateGroup {
    type Answer = Arc<AffiliateGroup>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<AffiliateGroup>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let group = context.get::<AffiliateGroup, _>(self.id)?;
        if group.state == AffiliateGroupState::Archived {
            return Ok(Arc::clone(group));
        }
        let archived = AffiliateGroup {
            state: AffiliateGroupState::Archived,
            updated_at: context.now,
            archived_at: Some(context.now),
            ..group.as_ref().clone()
        };
        Ok(put(context, EventKind::AffiliateGroupArchived, archived))
    }
}
