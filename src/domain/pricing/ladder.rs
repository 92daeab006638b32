//! Sales under a ladder: the commission of the terms is that of the step at which the sale is priced.

use std::borrow::Cow;

use super::{OwnRates, Priced, lines, share_of, value_at};
use crate::domain::brackets::Brackets;
use crate::domain::conversion::Conversion;
use crate::domain::id::EnrollmentId;
use crate::domain::ladder::{LadderMeasure, LadderMet, LadderMode};
use crate::domain::line::divide;
use crate::domain::money::{Currency, Money, Overflow, PPM, portion};
use crate::domain::program::Terms;
use crate::domain::reward::{Calculation, RewardRule};

/// The terms with the commission of the step that a sale has met, in place of their own.
pub fn at_step<'terms>(terms: &'terms Terms, met: Option<&LadderMet>) -> Cow<'terms, Terms> {
    let ladder = terms.rules.ladder.as_ref();
    match met.zip(ladder).and_then(|(met, ladder)| ladder.commission_of(met.step)) {
        Some(commission) => {
            let mut terms = terms.clone();
            terms.rules.commission = commission;
            Cow::Owned(terms)
        }
        None => Cow::Borrowed(terms),
    }
}

/// Prices an event as [`lines::price_event`] does, at the step of the ladder that it has met.
///
/// # Errors
/// [`Overflow`].
pub fn price_at_step(
    terms: &Terms,
    event: &Conversion,
    program_currency: Currency,
    enrollment_id: EnrollmentId,
    own: OwnRates,
    share_ppm: i32,
    met: Option<&LadderMet>,
) -> Result<Option<Priced>, Overflow> {
    let priced = lines::price_event(&at_step(terms, met), event, program_currency, enrollment_id, own, share_ppm)?;
    Ok(priced.map(|priced| with_ladder(priced, met)))
}

/// A price with the step that gave it its rate. Unchanged if another commission takes precedence.
pub fn with_ladder(mut priced: Priced, met: Option<&LadderMet>) -> Priced {
    if let Some(met) = met.filter(|_| is_by_ladder(&priced.calculation)) {
        // What is in another currency is not counted.
        priced.calculation.amount_not_compared |= priced.calculation.sale_amount.currency != met.amount_before.currency;
        priced.calculation.ladder = Some(*met);
    }
    priced
}

/// Whether the commission of the terms prices the sale, or some of its lines.
fn is_by_ladder(calculation: &Calculation) -> bool {
    if calculation.lines.is_empty() {
        return calculation.rule == RewardRule::Program;
    }
    calculation.lines.iter().any(lines::is_by_ladder)
}

/// What of the amount of a sale the ladder prices and counts, before it is shared and refunded. Nothing of a sale in another currency than the
/// program's.
///
/// # Errors
/// [`Overflow`].
pub fn laddered_minor(calculation: &Calculation, met: &LadderMet) -> Result<i64, Overflow> {
    let Calculation { sale_amount, lines, .. } = calculation;
    if calculation.ladder.is_none() || sale_amount.currency != met.amount_before.currency {
        return Ok(0);
    }
    if lines.is_empty() {
        return Ok(sale_amount.amount_minor);
    }
    let sum: i128 = lines.iter().filter(|line| lines::is_by_ladder(line)).map(|line| i128::from(line.base_minor)).sum();
    i64::try_from(sum).map_err(|_| Overflow)
}

/// A price in which a marginal ladder gives what its brackets do, in place of the commission of a step. `terms` have their own commission. The
/// price is divided among those who share it already. Unchanged under another ladder, and if the ladder counts nothing of the sale.
///
/// # Errors
/// [`Overflow`].
pub fn with_brackets(priced: Priced, terms: &Terms, met: Option<&LadderMet>) -> Result<Priced, Overflow> {
    let ladder = terms.rules.ladder.as_ref().filter(|ladder| ladder.mode == LadderMode::Marginal);
    let Some((ladder, met)) = ladder.zip(met) else { return Ok(priced) };
    let mut calculation = priced.calculation;
    let laddered = Money::new(laddered_minor(&calculation, met)?, priced.value.currency);
    if laddered.amount_minor == 0 {
        return Ok(Priced { calculation, ..priced });
    }
    let (before, size) = match ladder.measure {
        LadderMeasure::Amount => (met.amount_before.amount_minor, share_of(&calculation, laddered)?.amount_minor),
        LadderMeasure::SaleCount => {
            (met.share_before_ppm, share_of(&calculation, Money::new(PPM, laddered.currency))?.amount_minor)
        }
    };
    let brackets = Brackets::of(ladder, terms.rules.commission, terms.rules.rounding, before, size)?;
    let is_by_ladder = lines::is_by_ladder;
    let weight = |line| if is_by_ladder(line) { line.base_minor } else { 0 };
    let weights: Vec<i64> = calculation.lines.iter().map(weight).collect();
    let parts = divide(brackets.value_minor, &weights);
    for (line, part) in calculation.lines.iter_mut().zip(parts).filter(|(line, _)| is_by_ladder(line)) {
        line.commission_minor = part;
    }
    if let Some(main) = lines::main_line(&calculation.lines).cloned() {
        (calculation.rule, calculation.commission, calculation.rule_taken) =
            (main.rule, main.commission, main.rule_taken);
    }
    calculation.brackets = Some(brackets);
    let value = value_at(&calculation, calculation.base_amount)?;
    Ok(Priced { value, calculation: lines::divided(calculation, value) })
}

/// What brackets give for a sale of this amount: their part if the sale had another one.
pub(super) fn of_brackets(calculation: &Calculation, amount: Money) -> Result<i64, Overflow> {
    let Some(brackets) = &calculation.brackets else { return Ok(0) };
    if amount == calculation.sale_amount {
        return Ok(brackets.value_minor);
    }
    portion(brackets.value_minor, amount.amount_minor, calculation.sale_amount.amount_minor, calculation.rounding)
}
