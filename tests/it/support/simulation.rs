//! Simulations of terms in a set that holds everything. The app has its own way to find the customers.

use std::sync::Arc;

use headwater::domain::id::{AccountId, IdSource, ProgramId};
use headwater::domain::program::{Terms, TermsDraft};
use headwater::domain::rule::{SimulatedCustomer, simulate};
use headwater::domain::set::WorkingSet;
use headwater::domain::simulation::{ProposedTerms, SimulatedConversion};
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
    let simulated =
        customers.into_iter().map(|customer| simulate(set, account_id, customer, &proposed, now, ids).unwrap());
    simulated.flatten().collect()
}

/// With the terms in force, no conversion earns anything else. Returns those that do, and those whose rewards are not what they earn when
/// they are judged again.
pub(crate) fn differences(
    set: &mut WorkingSet,
    account_id: AccountId,
    now: Time,
    ids: &mut dyn IdSource,
) -> (Vec<SimulatedConversion>, Vec<SimulatedConversion>) {
    // A program with caps is not simulated, and none with a ladder.
    let counts = |terms: &Terms| !terms.rules.caps.is_empty() || terms.rules.ladder.is_some();
    let has_caps = |id| set.terms.iter().any(|terms| terms.program_id == id && counts(terms));
    let programs = set.programs.iter().map(|program| program.id);
    let programs: Vec<ProgramId> = programs.filter(|id| !has_caps(*id)).collect();
    let (mut changed, mut other) = (Vec::new(), Vec::new());
    for program_id in programs {
        for conversion in simulated(set, account_id, program_id, None, (now, ids)) {
            let is_same = |key| conversion.difference(&key) == 0;
            let is_recorded =
                |key| conversion.recorded.get(&key).unwrap_or(&0) == conversion.current.get(&key).unwrap_or(&0);
            if !conversion.keys().all(is_same) {
                changed.push(conversion.clone());
            }
            if !conversion.keys().all(is_recorded) {
                other.push(conversion);
            }
        }
    }
    (changed, other)
}
