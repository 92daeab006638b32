//! Forms of caps, and of what events have in tallies.

use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, EnrollmentId, LeadId, ProgramId};
use crate::domain::money::Money;
use crate::domain::period::Period;
use crate::domain::tally::{Cap, CapApplied, CapScope, Counted, CountedCap, TallyChange};

form! {
    /// The most that is earned in a period.
    CapForm of Cap {
        scope: CapScope,
        maximum: Money,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

form! {
    /// A cap as an event has met it.
    CapAppliedForm of CapApplied {
        cap: CapForm,
    }
    unless_empty {
        starts_on: Day,
        paid_before_minor: i64,
    }
}

form! {
    /// How an event changed a tally.
    TallyChangeForm of TallyChange {}
    unless_empty {
        paid_before_minor: i64,
        paid_after_minor: i64,
        booked_minor: i64,
    }
}

form! {
    /// What an event has in tallies.
    CountedForm of Counted {
        enrollment_id: EnrollmentId,
        affiliate_id: AffiliateId,
        program_id: ProgramId,
        terms_version: i32,
    }
    unless_empty {
        earned_minor: i64,
        paid_minor: i64,
        changed_minor: i64,
        caps: Vec<CountedCapForm>,
    }
}

form! {
    /// A cap with what an event has in its tally.
    CountedCapForm of CountedCap {
        applied: CapAppliedForm,
    }
    unless_empty {
        lead_id: Option<LeadId>,
        earned_minor: i64,
    }
}
