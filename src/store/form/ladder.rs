//! Forms of ladders, and of the steps that sales have met.

use super::program::CommissionForm;
use crate::domain::brackets::{Bracket, Brackets};
use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, EnrollmentId, ProgramId};
use crate::domain::ladder::{Ladder, LadderMeasure, LadderMet, LadderMode, LadderPart, LadderStep, Laddered};
use crate::domain::money::{Currency, Money};
use crate::domain::period::Period;

form! {
    /// How the commission of the terms rises.
    LadderForm of Ladder {
        mode: LadderMode,
        measure: LadderMeasure,
        steps: Vec<LadderStepForm>,
        since_version: i32,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

form! {
    /// A step of a ladder.
    LadderStepForm of LadderStep {
        minimum: i64,
        commission: CommissionForm,
    }
    unless_empty {
        currency: Option<Currency>,
    }
}

form! {
    /// The step that a sale has met.
    LadderMetForm of LadderMet {
        amount_before: Money,
    }
    unless_empty {
        step: i32,
        starts_on: Day,
        sale_count_before: i64,
        share_before_ppm: i64,
    }
    unless_usual {
        period: Period = Period::AllTime,
    }
}

form! {
    /// What a sale has in the tally of a ladder.
    LadderPartForm of LadderPart {}
    unless_empty {
        sale_count: i64,
        amount_minor: i64,
        share_ppm: i64,
        step_values: Vec<i64>,
    }
}

form! {
    /// What a marginal ladder gives for a sale.
    BracketsForm of Brackets {
        parts: Vec<BracketForm>,
    }
    unless_empty {
        value_minor: i64,
    }
}

form! {
    /// The part of a sale that falls into a bracket.
    BracketForm of Bracket {
        commission: CommissionForm,
        size: i64,
    }
    unless_empty {
        step: i32,
    }
}

form! {
    /// What a credit of a sale has to do with a ladder.
    LadderedForm of Laddered {
        enrollment_id: EnrollmentId,
        affiliate_id: AffiliateId,
        program_id: ProgramId,
        terms_version: i32,
        since_version: i32,
        met: LadderMetForm,
        part: LadderPartForm,
    }
    unless_empty {
        paid_minor: i64,
        other_minor: i64,
        changed_minor: i64,
        is_withdrawn: bool,
    }
}
