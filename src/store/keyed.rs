//! Rows by a list of keys, in one statement however long the list.
//!
//! Lists are filled up to a power of two, so that the database sees few different statements and has each prepared.

use sea_orm::sea_query::{Expr, ExprTrait, IntoValueTuple, Query, SelectStatement, ValueTuple};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};

use super::StoreError;

/// The most keys of one statement. With up to three columns a key, below the 32,766 values that SQLite takes.
pub(super) const KEYS_MAX: usize = 8_192;

/// The rows of which the columns have one of the keys. No keys, no statement.
pub(super) async fn rows_by<E, K>(
    connection: &impl ConnectionTrait,
    columns: &[E::Column],
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<E::Model>, StoreError>
where
    E: EntityTrait,
    K: IntoValueTuple,
{
    let keys: Vec<ValueTuple> = keys.into_iter().map(IntoValueTuple::into_value_tuple).collect();
    let mut rows = Vec::new();
    for chunk in keys.chunks(KEYS_MAX) {
        rows.extend(E::find().filter(is_one_of(columns, chunk)).all(connection).await?);
    }
    Ok(rows)
}

/// The condition that the columns have one of the keys, of which there is at least one.
pub(super) fn is_one_of<C: ColumnTrait>(columns: &[C], keys: &[ValueTuple]) -> Expr {
    Expr::tuple(columns.iter().map(|column| Expr::col(column.as_column_ref()))).in_subquery(list(keys))
}

fn list(keys: &[ValueTuple]) -> SelectStatement {
    let mut keys = keys.to_vec();
    if let Some(first) = keys.first().cloned() {
        keys.resize(keys.len().next_power_of_two(), first);
    }
    Query::select().expr(Expr::asterisk()).from_values(keys, "wanted").take()
}

/// Deletes the rows of which the columns have one of the keys. Says how many there were.
pub(super) async fn delete_by<E, K>(
    connection: &impl ConnectionTrait,
    columns: &[E::Column],
    keys: impl IntoIterator<Item = K>,
) -> Result<u64, StoreError>
where
    E: EntityTrait,
    K: IntoValueTuple,
{
    let keys: Vec<ValueTuple> = keys.into_iter().map(IntoValueTuple::into_value_tuple).collect();
    let mut count = 0;
    for chunk in keys.chunks(KEYS_MAX) {
        count += E::delete_many().filter(is_one_of(columns, chunk)).exec(connection).await?.rows_affected;
    }
    Ok(count)
}
