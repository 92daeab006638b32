//! Pages of rows in the order of their ids, as all lists read them. Knows no kind.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

use super::StoreError;
use super::set::stored::{Stored, key_columns};
use crate::domain::id::{AccountId, TypedId};

/// A kind whose primary key is account and id, so that its rows are walked in the order of their ids.
pub(super) trait Listed: Stored {}

impl<S: Stored<Key = (AccountId, I)>, I: TypedId> Listed for S {}

/// The rows of an account after the named one, at most `limit`.
pub(super) fn page<S: Listed>(account_id: AccountId, after: Option<Uuid>, limit: u64) -> Select<S::Table> {
    let query = S::Table::find().limit(limit);
    match key_columns::<S::Table>()[..] {
        [account, id] => query
            .filter(account.eq(account_id.uuid()))
            .apply_if(after, |query, after| query.filter(id.gt(after)))
            .order_by_asc(id),
        // The table's key does not match the kind's. Returning no row is safer than returning the rows of all accounts.
        _ => query.filter(Expr::value(false)),
    }
}

/// Reads a page.
pub(super) async fn read<S: Stored>(
    query: Select<S::Table>,
    connection: &impl ConnectionTrait,
) -> Result<Vec<S>, StoreError> {
    query.all(connection).await?.into_iter().map(S::from_row).collect()
}
