//! Shares of a limited supply: calls, queue room, streams, connections, bytes. Each owner may take what is left, but never more
//! than twice what would then be left to the others. A lone owner can therefore have two thirds of the supply, two owners two
//! fifths each, and a newcomer always finds something. No owner has to be known in advance.
//!
//! This is the dynamic threshold of shared-memory switches: A. Choudhury and E. Hahne, "Dynamic Queue Length Thresholds for
//! Shared-Memory Packet Switches", IEEE/ACM Transactions on Networking 6 (1998). Knows nothing of what is shared.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hashbrown::HashMap;

/// How many times as much as is left an owner may have. The formula of the source calls it alpha.
const THRESHOLD: u64 = 2;

/// A supply that owners share. Clones share one supply.
#[derive(Debug)]
pub struct Shares<Owner>(Arc<Mutex<State<Owner>>>);

#[derive(Debug)]
struct State<Owner> {
    total: u64,
    left: u64,
    /// What each owner has. An owner that has nothing is not listed.
    taken: HashMap<Owner, u64>,
}

impl<Owner> Clone for Shares<Owner> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Owner: Copy + Eq + Hash> Shares<Owner> {
    /// A supply of this size.
    pub fn new(total: u64) -> Self {
        Self(Arc::new(Mutex::new(State { total, left: total, taken: HashMap::new() })))
    }

    /// Takes so much for an owner. `None` when it is more than the owner's share at the moment, or more than is left. The share
    /// is given back when it is dropped.
    pub fn take(&self, owner: Owner, amount: u64) -> Option<Share<Owner>> {
        let mut state = self.state();
        let left = state.left.checked_sub(amount)?;
        let taken = state.taken.get(&owner).copied().unwrap_or_default().saturating_add(amount);
        // The last ones go to owners that have nothing yet. Otherwise a small supply could not be used up.
        let is_first = taken == amount;
        if taken > THRESHOLD.saturating_mul(left) && !is_first {
            return None;
        }
        state.left = left;
        state.taken.insert(owner, taken);
        drop(state);
        Some(Share { owner, amount, shares: self.clone() })
    }

    /// How much is left.
    pub fn left(&self) -> u64 {
        self.state().left
    }

    /// How much all owners have.
    pub fn used(&self) -> u64 {
        let state = self.state();
        state.total - state.left
    }

    /// How much an owner has.
    pub fn taken(&self, owner: Owner) -> u64 {
        self.state().taken.get(&owner).copied().unwrap_or_default()
    }

    /// Whether less than a quarter is left, or the owner has all of its share.
    pub fn is_short_for(&self, owner: Owner) -> bool {
        let state = self.state();
        let taken = state.taken.get(&owner).copied().unwrap_or_default();
        state.left < state.total / 4 || taken + 1 > THRESHOLD.saturating_mul(state.left.saturating_sub(1))
    }

    fn state(&self) -> MutexGuard<'_, State<Owner>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an owner has taken. Dropping it gives it back.
#[derive(Debug)]
pub struct Share<Owner: Copy + Eq + Hash> {
    owner: Owner,
    amount: u64,
    shares: Shares<Owner>,
}

impl<Owner: Copy + Eq + Hash> Drop for Share<Owner> {
    fn drop(&mut self) {
        let mut state = self.shares.state();
        state.left += self.amount;
        if let Some(taken) = state.taken.get_mut(&self.owner) {
            *taken -= self.amount;
            if *taken == 0 {
                state.taken.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes one at a time until it is refused. Returns how many it got.
    fn take_all(shares: &Shares<u8>, owner: u8, held: &mut Vec<Share<u8>>) -> u64 {
        let before = held.len();
        held.extend(std::iter::from_fn(|| shares.take(owner, 1)));
        (held.len() - before) as u64
    }

    #[test]
    fn one_owner_leaves_a_third_and_others_find_theirs() {
        let shares = Shares::new(90);
        let mut held = Vec::new();
        assert_eq!(take_all(&shares, 1, &mut held), 60);
        assert_eq!(take_all(&shares, 2, &mut held), 20);
        assert_eq!(take_all(&shares, 3, &mut held), 6);
        assert_eq!(shares.left(), 4);
        assert_eq!(take_all(&shares, 1, &mut held), 0);
        drop(held);
        assert_eq!((shares.left(), shares.taken(1)), (90, 0));
        assert_eq!(take_all(&shares, 1, &mut Vec::new()), 60);
    }

    #[test]
    fn a_supply_of_one_can_be_taken_once() {
        let shares = Shares::new(1);
        let held = shares.take(1, 1).unwrap();
        assert!(shares.take(1, 1).is_none() && shares.take(2, 1).is_none());
        drop(held);
        assert!(shares.take(2, 1).is_some());
    }

    #[test]
    fn an_amount_is_taken_whole_or_not_at_all() {
        let shares = Shares::new(100);
        assert!(shares.take(1, 101).is_none());
        let large = shares.take(1, 60).unwrap();
        assert!(shares.take(1, 10).is_none());
        assert_eq!((shares.left(), shares.taken(1)), (40, 60));
        assert!(!shares.is_short_for(1) && !shares.is_short_for(2));
        let rest = shares.take(1, 6).unwrap();
        assert!(shares.is_short_for(1) && !shares.is_short_for(2));
        drop(rest);
        drop(large);
        assert_eq!(shares.left(), 100);
    }

    /// Whatever is taken and given back: nothing is lost, and no second amount is above the threshold.
    #[test]
    fn takings_and_returns_in_any_order_keep_the_sum() {
        let mut random = proptest::test_runner::TestRunner::deterministic();
        let steps = proptest::collection::vec((0_u8..4, 1_u64..20, proptest::bool::ANY), 1..200);
        random
            .run(&steps, |steps| {
                let shares = Shares::new(100);
                let mut held: Vec<(u8, u64, Share<u8>)> = Vec::new();
                for (owner, amount, gives_back) in steps {
                    if gives_back && !held.is_empty() {
                        held.swap_remove(amount as usize % held.len());
                    } else if let Some(share) = shares.take(owner, amount) {
                        let had =
                            held.iter().filter(|(other, ..)| *other == owner).map(|(_, amount, _)| amount).sum::<u64>();
                        assert!(had == 0 || had + amount <= 2 * shares.left());
                        held.push((owner, amount, share));
                    }
                    assert_eq!(shares.left() + held.iter().map(|(_, amount, _)| amount).sum::<u64>(), 100);
                }
                Ok(())
            })
            .unwrap();
    }
}
