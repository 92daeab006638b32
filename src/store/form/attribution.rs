//! The form of a candidate for the credit.

use super::field::Text;
use crate::domain::attribution::{Candidate, CandidateResult, Evidence};
use crate::domain::id::{AffiliateId, ClickId, EnrollmentId, LeadId, LinkId};

enum_form! {
    /// A piece of evidence.
    EvidenceForm<'a> of Evidence {
        Lead(id: LeadId),
        Coupon(code: Text<'a>),
        Click(id: ClickId),
        RefId(ref_id: Text<'a>),
        Link(id: LinkId),
        Tid(tid: Text<'a>),
    }
}

form! {
    /// One way by which a conversion could have been traced to an affiliate.
    CandidateForm<'a> of Candidate {
        evidence: EvidenceForm<'a>,
        result: CandidateResult,
    }
    unless_empty {
        affiliate_id: Option<AffiliateId>,
        enrollment_id: Option<EnrollmentId>,
        sub_id: Text<'a>,
    }
}
