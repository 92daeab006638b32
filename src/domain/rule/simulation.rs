//! Judges events of the past again as if other terms had been in force. The same code judges and prices them as when they are told; what it
//! writes is undone. Knows no order of customers: events that share tallies with those of others only note their turns, see
//! [`replay`](super::replay).
//!
//! All events of a customer are judged twice, by the terms in force and by the proposed ones, so that the difference is that of the terms
//! alone. A reward that a person denied earns nothing by either.

mod as_of;
mod earning;
mod group;
mod meeting;
mod turns;
mod verdicts;

use std::collections::BTreeMap;
use std::sync::Arc;

use earning::{Earned, Recorded, earn, leave_nothing};
use group::{Group, group_of_event, group_of_lead};
use verdicts::verdicts_on;

use super::command::Envelope;
use super::context::Context;
use super::decide::decide;
use super::replay::{EventDraft, Replay, TurnDraft};
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind};
use crate::domain::id::{AccountId, ConversionId, IdSource, LeadId};
use crate::domain::outcome::Outcome;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::simulation::{Earnings, ProposedTerms, SimulatedEarning, SimulatedSubject};
use crate::domain::time::Time;

/// Whose events are judged again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimulatedCustomer {
    /// Those of a lead, and of the leads that were merged into it. Those of a merged lead are left to the other one.
    Lead(LeadId),
    /// Those of the customer of an event that has no lead. They are left to the first one.
    Event(ConversionId),
}

/// Judges the events of a customer again. Returns those that occurred while the proposed terms stand and share no tallies, and the replay has the
/// turns of the others. The set is left as it was.
///
/// # Errors
/// [`Refusal::NotLoaded`] when rows must be loaded first, and the refusals of amounts that are too large.
pub fn simulate(
    set: &mut WorkingSet,
    account_id: AccountId,
    customer: SimulatedCustomer,
    proposed: &Arc<ProposedTerms>,
    replay: &mut Replay,
    now: Time,
    ids: &mut dyn IdSource,
) -> Result<Vec<SimulatedEarning>, Refusal> {
    let mut context = Context { set, account_id, now, ids, cause_id: String::new(), key_id: None, touched: Vec::new() };
    let simulated = compare(&mut context, customer, proposed, replay);
    context.set.roll_back();
    context.set.proposed = None;
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
    replay: &mut Replay,
) -> Result<Vec<SimulatedEarning>, Refusal> {
    context.set.begin();
    // Events that share tallies are judged too.
    let has_tallies = replay.has_tallies();
    let is_wanted = |event: &Conversion| has_tallies || proposed.covers(event.occurred_at);
    let changes = &replay.loose_changes;
    let group = match customer {
        SimulatedCustomer::Lead(id) => group_of_lead(context, id, &is_wanted, changes)?,
        SimulatedCustomer::Event(id) => group_of_event(context, id, &is_wanted, changes)?,
    };
    let Some(group) = group else { return Ok(Vec::new()) };
    let recorded = Recorded::of(context, &group)?;
    context.set.roll_back();
    let judging = Judging { group: &group, recorded: &recorded, is_wanted: &is_wanted, has_tallies };
    let mut current = pass(context, &judging, None)?;
    let mut changed = pass(context, &judging, Some(proposed))?;
    let program_id = proposed.terms.program_id;
    let (mut simulated, mut drafts) = (Vec::new(), Vec::new());
    for event in group.events() {
        let is_covered = proposed.covers(event.occurred_at);
        let of = |judged: &mut Judged| judged.remove(&event.id).unwrap_or_default();
        let (current, changed) = (of(&mut current), of(&mut changed));
        let recorded_of_event = recorded.earned.get(&event.id).cloned().unwrap_or_default();
        let all = [&recorded_of_event, &current.earned, &changed.earned];
        let is_of_program = all.iter().any(|each| each.programs.contains(&program_id));
        let earning = SimulatedEarning {
            subject: SimulatedSubject::Conversion(event.id),
            is_covered,
            recorded: if is_covered { recorded_of_event.sums } else { Earnings::new() },
            current: current.earned.sums,
            proposed: changed.earned.sums,
            is_of_program,
        };
        let turns = [current.turns, changed.turns];
        if turns.iter().all(Vec::is_empty) {
            simulated.push(earning);
        } else {
            drafts.push(draft(&judging, event, earning, turns)?);
        }
    }
    replay.note(drafts)?;
    Ok(simulated.into_iter().filter(SimulatedEarning::is_told).collect())
}

fn draft(
    judging: &Judging<'_>,
    event: &Conversion,
    earning: SimulatedEarning,
    turns: [Vec<TurnDraft>; 2],
) -> Result<EventDraft, Refusal> {
    let Judging { group, recorded, .. } = judging;
    let corrections = group.changes_of(event).iter().filter(|change| change.kind == ConversionKind::Correction);
    Ok(EventDraft {
        earning,
        id: event.id,
        lead_id: event.lead_id.or(group.lead.as_ref().map(|lead| lead.id)),
        told_minor: turns::told_minor(group, event)?,
        corrections: corrections.map(|correction| correction.id).collect(),
        denied: recorded.denied_of(group, event),
        turns,
    })
}

/// The events that are judged by the terms in force and by the proposed ones.
struct Judging<'events> {
    group: &'events Group,
    recorded: &'events Recorded,
    is_wanted: &'events dyn Fn(&Conversion) -> bool,
    /// Whether any terms have tallies.
    has_tallies: bool,
}

/// What an event earns, or the turns at which it will.
#[derive(Default)]
struct JudgedEvent {
    earned: Earned,
    turns: Vec<TurnDraft>,
}

type Judged = BTreeMap<ConversionId, JudgedEvent>;

/// Judges the events by the terms in force, or by those that stand in place of them. What is written is undone.
fn pass(
    context: &mut Context<'_>,
    judging: &Judging<'_>,
    terms: Option<&Arc<ProposedTerms>>,
) -> Result<Judged, Refusal> {
    // What the events turned out to need may not be loaded yet.
    let wanted = context.set.take_wanted();
    context.set.begin();
    if let Some(wanted) = wanted {
        context.set.wanted().add(wanted);
    }
    context.set.proposed = terms.cloned();
    // Refunds look the terms up by their version.
    for terms in terms.into_iter().flat_map(|proposed| proposed.rows()) {
        context.put::<Terms>(Arc::clone(terms));
    }
    let judged = judge(context, judging)?;
    context.set.roll_back();
    Ok(judged)
}

/// Judges the events and earns their rewards anew.
fn judge(context: &mut Context<'_>, judging: &Judging<'_>) -> Result<Judged, Refusal> {
    let Judging { group, recorded, is_wanted, has_tallies } = *judging;
    // Nothing stands of the rewards that were earned before.
    recorded.rewards.iter().for_each(|reward| leave_nothing(context, reward));
    let mut judged = Judged::new();
    let verdicts = verdicts_on(context, group)?;
    let mut meetings = if has_tallies { meeting::meetings(context, group, &verdicts)? } else { BTreeMap::new() };
    for (event, verdict) in verdicts {
        if is_wanted(&event) {
            let turns = turns::turns(group, &event, meetings.remove(&event.id));
            let earned = match turns.is_empty() {
                true => earn(context, group, recorded, &event, &verdict)?,
                false => Earned::nothing_of(&verdict),
            };
            judged.insert(event.id, JudgedEvent { earned, turns });
        }
    }
    Ok(judged)
}
