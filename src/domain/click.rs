//! Clicks: visits through a link.

use super::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId};
use super::time::Time;

/// One visit through a link.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Click {
    pub id: ClickId,
    pub account_id: AccountId,
    /// The visitor's tracking id: the id of the visitor's first click.
    pub tid: ClickId,
    pub link_id: LinkId,
    pub enrollment_id: EnrollmentId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    /// The page that the visitor came from; may be empty.
    pub referrer_url: String,
    pub occurred_at: Time,
    pub created_at: Time,
}

/// The answer of RecordClick.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ClickOutcome {
    pub click_id: ClickId,
    /// The visitor's tracking id.
    pub tid: ClickId,
    pub destination_url: String,
    pub affiliate_id: AffiliateId,
}
