//! The tallies of a simulation. It counts anew, from nothing: the tallies of the books have the history in them already. What the rules write
//! while a customer is judged is kept for the next customers, by the terms in force and by the proposed ones.
//!
//! The memory is bounded by the affiliates and the periods, because the tallies of one customer are needed by nobody else.

use std::collections::BTreeMap;

use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::simulation::has_tallies;
use crate::domain::tally::{Tally, TallyKey};

/// The tallies by the same terms.
pub(super) type Counted = BTreeMap<TallyKey, Tally>;

/// The tallies of a simulation, so far.
#[derive(Debug, Default)]
pub struct SimulatedTallies {
    /// Whether events are counted that occurred while the proposed terms do not stand: they share tallies with the others.
    pub(super) count_all: bool,
    pub(super) current: Counted,
    pub(super) proposed: Counted,
}

impl SimulatedTallies {
    /// Tallies of nothing. `versions` are all terms that may apply to an event.
    pub fn of<'terms>(versions: impl IntoIterator<Item = &'terms Terms>) -> Self {
        let count_all = versions.into_iter().any(|terms| has_tallies(&terms.rules));
        Self { count_all, ..Self::default() }
    }
}

/// Puts the tallies of the simulation in place of those of the set, for the customer that is judged next.
pub(super) fn enter(set: &mut WorkingSet, tallies: &Counted) {
    let mut known: Vec<TallyKey> = set.tallies.keys().copied().collect();
    if set.tallies.is_complete() {
        known.extend(tallies.keys());
    }
    for key in known {
        set.put(tallies.get(&key).copied().unwrap_or(Tally::none(key)));
    }
}

/// The tallies as a customer has left them.
pub(super) fn left(set: &WorkingSet) -> Counted {
    let kept = set.tallies.iter().filter(|tally| tally.key.lead_id.is_none());
    kept.map(|tally| (tally.key, **tally)).collect()
}

/// After a refusal: whether a tally was missing. Nothing is looked up for it, because the books' tallies do not matter.
pub(super) fn begin_missing(set: &mut WorkingSet, refusal: &Refusal) -> bool {
    if !matches!(refusal, Refusal::NotLoaded(_)) {
        return false;
    }
    let keys = std::mem::take(&mut set.wanted().tallies);
    let mut was_missing = false;
    for key in keys {
        was_missing |= set.tallies.find(&key).is_none();
        set.tallies.insert_absent(key);
    }
    was_missing
}
