//! The form of a candidate for the credit.

use super::field::Text;
use crate::domain::attribution::{AttributionSource, Candidate, CandidateResult};
use crate::domain::id::{AffiliateId, EnrollmentId};

form! {
    /// One way by which a conversion could have been traced to an affiliate.
    CandidateForm<'a> of Candidate {
        source: AttributionSource,
        reference: Text<'a>,
        result: CandidateResult,
    }
    unless_empty {
        affiliate_id: Option<AffiliateId>,
        enrollment_id: Option<EnrollmentId>,
    }
}
