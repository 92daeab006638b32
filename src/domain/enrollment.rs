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
        /// Earns.
        Active = "active",
        /// Earns nothing new.
        Ended = "ended",
    }
}

/// An affiliate in a program. One for each pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrollment {
    /// Its id.
    pub id: EnrollmentId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The program.
    pub program_id: ProgramId,
    /// The code in the referral link, lower case: the code of one of the enrollment's links.
    pub ref_id: String,
    /// The affiliate's own page; empty for the program's.
    pub landing_url: String,
    /// The affiliate's own commission in place of the program's.
    pub commission_override: Option<Commission>,
    /// Its state.
    pub state: EnrollmentState,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it ended.
    pub ended_at: Option<Time>,
}

/// An enrollment with the page that its links lead to: what an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentWithLanding {
    /// The enrollment.
    pub enrollment: Arc<Enrollment>,
    /// Its own page or the program's.
    pub landing_url: String,
}

/// What Enroll, UpdateEnrollment and EndEnrollment answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrollmentOutcome {
    /// The enrollment.
    pub enrollment: EnrollmentWithLanding,
    /// The coupon that Enroll assigned.
    pub coupon: Option<Arc<Coupon>>,
}
