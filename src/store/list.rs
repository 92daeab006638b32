//! Pages of rows in the order of their ids: the walk that all lists share. Knows no kind.

use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait, RelationDef,
    Select, Value,
};
use uuid::Uuid;

use super::StoreError;
use super::backend::table::Table;
use super::set::stored::{Stored, key_columns};
use crate::domain::id::{AccountId, AffiliateId, TypedId};

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ListOrder {
    /// In the order in which the rows were made.
    #[default]
    OldestFirst,
    /// The newest row first.
    NewestFirst,
}

impl ListOrder {
    /// Every order.
    pub const ALL: &[Self] = &[Self::OldestFirst, Self::NewestFirst];
}

/// The rows of one page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk<Place = Uuid> {
    /// The order.
    pub order: ListOrder,
    /// The row before the first one; none to begin with the first of all.
    pub after: Option<Place>,
    /// How many rows at most.
    pub limit: u64,
}

impl<Place> Walk<Place> {
    /// The oldest rows.
    pub const fn first(limit: u64) -> Self {
        Self { order: ListOrder::OldestFirst, after: None, limit }
    }

    /// The rows of a query on the page. `place` is the column that orders the list.
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

/// A kind whose primary key is account and id, so that its rows are walked in the order of their ids.
pub(super) trait Listed: Stored {}

impl<S: Stored<Key = (AccountId, I)>, I: TypedId> Listed for S {}

/// A page of the rows of an account.
pub(super) fn page<S: Listed>(account_id: AccountId, walk: Walk) -> Select<S::Table> {
    match key_columns::<S::Table>()[..] {
        [account, id] => walk.cut(S::Table::find().filter(account.eq(account_id.uuid())), id),
        // The table does not fit the kind's key. No row is safer than the rows of all accounts.
        _ => nothing::<S>(),
    }
}

/// A page of the rows of an account that an affiliate is credited with; of all its rows when none is named. `List` is the table that
/// lists them by account, affiliate and id.
///
/// The list leads, because it has the rows in the order of the page: as many are read as the page needs.
pub(super) fn page_of_affiliate<S: Listed, List: Table>(
    account_id: AccountId,
    affiliate_id: Option<AffiliateId>,
    walk: Walk,
) -> Select<S::Table> {
    let Some(affiliate_id) = affiliate_id else { return page::<S>(account_id, walk) };
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
