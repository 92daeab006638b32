//! The newest rows of many lists that are ordered by time, for the writer. Short lists, which are nearly all, are read together in
//! three statements. A list of several blocks takes some statements of its own.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sea_orm::EntityTrait;
use uuid::Uuid;

use super::block::Covering;
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

impl<E: Table> Newest<'_, E> {
    /// Reads the rows.
    pub(in crate::store) async fn of(
        &self,
        connection: &impl Reads,
        lists: BTreeSet<OwnList>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let mut tails = tail::places_of(connection, &lists).await?;
        let greatest = lists.iter().map(|(account_id, list)| (*account_id, *list, Place::GREATEST));
        let last_blocks = Covering::read(connection, greatest).await?;
        let mut rows = Vec::new();
        let mut short: BTreeMap<OwnList, Vec<Place>> = BTreeMap::new();
        for own in lists {
            let mut places = tails.remove(&own).unwrap_or_default();
            let last_block = last_blocks.get(own.0, own.1, Place::GREATEST);
            if places.len() > self.limit || last_block.is_some_and(|block| block.from.is_some()) {
                let reader = Reader::with_tail(connection, own, ListOrder::NewestFirst, None, places);
                rows.extend(self.of_long(connection, &own, reader).await?);
                continue;
            }
            places.extend(last_block.iter().flat_map(|block| &block.places));
            short.insert(own, places.into_iter().rev().collect());
        }
        rows.extend(self.of_short(connection, short).await?);
        Ok(rows)
    }

    /// The newest rows of lists of which all places are known, the newest first.
    async fn of_short(
        &self,
        connection: &impl Reads,
        lists: BTreeMap<OwnList, Vec<Place>>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let keys: BTreeSet<(Uuid, Uuid)> = lists
            .iter()
            .flat_map(|((account_id, _), places)| places.iter().map(|place| (account_id.uuid(), place.id)))
            .collect();
        let rows = rows_by::<E, _>(connection, &self.key, keys).await?;
        let mut rows: HashMap<(Uuid, Uuid), E::Model> =
            rows.into_iter().map(|row| ((self.key_of)(&row), row)).collect();
        let mut newest = Vec::new();
        for (own, places) in lists {
            let mut last_at = None;
            let mut count = 0;
            for place in places {
                if count >= self.limit && last_at != Some(place.at) {
                    break;
                }
                // A row that moved to another list is found in both, and belongs to that of today.
                let key = (own.0.uuid(), place.id);
                if rows.get(&key).is_some_and(|row| (self.is_wanted)(&own, row)) {
                    newest.extend(rows.remove(&key));
                    last_at = Some(place.at);
                    count += 1;
                }
            }
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
