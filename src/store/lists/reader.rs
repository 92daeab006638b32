//! Reads a list in order: the places of its blocks and those in the tail.
//!
//! The tail is read in one statement with the first blocks, or before them. A fold that comes later moves entries into blocks, and they
//! are then found in both, but never in none.
//! Blocks are found by the place up to which they were read, so it does not matter when a fold divides one meanwhile.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};

use super::block::{self, Block};
use super::{List, Place, tail};
use crate::domain::id::AccountId;
use crate::store::StoreError;
use crate::store::backend::table::Reads;
use crate::store::list::ListOrder;

/// How many blocks are read at least and at most at once. At least two, because the first may be known already.
const BLOCKS_MIN: usize = 2;
const BLOCKS_MAX: usize = 64;

/// How many blocks have about this many places.
fn blocks_of(places: usize) -> usize {
    // The first block may have a single place that is wanted.
    (places / block::LENGTH_MAX + BLOCKS_MIN).min(BLOCKS_MAX)
}

/// See the head of the file.
pub(super) struct Reader<'read, C> {
    connection: &'read C,
    list: (AccountId, List),
    order: ListOrder,
    /// The places of the tail that are still to come, in the order of the reader.
    tail: VecDeque<Place>,
    /// The same of the blocks that were read.
    blocks: VecDeque<Place>,
    /// The place up to which blocks were read.
    read_to: Option<Place>,
    blocks_next: usize,
    has_all_blocks: bool,
}

impl<'read, C: Reads> Reader<'read, C> {
    /// A reader of the places after this one, about `length` of which will be needed. Reads the tail and the first blocks.
    pub(super) async fn open(
        connection: &'read C,
        list: (AccountId, List),
        order: ListOrder,
        after: Option<Place>,
        length: usize,
    ) -> Result<Self, StoreError> {
        let blocks_next = blocks_of(length);
        let tail = tail::query(list.0);
        let (blocks, tail) = block::read_with(connection, list, order, after, blocks_next, tail).await?;
        let tail = tail::places(list, &tail)?;
        let mut reader = Self { blocks_next, ..Self::with_tail(connection, list, order, after, tail) };
        reader.add_blocks(blocks);
        Ok(reader)
    }

    /// A reader for which the list's places in the tail were read already.
    pub(super) fn with_tail(
        connection: &'read C,
        list: (AccountId, List),
        order: ListOrder,
        after: Option<Place>,
        tail: BTreeSet<Place>,
    ) -> Self {
        let mut reader = Self {
            connection,
            list,
            order,
            tail: VecDeque::new(),
            blocks: VecDeque::new(),
            read_to: after,
            blocks_next: BLOCKS_MIN,
            has_all_blocks: false,
        };
        reader.tail = reader.after(after, tail.into_iter().collect());
        reader
    }

    /// The next places, as many as this. Fewer are the last ones.
    pub(super) async fn next(&mut self, limit: usize) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::new();
        self.blocks_next = blocks_of(limit);
        while places.len() < limit {
            let Some(place) = self.peek().await? else { break };
            self.take(place);
            places.push(place);
        }
        Ok(places)
    }

    /// The next places that have this time.
    pub(super) async fn next_at(&mut self, at: i64) -> Result<Vec<Place>, StoreError> {
        let mut places = Vec::new();
        while let Some(place) = self.peek().await?.filter(|place| place.at == at) {
            self.take(place);
            places.push(place);
        }
        Ok(places)
    }

    async fn peek(&mut self) -> Result<Option<Place>, StoreError> {
        while self.blocks.is_empty() && !self.has_all_blocks {
            self.read_blocks().await?;
        }
        Ok(match (self.blocks.front(), self.tail.front()) {
            (Some(block), Some(tail)) if self.compare(block, tail).is_gt() => Some(*tail),
            (Some(place), _) | (None, Some(place)) => Some(*place),
            (None, None) => None,
        })
    }

    /// Takes the place that was peeked at. It may be in the tail and in a block.
    fn take(&mut self, place: Place) {
        for source in [&mut self.blocks, &mut self.tail] {
            source.pop_front_if(|first| *first == place);
        }
    }

    async fn read_blocks(&mut self) -> Result<(), StoreError> {
        let blocks = block::read(self.connection, self.list, self.order, self.read_to, self.blocks_next).await?;
        self.add_blocks(blocks);
        Ok(())
    }

    /// Takes the blocks that were asked for. Fewer are the last ones.
    fn add_blocks(&mut self, blocks: Vec<Block>) {
        self.has_all_blocks = blocks.len() < self.blocks_next;
        self.blocks_next = (2 * self.blocks_next).min(BLOCKS_MAX);
        let mut places: Vec<Place> = blocks.into_iter().flat_map(|block| block.places).collect();
        places.sort_unstable();
        self.blocks = self.after(self.read_to, places);
        self.read_to = self.blocks.back().copied().or(self.read_to);
    }

    /// Takes the places after this one from ascending places, in the order of the reader.
    fn after(&self, after: Option<Place>, places: Vec<Place>) -> VecDeque<Place> {
        let is_after = |place: &Place| after.is_none_or(|after| self.compare(place, &after).is_gt());
        let places = places.into_iter().filter(is_after);
        match self.order {
            ListOrder::OldestFirst => places.collect(),
            ListOrder::NewestFirst => places.rev().collect(),
        }
    }

    fn compare(&self, place: &Place, other: &Place) -> Ordering {
        match self.order {
            ListOrder::OldestFirst => place.cmp(other),
            ListOrder::NewestFirst => other.cmp(place),
        }
    }
}
