//! Referral links. The ref_id of an enrollment is the code of a link too, so that one look-up serves both and a code is unique
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
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The code in lower case, unique in the account for ever.
    pub code: String,
    /// Where it leads; empty for the enrollment's landing page.
    pub destination_url: String,
    /// Its state.
    pub state: LinkState,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl Link {
    /// Whether its code can be the ref_id of the enrollment: an active link of its own, that leads to its landing page.
    pub fn serves_as_ref_id_of(&self, enrollment: &Enrollment) -> bool {
        self.enrollment_id == enrollment.id && self.state == LinkState::Active && self.destination_url.is_empty()
    }
}

/// A link with the page that it leads to: what an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWithDestination {
    /// The link.
    pub link: Arc<Link>,
    /// Where it leads.
    pub destination_url: String,
}
