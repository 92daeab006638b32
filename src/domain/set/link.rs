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
        let page = |link: &Self| link.claimed_page.clone().map(|page| (link.account_id, page));
        let (former, present) = (before.and_then(page), after.and_then(page));
        if let Some(former) = former.filter(|former| Some(former) != present.as_ref()) {
            names.claimed_pages.insert(former, None);
        }
        if let (Some(present), Some(after)) = (present, after) {
            names.claimed_pages.insert(present, Some(after.id));
        }
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

    /// The active link that claims this page.
    pub fn link_claiming(&self, account_id: AccountId, page: &str) -> Result<Option<&Arc<Link>>, Refusal> {
        let id = known(self.names.claimed_pages.get(&(account_id, page.to_owned())), "link by claimed page")?;
        id.map(|id| self.link(account_id, id)).transpose()
    }

    /// The page that a link leads to now. If its affiliate was moved to another program, the enrollment there is the one that counts,
    /// because it gets the clicks.
    pub fn present_destination<'set>(&'set self, link: &'set Link) -> Result<&'set str, Refusal> {
        let enrollment = self.enrollment(link.account_id, link.enrollment_id)?;
        self.destination(link, self.serving_now(enrollment)?)
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
