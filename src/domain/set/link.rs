//! Look-ups of links by code.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, LinkId};
use crate::domain::link::Link;
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Link {
    type Key = (AccountId, LinkId);

    const NAME: &'static str = "link";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        // A link gives up its code only when its affiliate is erased.
        if let (Some(before), Some(after)) = (before, after)
            && before.code != after.code
        {
            names.link_codes.insert((before.account_id, before.code.clone()), None);
        }
        if let Some(after) = after {
            names.link_codes.insert((after.account_id, after.code.clone()), Some(after.id));
        }
    }
}

impl Named for Link {
    const RESOURCE: Resource = Resource::Link;
}

impl WorkingSet {
    /// The link with this id, active or revoked.
    pub fn link(&self, account_id: AccountId, id: LinkId) -> Result<&Arc<Link>, Refusal> {
        self.get(account_id, id)
    }

    /// The page that a link leads to: its own destination, else the enrollment's page, else the program's.
    pub fn destination<'set>(&'set self, link: &'set Link, enrollment: &'set Enrollment) -> Result<&'set str, Refusal> {
        if link.destination_url.is_empty() {
            return self.landing_url(enrollment);
        }
        Ok(&link.destination_url)
    }

    /// The link with this code, revoked or not.
    pub fn link_with_code(&self, account_id: AccountId, code: &str) -> Result<Option<&Arc<Link>>, Refusal> {
        let id = known(self.names.link_codes.get(&(account_id, code.to_owned())), "link by code")?;
        id.map(|id| self.link(account_id, id)).transpose()
    }
}
