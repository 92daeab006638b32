//! Pages of rows that are on a list. The list says which rows come next, and the rows are read by their keys. A filter may leave rows
//! out, so more and more of the list is taken until the page is full.

use std::cmp::Reverse;

use sea_orm::{ColumnTrait, QueryFilter, QueryTrait, Select, Value};
use uuid::Uuid;

use super::reader::Reader;
use super::{List, Place};
use crate::domain::id::AccountId;
use crate::store::StoreError;
use crate::store::backend::keys::narrow_to_values;
use crate::store::backend::table::{Reads, Table};
use crate::store::list::{ListOrder, Walk};

/// The most rows that are looked at in one statement.
const ROWS_MAX: usize = 1_000;

/// How many places are taken at once when the whole list is needed.
const PLACES_MAX: usize = 2_048;

/// The most ids that are kept while a list is put into another order, 1 MiB of them.
const IDS_MAX: usize = 65_536;

/// How the rows of a list are found by the ids of its places.
pub(in crate::store) struct Rows<E: Table, F> {
    /// The columns of the account and of what the id stands for.
    pub(in crate::store) key: [E::Column; 2],
    /// The value of the second column, from an id.
    pub(in crate::store) value: fn(Uuid) -> Value,
    /// The id of a row.
    pub(in crate::store) id: fn(&E::Model) -> Uuid,
    /// Narrows the rows.
    pub(in crate::store) filter: F,
}

impl<E: Table, F: Fn(Select<E>) -> Select<E>> Rows<E, F> {
    /// The rows with these ids that pass the filter, in this order.
    async fn read(
        &self,
        connection: &impl Reads,
        account_id: AccountId,
        ids: impl IntoIterator<Item = Uuid>,
        order: ListOrder,
    ) -> Result<Vec<E::Model>, StoreError> {
        let values: Vec<Value> = ids.into_iter().map(self.value).collect();
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let [account, key] = self.key;
        let mut query = (self.filter)(E::find()).filter(account.eq(account_id.uuid())).into_query();
        narrow_to_values::<E>(connection.backend(), &mut query, key, values)?;
        let mut rows = connection.models::<E>(&query).await?;
        match order {
            ListOrder::OldestFirst => rows.sort_by_key(self.id),
            ListOrder::NewestFirst => rows.sort_by_key(|row| Reverse((self.id)(row))),
        }
        Ok(rows)
    }
}

/// One page of the rows of a list that is ordered by id.
pub(in crate::store) async fn rows_of_list<E: Table, F: Fn(Select<E>) -> Select<E>>(
    connection: &impl Reads,
    list: (AccountId, List),
    rows: &Rows<E, F>,
    walk: Walk,
) -> Result<Vec<E::Model>, StoreError> {
    rows_of_list_up_to(connection, list, rows, walk, u64::MAX).await.map(|(page, _)| page)
}

/// One page of the rows of a list that is ordered by id, and the place where it ended because it had looked at about this many places and
/// was not full.
pub(in crate::store) async fn rows_of_list_up_to<E: Table, F: Fn(Select<E>) -> Select<E>>(
    connection: &impl Reads,
    list: (AccountId, List),
    rows: &Rows<E, F>,
    walk: Walk,
    places_max: u64,
) -> Result<(Vec<E::Model>, Option<Uuid>), StoreError> {
    let limit = usize::try_from(walk.limit).unwrap_or(usize::MAX);
    let mut reader = Reader::open(connection, list, walk.order, walk.after.map(Place::of_id), limit).await?;
    let mut page = Vec::new();
    let mut length = limit.min(ROWS_MAX);
    let mut looked_at = 0;
    let mut end = None;
    while page.len() < limit {
        if looked_at as u64 >= places_max {
            return Ok((page, end));
        }
        let places = reader.next(length).await?;
        end = places.last().map(|place| place.id);
        let is_last = places.len() < length;
        page.extend(rows.read(connection, list.0, places.iter().map(|place| place.id), walk.order).await?);
        if is_last {
            break;
        }
        length = length_after(page.len(), limit, &mut looked_at, length);
    }
    page.truncate(limit);
    Ok((page, None))
}

/// How many places to look at next, so that about the missing rows are found if as many pass the filter as before.
fn length_after(found: usize, limit: usize, looked_at: &mut usize, length: usize) -> usize {
    *looked_at += length;
    let missing = limit.saturating_sub(found);
    // A fifth more, because a few rows that are missing cost another statement.
    let expected = (missing * *looked_at).saturating_mul(6) / (5 * found.max(1));
    expected.clamp(1, ROWS_MAX)
}

/// One page, in the order of ids, of the rows of a list that is ordered by time. Goes through the whole list and keeps the ids that
/// come next, so a page of a long list takes time, but little memory.
pub(in crate::store) async fn rows_in_order_of_ids<E: Table, F: Fn(Select<E>) -> Select<E>>(
    connection: &impl Reads,
    list: (AccountId, List),
    rows: &Rows<E, F>,
    walk: Walk,
) -> Result<Vec<E::Model>, StoreError> {
    let limit = usize::try_from(walk.limit).unwrap_or(usize::MAX);
    let mut page = Vec::new();
    let mut after = walk.after;
    let mut looked_at = 0;
    let mut length = limit.clamp(1, ROWS_MAX);
    while page.len() < limit {
        let ids = next_ids(connection, list, walk.order, after).await?;
        let mut rest = &ids[..];
        while page.len() < limit && !rest.is_empty() {
            let (next, others) = rest.split_at(length.min(rest.len()));
            page.extend(rows.read(connection, list.0, next.iter().copied(), walk.order).await?);
            length = length_after(page.len(), limit, &mut looked_at, next.len());
            rest = others;
        }
        if ids.len() < IDS_MAX {
            break;
        }
        after = ids.last().copied();
    }
    page.truncate(limit);
    Ok(page)
}

/// The first ids of a list after this one in this order of ids, up to [`IDS_MAX`].
async fn next_ids(
    connection: &impl Reads,
    list: (AccountId, List),
    order: ListOrder,
    after: Option<Uuid>,
) -> Result<Vec<Uuid>, StoreError> {
    let is_next = |id: &Uuid| match (order, after) {
        (_, None) => true,
        (ListOrder::OldestFirst, Some(after)) => *id > after,
        (ListOrder::NewestFirst, Some(after)) => *id < after,
    };
    let mut reader = Reader::open(connection, list, order, None, PLACES_MAX).await?;
    let mut ids = Vec::new();
    loop {
        let places = reader.next(PLACES_MAX).await?;
        ids.extend(places.iter().map(|place| place.id).filter(is_next));
        let is_last = places.len() < PLACES_MAX;
        if is_last || ids.len() > 2 * IDS_MAX {
            match order {
                ListOrder::OldestFirst => ids.sort_unstable(),
                ListOrder::NewestFirst => ids.sort_unstable_by_key(|id| Reverse(*id)),
            }
            // A conversion whose time changed has a place for each of its times.
            ids.dedup();
            ids.truncate(IDS_MAX);
        }
        if is_last {
            return Ok(ids);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_places_are_looked_at_as_the_filter_needs() {
        let mut looked_at = 0;
        assert_eq!(length_after(5, 50, &mut looked_at, 50), 540, "one of ten passes");
        assert_eq!(length_after(49, 50, &mut looked_at, 540), 14);
        assert_eq!(length_after(0, 50, &mut 0, 50), ROWS_MAX, "none has passed");
        assert_eq!(length_after(50, 50, &mut 0, 50), 1);
    }
}
