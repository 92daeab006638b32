//! Referral links. The ref_id of an enrollment is also the code of a link, so that one look-up finds both and a code is unique
//! among both.

use std::sync::Arc;

use super::enrollment::Enrollment;
use super::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a link.
    LinkState {
        /// Tracks.
        Active = "active",
        /// Tracks nothing.
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
    /// The code in lower case, unique in the account for ever.
    pub code: String,
    /// Where it leads; empty for the enrollment's landing page.
    pub destination_url: String,
    pub state: LinkState,
    pub created_at: Time,
    pub revoked_at: Option<Time>,
}

impl Link {
    /// Whether its code can be the ref_id of the enrollment: an active link of its own, that leads to its landing page.
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
