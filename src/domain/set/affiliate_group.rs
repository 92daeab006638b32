//! Look-ups of groups of affiliates by name. An archived group is found by its id only.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::affiliate_group::{AffiliateGroup, AffiliateGroupState};
use crate::domain::id::{AccountId, AffiliateGroupId};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for AffiliateGroup {
    type Key = (AccountId, AffiliateGroupId);

    const NAME: &'static str = "affiliate_group";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        for (row, id) in [(before, None), (after, after.map(|row| row.id))] {
            if let Some(row) = row.filter(|row| row.state == AffiliateGroupState::Active) {
                names.group_names.insert((row.account_id, row.display_name.clone()), id);
            }
        }
    }
}

impl Named for AffiliateGroup {
    const RESOURCE: Resource = Resource::AffiliateGroup;
}

impl WorkingSet {
    /// The active group with this name, or `None`.
    pub fn group_with_name(&self, account_id: AccountId, name: &str) -> Result<Option<&Arc<AffiliateGroup>>, Refusal> {
        let id = known(self.names.group_names.get(&(account_id, name.to_owned())), "group by name")?;
        id.map(|id| self.existing::<AffiliateGroup>(&(account_id, id))).transpose()
    }

    /// The group with this id. Refuses if there is none, or if it is archived.
    pub fn active_group(&self, account_id: AccountId, id: AffiliateGroupId) -> Result<&Arc<AffiliateGroup>, Refusal> {
        let group = self.get::<AffiliateGroup, _>(account_id, id)?;
        match group.state {
            AffiliateGroupState::Active => Ok(group),
            AffiliateGroupState::Archived => Err(Refusal::AffiliateGroupArchived { group_id: id }),
        }
    }
}
