//! Simulations of terms in a set that holds everything. The app has its own way to find the customers.

use std::sync::Arc;

use headwater::domain::conversion::{Conversion, ConversionKind};
use headwater::domain::id::{AccountId, IdSource, ProgramId};
use headwater::domain::program::{Terms, TermsDraft};
use headwater::domain::reward::RewardState;
use headwater::domain::rule::{SimulatedCustomer, SimulatedTallies, simulate};
use headwater::domain::set::WorkingSet;
use headwater::domain::simulation::{Earnings, OrderMatters, ProposedTerms, SimulatedConversion, has_tallies};
use headwater::domain::terms_period::Occasion;
use headwater::domain::time::Time;

/// The version of a program's terms in force.
pub(crate) fn in_force(set: &WorkingSet, program_id: ProgramId, now: Time) -> Arc<Terms> {
    let occasion = Occasion::at(now);
    let of_program = set.terms.iter().filter(|terms| terms.program_id == program_id);
    let applying = of_program.filter(|terms| terms.applies_to(&occasion));
    Arc::clone(applying.max_by_key(|terms| terms.rank()).unwrap())
}

/// All conversions from the start of the version in force on, judged again with other rules in its place.
pub(crate) fn simulated(
    set: &mut WorkingSet,
    account_id: AccountId,
    program_id: ProgramId,
    rules: Option<TermsDraft>,
    (now, ids): (Time, &mut dyn IdSource),
) -> Vec<SimulatedConversion> {
    let in_force = in_force(set, program_id, now);
    let rules = rules.unwrap_or_else(|| in_force.rules.clone());
    let proposed = Arc::new(ProposedTerms::new(&in_force, rules, None, None));
    let leads = set.leads.iter().map(|lead| SimulatedCustomer::Lead(lead.id));
    let alone = set.conversions.iter().filter(|event| event.lead_id.is_none());
    let customers: Vec<_> = leads.chain(alone.map(|event| SimulatedCustomer::Event(event.id))).collect();
    let versions: Vec<&Terms> = set.terms.iter().map(AsRef::as_ref).collect();
    let mut tallies = SimulatedTallies::of(&versions, &proposed);
    let is_change =
        |event: &&Arc<Conversion>| matches!(event.kind, ConversionKind::Refund | ConversionKind::Correction);
    set.conversions.iter().filter(is_change).for_each(|change| tallies.add_loose_change(Arc::clone(change)));
    let simulated = customers
        .into_iter()
        .map(|customer| simulate(set, account_id, customer, &proposed, &mut tallies, now, ids).unwrap());
    let mut simulated: Vec<_> = simulated.flatten().collect();
    simulated.extend(tallies.finish().unwrap());
    simulated
}

/// With the terms in force, no conversion earns anything else. Returns those that do, and those whose rewards are not what they earn when
/// they are judged again. With caps, these are compared by what each affiliate earns in all, unless a person denied rewards.
pub(crate) fn differences(
    set: &mut WorkingSet,
    account_id: AccountId,
    now: Time,
    ids: &mut dyn IdSource,
) -> (Vec<SimulatedConversion>, Vec<SimulatedConversion>) {
    let has_caps = set.terms.iter().any(|terms| has_tallies(&terms.rules));
    // A program that counts what an affiliate has sold, or pays for a tally of it, is not simulated.
    let counts = |terms: &Terms| terms.rules.pays_for_tally() || !terms.rules.sales_tallies.is_empty();
    let is_counted = |id| set.terms.iter().any(|terms| terms.program_id == id && counts(terms));
    let programs = set.programs.iter().map(|program| program.id);
    let programs: Vec<ProgramId> = programs.filter(|id| !is_counted(*id)).collect();
    let is_ordered = programs.iter().any(|id| {
        let versions: Vec<_> = set.terms.iter().filter(|terms| terms.program_id == *id).collect();
        OrderMatters::by(&versions.iter().map(|terms| &terms.rules).collect::<Vec<_>>()).is_some()
    });
    let is_denied = set.rewards.iter().any(|reward| reward.state == RewardState::Denied);
    let event_count = set.conversions.iter().filter(|event| event.kind.is_attributed()).count();
    let (mut changed, mut other) = (Vec::new(), Vec::new());
    for program_id in programs {
        let conversions = simulated(set, account_id, program_id, None, (now, ids));
        let is_same = |conversion: &&SimulatedConversion| conversion.keys().all(|key| conversion.difference(&key) == 0);
        changed.extend(conversions.iter().filter(|each| !is_same(each)).cloned());
        if !has_caps {
            other.extend(conversions.into_iter().filter(|each| !is_as_recorded(each)));
        } else if !is_ordered && !is_denied && conversions.len() == event_count {
            other.extend(in_all(conversions).into_iter().filter(|all| !is_as_recorded(all)));
        }
    }
    (changed, other)
}

fn is_as_recorded(conversion: &SimulatedConversion) -> bool {
    let of = |earnings: &Earnings, key| earnings.get(&key).copied().unwrap_or_default();
    conversion.keys().all(|key| of(&conversion.recorded, key) == of(&conversion.current, key))
}

/// All conversions as one.
fn in_all(conversions: Vec<SimulatedConversion>) -> Option<SimulatedConversion> {
    let mut conversions = conversions.into_iter();
    let mut all = conversions.next()?;
    for each in conversions {
        for (sums, more) in [(&mut all.recorded, each.recorded), (&mut all.current, each.current)] {
            more.into_iter().for_each(|(key, minor)| *sums.entry(key).or_default() += minor);
        }
    }
    Some(all)
}
