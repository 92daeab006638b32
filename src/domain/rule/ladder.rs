//! Counts sales in the tallies of ladders, and finds the step at which a sale is priced. See [`ladder`](crate::domain::ladder), and
//! [`recount`](super::recount) for what refunds, corrections and other credits change. Only terms with a ladder load tallies.
//!
//! A sale keeps the step that it has met when it was credited: neither a refund nor a sale that is told later prices it anew.

use std::sync::Arc;

use super::context::Context;
use super::tally::day_of;
use crate::domain::calendar::Day;
use crate::domain::conversion::{Conversion, ConversionKind, Credit};
use crate::domain::id::ConversionId;
use crate::domain::ladder::{Ladder, LadderMet, LadderPart, LadderTally, Laddered};
use crate::domain::money::{Money, Overflow};
use crate::domain::period::Period;
use crate::domain::pricing::Priced;
use crate::domain::refusal::Refusal;
use crate::domain::reward::RewardRule;
use crate::domain::split::Split;

/// The event with the step that a credit of it meets. A step that it has met before stays.
pub(super) fn meet(
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
    let met = LadderMet { step: 0, period: ladder.period, starts_on, sale_count_before: 0, amount_before };
    let mut laddered = Laddered {
        enrollment_id: credit.enrollment_id,
        affiliate_id: credit.affiliate_id,
        program_id: credit.program_id,
        terms_version: credit.terms_version,
        since_version: ladder.since_version,
        met,
        part: LadderPart::default(),
    };
    let tally = tally_of(context, &laddered)?;
    laddered.met.step = ladder.step_at(&tally);
    laddered.met.sale_count_before = tally.sale_count;
    laddered.met.amount_before.amount_minor = tally.amount_minor;
    keep(context, &event, laddered)
}

/// Makes what a sale has in a tally what it is with its present amount and price.
pub(super) fn count(
    context: &mut Context<'_>,
    event: &Conversion,
    split: Option<&Split>,
    laddered: Laddered,
    priced: Option<&Priced>,
) -> Result<(), Refusal> {
    let left_minor = priced.map_or(Ok(0), |priced| left_of(event, priced, &laddered))?;
    let amount_minor = split.map_or(Ok(left_minor), |split| split.part(left_minor))?;
    let part = LadderPart { sale_count: i64::from(left_minor > 0), amount_minor };
    if part != laddered.part {
        replace(context, &laddered, part)?;
        keep(context, event, Laddered { part, ..laddered })?;
    }
    Ok(())
}

/// What is left of a sale, of what the ladder prices, in minor units. Nothing of a sale in another currency.
fn left_of(event: &Conversion, priced: &Priced, laddered: &Laddered) -> Result<i64, Overflow> {
    let Some(left) = event.left() else { return Ok(0) };
    if left.currency != laddered.met.amount_before.currency || priced.calculation.ladder.is_none() {
        return Ok(0);
    }
    if event.order.lines.is_empty() {
        return Ok(left.amount_minor);
    }
    let lines = event.order.lines.iter().zip(&priced.calculation.lines);
    let of_ladder = lines.filter(|(_, priced)| priced.rule == RewardRule::Program);
    let sum: i128 = of_ladder.map(|(line, _)| i128::from(line.left_minor())).sum();
    i64::try_from(sum).map_err(|_| Overflow)
}

fn tally_of(context: &mut Context<'_>, laddered: &Laddered) -> Result<LadderTally, Refusal> {
    let key = laddered.key(context.account_id);
    context.set.wanted().row::<LadderTally>(key);
    context.set.ladder_tally(key)
}

/// Replaces what a sale has in its tally.
pub(super) fn replace(context: &mut Context<'_>, laddered: &Laddered, part: LadderPart) -> Result<(), Refusal> {
    if part == laddered.part {
        return Ok(());
    }
    let mut tally = tally_of(context, laddered)?;
    tally.replace(laddered.part, part)?;
    context.put(tally);
    Ok(())
}

fn keep(context: &mut Context<'_>, event: &Conversion, laddered: Laddered) -> Result<Arc<Conversion>, Refusal> {
    let mut event = event.clone();
    let all = &mut event.order.laddered;
    match all.iter_mut().find(|other| other.enrollment_id == laddered.enrollment_id) {
        Some(before) => *before = laddered,
        None => all.push(laddered),
    }
    Ok(context.put(event))
}
