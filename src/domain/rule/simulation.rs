//! Judges events of the past again as if other terms had been in force. The same code judges and prices them as when they are told; what it
//! writes is undone. Knows no order of customers.
//!
//! All events of a customer are judged twice, by the terms in force and by the proposed ones, so that the difference is that of the terms
//! alone. A reward that a person denied earns nothing by either.

mod earning;
mod group;
mod ladder;
mod meeting;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use earning::{Earned, Recorded, earn, leave_nothing};
use group::{Group, group_of_event, group_of_lead};
use verdicts::verdicts_on;

use super::climb::Climbs;
use super::command::Envelope;
use super::context::Context;
use super::decide::decide;
use super::simulated_tallies::{self, Counted, SimulatedTallies, begin_missing};
use crate::domain::conversion::{Conversion, ConversionImage};
use crate::domain::id::{AccountId, ConversionId, IdSource, LeadId};
use crate::domain::outcome::Outcome;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::simulation::{Earnings, ProposedTerms, SimulatedConversion};
use crate::domain::time::Time;

/// Whose events are judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedCustomer {
    /// Those of a lead, and of the leads that were merged into it. Those of a merged lead are left to the other one.
    Lead(LeadId),
    /// Those of the customer of an event that has no lead. They are left to the first one.
    Event(ConversionId),
}

/// Judges the events of a customer again. Returns those that occurred while the proposed terms stand, and those that the tallies change. The
/// set is left as it was, and the tallies have those of the customer in them.
///
/// # Errors
/// [`Refusal::NotLoaded`] when rows must be loaded first, and the refusals of amounts that are too large.
pub fn simulate(
    set: &mut WorkingSet,
    account_id: AccountId,
    customer: SimulatedCustomer,
    proposed: &Arc<ProposedTerms>,
    tallies: &mut SimulatedTallies,
    now: Time,
    ids: &mut dyn IdSource,
) -> Result<Vec<SimulatedConversion>, Refusal> {
    let mut context = Context { set, account_id, now, ids, cause_id: String::new(), key_id: None, touched: Vec::new() };
    let simulated = loop {
        let simulated = compare(&mut context, customer, proposed, tallies);
        context.set.roll_back();
        context.set.proposed = None;
        match &simulated {
            Err(refusal) if begin_missing(context.set, refusal) => {}
            _ => break simulated,
        }
    };
    if !matches!(simulated, Err(Refusal::NotLoaded(_))) {
        _ = context.set.take_wanted();
    }
    simulated
}

/// A sale as it would be recorded now, by the terms in force or by the proposed ones. The set is left as it was.
///
/// # Errors
/// [`Refusal::NotLoaded`] when rows must be loaded first, and the refusals of the sale.
pub fn simulate_sale(
    set: &mut WorkingSet,
    envelope: &Envelope,
    proposed: Option<&Arc<ProposedTerms>>,
    now: Time,
    ids: &mut dyn IdSource,
) -> Result<ConversionImage, Refusal> {
    if let Some(proposed) = proposed {
        set.load(Arc::clone(&proposed.terms));
    }
    set.proposed = proposed.cloned();
    let recorded = decide(set, envelope, now, ids).and_then(|decision| match decision.outcome {
        Outcome::Sale(sale) => set.image(envelope.account_id, sale.conversion_id),
        _ => Err(Refusal::NotLoaded("sale")),
    });
    if recorded.is_ok() {
        set.roll_back();
    }
    set.proposed = None;
    recorded
}

fn compare(
    context: &mut Context<'_>,
    customer: SimulatedCustomer,
    proposed: &Arc<ProposedTerms>,
    tallies: &mut SimulatedTallies,
) -> Result<Vec<SimulatedConversion>, Refusal> {
    context.set.begin();
    // Events that share tallies are judged too.
    let count_all = tallies.count_all;
    let is_wanted = |event: &Conversion| count_all || proposed.covers(event.occurred_at);
    let changes = &tallies.loose_changes;
    let group = match customer {
        SimulatedCustomer::Lead(id) => group_of_lead(context, id, &is_wanted, changes)?,
        SimulatedCustomer::Event(id) => group_of_event(context, id, &is_wanted, changes)?,
    };
    let Some(group) = group else { return Ok(Vec::new()) };
    let recorded = Recorded::of(context, &group)?;
    context.set.roll_back();
    let has_ladders = tallies.has_ladders;
    let program_id = proposed.terms.program_id;
    let judging = Judging { group: &group, recorded: &recorded, is_wanted: &is_wanted, has_ladders };
    let (current, of_current) = pass(context, &judging, None, &tallies.current)?;
    let (changed, of_proposed) = pass(context, &judging, Some(proposed), &tallies.proposed)?;
    tallies.current.extend(of_current);
    tallies.proposed.extend(of_proposed);
    let climbing: BTreeSet<_> = current.climbs.sales().chain(changed.climbs.sales()).collect();
    tallies.current_climbs.append(current.climbs)?;
    tallies.proposed_climbs.append(changed.climbs.counted_since(program_id, &tallies.counting_since))?;
    let (current, changed) = (current.earned, changed.earned);
    let simulated = group.events().map(|event| {
        let is_covered = proposed.covers(event.occurred_at);
        let of = |earned: &BTreeMap<ConversionId, Earned>| earned.get(&event.id).cloned().unwrap_or_default();
        let (recorded, current, proposed) = (of(&recorded.earned), of(&current), of(&changed));
        let is_of_program = [&recorded, &current, &proposed].iter().any(|each| each.programs.contains(&program_id));
        SimulatedConversion {
            conversion_id: event.id,
            is_covered,
            recorded: if is_covered { recorded.sums } else { Earnings::new() },
            current: current.sums,
            proposed: proposed.sums,
            is_of_program,
        }
    });
    let (climbing, simulated): (Vec<_>, Vec<_>) = simulated.partition(|event| climbing.contains(&event.conversion_id));
    tallies.climbing.extend(climbing);
    Ok(simulated.into_iter().filter(SimulatedConversion::is_told).collect())
}

/// The events that are judged by the terms in force and by the proposed ones.
struct Judging<'events> {
    group: &'events Group,
    recorded: &'events Recorded,
    is_wanted: &'events dyn Fn(&Conversion) -> bool,
    /// Whether any terms have a ladder.
    has_ladders: bool,
}

/// The earnings of the events by the same terms, at step 0 of their ladders.
#[derive(Default)]
struct Judged {
    earned: BTreeMap<ConversionId, Earned>,
    climbs: Climbs,
}

/// Judges the events by the terms in force, or by those that stand in place of them. What is written is undone.
fn pass(
    context: &mut Context<'_>,
    judging: &Judging<'_>,
    terms: Option<&Arc<ProposedTerms>>,
    tallies: &Counted,
) -> Result<(Judged, Counted), Refusal> {
    // What the events turned out to need may not be loaded yet.
    let wanted = context.set.take_wanted();
    context.set.begin();
    if let Some(wanted) = wanted {
        context.set.wanted().add(wanted);
    }
    context.set.proposed = terms.cloned();
    if let Some(proposed) = terms {
        // Refunds look the terms up by their version.
        context.put::<Terms>(Arc::clone(&proposed.terms));
    }
    simulated_tallies::enter(context.set, tallies);
    let judged = judge(context, judging)?;
    let left = simulated_tallies::left(context.set);
    context.set.roll_back();
    Ok((judged, left))
}

/// Judges the events and earns their rewards anew.
fn judge(context: &mut Context<'_>, judging: &Judging<'_>) -> Result<Judged, Refusal> {
    let Judging { group, recorded, is_wanted, has_ladders } = *judging;
    // Nothing stands of the rewards that were earned before.
    recorded.rewards.iter().for_each(|reward| leave_nothing(context, reward));
    let mut judged = Judged::default();
    let verdicts = verdicts_on(context, group)?;
    let meetings = if has_ladders { meeting::meetings(context, group, &verdicts)? } else { BTreeMap::new() };
    for (event, verdict) in verdicts {
        if is_wanted(&event) {
            let of_event = earn(context, group, recorded, &event, &verdict)?;
            judged.earned.insert(event.id, of_event);
            if let Some(meetings) = meetings.get(&event.id) {
                let worths = ladder::worths(context, group, recorded, &event, &verdict)?;
                judged.climbs.append(ladder::note(context, group, &event, meetings, worths)?)?;
            }
        }
    }
    Ok(judged)
}
