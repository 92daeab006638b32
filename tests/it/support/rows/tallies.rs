//! Samples of tallies and caps.

use headwater::domain::calendar::Day;
use headwater::domain::period::Period;
use headwater::domain::tally::{Cap, CapApplied, CapScope, Counted, CountedCap, Tally, TallyKey};

use super::{ACCOUNT, affiliate, enrollment, lead, program, usd};

/// What the affiliate has for the lead in November 2026.
pub(crate) fn tally() -> Tally {
    let key = TallyKey {
        account_id: ACCOUNT,
        program_id: program().id,
        affiliate_id: Some(affiliate().id),
        lead_id: Some(lead().id),
        period: Period::Month,
        starts_on: Day(20_758),
    };
    Tally { key, earned_minor: 1_500, paid_minor: 1_000 }
}

pub(crate) fn tally_of_program() -> Tally {
    let (affiliate_id, lead_id) = (None, None);
    let key = TallyKey { affiliate_id, lead_id, period: Period::AllTime, starts_on: Day::default(), ..tally().key };
    Tally { key, earned_minor: 1_000, paid_minor: 1_000 }
}

pub(crate) fn cap() -> Cap {
    Cap { scope: CapScope::Customer, period: Period::Month, maximum: usd(1_000) }
}

pub(crate) fn cap_applied() -> CapApplied {
    CapApplied { cap: cap(), starts_on: Day(20_758), paid_before_minor: 700 }
}

pub(crate) fn counted() -> Counted {
    let cap = CountedCap { applied: cap_applied(), lead_id: Some(lead().id), earned_minor: 500 };
    Counted {
        enrollment_id: enrollment().id,
        affiliate_id: affiliate().id,
        program_id: program().id,
        terms_version: 1,
        earned_minor: 500,
        paid_minor: 300,
        changed_minor: -20,
        caps: vec![cap],
    }
}
