//! The form of RecordClick's answer.

use super::field::Text;
use crate::domain::click::ClickOutcome;
use crate::domain::id::{AffiliateId, ClickId};

form! {
    /// The answer of RecordClick.
    ClickOutcomeForm<'a> of ClickOutcome {
        click_id: ClickId,
        tid: ClickId,
        destination_url: Text<'a>,
        affiliate_id: AffiliateId,
    }
}
