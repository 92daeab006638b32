//! Counts sales in the tallies of ladders, and finds the step at which a sale is priced. See [`ladder`](crate::domain::ladder), and
//! [`recount`](super::recount) for what refunds, corrections and other credits change. Only terms with a ladder load tallies.
//!
//! A sale keeps the step that it has met when it was credited: neither a refund nor a sale that is told later prices it anew. If the ladder pays for
//! its tally, what they change is a reward of its own.

use std::sync::Arc;

use super::commission::{self, Claim};
use super::context::Context;
use super::tally::day_of;
use super::tally_booking::left_of;
use crate::domain::calendar::Day;
use crate::domain::conversion::{Conversion, ConversionKind, Credit};
use crate::domain::id::ConversionId;
use crate::domain::ladder::{Ladder, LadderMeasure, LadderMet, LadderMode, LadderPart, LadderTally, Laddered};
use crate::domain::money::{Money, Overflow, PPM, Rounding, portion};
use crate::domain::period::Period;
use crate::domain::pricing::{self, Priced};
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::split::Split;

/// Prices a credited event, and counts it.
pub(super) fn price_and_count(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    ladder: &Ladder,
) -> Result<Option<Priced>, Refusal> {
    let enrollment_id = claim.credit.enrollment_id;
    let is_new = context.set.conversion(context.account_id, event.id)?.laddered(enrollment_id).is_none();
    let event = meet(context, event.id, &claim.credit, ladder)?;
    let priced = commission::price(context, &event, claim)?;
    let Some(laddered) = event.laddered(enrollment_id) else { return Ok(priced) };
    count(context, &event, claim, laddered.clone(), priced.as_ref())?;
    if !is_new || ladder.mode != LadderMode::Retroactive {
        return Ok(priced);
    }
    // The sale itself may reach a step.
    let event = Arc::clone(context.set.conversion(context.account_id, event.id)?);
    let Some(mut laddered) = event.laddered(enrollment_id).cloned() else { return Ok(priced) };
    let step = ladder.step_at(&tally_of(context, &laddered)?);
    if step == laddered.met.step {
        return Ok(priced);
    }
    laddered.met.step = step;
    let event = keep(context, &event, laddered)?;
    commission::price(context, &event, claim)
}

/// The event with the step that a credit of it meets. A step that it has met before stays.
fn meet(
    context: &mut Context<'_>,
    event_id: ConversionId,
    credit: &Credit,
    ladder: &Ladder,
) -> Result<Arc<Conversion>, Refusal> {
    let account_id = context.account_id;
    let event = Arc::clone(context.set.conversion(account_id, event_id)?);
    if event.kind != ConversionKind::Sale || event.laddered(credit.enrollment_id).is_some() {
        return Ok(event);
    }
    let starts_on = match ladder.period {
        Period::AllTime => Day::default(),
        period => period.first_day(day_of(context, event.occurred_at)?),
    };
    let currency = context.set.program(account_id, credit.program_id)?.currency;
    let amount_before = Money::new(0, currency);
    let period = ladder.period;
    let met = LadderMet { step: 0, period, starts_on, sale_count_before: 0, amount_before, share_before_ppm: 0 };
    let mut laddered = Laddered {
        enrollment_id: credit.enrollment_id,
        affiliate_id: credit.affiliate_id,
        program_id: credit.program_id,
        terms_version: credit.terms_version,
        since_version: ladder.since_version,
        met,
        part: LadderPart::default(),
        paid_minor: 0,
        other_minor: 0,
        changed_minor: 0,
        is_withdrawn: false,
    };
    let tally = tally_of(context, &laddered)?;
    laddered.met = met_without(ladder, &tally, &laddered)?;
    let mut event = event.as_ref().clone();
    // The sale may have been in this tally before.
    let key = laddered.key(account_id);
    let was_in = |other: &Laddered| other.enrollment_id == credit.enrollment_id && other.key(account_id) == key;
    if let Some(place) = event.order.laddered.iter().position(was_in) {
        let before = event.order.laddered.remove(place);
        (laddered.paid_minor, laddered.changed_minor) = (before.paid_minor, before.changed_minor);
    }
    keep(context, &event, laddered)
}

/// The step that is reached in a tally, and what a sale has found there.
pub(super) fn met_without(ladder: &Ladder, tally: &LadderTally, laddered: &Laddered) -> Result<LadderMet, Overflow> {
    let Laddered { part, met, .. } = laddered;
    let without = |sum: i64, part: i64| sum.checked_sub(part).ok_or(Overflow);
    let amount_minor = without(tally.amount_minor, part.amount_minor)?;
    Ok(LadderMet {
        step: ladder.step_at(tally),
        sale_count_before: without(tally.sale_count, part.sale_count)?,
        amount_before: Money::new(amount_minor, met.amount_before.currency),
        share_before_ppm: without(tally.share_ppm, part.share_ppm)?,
        ..*met
    })
}

/// Makes what a sale has in a tally what it is with its present amount and price.
pub(super) fn count(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    mut laddered: Laddered,
    priced: Option<&Priced>,
) -> Result<(), Refusal> {
    let Some(ladder) = &claim.terms.rules.ladder else { return Ok(()) };
    let left_minor = priced.map_or(Ok(0), |priced| left_in(event, priced, &laddered))?;
    let amount_minor = part_of(claim.split.as_ref(), left_minor)?;
    let mut part = LadderPart { sale_count: i64::from(left_minor > 0), amount_minor, ..LadderPart::default() };
    if let Some(priced) = priced.filter(|_| left_minor > 0) {
        match (ladder.mode, ladder.measure) {
            (LadderMode::LevelUp, _) | (LadderMode::Marginal, LadderMeasure::Amount) => {}
            (LadderMode::Marginal, LadderMeasure::SaleCount) => {
                let whole_minor = pricing::laddered_minor(&priced.calculation, &laddered.met)?;
                let share_ppm = part_of(claim.split.as_ref(), PPM)?;
                part.share_ppm = portion(share_ppm, left_minor, whole_minor, Rounding::HalfEven)?;
            }
            (LadderMode::Retroactive, _) => part.step_values = step_values(context, event, claim, ladder, &laddered)?,
        }
    }
    if part != laddered.part {
        replace(context, &claim.terms, &mut laddered, part)?;
        keep(context, event, laddered)?;
    }
    Ok(())
}

/// What is left of a sale, of what the ladder prices, in minor units.
fn left_in(event: &Conversion, priced: &Priced, laddered: &Laddered) -> Result<i64, Overflow> {
    let Some(left) = event.left() else { return Ok(0) };
    if pricing::laddered_minor(&priced.calculation, &laddered.met)? == 0 {
        return Ok(0);
    }
    if event.order.lines.is_empty() {
        return Ok(left.amount_minor);
    }
    let lines = event.order.lines.iter().zip(&priced.calculation.lines);
    let of_ladder = lines.filter(|(_, priced)| pricing::is_by_ladder(priced));
    let sum: i128 = of_ladder.map(|(line, _)| i128::from(line.left_minor())).sum();
    i64::try_from(sum).map_err(|_| Overflow)
}

fn part_of(split: Option<&Split>, whole: i64) -> Result<i64, Overflow> {
    split.map_or(Ok(whole), |split| split.part(whole))
}

/// What is left of what a sale earns at each step.
fn step_values(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    ladder: &Ladder,
    laddered: &Laddered,
) -> Result<Vec<i64>, Refusal> {
    let mut values = Vec::with_capacity(ladder.steps.len().saturating_add(1));
    for step in (0..).take(ladder.steps.len().saturating_add(1)) {
        let met = LadderMet { step, ..laddered.met };
        let priced = commission::price_at(context, event, claim, Some(&met))?;
        let value = priced.map_or(Ok(0), |priced| {
            let (lines, rounding) = (&priced.calculation.lines, claim.terms.rules.rounding);
            left_of(event, priced.value.amount_minor, lines, rounding)
        });
        values.push(value?);
    }
    Ok(values)
}

/// The tally in which a credit of a sale is.
pub(super) fn tally_of(context: &mut Context<'_>, laddered: &Laddered) -> Result<LadderTally, Refusal> {
    let key = laddered.key(context.account_id);
    context.set.wanted().row::<LadderTally>(key);
    context.set.ladder_tally(key)
}

/// The terms by which a credit of a sale was counted.
pub(super) fn terms_of(context: &mut Context<'_>, laddered: &Laddered) -> Result<Arc<Terms>, Refusal> {
    let (account_id, Laddered { program_id, terms_version, .. }) = (context.account_id, laddered);
    let wanted = context.set.wanted();
    wanted.row::<Program>((account_id, *program_id));
    wanted.row::<Terms>((account_id, *program_id, *terms_version));
    let program = context.set.program(account_id, *program_id)?;
    context.set.terms(program, *terms_version).cloned()
}

/// Replaces what a sale has in its tally.
pub(super) fn replace(
    context: &mut Context<'_>,
    terms: &Terms,
    laddered: &mut Laddered,
    part: LadderPart,
) -> Result<(), Refusal> {
    if part == laddered.part {
        return Ok(());
    }
    let mut tally = tally_of(context, laddered)?;
    tally.replace(&laddered.part, &part)?;
    if let Some(ladder) = &terms.rules.ladder {
        let paid_minor = ladder.paid_for(terms.rules.commission, terms.rules.rounding, &tally)?;
        let more_minor = paid_minor.checked_sub(tally.paid_minor).ok_or(Overflow)?;
        laddered.paid_minor = laddered.paid_minor.checked_add(more_minor).ok_or(Overflow)?;
        tally.paid_minor = paid_minor;
    }
    laddered.part = part;
    context.put(tally);
    Ok(())
}

/// Keeps in an event what a credit of it has in a tally.
pub(super) fn keep(
    context: &mut Context<'_>,
    event: &Conversion,
    laddered: Laddered,
) -> Result<Arc<Conversion>, Refusal> {
    let mut event = event.clone();
    let all = &mut event.order.laddered;
    match all.iter_mut().find(|other| other.enrollment_id == laddered.enrollment_id && !other.is_withdrawn) {
        Some(before) => *before = laddered,
        None => all.push(laddered),
    }
    Ok(context.put(event))
}
