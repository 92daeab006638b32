//! Forms of referral links.

use super::field::Text;
use crate::domain::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use crate::domain::link::{Link, LinkState, LinkWithDestination};
use crate::domain::time::Time;

form! {
    /// A referral link.
    LinkForm<'a> of Link {
        id: LinkId,
        account_id: AccountId,
        enrollment_id: EnrollmentId,
        affiliate_id: AffiliateId,
        code: Text<'a>,
        state: LinkState,
        created_at: Time,
    }
    unless_empty {
        destination_url: Text<'a>,
        revoked_at: Option<Time>,
        claimed_page: Option<Text<'a>>,
    }
}

form! {
    /// A link and the page that it leads to.
    LinkWithDestinationForm<'a> of LinkWithDestination {
        link: Box<LinkForm<'a>>,
        destination_url: Text<'a>,
    }
}
