//! Counts sales in the tallies that threshold bonuses and lifetime figures need. See [`sales_tally`](crate::domain::sales_tally). Only terms
//! that have such a bonus or such a condition load tallies. [`threshold_bonus`](super::threshold_bonus) pays for what was reached, once the
//! command has made all changes.

use std::sync::Arc;

use super::context::Context;
use super::tally::day_of;
use crate::domain::calendar::Day;
use crate::domain::conversion::{Conversion, ConversionKind, Credit};
use crate::domain::id::{ConversionId, ProgramId};
use crate::domain::period::Period;
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::sales_tally::{CountedPeriod, SalesPart, SalesTally, SalesTallyKey, Tallied, TouchedTally};
use crate::domain::split::Split;

/// Counts a sale that is credited now. What it has in tallies already becomes what it is with its present amount.
pub(super) fn count(
    context: &mut Context<'_>,
    event_id: ConversionId,
    (credit, terms): (&Credit, &Terms),
    split: Option<&Split>,
) -> Result<(), Refusal> {
    if terms.rules.sales_tallies.is_empty() {
        return Ok(());
    }
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    if event.kind != ConversionKind::Sale {
        return Ok(());
    }
    let tallied = match event.tallied(credit.enrollment_id) {
        Some(tallied) => tallied.clone(),
        None => Tallied {
            enrollment_id: credit.enrollment_id,
            affiliate_id: credit.affiliate_id,
            program_id: credit.program_id,
            terms_version: credit.terms_version,
            periods: periods_of(context, &event, terms)?,
            part: SalesPart::default(),
        },
    };
    recount(context, &event, split, tallied, event_id)
}

/// The periods of the terms that an event is in.
fn periods_of(context: &mut Context<'_>, event: &Conversion, terms: &Terms) -> Result<Vec<CountedPeriod>, Refusal> {
    let mut day = None;
    let mut periods = Vec::with_capacity(terms.rules.sales_tallies.len());
    for counted in &terms.rules.sales_tallies {
        let starts_on = match (counted.period, day) {
            (Period::AllTime, _) => Day::default(),
            (period, Some(day)) => period.first_day(day),
            (period, None) => period.first_day(*day.insert(day_of(context, event.occurred_at)?)),
        };
        periods.push(CountedPeriod { since_version: counted.since_version, period: counted.period, starts_on });
    }
    Ok(periods)
}

/// Makes the tallies of a sale what they are after a refund or a correction of it.
pub(super) fn follow(context: &mut Context<'_>, event_id: ConversionId, cause: ConversionId) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    for tallied in &event.order.tallied {
        let credit = event.credits.iter().find(|credit| credit.enrollment_id == tallied.enrollment_id);
        let split = credit.and_then(|credit| credit.split_among(&event.credits));
        // Another credit of the sale may have been counted meanwhile.
        let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
        recount(context, &event, split.as_ref(), tallied.clone(), cause)?;
    }
    Ok(())
}

/// Takes a sale out of its tallies.
pub(super) fn withdraw(context: &mut Context<'_>, event_id: ConversionId) -> Result<(), Refusal> {
    let event = Arc::clone(context.set.conversion(context.account_id, event_id)?);
    if event.order.tallied.is_empty() {
        return Ok(());
    }
    for tallied in &event.order.tallied {
        replace(context, event_id, tallied, SalesPart::default(), event_id)?;
    }
    let mut event = event.as_ref().clone();
    event.order.tallied = Vec::new();
    context.put(event);
    Ok(())
}

/// What an affiliate has sold in the program for ever, as far as terms with these figures have counted it.
pub(super) fn of_all_time(
    context: &mut Context<'_>,
    credit: &Credit,
    terms: &Terms,
) -> Result<Option<SalesTally>, Refusal> {
    let counted = terms.rules.sales_tallies.iter().find(|counted| counted.period == Period::AllTime);
    let Some(counted) = counted else { return Ok(None) };
    let key = SalesTallyKey {
        account_id: context.account_id,
        program_id: credit.program_id,
        affiliate_id: credit.affiliate_id,
        since_version: counted.since_version,
        period: Period::AllTime,
        starts_on: Day::default(),
    };
    context.set.wanted().row::<SalesTally>(key);
    context.set.sales_tally(key).map(Some)
}

fn recount(
    context: &mut Context<'_>,
    event: &Conversion,
    split: Option<&Split>,
    tallied: Tallied,
    cause: ConversionId,
) -> Result<(), Refusal> {
    let left_minor = left_of(context, event, tallied.program_id)?;
    let amount_minor = split.map_or(Ok(left_minor), |split| split.part(left_minor))?;
    let part = SalesPart { sale_count: i64::from(left_minor > 0), amount_minor };
    // A free sale is kept too, because a correction may make it count.
    let is_kept = event.tallied(tallied.enrollment_id).is_some();
    if part == tallied.part && is_kept {
        return Ok(());
    }
    if part != tallied.part {
        replace(context, event.id, &tallied, part, cause)?;
    }
    let mut event = event.clone();
    let tallied = Tallied { part, ..tallied };
    let all = &mut event.order.tallied;
    match all.iter_mut().find(|other| other.enrollment_id == tallied.enrollment_id) {
        Some(before) => *before = tallied,
        None => all.push(tallied),
    }
    context.put(event);
    Ok(())
}

/// What is left of a sale, in minor units. Nothing of a sale in another currency than the program's.
fn left_of(context: &mut Context<'_>, event: &Conversion, program_id: ProgramId) -> Result<i64, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().row::<Program>((account_id, program_id));
    let currency = context.set.program(account_id, program_id)?.currency;
    Ok(event.left().filter(|left| left.currency == currency).map_or(0, |left| left.amount_minor))
}

/// Replaces what a sale has in its tallies.
fn replace(
    context: &mut Context<'_>,
    sale_id: ConversionId,
    tallied: &Tallied,
    part: SalesPart,
    cause: ConversionId,
) -> Result<(), Refusal> {
    let keys: Vec<SalesTallyKey> = tallied.keys(context.account_id).collect();
    keys.iter().for_each(|key| context.set.wanted().row::<SalesTally>(*key));
    for key in keys {
        let mut tally = context.set.sales_tally(key)?;
        tally.replace(tallied.part, part)?;
        context.put(tally);
        let Tallied { enrollment_id, terms_version, .. } = *tallied;
        context.touched.push(TouchedTally { key, sale_id, enrollment_id, terms_version, cause });
    }
    Ok(())
}
