//! Pages of rows in the order of their ids: the paging that all lists share. Knows no kind.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Value,
};
use uuid::Uuid;

use super::StoreError;
use super::set::stored::{Stored, key_columns};
use crate::domain::id::{AccountId, TypedId};

/// About how many rows a page reads at most, if its filter has no index and leaves most rows out.
#[cfg(not(feature = "failpoints"))]
pub(super) const SCAN_MAX: u64 = 10_000;

/// Small, so that tests get pages that end before they are full.
#[cfg(feature = "failpoints")]
pub(super) const SCAN_MAX: u64 = 8;

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// In the order of creation.
    #[default]
    OldestFirst,
    /// The newest row first.
    NewestFirst,
}

impl ListOrder {
    /// Every order.
    pub const ALL: &[Self] = &[Self::OldestFirst, Self::NewestFirst];
}

/// The rows to read for one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk<Place = Uuid> {
    /// The order of the rows.
    pub order: ListOrder,
    /// The row before the page's first row. `None`: the page starts at the beginning of the list.
    pub after: Option<Place>,
    /// The maximum number of rows.
    pub limit: u64,
}

impl<Place> Walk<Place> {
    /// The page of the oldest rows.
    pub const fn first(limit: u64) -> Self {
        Self { order: ListOrder::OldestFirst, after: None, limit }
    }

    /// Limits a query to the rows of the page. `place` is the column that orders the list.
    pub(super) fn cut<E: EntityTrait>(self, query: Select<E>, place: impl ColumnTrait) -> Select<E>
    where
        Place: Into<Value>,
    {
        let query = query.limit(self.limit);
        match self.order {
            ListOrder::OldestFirst => {
                query.apply_if(self.after, |query, after| query.filter(place.gt(after))).order_by_asc(place)
            }
            ListOrder::NewestFirst => {
                query.apply_if(self.after, |query, after| query.filter(place.lt(after))).order_by_desc(place)
            }
        }
    }
}

/// A kind with account and id as its primary key, so that its rows can be listed in the order of their ids.
pub(super) trait Listed: Stored {
    /// The id of the row.
    fn place(&self) -> Uuid;
}

impl<S: Stored<Key = (AccountId, I)>, I: TypedId> Listed for S {
    fn place(&self) -> Uuid {
        self.key().1.uuid()
    }
}

/// A query for one page of an account's rows.
pub(super) fn page<S: Listed>(account_id: AccountId, walk: Walk) -> Select<S::Table> {
    match key_columns::<S::Table>()[..] {
        [account, id] => walk.cut(S::Table::find().filter(account.eq(account_id.uuid())), id),
        // The table does not fit the kind's key. Returning no row is safer than returning the rows of all accounts.
        _ => nothing::<S>(),
    }
}

/// Limits a query to rows that have one of these values. No values are no limit.
pub(super) fn one_of<E: EntityTrait, V: Copy + Into<&'static str>>(
    query: Select<E>,
    column: impl ColumnTrait,
    values: &[V],
) -> Select<E> {
    if values.is_empty() {
        return query;
    }
    query.filter(column.is_in(values.iter().map(|value| -> &'static str { (*value).into() })))
}

fn nothing<S: Stored>() -> Select<S::Table> {
    S::Table::find().filter(Expr::value(false))
}

/// How many rows a query has. `key` is a column without nulls.
pub(super) async fn count<E: EntityTrait>(
    query: Select<E>,
    key: impl ColumnTrait,
    connection: &impl ConnectionTrait,
) -> Result<i64, StoreError> {
    let count: Option<i64> = query.select_only().expr(key.count()).into_tuple().one(connection).await?;
    Ok(count.unwrap_or_default())
}

/// Reads a page.
pub(super) async fn read<S: Stored>(
    query: Select<S::Table>,
    connection: &impl ConnectionTrait,
) -> Result<Vec<S>, StoreError> {
    query.all(connection).await?.into_iter().map(S::from_row).collect()
}
