//! The newest rows of many lists that are ordered by time, for the writer. The tail and the last block of each list nearly always have
//! them, so all lists are read together in three statements. Another list takes some statements of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::EntityTrait;
use uuid::Uuid;

use super::block::{Block, Covering};
use super::reader::Reader;
use super::{OwnList, Place, tail};
use crate::domain::id::AccountId;
use crate::store::StoreError;
use crate::store::backend::table::{Reads, Table};
use crate::store::list::ListOrder;
use crate::store::set::keyed::rows_by;

/// How to read the newest rows.
pub(in crate::store) struct Newest<'rows, E: EntityTrait> {
    /// The columns of the primary key: account and id.
    pub(in crate::store) key: [E::Column; 2],
    /// The account and the id of a row.
    pub(in crate::store) key_of: fn(&E::Model) -> (Uuid, Uuid),
    /// Whether a row of the list counts.
    pub(in crate::store) is_wanted: &'rows (dyn Fn(&OwnList, &E::Model) -> bool + Sync),
    /// How many rows to read of each list at least. Rows of the same time as the last of them are read too.
    pub(in crate::store) limit: usize,
}

/// The last places of a list.
struct End {
    /// The newest first.
    places: Vec<Place>,
    /// The place from which on these are all places of the list. `None`: the list has no others.
    from: Option<Place>,
}

impl End {
    /// The places of the tail and of the last block.
    fn new(tail: &BTreeSet<Place>, last_block: Option<&Block>) -> Self {
        let from = last_block.and_then(|block| block.from);
        let block = last_block.into_iter().flat_map(|block| &block.places);
        let places: BTreeSet<Place> = tail.iter().chain(block).copied().filter(|place| Some(*place) >= from).collect();
        Self { places: places.into_iter().rev().collect(), from }
    }
}

impl<E: Table> Newest<'_, E> {
    /// Reads the rows.
    pub(in crate::store) async fn of(
        &self,
        connection: &impl Reads,
        lists: BTreeSet<OwnList>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let no_places = BTreeSet::new();
        let mut tails = tail::places_of(connection, &lists).await?;
        let greatest = lists.iter().map(|(account_id, list)| (*account_id, *list, Place::GREATEST));
        let last_blocks = Covering::read(connection, greatest).await?;
        let mut ends = BTreeMap::new();
        let mut long: Vec<OwnList> = Vec::new();
        for own in lists {
            let tail = tails.get(&own).unwrap_or(&no_places);
            let end = End::new(tail, last_blocks.get(own.0, own.1, Place::GREATEST));
            // A long tail has more rows than are needed.
            if tail.len() > self.limit || (end.from.is_some() && end.places.len() < self.limit) {
                long.push(own);
            } else {
                ends.insert(own, end);
            }
        }
        let mut rows = self.of_ends(connection, ends, &mut long).await?;
        for own in long {
            let tail = tails.remove(&own).unwrap_or_default();
            let reader = Reader::with_tail(connection, own, ListOrder::NewestFirst, None, tail);
            rows.extend(self.of_long(connection, &own, reader).await?);
        }
        Ok(rows)
    }

    /// The newest rows of lists, the newest first. Lists whose ends have too few of them are added to `long` instead.
    async fn of_ends(
        &self,
        connection: &impl Reads,
        ends: BTreeMap<OwnList, End>,
        long: &mut Vec<OwnList>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let keys: BTreeSet<(Uuid, Uuid)> = ends
            .iter()
            .flat_map(|((account_id, _), end)| end.places.iter().map(|place| (account_id.uuid(), place.id)))
            .collect();
        let rows = rows_by::<E, _>(connection, &self.key, keys).await?;
        let mut rows: HashMap<(Uuid, Uuid), E::Model> =
            rows.into_iter().map(|row| ((self.key_of)(&row), row)).collect();
        let mut newest = Vec::new();
        for (own, end) in ends {
            // A row that moved to another list is found in both, and belongs to that of today.
            let is_wanted =
                |place: &&Place| rows.get(&(own.0.uuid(), place.id)).is_some_and(|row| (self.is_wanted)(&own, row));
            let wanted: Vec<Place> = end.places.iter().filter(is_wanted).copied().collect();
            let last = self.limit.checked_sub(1).and_then(|last| wanted.get(last));
            // Rows of the time of the last one may be before the end too.
            if end.from.is_some_and(|from| last.is_none_or(|last| last.at <= from.at)) {
                long.push(own);
                continue;
            }
            let counted = wanted.iter().take_while(|place| last.is_none_or(|last| place.at >= last.at));
            newest.extend(counted.filter_map(|place| rows.remove(&(own.0.uuid(), place.id))));
        }
        Ok(newest)
    }

    async fn of_long(
        &self,
        connection: &impl Reads,
        own: &OwnList,
        mut reader: Reader<'_, impl Reads>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let mut newest: Vec<E::Model> = Vec::new();
        // More and more, because few rows of the list may be wanted.
        let mut length = self.limit;
        while newest.len() < self.limit {
            let places = reader.next(length).await?;
            length *= 2;
            let Some(last) = places.last().copied() else { break };
            newest.extend(self.wanted(connection, own, places).await?);
            if newest.len() >= self.limit {
                let same_time = reader.next_at(last.at).await?;
                newest.extend(self.wanted(connection, own, same_time).await?);
            }
        }
        Ok(newest)
    }

    async fn wanted(
        &self,
        connection: &impl Reads,
        own: &OwnList,
        places: Vec<Place>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let account = AccountId::uuid(own.0);
        let rows = rows_by::<E, _>(connection, &self.key, places.iter().map(|place| (account, place.id))).await?;
        Ok(rows.into_iter().filter(|row| (self.is_wanted)(own, row)).collect())
    }
}
