//! Lists that are filtered by the merchant's own texts. A row has its texts in one column, some with other details. They have no index, because
//! every write of such a row would pay for it. A page reads about [`SCAN_MAX`] rows at most, so it may end before it is full.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Select};
use uuid::Uuid;

use super::backend::text_contains;
use super::list::{self, ListOrder, Listed, SCAN_MAX, Walk};
use super::row::to_json;
use super::{StoreError, form};

/// The merchant's own texts by key.
pub type Metadata = BTreeMap<String, String>;

/// The text of a column that has the texts alone. Most rows have none.
pub(super) fn to_text(metadata: &Metadata) -> Result<Option<String>, StoreError> {
    if metadata.is_empty() { Ok(None) } else { Ok(Some(to_json(metadata)?)) }
}

/// A kind of row with the merchant's own texts.
pub(super) trait HasMetadata: Listed {
    /// The texts of the row.
    fn metadata(&self) -> &Metadata;
}

/// The rows of one page.
#[derive(Debug)]
pub struct Scanned<Row> {
    /// The rows that the filter takes.
    pub rows: Vec<Row>,
    /// The page may have ended here before it was full. There may be more rows after this place.
    pub ended_at: Option<Uuid>,
}

/// Leaves out the rows that look like having the texts and do not. `end` is the place at which reading ended.
pub(super) fn scanned<Row: HasMetadata>(
    mut rows: Vec<Row>,
    limit: u64,
    end: Option<Uuid>,
    wanted: &Metadata,
) -> Scanned<Row> {
    let is_full = rows.len() as u64 >= limit;
    let ended_at = if is_full { rows.last().map(Listed::place) } else { end };
    rows.retain(|row| wanted.iter().all(|(key, text)| row.metadata().get(key) == Some(text)));
    Scanned { rows, ended_at }
}

/// Limits a query to rows whose details look like having these texts. Another detail may look the same.
pub(super) fn may_have<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    query: Select<E>,
    details: impl ColumnTrait,
    wanted: &Metadata,
) -> Select<E> {
    wanted.iter().fold(query, |query, (key, text)| {
        query.filter(text_contains(connection, details, &form::text_field(key, text)))
    })
}

/// One page of the rows of a query that have these texts. `place` is the column that orders the list, and `details` has the texts.
pub(super) async fn read<S: HasMetadata>(
    connection: &impl ConnectionTrait,
    query: Select<S::Table>,
    (place, details): (impl ColumnTrait, impl ColumnTrait),
    wanted: &Metadata,
    walk: Walk,
) -> Result<Scanned<S>, StoreError> {
    if wanted.is_empty() {
        return Ok(Scanned { rows: list::read(walk.cut(query, place), connection).await?, ended_at: None });
    }
    let (page, end) = cut_at_scan_max(connection, query, place, walk).await?;
    let rows = list::read(may_have(connection, page, details, wanted), connection).await?;
    Ok(scanned(rows, walk.limit, end, wanted))
}

/// The page of a query, of the first [`SCAN_MAX`] rows alone, and the place where it ends if there may be more.
pub(super) async fn cut_at_scan_max<E: EntityTrait>(
    connection: &impl ConnectionTrait,
    query: Select<E>,
    place: impl ColumnTrait,
    walk: Walk,
) -> Result<(Select<E>, Option<Uuid>), StoreError> {
    let page = walk.cut(query.clone(), place);
    let last = Walk { limit: 1, ..walk }.cut(query.select_only().column(place), place).offset(SCAN_MAX - 1);
    let end: Option<Uuid> = last.into_tuple().one(connection).await?;
    let page = match (end, walk.order) {
        (None, _) => page,
        (Some(end), ListOrder::OldestFirst) => page.filter(place.lte(end)),
        (Some(end), ListOrder::NewestFirst) => page.filter(place.gte(end)),
    };
    Ok((page, end))
}
