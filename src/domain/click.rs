//! Clicks: visits through a link.

use super::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId};
use super::time::Time;

/// One visit through a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Its id.
    pub id: ClickId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The visitor's tracking id: the id of the visitor's first click.
    pub tid: ClickId,
    /// The link.
    pub link_id: LinkId,
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The program.
    pub program_id: ProgramId,
    /// The page the visitor came from; may be empty.
    pub referrer_url: String,
    /// When it happened.
    pub occurred_at: Time,
    /// When it was recorded.
    pub created_at: Time,
}

/// What RecordClick answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickOutcome {
    /// The click.
    pub click_id: ClickId,
    /// The visitor's tracking id.
    pub tid: ClickId,
    /// Where to send the visitor.
    pub destination_url: String,
    /// Whose link it is.
    pub affiliate_id: AffiliateId,
}
