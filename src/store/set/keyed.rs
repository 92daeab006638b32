//! Reads and deletes rows by a list of keys, up to `KEYS_MAX` keys in one statement.
//!
//! The list is joined to the table. Both databases serve such a join by scanning the list and looking each key up in an index.

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, IntoValueTuple, Query, SelectStatement, ValueTuple};
use sea_orm::{ColumnTrait, EntityTrait, Order, QueryFilter, QueryTrait, Value};

use crate::store::StoreError;
use crate::store::backend::keys::{has_key, join, list_of_keys};
use crate::store::backend::lane::WriteConnection;
use crate::store::backend::table::{Reads, Table};

/// The most keys of one statement. With up to three columns per key, this is below SQLite's limit of 32,766 values. Only the writer
/// has keys of four columns, and it gives SQLite one key at a time.
const KEYS_MAX: usize = 8_192;

/// Splits the keys into lists that one statement takes.
pub(in crate::store) fn chunks<K: IntoValueTuple>(keys: impl IntoIterator<Item = K>) -> Vec<Vec<ValueTuple>> {
    let mut chunks: Vec<Vec<ValueTuple>> = Vec::new();
    for key in keys {
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < KEYS_MAX => chunk.push(key.into_value_tuple()),
            _ => chunks.push(vec![key.into_value_tuple()]),
        }
    }
    chunks
}

/// The rows whose columns match one of the keys. Without keys, no statement is sent.
pub(in crate::store) async fn rows_by<E, K>(
    connection: &impl Reads,
    columns: &[E::Column],
    keys: impl IntoIterator<Item = K>,
) -> Result<Vec<E::Model>, StoreError>
where
    E: Table,
    K: IntoValueTuple,
{
    let mut rows = Vec::new();
    for chunk in chunks(keys) {
        rows.extend(connection.models_by::<E>(columns, chunk).await?);
    }
    Ok(rows)
}

/// The condition that a primary key is one of the keys, for statements that cannot join.
fn is_one_of<C: ColumnTrait>(columns: &[C], list: SelectStatement) -> Expr {
    Expr::tuple(columns.iter().map(|column| Expr::col(column.as_column_ref()))).in_subquery(list)
}

/// Deletes the rows with these primary keys. Returns how many there were.
pub(in crate::store) async fn delete_by<E, K>(
    connection: &WriteConnection,
    columns: &[E::Column],
    keys: impl IntoIterator<Item = K>,
) -> Result<u64, StoreError>
where
    E: EntityTrait,
    K: IntoValueTuple,
{
    let mut count = 0;
    for chunk in chunks(keys) {
        let list = list_of_keys(connection.backend(), chunk)?;
        let delete = E::delete_many().filter(is_one_of(columns, list)).into_query();
        count += connection.execute(&delete).await?;
    }
    Ok(count)
}

/// How many of a visitor's newest clicks and of a lead's newest sales are read: far more than an honest visitor or lead has.
pub(in crate::store) const NEWEST_MAX: u64 = 100;

/// A query for the newest rows of each key.
pub(in crate::store) struct Newest<E: EntityTrait> {
    pub(in crate::store) key: [E::Column; 2],
    /// The column that orders rows by age. An index has it after the key.
    pub(in crate::store) age: E::Column,
    /// The lower bound of all ages.
    pub(in crate::store) age_least: Value,
    /// How many rows to read for each key. Rows of the same age as the last of them are read too.
    pub(in crate::store) limit: u64,
}

impl<E: Table> Newest<E> {
    /// Reads the rows. For each key, the statement finds the age of the last row within the limit, and then reads the rows of
    /// that age and newer. Both scans of the index stay short, because they do not reach the older rows.
    pub(in crate::store) async fn of(
        self,
        connection: &impl Reads,
        keys: impl IntoIterator<Item = ValueTuple>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let (table, other) = (Alias::new(E::default().table_name()), Alias::new("other"));
        let mut rows = Vec::new();
        for chunk in chunks(keys) {
            let last = Query::select()
                .column((other.clone(), self.age))
                .from_as(E::default(), other.clone())
                .and_where(has_key::<E>(&other, &self.key))
                .order_by((other.clone(), self.age), Order::Desc)
                .limit(1)
                .offset(self.limit.saturating_sub(1))
                .take();
            let last = Expr::SubQuery(None, Box::new(last.into()));
            let from = Func::coalesce([last, Expr::Value(self.age_least.clone())]);
            let mut query = E::find().into_query();
            join::<E>(connection.backend(), &mut query, &self.key, chunk)?;
            query.and_where(Expr::col((table.clone(), self.age)).gte(from));
            rows.extend(connection.models::<E>(&query).await?);
        }
        Ok(rows)
    }
}
