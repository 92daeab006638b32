//! The form of RecordClick's answer.

use super::field::Text;
use super::reward::RewardSummaryForm;
use crate::domain::click::{ClickOutcome, ClickPayment};
use crate::domain::id::{AffiliateId, ClickId};

form! {
    /// The answer of RecordClick.
    ClickOutcomeForm<'a> of ClickOutcome {
        click_id: ClickId,
        tid: ClickId,
        destination_url: Text<'a>,
        affiliate_id: AffiliateId,
    }
    unless_empty {
        reward: Option<RewardSummaryForm>,
    }
    unless_usual {
        payment: ClickPayment = ClickPayment::NoRule,
    }
}
