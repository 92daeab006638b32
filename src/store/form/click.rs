//! The form of what RecordClick answers.

use super::field::Text;
use crate::domain::click::ClickOutcome;
use crate::domain::id::{AffiliateId, ClickId};

form! {
    /// What RecordClick answers.
    ClickOutcomeForm<'a> of ClickOutcome {
        click_id: ClickId,
        tid: ClickId,
        destination_url: Text<'a>,
        affiliate_id: AffiliateId,
    }
}
