//! Counts what events earn in tallies, and keeps it within the caps of the terms. See [`tally`](crate::domain::tally) for what a tally is, and
//! [`tally_change`](super::tally_change) for what refunds, corrections and other credits change. Only terms with caps load tallies.

use std::sync::Arc;

use super::commission::Claim;
use super::context::Context;
use crate::domain::account::Account;
use crate::domain::calendar::{Calendar, Day, Quarter};
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::id::{ConversionId, LeadId};
use crate::domain::period::Period;
use crate::domain::pricing::{self, Priced};
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::tally::{CapApplied, CapScope, Counted, CountedCap, Tally};
use crate::domain::time::Time;

/// Counts an event that is credited now and has nothing in a tally, and limits what it earns. What is in another currency than the program's is
/// not counted.
pub(super) fn count(
    context: &mut Context<'_>,
    event: &Conversion,
    credit: &Credit,
    terms: &Terms,
    mut priced: Priced,
) -> Result<Priced, Refusal> {
    if priced.value.currency != context.set.program(context.account_id, credit.program_id)?.currency {
        priced.calculation.amount_not_compared = true;
        return Ok(priced);
    }
    // A sale that earns again may have changes of before.
    let before = context.set.conversion(context.account_id, event.id)?.counted(credit.enrollment_id);
    let changed_minor = before.map_or(0, |before| before.changed_minor);
    let mut counted = Counted {
        enrollment_id: credit.enrollment_id,
        affiliate_id: credit.affiliate_id,
        program_id: credit.program_id,
        terms_version: credit.terms_version,
        earned_minor: 0,
        paid_minor: changed_minor,
        changed_minor,
        caps: caps_met(context, event.occurred_at, event.lead_id, terms)?,
    };
    note_paid(context, &mut counted)?;
    let earned_minor = before_tallies(&counted, priced.value.amount_minor);
    change(context, &mut counted, earned_minor)?;
    let priced = pricing::with_caps(priced, counted.caps())?;
    keep(context, event.id, counted)?;
    Ok(priced)
}

/// Counts a click, and limits what it earns. Returns what it has in tallies, which is kept with the click that counts. Nothing if there are no
/// caps.
pub(super) fn count_click(
    context: &mut Context<'_>,
    click: &Click,
    terms: &Terms,
    priced: Priced,
) -> Result<(Priced, Option<Counted>), Refusal> {
    if terms.rules.caps.is_empty() {
        return Ok((priced, None));
    }
    let mut counted = Counted {
        enrollment_id: click.enrollment_id,
        affiliate_id: click.affiliate_id,
        program_id: click.program_id,
        terms_version: terms.version,
        earned_minor: 0,
        paid_minor: 0,
        changed_minor: 0,
        caps: caps_met(context, click.occurred_at, None, terms)?,
    };
    note_paid(context, &mut counted)?;
    let earned_minor = before_tallies(&counted, priced.value.amount_minor);
    change(context, &mut counted, earned_minor)?;
    Ok((pricing::with_caps(priced, counted.caps())?, Some(counted)))
}

/// The caps of the terms with the periods that an event is in.
fn caps_met(
    context: &mut Context<'_>,
    occurred_at: Time,
    lead_id: Option<LeadId>,
    terms: &Terms,
) -> Result<Vec<CountedCap>, Refusal> {
    let mut day = None;
    let mut met = Vec::with_capacity(terms.rules.caps.len());
    for cap in &terms.rules.caps {
        let starts_on = match (cap.period, day) {
            (Period::AllTime, _) => Day::default(),
            (period, Some(day)) => period.first_day(day),
            (period, None) => period.first_day(*day.insert(day_of(context, occurred_at)?)),
        };
        met.push(CountedCap {
            applied: CapApplied { cap: *cap, starts_on, paid_before_minor: 0 },
            lead_id: lead_id.filter(|_| cap.scope == CapScope::Customer),
            earned_minor: 0,
        });
    }
    Ok(met)
}

/// The day of the account that a time is in.
pub(super) fn day_of(context: &mut Context<'_>, time: Time) -> Result<Day, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().row::<Account>(account_id);
    let zones = &context.set.account(account_id)?.time_zones;
    // A zone was checked when it was set. A release that no longer knows it counts in UTC, which a calendar without zones does.
    let calendar = Calendar::new(zones).or_else(|_| Calendar::new(&[]));
    let mut calendar = calendar.map_err(|_| Refusal::NotLoaded("zone"))?;
    Ok(calendar.day(Quarter::of(time)))
}

/// Notes what was paid in each tally so far. All tallies are looked up together.
pub(super) fn note_paid(context: &mut Context<'_>, counted: &mut Counted) -> Result<(), Refusal> {
    let account_id = context.account_id;
    let keys: Vec<_> = counted.caps.iter().map(|cap| cap.key(account_id, counted)).collect();
    keys.iter().flatten().for_each(|key| context.set.wanted().row::<Tally>(*key));
    for (cap, key) in counted.caps.iter_mut().zip(keys) {
        cap.applied.paid_before_minor =
            key.map_or(Ok(0), |key| context.set.tally(key).map(|tally| tally.paid_minor))?;
    }
    Ok(())
}

/// What of a value is left by the caps of one event, which have no tally.
pub(super) fn before_tallies(counted: &Counted, value_minor: i64) -> i64 {
    let of_event = counted.caps.iter().filter(|cap| cap.is_of_event());
    of_event.map(|cap| cap.applied.cap.maximum.amount_minor).fold(value_minor, i64::min)
}

/// Changes by so much what an event earns in its tallies, and with it what the caps let the affiliate have.
pub(super) fn change(context: &mut Context<'_>, counted: &mut Counted, earned_minor: i64) -> Result<(), Refusal> {
    let account_id = context.account_id;
    let keys: Vec<_> = counted.caps.iter().map(|cap| cap.key(account_id, counted)).collect();
    let mut tallies = Vec::with_capacity(keys.len());
    for key in &keys {
        tallies.push(key.map(|key| context.set.tally(key)).transpose()?);
    }
    counted.add(&mut tallies, earned_minor)?;
    for tally in tallies.into_iter().flatten() {
        context.put(tally);
    }
    Ok(())
}

/// An event as it is once it was counted and judged, and once facts were noted in it. Terms without caps, ladders, threshold bonuses and
/// such rules, in programs without fraud rules, do none of it.
pub(super) fn present(
    context: &Context<'_>,
    event: Arc<Conversion>,
    claims: &[Claim],
) -> Result<Arc<Conversion>, Refusal> {
    let changes_none = |claim: &Claim| {
        let rules = &claim.terms.rules;
        let counts_none = rules.caps.is_empty() && rules.ladder.is_none() && rules.sales_tallies.is_empty();
        counts_none && claim.judged_by.is_none() && !rules.looks_at_noted()
    };
    if claims.iter().all(changes_none) {
        return Ok(event);
    }
    context.set.conversion(context.account_id, event.id).cloned()
}

/// Keeps in an event what a credit of it has in tallies.
pub(super) fn keep(context: &mut Context<'_>, event_id: ConversionId, counted: Counted) -> Result<(), Refusal> {
    let mut event = context.set.conversion(context.account_id, event_id)?.as_ref().clone();
    let all = &mut event.order.counted;
    match all.iter_mut().find(|other| other.enrollment_id == counted.enrollment_id) {
        Some(before) => *before = counted,
        None => all.push(counted),
    }
    context.put(event);
    Ok(())
}
