//! Sales under a ladder: the commission of the terms is that of the step at which the sale is priced.

use std::borrow::Cow;

use super::{OwnRates, Priced, lines};
use crate::domain::conversion::Conversion;
use crate::domain::id::EnrollmentId;
use crate::domain::ladder::LadderMet;
use crate::domain::money::{Currency, Overflow};
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
    calculation.lines.iter().any(|line| line.rule == RewardRule::Program)
}
