//! Enrollments: an affiliate in a program, with its ref_id, links and own commission.

use serde::{Deserialize, Serialize};

use super::affiliate::AffiliateSelector;
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnrollmentWithLanding {
    /// The enrollment.
    pub enrollment: Enrollment,
    /// Its own page or the program's.
    pub landing_url: String,
}

/// What an enrollment is to be made with.
#[derive(Debug, Clone)]
pub struct NewEnrollment {
    /// The program; none for the account's default.
    pub program_id: Option<ProgramId>,
    /// The code for the referral link in lower case; none to have one made.
    pub ref_id: Option<String>,
    /// What to make the code with when `ref_id` is none: a stem from the affiliate's name and random characters to add.
    pub ref_id_stem: String,
    /// Random characters, lower-case letters and digits, to make codes unique.
    pub ref_id_suffix: String,
    /// A coupon code in capitals to assign.
    pub promo_code: Option<String>,
    /// The affiliate's own page; empty for the program's.
    pub landing_url: String,
    /// The affiliate's own commission.
    pub commission_override: Option<Commission>,
}

/// Enroll an affiliate in a further program.
#[derive(Debug, Clone)]
pub struct Enroll {
    /// Which affiliate.
    pub affiliate: AffiliateSelector,
    /// The enrollment.
    pub enrollment: NewEnrollment,
}

/// Change an enrollment. Fields that are not set stay.
#[derive(Debug, Clone)]
pub struct UpdateEnrollment {
    /// Which enrollment.
    pub id: EnrollmentId,
    /// The code for the referral link in lower case.
    pub ref_id: Option<String>,
    /// The affiliate's own page; empty for the program's.
    pub landing_url: Option<String>,
    /// The affiliate's own commission; `Some(None)` for the program's.
    pub commission_override: Option<Option<Commission>>,
}

/// End an enrollment.
#[derive(Debug, Clone)]
pub struct EndEnrollment {
    /// Which enrollment.
    pub id: EnrollmentId,
}
