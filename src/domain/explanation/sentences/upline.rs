//! Sentences about the levels above a credited affiliate.

use super::rate::percent;
use super::time;
use crate::domain::conversion::Conversion;
use crate::domain::explanation::UplineExplanation;
use crate::domain::upline::UplineBasis;
use crate::domain::upline_standing::UplineResult;

/// What a level earns, or why it earns nothing.
pub(super) fn sentence(event: &Conversion, told: &UplineExplanation) -> String {
    let (level, at) = (told.level, time(event.occurred_at));
    let who = told.affiliate_id.map(|id| id.to_string()).unwrap_or_default();
    let why_not = match told.result {
        UplineResult::Earns => return earned(told, &who),
        UplineResult::NoUpline => {
            return format!("Level {level} earns nothing, because {} had no upline at {at}.", told.below);
        }
        UplineResult::NoRate => "the rate of the level is zero",
        UplineResult::NotEnrolled => "it is not in the program",
        UplineResult::EnrolledLater => "it was enrolled in the program only after the event",
        UplineResult::Moved => "it had left the program for another one",
        UplineResult::NotActive => "it was not active",
        UplineResult::EnrollmentEnded => "its enrollment had ended",
        UplineResult::AgreementNotAccepted => "it had not accepted the program's agreement",
        UplineResult::ProgramArchived => "the program had been archived",
        UplineResult::NothingBelow => "the credited affiliate earns nothing",
        UplineResult::Zero => "what it would earn rounds to zero",
    };
    format!("Level {level}, {who}, earns nothing, because {why_not}.")
}

fn earned(told: &UplineExplanation, who: &str) -> String {
    let value = told.value.map(|value| value.to_string()).unwrap_or_default();
    let basis = match told.rate.basis {
        UplineBasis::Commission => "the credited affiliate's commission",
        UplineBasis::SaleAmount => "the amount of the event",
    };
    let rest = match told.recorded_rest {
        Some(rest) if told.value == Some(rest) => String::new(),
        Some(rest) => format!("; {rest} of it is left"),
        None => "; no reward is recorded that was not denied".to_owned(),
    };
    format!("Level {}, {who}, earns {} of {basis}, which is {value}{rest}.", told.level, percent(told.rate.percent_ppm))
}
