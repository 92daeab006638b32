//! Judges events of the past again as if other terms had been in force. The same code judges and prices them as when they are told; what it
//! writes is undone. Knows no order of customers.
//!
//! All events of a customer are judged twice, by the terms in force and by the proposed ones, so that the difference is that of the terms
//! alone. A reward that a person denied earns nothing by either.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::command::Envelope;
use super::commission::credits_of;
use super::context::Context;
use super::customer;
use super::decide::decide;
use super::refund;
use super::sale_count::{self, Verdicts};
use super::shared_credit::{Winner, Winners};
use super::simulated_tallies::{self, Counted, SimulatedTallies, begin_missing};
use super::timeline;
use super::verdict::{Verdict, earn_left};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, CustomerSale, OrderDetails,
};
use crate::domain::id::{AccountId, ConversionId, EnrollmentId, IdSource, LeadId, ProgramId};
use crate::domain::lead::{Customer, Lead, LeadState};
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
    let mut context = Context { set, account_id, now, ids, cause_id: String::new(), key_id: None };
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

/// The events of a customer, in order.
struct Group {
    /// The lead that the sales are counted for. `None`: the event has no customer.
    lead: Option<Lead>,
    /// Each lead's events, and whether these are all.
    parts: Vec<(Lead, Vec<Arc<Conversion>>, bool)>,
    /// An event without a customer.
    alone: Option<Arc<Conversion>>,
    /// The refunds and corrections of each sale, in the order in which they were told.
    changes: BTreeMap<ConversionId, Vec<Arc<Conversion>>>,
}

impl Group {
    fn events(&self) -> impl Iterator<Item = &Arc<Conversion>> {
        self.parts.iter().flat_map(|(_, events, _)| events).chain(&self.alone)
    }

    fn changes_of(&self, sale: &Conversion) -> &[Arc<Conversion>] {
        self.changes.get(&sale.id).map_or(&[], Vec::as_slice)
    }
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
    let group = match customer {
        SimulatedCustomer::Lead(id) => group_of_lead(context, id, &is_wanted)?,
        SimulatedCustomer::Event(id) => group_of_event(context, id, &is_wanted)?,
    };
    let Some(group) = group else { return Ok(Vec::new()) };
    let recorded = Recorded::of(context, &group)?;
    context.set.roll_back();
    let (current, of_current) = pass(context, &group, &recorded, None, &is_wanted, &tallies.current)?;
    let (changed, of_proposed) = pass(context, &group, &recorded, Some(proposed), &is_wanted, &tallies.proposed)?;
    tallies.current.extend(of_current);
    tallies.proposed.extend(of_proposed);
    let program_id = proposed.terms.program_id;
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
    Ok(simulated.filter(|event| event.is_covered || event.current != event.proposed).collect())
}

/// Judges the events by the terms in force, or by those that stand in place of them. What is written is undone.
fn pass(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    terms: Option<&Arc<ProposedTerms>>,
    is_wanted: &dyn Fn(&Conversion) -> bool,
    tallies: &Counted,
) -> Result<(BTreeMap<ConversionId, Earned>, Counted), Refusal> {
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
    let earned = judge(context, group, recorded, is_wanted)?;
    let left = simulated_tallies::left(context.set);
    context.set.roll_back();
    Ok((earned, left))
}

/// The events of a lead that was not merged into another one, and those of the leads that were merged into it.
fn group_of_lead(
    context: &mut Context<'_>,
    id: LeadId,
    is_wanted: &dyn Fn(&Conversion) -> bool,
) -> Result<Option<Group>, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().row::<Lead>((account_id, id));
    let lead = Arc::clone(context.set.existing::<Lead>(&(account_id, id))?);
    if lead.merged_into.is_some() {
        return Ok(None);
    }
    for id in lead.own_and_merged_ids() {
        let wanted = context.set.wanted();
        wanted.row::<Lead>((account_id, id));
        wanted.names.timelines.insert((account_id, id));
    }
    let names = lead.selectors().into_iter().map(|name| (account_id, name));
    context.set.wanted().names.unmatched_sales.extend(names);
    let mut leads = Vec::new();
    let mut unmatched = context.set.unmatched_sales_of(account_id, Some(&lead), &Customer::default())?.into_iter();
    let mut is_one_wanted = unmatched.any(|event| is_wanted(event));
    let mut changes: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for id in lead.own_and_merged_ids() {
        let (rows, _) = context.set.timeline_of(account_id, id)?;
        is_one_wanted |= rows.iter().any(|row| row.kind.is_attributed() && is_wanted(row));
        for row in rows {
            if let (ConversionKind::Refund | ConversionKind::Correction, Some(sale_id)) = (row.kind, row.sale_id) {
                changes.entry(sale_id).or_default().push(Arc::clone(row));
            }
        }
        leads.push(context.set.existing::<Lead>(&(account_id, id))?.as_ref().clone());
    }
    // Most customers have no events of that time.
    if !is_one_wanted {
        return Ok(None);
    }
    changes.values_mut().for_each(|rows| rows.sort_by_key(|row| (row.created_at, row.id)));
    let mut group = Group { lead: Some(lead.as_ref().clone()), parts: Vec::new(), alone: None, changes };
    let gathered: Vec<_> = leads
        .into_iter()
        .map(|lead| Ok((timeline::events_of(context, &lead), lead)))
        .collect::<Result<_, Refusal>>()?;
    let mut met = BTreeSet::new();
    for (events, lead) in gathered {
        let (mut events, is_whole) = events?;
        events.retain(|event| met.insert(event.id));
        let events = events.into_iter().map(|event| with_void(event, &group)).collect();
        group.parts.push((lead, events, is_whole));
    }
    Ok(Some(group))
}

/// The events of a customer who is no lead, if this is the first of them, or an event without a customer.
fn group_of_event(
    context: &mut Context<'_>,
    id: ConversionId,
    is_wanted: &dyn Fn(&Conversion) -> bool,
) -> Result<Option<Group>, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().row::<Conversion>((account_id, id));
    let event = Arc::clone(context.set.conversion(account_id, id)?);
    if event.lead_id.is_some() || !event.kind.is_attributed() {
        return Ok(None);
    }
    let customer = timeline::customer_of(context, &event)?;
    if customer.is_unnamed() {
        timeline::look_up_evidence(context, &event)?;
        let is_wanted = is_wanted(&event);
        let group = Group { lead: None, parts: Vec::new(), alone: Some(event), changes: BTreeMap::new() };
        return Ok(is_wanted.then_some(group));
    }
    context.set.wanted().customer(account_id, &customer);
    context.set.wanted().unmatched_sales(account_id, &customer);
    if context.set.find_customer(account_id, &customer)?.is_some() {
        return Ok(None);
    }
    // As when a lead is made for the event: nothing was recorded for it before.
    // It has the id of the event, so that its tallies have the same names whenever more rows were loaded.
    let lead = customer::new_lead(context, &customer, LeadState::of_new(event.kind));
    let lead = Lead { id: LeadId::from_uuid(id.uuid()), ..lead };
    context.set.names.timelines.insert_absent((account_id, lead.id));
    let (events, is_whole) = timeline::events_of(context, &lead)?;
    let is_first = events.iter().map(|event| event.id).min() == Some(id);
    let is_one_wanted = events.iter().any(|event| is_wanted(event));
    let parts = vec![(lead.clone(), events, is_whole)];
    let group = Group { lead: Some(lead), parts, alone: None, changes: BTreeMap::new() };
    Ok((is_first && is_one_wanted).then_some(group))
}

/// A sale with the time at which refunds and corrections have left nothing of it, if its terms did not ask for that when they were told.
fn with_void(event: Arc<Conversion>, group: &Group) -> Arc<Conversion> {
    let is_kept = event.order.customer_sale.is_some_and(|place| place.void_at.is_some());
    let (Some(left), Some(amount)) = (event.left(), event.amount) else { return event };
    if is_kept || left.amount_minor != 0 {
        return event;
    }
    let changes = group.changes_of(&event);
    let corrected = changes.iter().filter(|change| change.kind == ConversionKind::Correction);
    let corrected: i64 = corrected.filter_map(|change| change.amount).map(|amount| amount.amount_minor).sum();
    let mut left = amount.amount_minor - corrected;
    let mut void_at = None;
    for change in changes {
        let had_left = left > 0;
        left += change.amount.map_or(0, |amount| amount.amount_minor) + change.excess_minor;
        if had_left && left <= 0 {
            void_at = Some(change.created_at.max(event.created_at));
        }
    }
    let Some(void_at) = void_at else { return event };
    let place = event.order.customer_sale.unwrap_or_default();
    let customer_sale = Some(CustomerSale { void_at: Some(void_at), ..place });
    let order = OrderDetails { customer_sale, ..event.order.clone() };
    Arc::new(Conversion { order, ..event.as_ref().clone() })
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
fn judge(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    is_wanted: &dyn Fn(&Conversion) -> bool,
) -> Result<BTreeMap<ConversionId, Earned>, Refusal> {
    // Nothing stands of the rewards that were earned before.
    for reward in &recorded.rewards {
        let reversed_minor = reward.value.amount_minor;
        context.put(Reward { state: RewardState::Reversed, reversed_minor, ..reward.as_ref().clone() });
    }
    let mut earned = BTreeMap::new();
    for (event, verdict) in verdicts_on(context, group)? {
        if is_wanted(&event) {
            let of_event = earn(context, group, recorded, &event, verdict)?;
            earned.insert(event.id, of_event);
        }
    }
    Ok(earned)
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

/// What an event earns by a verdict, with the commission adjustments of its refunds.
fn earn(
    context: &mut Context<'_>,
    group: &Group,
    recorded: &Recorded,
    event: &Conversion,
    verdict: Verdict,
) -> Result<Earned, Refusal> {
    let mut earned = Earned::default();
    earned.programs.extend(verdict.claims.iter().map(|claim| claim.credit.program_id));
    if !verdict.may_earn || verdict.claims.is_empty() {
        return Ok(earned);
    }
    let sale = context.put(Conversion {
        outcome: ConversionOutcome::Attributed,
        credits: credits_of(&verdict.claims),
        lead_id: event.lead_id.or(group.lead.as_ref().map(|lead| lead.id)),
        order: OrderDetails { customer_sale: verdict.customer_sale, counted: Vec::new(), ..event.order.clone() },
        ..event.clone()
    });
    let before: BTreeSet<_> = recorded.rewards.iter().map(|reward| reward.id).collect();
    earn_left(context, &sale, &verdict.claims, &mut Vec::new())?;
    let rewards = context.set.rewards_of(context.account_id, sale.id)?;
    let is_new = |reward: &&Arc<Reward>| reward.reverses.is_none() && !before.contains(&reward.id);
    let mut rewards: Vec<_> = rewards.into_iter().filter(is_new).cloned().collect();
    rewards.retain(|reward| !recorded.is_denied(reward));
    rewards.iter().for_each(|reward| earned.add(reward));
    for refund in group.changes_of(&sale) {
        let adjusted = refund::adjust(context, &sale, refund, &rewards)?;
        adjusted.iter().filter(|reward| !recorded.is_denied(reward)).for_each(|reward| earned.add(reward));
    }
    Ok(earned)
}
