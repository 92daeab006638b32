//! Credited events earn: what the terms give is counted in tallies, limited by caps, and written as rewards. See
//! [`commission`](super::commission) for the price.

use std::sync::Arc;

use super::commission::{self, Claim};
use super::context::Context;
use super::{ladder, noted, recount, sales_tally, suspicion, tally, upline_reward};
use crate::domain::conversion::Conversion;
use crate::domain::ladder::Ladder;
use crate::domain::pricing::{self, Priced};
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;

/// Prices a credited event for all who are credited, as [`earn`] does for one.
pub(super) fn earn_all(
    context: &mut Context<'_>,
    event: &Conversion,
    claims: &[Claim],
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let mut earned = Vec::new();
    for claim in claims {
        let mut of_claim = earn(context, event, claim)?;
        if earned.is_empty() { earned = of_claim } else { earned.append(&mut of_claim) }
    }
    Ok(earned)
}

/// Prices a credited event, and writes its rewards and postings: the credited affiliate's, and those of its uplines. None when that
/// affiliate's reward rounds to zero, and for an event that earns nothing.
pub(super) fn earn(context: &mut Context<'_>, event: &Conversion, claim: &Claim) -> Result<Vec<Arc<Reward>>, Refusal> {
    let noted = noted::keep(context, event, (&claim.credit, &claim.terms))?;
    let event = noted.as_ref().unwrap_or(event);
    let judged = match &claim.judged_by {
        Some(program) => suspicion::keep(context, event, claim, program)?,
        None => None,
    };
    let event = judged.as_ref().unwrap_or(event);
    sales_tally::count(context, event.id, (&claim.credit, &claim.terms), claim.split.as_ref())?;
    if let Some(ladder) = &claim.terms.rules.ladder {
        return earn_on_ladder(context, event, claim, ladder);
    }
    let Some(priced) = commission::price(context, event, claim)? else { return Ok(Vec::new()) };
    write_priced(context, event, claim, priced)
}

/// Counts a credited event whose reward was denied, as [`earn`] does. It earns nothing.
pub(super) fn count(context: &mut Context<'_>, event: &Conversion, claim: &Claim) -> Result<(), Refusal> {
    let noted = noted::keep(context, event, (&claim.credit, &claim.terms))?;
    let event = noted.as_ref().unwrap_or(event);
    sales_tally::count(context, event.id, (&claim.credit, &claim.terms), claim.split.as_ref())?;
    if let Some(ladder) = &claim.terms.rules.ladder {
        ladder::price_and_count(context, event, claim, ladder)?;
    }
    Ok(())
}

/// Does so under terms with a ladder. What the event makes of its tally, beside its own reward, comes last.
fn earn_on_ladder(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    ladder: &Ladder,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    let priced = ladder::price_and_count(context, event, claim, ladder)?;
    let mut earned = match &priced {
        Some(priced) => write_priced(context, event, claim, priced.clone())?,
        None => Vec::new(),
    };
    earned.extend(recount::settle_new(context, event, claim, priced.as_ref())?);
    Ok(earned)
}

/// Writes what a price gives the credited affiliate within the caps, and its uplines.
fn write_priced(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    mut priced: Priced,
) -> Result<Vec<Arc<Reward>>, Refusal> {
    if !claim.terms.rules.caps.is_empty() {
        priced = tally::count(context, event, &claim.credit, &claim.terms, priced)?;
    }
    if priced.value.amount_minor == 0 {
        return Ok(Vec::new());
    }
    let levels = &claim.terms.rules.upline_levels;
    if levels.is_empty() {
        return Ok(vec![commission::write(context, event, claim, &claim.enrollment, priced)]);
    }
    let shares = upline_reward::shares(context, event, &claim.enrollment, levels)?;
    let mut earned = Vec::with_capacity(1 + shares.len());
    earned.push((Arc::clone(&claim.enrollment), priced.clone()));
    for (enrollment, share) in shares {
        let of_upline = pricing::price_for_upline(&priced, share)?;
        if of_upline.value.amount_minor != 0 {
            earned.push((enrollment, of_upline));
        }
    }
    Ok(earned
        .into_iter()
        .map(|(enrollment, priced)| commission::write(context, event, claim, &enrollment, priced))
        .collect())
}
