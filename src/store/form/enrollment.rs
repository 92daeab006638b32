//! Forms of enrollments.

use std::collections::BTreeMap;

use super::coupon::CouponForm;
use super::field::Text;
use super::program::CommissionForm;
use crate::domain::affiliate::AffiliateState;
use crate::domain::dated_commission::DatedCommission;
use crate::domain::enrollment::{
    Acceptance, Enrollment, EnrollmentOutcome, EnrollmentStanding, EnrollmentState, EnrollmentWithLanding, Moved,
    MovedLeads, PastStanding,
};
use crate::domain::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use crate::domain::time::Time;

form! {
    /// An affiliate in a program.
    EnrollmentForm<'a> of Enrollment {
        id: EnrollmentId,
        account_id: AccountId,
        affiliate_id: AffiliateId,
        program_id: ProgramId,
        ref_id: Text<'a>,
        state: EnrollmentState,
        created_at: Time,
        updated_at: Time,
    }
    unless_empty {
        landing_url: Text<'a>,
        commission_override: Option<CommissionForm>,
        ended_at: Option<Time>,
        moved: Option<MovedForm>,
    }
    unless_usual {
        affiliate_state: AffiliateState = AffiliateState::Active,
        awaits_agreement: bool = false,
    }
    // Answers do not show the past, and get the present acceptances and metadata. These are in columns of their own.
    left_out {
        acceptances: Vec::new(),
        metadata: BTreeMap::new(),
        was_active: false,
        dated_commissions: Vec::new(),
        past: Vec::new(),
    }
}

form! {
    /// The standing of an enrollment until a change.
    PastStandingForm of PastStanding {
        ended_at: Time,
        standing: EnrollmentStandingForm,
    }
}

form! {
    /// A commission of an enrollment or a coupon for a time.
    DatedCommissionForm of DatedCommission {
        number: i32,
        starts_at: Time,
        created_at: Time,
    }
    unless_empty {
        commission: Option<CommissionForm>,
        ends_at: Option<Time>,
        withdrawn_at: Option<Time>,
    }
}

form! {
    /// Where an affiliate was moved to.
    MovedForm of Moved {
        to: EnrollmentId,
        leads: MovedLeads,
    }
}

form! {
    /// An affiliate's acceptance of the program's agreement.
    AcceptanceForm<'a> of Acceptance {
        version: i32,
        accepted_at: Time,
    }
    unless_empty {
        source: Text<'a>,
    }
}

form! {
    /// The properties of an enrollment that decide what it earns.
    EnrollmentStandingForm of EnrollmentStanding {
        state: EnrollmentState,
    }
    unless_empty {
        commission_override: Option<CommissionForm>,
        moved: Option<MovedForm>,
    }
    unless_usual {
        affiliate_state: AffiliateState = AffiliateState::Active,
        awaits_agreement: bool = false,
    }
}

form! {
    /// An enrollment and the page that its links lead to.
    EnrollmentWithLandingForm<'a> of EnrollmentWithLanding {
        enrollment: Box<EnrollmentForm<'a>>,
        landing_url: Text<'a>,
    }
    left_out {
        lacks_newest_agreement: false,
    }
}

form! {
    /// An enrollment and the coupon that it started with.
    EnrollmentOutcomeForm<'a> of EnrollmentOutcome {
        enrollment: EnrollmentWithLandingForm<'a>,
    }
    unless_empty {
        coupon: Option<Box<CouponForm<'a>>>,
    }
}
