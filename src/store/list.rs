//! Pages of rows in the order of their ids: the walk that all lists share. Knows no kind.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

use super::StoreError;
use super::set::stored::{Stored, key_columns};
use crate::domain::id::AccountId;

/// The rows of an account after the named one, at most `limit`. For tables whose primary key is account and id.
pub(super) fn page<S: Stored>(account_id: AccountId, after: Option<Uuid>, limit: u64) -> Select<S::Table> {
    let mut query = S::Table::find().limit(limit);
    if let [account, id] = key_columns::<S::Table>()[..] {
        query = query
            .filter(account.eq(account_id.uuid()))
            .apply_if(after, |query, after| query.filter(id.gt(after)))
            .order_by_asc(id);
    }
    query
}

/// Reads a page.
pub(super) async fn read<S: Stored>(
    query: Select<S::Table>,
    connection: &impl ConnectionTrait,
) -> Result<Vec<S>, StoreError> {
    query.all(connection).await?.into_iter().map(S::from_row).collect()
}
