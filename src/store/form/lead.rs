//! Forms of the answers of RecordLead and RecordCancellation.

use crate::domain::conversion::ConversionOutcome;
use crate::domain::id::{AffiliateId, ConversionId, LeadId};
use crate::domain::lead::{CancellationOutcome, LeadOutcome};

form! {
    /// The answer of RecordLead.
    LeadOutcomeForm of LeadOutcome {
        lead_id: LeadId,
    }
    unless_empty {
        affiliate_id: Option<AffiliateId>,
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
