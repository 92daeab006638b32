//! Simulations of terms in a set that holds everything. The app has its own way to find the customers.

use std::sync::Arc;

use headwater::domain::click::Click;
use headwater::domain::conversion::Conversion;
use headwater::domain::id::{AccountId, IdSource, ProgramId};
use headwater::domain::program::{Terms, TermsDraft};
use headwater::domain::reward::RewardState;
use headwater::domain::rule::{Replay, SimulatedCustomer, simulate};
use headwater::domain::set::WorkingSet;
use headwater::domain::simulation::{Earnings, ProposedTerms, SimulatedEarning, SimulatedSubject};
use headwater::domain::terms_period::Occasion;
use headwater::domain::time::Time;

/// The version of a program's terms in force.
pub(crate) fn in_force(set: &WorkingSet, program_id: ProgramId, now: Time) -> Arc<Terms> {
    let occasion = Occasion::at(now);
    let of_program = set.terms.iter().filter(|terms| terms.program_id == program_id);
    let applying = of_program.filter(|terms| terms.applies_to(&occasion));
    Arc::clone(applying.max_by_key(|terms| terms.rank()).unwrap())
}

/// All conversions from the start of the version in force on, with the clicks and the bonuses, judged again with other rules in its place.
pub(crate) fn simulated(
    set: &mut WorkingSet,
    account_id: AccountId,
    program_id: ProgramId,
    rules: Option<TermsDraft>,
    (now, ids): (Time, &mut dyn IdSource),
) -> Vec<SimulatedEarning> {
    let in_force = in_force(set, program_id, now);
    let rules = rules.unwrap_or_else(|| in_force.rules.clone());
    let rows: Vec<Arc<Terms>> = set.terms.iter().cloned().collect();
    let versions: Vec<&Terms> = rows.iter().map(AsRef::as_ref).collect();
    let proposed = Arc::new(ProposedTerms::new(&in_force, rules, None, None).among(&versions));
    let leads = set.leads.iter().map(|lead| SimulatedCustomer::Lead(lead.id));
    let alone = set.conversions.iter().filter(|event| event.lead_id.is_none());
    let customers: Vec<_> = leads.chain(alone.map(|event| SimulatedCustomer::Event(event.id))).collect();
    let mut replay = Replay::of(&versions, &proposed);
    let is_change = |event: &&Arc<Conversion>| event.kind.changes_sale();
    set.conversions.iter().filter(is_change).for_each(|change| replay.add_loose_change(Arc::clone(change)));
    set.rewards.iter().for_each(|reward| replay.add_loose_reward(reward));
    let simulated = customers
        .into_iter()
        .map(|customer| simulate(set, account_id, customer, &proposed, &mut replay, now, ids).unwrap());
    let mut simulated: Vec<_> = simulated.flatten().collect();
    replay.sort();
    let mut clicks: Vec<Arc<Click>> = set.clicks.iter().cloned().collect();
    clicks.retain(|_| replay.pays_for_clicks());
    clicks.sort_by_key(|click| (click.created_at, click.id));
    let mut clicks = clicks.into_iter().peekable();
    loop {
        if let Some(click) = clicks.next_if(|click| replay.is_before_next(click)) {
            simulated.extend(replay.click(set, account_id, &click, ids).unwrap());
        } else if replay.is_over() {
            break;
        } else {
            simulated.extend(replay.step(set, account_id, ids).unwrap());
        }
    }
    simulated.extend(replay.finish());
    if let Some(click) = simulated.iter_mut().find(|each| is_click_of_program(each)) {
        // What is recorded of clicks is known in all.
        click.recorded.clone_from(replay.recorded_of_clicks());
    }
    simulated
}

/// With the terms in force, nothing earns anything else. Returns the conversions that do, and those whose rewards are not what they earn when
/// they are judged again. The latter is not compared where a person denied rewards that share tallies with others.
pub(crate) fn differences(
    set: &mut WorkingSet,
    account_id: AccountId,
    now: Time,
    ids: &mut dyn IdSource,
) -> (Vec<SimulatedEarning>, Vec<SimulatedEarning>) {
    let programs: Vec<ProgramId> = set.programs.iter().map(|program| program.id).collect();
    let has_tallies = set.terms.iter().any(|terms| headwater::domain::simulation::has_tallies(&terms.rules));
    let is_denied = has_tallies && set.rewards.iter().any(|reward| reward.state == RewardState::Denied);
    let (mut changed, mut other) = (Vec::new(), Vec::new());
    for program_id in programs {
        let earnings = simulated(set, account_id, program_id, None, (now, ids));
        let is_same = |earning: &&SimulatedEarning| earning.keys().all(|key| earning.difference(&key) == 0);
        changed.extend(earnings.iter().filter(|each| !is_same(each)).cloned());
        if is_denied {
            continue;
        }
        let (clicks, mut others): (Vec<_>, Vec<_>) = earnings.into_iter().partition(is_click_of_program);
        others.retain(|each| !matches!(each.subject, SimulatedSubject::Click(_)));
        other.extend(in_all(clicks).into_iter().chain(others).filter(|each| !is_as_recorded(each)));
    }
    (changed, other)
}

fn is_click_of_program(earning: &SimulatedEarning) -> bool {
    matches!(earning.subject, SimulatedSubject::Click(_)) && earning.is_of_program && earning.is_covered
}

fn is_as_recorded(earning: &SimulatedEarning) -> bool {
    let of = |earnings: &Earnings, key| earnings.get(&key).copied().unwrap_or_default();
    earning.keys().all(|key| of(&earning.recorded, key) == of(&earning.current, key))
}

/// All of these as one.
fn in_all(earnings: Vec<SimulatedEarning>) -> Option<SimulatedEarning> {
    let mut earnings = earnings.into_iter();
    let mut all = earnings.next()?;
    for each in earnings {
        for (sums, more) in [(&mut all.recorded, each.recorded), (&mut all.current, each.current)] {
            more.into_iter().for_each(|(key, minor)| *sums.entry(key).or_default() += minor);
        }
    }
    Some(all)
}
