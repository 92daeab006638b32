//! Pages of rows in the order of their ids: the paging that all lists share. Knows no kind.

use std::cmp::Reverse;

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait, RelationDef,
    Select, Value,
};
use uuid::Uuid;

use super::StoreError;
use super::backend::bytes_contain;
use super::backend::table::Table;
use super::set::stored::{Stored, key_columns};
use crate::domain::id::{AccountId, AffiliateId, TypedId};

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
pub(super) trait Listed: Stored {}

impl<S: Stored<Key = (AccountId, I)>, I: TypedId> Listed for S {}

/// A query for one page of an account's rows.
pub(super) fn page<S: Listed>(account_id: AccountId, walk: Walk) -> Select<S::Table> {
    match key_columns::<S::Table>()[..] {
        [account, id] => walk.cut(S::Table::find().filter(account.eq(account_id.uuid())), id),
        // The table does not fit the kind's key. Returning no row is safer than returning the rows of all accounts.
        _ => nothing::<S>(),
    }
}

/// The columns that say who is credited with a row, and the row's id.
pub(super) struct Credited<E: EntityTrait> {
    /// The affiliate with the whole credit. NULL if there is none, and if several affiliates share the row.
    pub(super) sole_affiliate_id: E::Column,
    /// All credits.
    pub(super) credits: E::Column,
    /// The row's id.
    pub(super) id: fn(&E::Model) -> Uuid,
}

/// One page of the rows that an affiliate is credited with, or of all rows of the account when no affiliate is named. `filter`
/// limits the rows further.
///
/// Rows with one credit are found by an index, and shared rows through the table `List`, which has a row for each of their
/// affiliates. Both are read in the order of the page and up to its limit, and the page consists of the first rows of both.
pub(super) async fn rows_of_affiliate<S: Listed, List: Table>(
    connection: &impl ConnectionTrait,
    credited: Credited<S::Table>,
    account_id: AccountId,
    affiliate_id: Option<AffiliateId>,
    walk: Walk,
    filter: impl Fn(Select<S::Table>) -> Select<S::Table>,
) -> Result<Vec<<S::Table as EntityTrait>::Model>, StoreError> {
    let Some(affiliate_id) = affiliate_id else {
        return Ok(filter(page::<S>(account_id, walk)).all(connection).await?);
    };
    let sole = page::<S>(account_id, walk).filter(credited.sole_affiliate_id.eq(affiliate_id.uuid()));
    let mut rows = filter(sole).all(connection).await?;
    // An entry of the list may be older than the credits.
    let is_credited = bytes_contain(connection, credited.credits, affiliate_id.uuid().as_bytes());
    let shared = page_of_list::<S, List>(account_id, affiliate_id, walk).filter(is_credited);
    rows.extend(filter(shared).all(connection).await?);
    match walk.order {
        ListOrder::OldestFirst => rows.sort_by_key(credited.id),
        ListOrder::NewestFirst => rows.sort_by_key(|row| Reverse((credited.id)(row))),
    }
    rows.dedup_by_key(|row| (credited.id)(row));
    rows.truncate(usize::try_from(walk.limit).unwrap_or(usize::MAX));
    Ok(rows)
}

/// A query for one page of the rows on an affiliate's list. The list is the driving table, because its rows are in the order of
/// the page. The database then reads only as many rows as the page needs.
fn page_of_list<S: Listed, List: Table>(
    account_id: AccountId,
    affiliate_id: AffiliateId,
    walk: Walk,
) -> Select<S::Table> {
    match (&key_columns::<S::Table>()[..], &key_columns::<List>()[..]) {
        (&[account, id], &[list_account, list_affiliate, list_id]) => {
            let on: RelationDef =
                S::Table::belongs_to(List::default()).from((account, id)).to((list_account, list_id)).into();
            let query = S::Table::find()
                .join(JoinType::InnerJoin, on)
                .filter(list_account.eq(account_id.uuid()))
                .filter(list_affiliate.eq(affiliate_id.uuid()));
            walk.cut(query, list_id)
        }
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

/// Reads a page.
pub(super) async fn read<S: Stored>(
    query: Select<S::Table>,
    connection: &impl ConnectionTrait,
) -> Result<Vec<S>, StoreError> {
    query.all(connection).await?.into_iter().map(S::from_row).collect()
}
