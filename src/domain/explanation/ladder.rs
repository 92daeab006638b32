//! The step of a ladder that a sale has met, how it is divided among brackets, and what it has changed for other sales.

use super::LadderExplanation;
use super::step::Pricing;
use crate::domain::ladder::LadderMeasure;
use crate::domain::money::Money;

/// The step of the ladder that a sale has met, and the next one. `None` if the ladder prices neither the sale nor a line of it.
pub(super) fn explained(pricing: &Pricing<'_>) -> Option<LadderExplanation> {
    let (ladder, met) = (pricing.of_program.rules.ladder.as_ref()?, pricing.met?);
    let priced = pricing.whole(&[]).ok()?.filter(|priced| priced.calculation.ladder.is_some())?;
    let next = ladder.step(met.step.saturating_add(1)).copied();
    let reached = match ladder.measure {
        LadderMeasure::SaleCount => met.sale_count_before,
        LadderMeasure::Amount => met.amount_before.amount_minor,
    };
    let laddered = pricing.event.laddered(pricing.credit.enrollment_id).filter(|_| ladder.mode.pays_for_tally());
    let missing = next.map_or(0, |next| next.minimum.saturating_sub(reached).max(0));
    Some(LadderExplanation {
        mode: ladder.mode,
        measure: ladder.measure,
        met,
        next,
        missing,
        changed: laddered.map(|laddered| Money::new(laddered.changed_minor, pricing.currency)),
        brackets: priced.calculation.brackets,
    })
}
