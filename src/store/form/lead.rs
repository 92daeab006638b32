//! Forms of the answers of RecordLead and RecordCancellation.

use super::conversion::CreditForm;
use crate::domain::conversion::ConversionOutcome;
use crate::domain::id::{ConversionId, LeadId};
use crate::domain::lead::{CancellationOutcome, LeadOutcome};

form! {
    /// The answer of RecordLead.
    LeadOutcomeForm of LeadOutcome {
        lead_id: LeadId,
    }
    unless_empty {
        credits: Vec<CreditForm>,
        conversion_id: Option<ConversionId>,
    }
}

form! {
    /// The answer of RecordCancellation.
    CancellationOutcomeForm of CancellationOutcome {
        lead_id: LeadId,
        outcome: ConversionOutcome,
        conversion_id: ConversionId,
    }
}
