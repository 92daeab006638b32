//! Sentences about ladders.

use super::rate::rate;
use crate::domain::brackets::{Bracket, Brackets};
use crate::domain::commission::Commission;
use crate::domain::explanation::LadderExplanation;
use crate::domain::ladder::{LadderMeasure, LadderMet, LadderMode};
use crate::domain::money::{Currency, Money};
use crate::domain::period::Period;

/// The step of a ladder, what was missing to the next one, and what follows for the sale and for others.
pub(super) fn sentences(told: &LadderExplanation) -> Vec<String> {
    let mut sentences = vec![step(told)];
    sentences.extend(told.brackets.as_ref().map(|brackets| divided(brackets, told.met.amount_before.currency)));
    let changed = told.changed.filter(|changed| changed.amount_minor != 0);
    sentences.extend(changed.map(|changed| {
        format!(
            "Beside the sale's own reward, it changed what the affiliate has for all sales of the ladder's period by {changed}, which is booked as \
             rewards of its own."
        )
    }));
    sentences
}

fn step(told: &LadderExplanation) -> String {
    let LadderMet { step, amount_before, .. } = told.met;
    let step = match step {
        0 => "before the first step of the ladder".to_owned(),
        step => format!("on step {step} of the ladder"),
    };
    let with = if told.mode == LadderMode::Retroactive { " with the sale" } else { "" };
    let missing = match told.measure {
        LadderMeasure::SaleCount => counted(told.missing),
        LadderMeasure::Amount => Money::new(told.missing, amount_before.currency).to_string(),
    };
    let next = match told.next {
        Some(_) => format!("{missing} was missing to the next step"),
        None => "there is no further step".to_owned(),
    };
    let (sales, when) = (counted(told.met.sale_count_before), when(&told.met));
    format!("The affiliate was {step}{with}, with {sales} of {amount_before} before it{when}; {next}.")
}

/// How a sale is divided among brackets.
fn divided(brackets: &Brackets, currency: Currency) -> String {
    let parts: Vec<String> = brackets.parts.iter().map(|part| bracket(part, currency)).collect();
    let value = Money::new(brackets.value_minor, currency);
    format!("The brackets of the ladder give {value} for the affiliate's part of the sale: {}.", parts.join(", "))
}

fn bracket(part: &Bracket, currency: Currency) -> String {
    let Bracket { step, commission, size } = *part;
    let size = match commission {
        Commission::PercentPpm(_) => Money::new(size, currency).to_string(),
        Commission::Flat(_) => format!("{size} millionths of a sale"),
    };
    match step {
        0 => format!("{} for {size} before the first step", rate(commission)),
        step => format!("{} for {size} from step {step} on", rate(commission)),
    }
}

/// What the change of a tally was made by.
pub(super) fn of_change(met: &LadderMet) -> String {
    let (sales, when) = (counted(met.sale_count_before), when(met));
    let step = match met.step {
        0 => "no step of it was reached".to_owned(),
        step => format!("step {step} of it was reached"),
    };
    let amount = met.amount_before;
    format!(
        "by the ladder of the terms, beside the own rewards of its sales: {step} then, with {sales} of {amount} apart from this one{when}"
    )
}

fn counted(count: i64) -> String {
    if count == 1 { "1 sale".to_owned() } else { format!("{count} sales") }
}

fn when(met: &LadderMet) -> String {
    match met.period {
        Period::AllTime => String::new(),
        period => format!(" in the {period} from {}", met.starts_on),
    }
}
