//! Enrollments: an affiliate in a program, with its ref_id, links and own commission.

use std::sync::Arc;

use super::coupon::Coupon;
use super::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use super::program::Commission;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of an enrollment.
    EnrollmentState {
        /// The enrollment earns.
        Active = "active",
        /// The enrollment earns nothing new.
        Ended = "ended",
    }
}

/// An affiliate in a program. There is one enrollment for each pair.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Enrollment {
    pub id: EnrollmentId,
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    pub program_id: ProgramId,
    /// The code in the referral link, in lower case. It is the code of one of the enrollment's links.
    pub ref_id: String,
    /// The affiliate's own page. Empty: the program's page.
    pub landing_url: String,
    /// The affiliate's own commission. It replaces the program's.
    pub commission_override: Option<Commission>,
    pub state: EnrollmentState,
    pub created_at: Time,
    pub updated_at: Time,
    pub ended_at: Option<Time>,
}

/// An enrollment with the page that its links lead to, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EnrollmentWithLanding {
    pub enrollment: Arc<Enrollment>,
    /// The enrollment's own page, or else the program's.
    pub landing_url: String,
}

/// The answer of EnrollAffiliate, UpdateEnrollment and EndEnrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct EnrollmentOutcome {
    pub enrollment: EnrollmentWithLanding,
    /// The coupon that EnrollAffiliate assigned.
    pub coupon: Option<Arc<Coupon>>,
}
