//! The errors about tax profiles.

use super::Answer;
use crate::domain::id::AffiliateId;
use crate::domain::refusal::Refusal;
use crate::domain::tax_profile::TaxProfileState;
use crate::pb::ErrorReason;

/// The answer to who is not paid because of a tax profile, or changes one that has expired.
pub(super) fn tax_profile(
    refusal: &Refusal,
    affiliate_id: AffiliateId,
    state: TaxProfileState,
    path: &str,
    text: &str,
) -> Answer {
    let (reason, fix) = match refusal {
        Refusal::TaxProfileRequired { .. } => (
            ErrorReason::TaxProfileRequired,
            "GetTaxProfile shows it, SetTaxProfile sets it, and MarkPaid records what is paid elsewhere",
        ),
        _ => (ErrorReason::TaxProfileState, "set it again with a form that is signed anew"),
    };
    Answer::precondition(reason, affiliate_id.to_string(), format!("{path}: {text}; {fix}"))
        .with("affiliate_id", affiliate_id)
        .with("state", state)
}
