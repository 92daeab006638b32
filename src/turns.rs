//! Things that wait, by owner. The owners take turns, so that one with much waiting delays no other one by more than a turn. What
//! one owner has waiting is taken in the order in which it came. Knows nothing of what waits.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashMap;

/// How many empty queues are kept for new owners, so that an owner that comes and goes allocates nothing.
const SPARE_QUEUES_MAX: usize = 64;

/// See the head of the file.
#[derive(Debug)]
pub struct Turns<Owner, Item> {
    /// What each owner has waiting. An owner with nothing waiting is not listed.
    waiting: HashMap<Owner, VecDeque<Item>>,
    /// The owners with something waiting, in the order of their next turns.
    order: VecDeque<Owner>,
    spare: Vec<VecDeque<Item>>,
}

impl<Owner, Item> Default for Turns<Owner, Item> {
    fn default() -> Self {
        Self { waiting: HashMap::new(), order: VecDeque::new(), spare: Vec::new() }
    }
}

impl<Owner: Copy + Eq + Hash, Item> Turns<Owner, Item> {
    /// Adds an item after all others of its owner. An owner with nothing waiting gets its turn after all others.
    pub fn push(&mut self, owner: Owner, item: Item) {
        let Self { waiting, order, spare } = self;
        let queue = waiting.entry(owner).or_insert_with(|| {
            order.push_back(owner);
            spare.pop().unwrap_or_default()
        });
        queue.push_back(item);
    }

    /// How many owners have something waiting.
    pub fn owners(&self) -> usize {
        self.order.len()
    }

    /// Gives the next owner its turn: the closure takes what it wants from the front of the owner's queue. `None` when nothing is
    /// waiting.
    pub fn take_turn<R>(&mut self, turn: impl FnOnce(Owner, &mut VecDeque<Item>) -> R) -> Option<R> {
        let owner = self.order.pop_front()?;
        let queue = self.waiting.get_mut(&owner)?;
        let result = turn(owner, queue);
        if !queue.is_empty() {
            self.order.push_back(owner);
        } else if let Some(queue) = self.waiting.remove(&owner)
            && self.spare.len() < SPARE_QUEUES_MAX
        {
            self.spare.push(queue);
        }
        Some(result)
    }

    /// Removes the items of an owner that are no longer wanted.
    pub fn retain(&mut self, owner: Owner, is_wanted: impl FnMut(&Item) -> bool) {
        let Some(queue) = self.waiting.get_mut(&owner) else { return };
        queue.retain(is_wanted);
        if queue.is_empty() {
            self.waiting.remove(&owner);
            self.order.retain(|other| *other != owner);
        }
    }

    /// How much an owner has waiting.
    pub fn waiting(&self, owner: Owner) -> usize {
        self.waiting.get(&owner).map_or(0, VecDeque::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes up to `count` items in a turn.
    fn take(turns: &mut Turns<char, u32>, count: usize) -> Option<(char, Vec<u32>)> {
        turns.take_turn(|owner, queue| (owner, queue.drain(..count.min(queue.len())).collect()))
    }

    #[test]
    fn owners_take_turns_and_their_items_keep_their_order() {
        let mut turns = Turns::default();
        (1..=5).for_each(|item| turns.push('a', item));
        (1..=2).for_each(|item| turns.push('b', item));
        turns.push('c', 1);
        assert_eq!((turns.owners(), turns.waiting('a')), (3, 5));
        assert_eq!(take(&mut turns, 2), Some(('a', vec![1, 2])));
        // An owner that comes while others wait is behind them.
        turns.push('d', 1);
        for expected in [('b', vec![1, 2]), ('c', vec![1]), ('a', vec![3, 4]), ('d', vec![1]), ('a', vec![5])] {
            assert_eq!(take(&mut turns, 2), Some(expected));
        }
        assert_eq!((take(&mut turns, 2), turns.owners(), turns.waiting('a')), (None, 0, 0));
        turns.push('a', 6);
        assert_eq!(take(&mut turns, 2), Some(('a', vec![6])));
    }

    #[test]
    fn an_owner_that_takes_nothing_keeps_its_items_and_loses_its_turn() {
        let mut turns = Turns::default();
        turns.push('a', 1);
        turns.push('b', 1);
        assert_eq!(take(&mut turns, 0), Some(('a', vec![])));
        assert_eq!(take(&mut turns, 1), Some(('b', vec![1])));
        assert_eq!(take(&mut turns, 1), Some(('a', vec![1])));
    }

    #[test]
    fn items_that_nobody_wants_are_removed() {
        let mut turns = Turns::default();
        (1..=4).for_each(|item| turns.push('a', item));
        turns.retain('a', |item| item % 2 == 0);
        turns.retain('b', |_| true);
        assert_eq!(turns.waiting('a'), 2);
        turns.retain('a', |_| false);
        assert_eq!((turns.owners(), take(&mut turns, 1)), (0, None));
    }
}
