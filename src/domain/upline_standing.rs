//! Whether an affiliate above the credited one can earn from an event. The rule that pays uplines asks here, and so do explanations.

use super::affiliate_state::AffiliateState;
use super::attribution::CandidateResult;
use super::enrollment::{Enrollment, EnrollmentStanding, EnrollmentState};
use super::program::Program;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// Whether the affiliate on a level earns, or why it does not.
    UplineResult {
        /// It earns.
        Earns = "earns",
        /// The rate of the level is zero.
        NoRate = "no_rate",
        /// The affiliate below had no upline.
        NoUpline = "no_upline",
        /// The affiliate is not in the program.
        NotEnrolled = "not_enrolled",
        /// The affiliate was enrolled in the program only later.
        EnrolledLater = "enrolled_later",
        /// The affiliate had left the program for another one.
        Moved = "moved",
        /// The affiliate was not active.
        NotActive = "not_active",
        /// The enrollment had ended.
        EnrollmentEnded = "enrollment_ended",
        /// The affiliate had not accepted the agreement.
        AgreementNotAccepted = "agreement_not_accepted",
        /// The program had been archived.
        ProgramArchived = "program_archived",
        /// The credited affiliate earns nothing.
        NothingBelow = "nothing_below",
        /// What the level earns rounds to zero.
        Zero = "zero",
    }
}

/// Why an enrollment with this standing does not earn from an event at this time, if so.
pub fn why_not_earning(standing: EnrollmentStanding, program: &Program, occurred_at: Time) -> Option<CandidateResult> {
    if standing.affiliate_state != AffiliateState::Active {
        Some(CandidateResult::AffiliateNotActive)
    } else if standing.state == EnrollmentState::Ended {
        Some(CandidateResult::EnrollmentEnded)
    } else if standing.awaits_agreement {
        Some(CandidateResult::AgreementNotAccepted)
    } else if program.is_archived_at(occurred_at) {
        Some(CandidateResult::ProgramArchived)
    } else {
        None
    }
}

/// Why an upline earns nothing from an event through its enrollment in the program, if so: it must have been there by then and could earn.
pub fn why_not_on_level(enrollment: Option<&Enrollment>, program: &Program, occurred_at: Time) -> Option<UplineResult> {
    let Some(enrollment) = enrollment else { return Some(UplineResult::NotEnrolled) };
    if !enrollment.created_at.may_precede(occurred_at) {
        return Some(UplineResult::EnrolledLater);
    }
    let standing = enrollment.standing_at(occurred_at);
    if standing.moved.is_some() {
        return Some(UplineResult::Moved);
    }
    why_not_earning(standing, program, occurred_at).map(|result| match result {
        CandidateResult::EnrollmentEnded => UplineResult::EnrollmentEnded,
        CandidateResult::AgreementNotAccepted => UplineResult::AgreementNotAccepted,
        CandidateResult::ProgramArchived => UplineResult::ProgramArchived,
        _ => UplineResult::NotActive,
    })
}
