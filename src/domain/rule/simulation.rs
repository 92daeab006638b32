//! Judges events of the past again as if other terms had been in force. The same code judges and prices them as when they are told; what it
//! writes is undone. Knows no order of customers.
//!
//! All events of a customer are judged twice, by the terms in force and by the proposed ones, so that the difference is that of the terms
//! alone. A reward that a person denied earns nothing by either.

mod group;
pub(super) mod ladder;
mod meeting;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use group::{Group, group_of_event, group_of_lead};
use ladder::Climbs;

use super::command::Envelope;
use super::commission::{Claim, credits_of};
use super::context::Context;
use super::decide::decide;
use super::refund;
use super::sale_count::{self, Verdicts};
use super::shared_credit::{Winner, Winners};
use super::simulated_tallies::{self, Counted, SimulatedTallies, begin_missing};
use super::timeline;
use super::verdict::{Verdict, earn_left};
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, OrderDetails};
use crate::domain::id::{AccountId, ConversionId, EnrollmentId, IdSource, LeadId, ProgramId};
use crate::domain::lead::Lead;
use crate::domain::outcome::Outcome;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};
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
    let mut context = Context { set, account_id, now, ids, cause_id: String::new() };
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

/// What one conversion earns, and the programs in which it is credited.
#[derive(Debug, Clone, Default)]
struct Earned {
    sums: Earnings,
    programs: BTreeSet<ProgramId>,
}

impl Earned {
    fn add(&mut self, reward: &Reward) {
        let sum = self.sums.entry((reward.affiliate_id, reward.value.currency)).or_default();
        *sum = sum.saturating_add(reward.value.amount_minor.saturating_sub(reward.reversed_minor));
    }
}

/// A reward of a conversion, whichever way it was earned: that of an enrollment for a credit, or the change of a tally.
type RewardName = (ConversionId, EnrollmentId, EnrollmentId, bool);

fn name_of(reward: &Reward) -> Option<RewardName> {
    Some((reward.conversion_id?, reward.enrollment_id, reward.credited_enrollment_id(), reward.is_tally_change()))
}

/// The rewards that the events of a customer have.
#[derive(Default)]
struct Recorded {
    earned: BTreeMap<ConversionId, Earned>,
    rewards: Vec<Arc<Reward>>,
    denied: BTreeSet<RewardName>,
}

impl Recorded {
    fn of(context: &mut Context<'_>, group: &Group) -> Result<Self, Refusal> {
        let account_id = context.account_id;
        let mut recorded = Self::default();
        for event in group.events() {
            let earned = recorded.earned.entry(event.id).or_default();
            earned.programs.extend(event.credits.iter().map(|credit| credit.program_id));
            let of_changes = group.changes_of(event).iter().map(|change| change.id);
            for id in std::iter::once(event.id).chain(of_changes) {
                let rewards = context.set.rewards_of(account_id, id)?;
                for reward in rewards.into_iter().filter(|reward| reward.reverses.is_none()) {
                    match reward.state {
                        RewardState::Denied => recorded.denied.extend(name_of(reward)),
                        _ => earned.add(reward),
                    }
                    recorded.rewards.push(Arc::clone(reward));
                }
            }
        }
        Ok(recorded)
    }

    fn is_denied(&self, reward: &Reward) -> bool {
        name_of(reward).is_some_and(|name| self.denied.contains(&name))
    }
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

fn leave_nothing(context: &mut Context<'_>, reward: &Reward) {
    let reversed_minor = reward.value.amount_minor;
    context.put(Reward { state: RewardState::Reversed, reversed_minor, ..reward.clone() });
}

fn verdicts_on(context: &mut Context<'_>, group: &Group) -> Result<Verdicts, Refusal> {
    let mut verdicts = Verdicts::new();
    for (lead, events, is_whole) in &group.parts {
        if *is_whole {
            verdicts.extend(timeline::judge_in_order(context.set, lead, events)?.0);
        } else {
            let kept = events.iter().map(|event| Ok((Arc::clone(event), kept_verdict(context, lead, event)?)));
            verdicts.extend(kept.collect::<Result<Vec<_>, Refusal>>()?);
        }
    }
    if let Some(event) = &group.alone {
        verdicts.push((Arc::clone(event), timeline::judge_unnamed(context.set, event)?.0));
    }
    verdicts.sort_by_key(|(event, _)| (event.occurred_at, event.created_at, event.id));
    if let Some(lead) = &group.lead {
        sale_count::number_all(context, lead, &mut verdicts)?;
    }
    Ok(verdicts)
}

/// The verdict on an event of a history that is too long to be judged again: its credits stay, under the terms that apply to them.
fn kept_verdict(context: &Context<'_>, lead: &Lead, event: &Conversion) -> Result<Verdict, Refusal> {
    let winner = |credit: &Credit| {
        let enrollment = Arc::clone(context.set.enrollment(event.account_id, credit.enrollment_id)?);
        let (source, way, share_ppm) = (credit.source, credit.way(), credit.share_ppm);
        Ok(Winner { source, enrollment, referred_at: event.occurred_at, way, share_ppm })
    };
    let winners = event.credits.iter().map(winner).collect::<Result<Winners, Refusal>>()?;
    let claims = timeline::claims_of(context.set, &winners, lead.binding.as_ref(), event.occurred_at)?;
    let bound_at = lead.binding.as_ref().map(|binding| binding.bound_at);
    let may_earn = event.kind != ConversionKind::Lead || bound_at.is_none_or(|bound_at| event.occurred_at <= bound_at);
    Ok(Verdict { claims, candidates: event.candidates.clone(), may_earn, customer_sale: None })
}

/// The earnings of an event by a verdict, with the commission adjustments of its refunds. Of a ladder it has step 0.
fn earn(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    event: &Conversion,
    verdict: &Verdict,
) -> Result<Earned, Refusal> {
    let sums = earn_by(context, (group, recorded, event, verdict), &verdict.claims, 0)?;
    Ok(Earned { sums, programs: verdict.claims.iter().map(|claim| claim.credit.program_id).collect() })
}

/// The earnings of an event for some of its claims, at a step of their ladders.
fn earn_by(
    context: &mut Context<'_>,
    (group, recorded, event, verdict): (&Group, &Recorded, &Conversion, &Verdict),
    claims: &[Claim],
    step: i32,
) -> Result<Earnings, Refusal> {
    let mut earned = Earned::default();
    if !verdict.may_earn || claims.is_empty() {
        return Ok(earned.sums);
    }
    let laddered = claims.iter().map(|claim| ladder::at_step(context, event, claim, step));
    let laddered = laddered.collect::<Result<Vec<_>, Refusal>>()?.into_iter().flatten().collect();
    let customer_sale = verdict.customer_sale;
    let sale = context.put(Conversion {
        outcome: ConversionOutcome::Attributed,
        credits: credits_of(&verdict.claims),
        lead_id: event.lead_id.or(group.lead.as_ref().map(|lead| lead.id)),
        order: OrderDetails { customer_sale, counted: Vec::new(), laddered, ..event.order.clone() },
        ..event.clone()
    });
    let before: Vec<_> = context.set.rewards_of(context.account_id, sale.id)?.into_iter().cloned().collect();
    // Nothing stands of the rewards at another step either.
    before.iter().for_each(|reward| leave_nothing(context, reward));
    let before: BTreeSet<_> = before.iter().map(|reward| reward.id).collect();
    earn_left(context, &sale, claims, &mut Vec::new())?;
    let rewards = context.set.rewards_of(context.account_id, sale.id)?;
    let is_new = |reward: &&Arc<Reward>| reward.reverses.is_none() && !before.contains(&reward.id);
    let mut rewards: Vec<_> = rewards.into_iter().filter(is_new).cloned().collect();
    rewards.retain(|reward| !recorded.is_denied(reward));
    rewards.iter().for_each(|reward| earned.add(reward));
    for refund in group.changes_of(&sale) {
        let adjusted = refund::adjust(context, &sale, refund, &rewards)?;
        adjusted.iter().filter(|reward| !recorded.is_denied(reward)).for_each(|reward| earned.add(reward));
    }
    Ok(earned.sums)
}
