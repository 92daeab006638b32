//! Forms of what RecordLead and RecordCancellation answer.

use crate::domain::conversion::ConversionOutcome;
use crate::domain::id::{AffiliateId, ConversionId, LeadId};
use crate::domain::lead::{CancellationOutcome, LeadOutcome};

form! {
    /// What RecordLead answers.
    LeadOutcomeForm of LeadOutcome {
        lead_id: LeadId,
    }
    unless_empty {
        affiliate_id: Option<AffiliateId>,
        conversion_id: Option<ConversionId>,
    }
}

form! {
    /// What RecordCancellation answers.
    CancellationOutcomeForm of CancellationOutcome {
        lead_id: LeadId,
        outcome: ConversionOutcome,
        conversion_id: ConversionId,
    }
}
