//! The tallies of a simulation. It counts anew, from nothing: the tallies of the books have the history in them already. What the rules write
//! while a customer is judged is kept for the next customers, by the terms in force and by the proposed ones.
//!
//! The memory is bounded by the affiliates and the periods, because the tallies of one customer are needed by nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::climb::Climbs;
use crate::domain::conversion::Conversion;
use crate::domain::id::ConversionId;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::simulation::{ProposedTerms, SimulatedConversion, has_tallies};
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
    /// Whether any terms have a ladder.
    pub(super) has_ladders: bool,
    pub(super) current_climbs: Climbs,
    pub(super) proposed_climbs: Climbs,
    /// Since which version each version of the program counts on its ladder, with the proposed terms in place of one.
    pub(super) counting_since: BTreeMap<i32, i32>,
    /// The sales that meet a ladder, with what they earn at step 0.
    pub(super) climbing: Vec<SimulatedConversion>,
    /// The refunds and corrections without a lead of each sale.
    pub(super) loose_changes: BTreeMap<ConversionId, Vec<Arc<Conversion>>>,
}

impl SimulatedTallies {
    /// Tallies of nothing. `versions` are those of all programs.
    pub fn of(versions: &[&Terms], proposed: &ProposedTerms) -> Self {
        let counting_since = proposed.counting_since(versions);
        let mut tallies = Self { counting_since, ..Self::default() };
        for terms in versions.iter().copied().chain([proposed.terms.as_ref()]) {
            tallies.has_ladders |= terms.rules.ladder.is_some();
            tallies.count_all |= terms.rules.ladder.is_some() || has_tallies(&terms.rules);
        }
        tallies
    }

    /// Whether refunds and corrections without a lead must be added before anything is judged: their sales may climb ladders, and no list
    /// of a customer has them.
    pub const fn wants_loose_changes(&self) -> bool {
        self.has_ladders
    }

    /// Adds a refund or a correction that has no lead.
    pub fn add_loose_change(&mut self, change: Arc<Conversion>) {
        if let Some(sale_id) = change.sale_id.filter(|_| change.lead_id.is_none()) {
            self.loose_changes.entry(sale_id).or_default().push(change);
        }
    }

    /// How many conversions of the time of the proposed terms were judged and are told at the end.
    pub fn climbing_count(&self) -> usize {
        self.climbing.iter().filter(|sale| sale.is_covered).count()
    }

    /// Lets the sales climb their ladders in the order in which they were told. Returns those that [`simulate`](super::simulate) has not.
    ///
    /// # Errors
    /// The refusal of sums that are too large.
    pub fn finish(&mut self) -> Result<Vec<SimulatedConversion>, Refusal> {
        let (current, proposed) = (self.current_climbs.climb()?, self.proposed_climbs.climb()?);
        let mut climbed = std::mem::take(&mut self.climbing);
        for sale in &mut climbed {
            for (sums, more) in [(&mut sale.current, &current), (&mut sale.proposed, &proposed)] {
                for (key, minor) in more.get(&sale.conversion_id).into_iter().flatten() {
                    let sum = sums.entry(*key).or_default();
                    *sum = sum.saturating_add(*minor);
                }
            }
        }
        climbed.retain(SimulatedConversion::is_told);
        Ok(climbed)
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
    let wanted = set.wanted();
    let (keys, of_ladders) = (std::mem::take(&mut wanted.tallies), std::mem::take(&mut wanted.ladder_tallies));
    let mut was_missing = false;
    for key in keys {
        was_missing |= set.tallies.find(&key).is_none();
        set.tallies.insert_absent(key);
    }
    for key in of_ladders {
        was_missing |= set.ladder_tallies.find(&key).is_none();
        set.ladder_tallies.insert_absent(key);
    }
    was_missing
}
