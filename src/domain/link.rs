//! Referral links. An enrollment's ref_id is also the code of a link. One look-up therefore finds both, and a code is unique
//! among both.

use std::sync::Arc;

use super::enrollment::Enrollment;
use super::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a link.
    LinkState {
        /// Clicks through the link are tracked.
        Active = "active",
        /// Clicks through the link are not tracked.
        Revoked = "revoked",
    }
}

/// A referral link of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Link {
    pub id: LinkId,
    pub account_id: AccountId,
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    /// The code in lower case, unique in the account. It changes only when the affiliate is erased.
    pub code: String,
    /// The page that the link leads to. Empty: the enrollment's landing page.
    pub destination_url: String,
    /// The page whose visits without a code are clicks through this link, see [`page_of`](super::page::page_of). No other active link has it.
    pub claimed_page: Option<String>,
    pub state: LinkState,
    pub created_at: Time,
    pub revoked_at: Option<Time>,
}

impl Link {
    /// Whether the link was revoked at a time.
    pub fn is_revoked_at(&self, time: Time) -> bool {
        self.revoked_at.is_some_and(|revoked_at| revoked_at <= time)
    }

    /// Whether the link's code can be the enrollment's ref_id. The link must be active, belong to the enrollment, and lead to its
    /// landing page.
    pub fn serves_as_ref_id_of(&self, enrollment: &Enrollment) -> bool {
        self.enrollment_id == enrollment.id && self.state == LinkState::Active && self.destination_url.is_empty()
    }
}

/// A link with the page that it leads to, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct LinkWithDestination {
    pub link: Arc<Link>,
    pub destination_url: String,
}

impl LinkWithDestination {
    /// The link as it is kept in answers, see `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        let (code, destination_url) = (String::new(), String::new());
        let link = Link { code, destination_url, claimed_page: None, ..self.link.as_ref().clone() };
        Self { link: Arc::new(link), destination_url: String::new() }
    }
}
