//! Rows by a list of keys, in one statement however long the list.
//!
//! Lists are filled up to a power of two, so that the database sees few different statements and has each prepared.

use sea_orm::sea_query::{
    Alias, Asterisk, Expr, ExprTrait, Func, IntoValueTuple, JoinType, Query, SelectStatement, ValueTuple,
};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, Order, QueryFilter, QueryTrait, Value};
use uuid::Uuid;

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
    Query::select().column(Asterisk).from_values(keys, "wanted").take()
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

/// A question for the newest rows of each key.
pub(super) struct Newest<E: EntityTrait> {
    /// What has the key.
    pub(super) key: [E::Column; 2],
    /// What tells newer from older; an index has it after the key.
    pub(super) age: E::Column,
    /// What no age is below.
    pub(super) age_least: Value,
    /// Of which kind alone.
    pub(super) only: Option<(E::Column, &'static str)>,
    /// How many of each key. Those just as old as the last of them come too.
    pub(super) limit: u64,
}

impl<E: EntityTrait> Newest<E> {
    /// Asks in one statement: for each key the age of the last row that is wanted, then the rows from there on. Both are short
    /// walks in the index, however many older rows there are.
    pub(super) async fn of(
        self,
        connection: &impl ConnectionTrait,
        keys: impl IntoIterator<Item = (Uuid, Uuid)>,
    ) -> Result<Vec<E::Model>, StoreError> {
        let keys: Vec<ValueTuple> = keys.into_iter().map(IntoValueTuple::into_value_tuple).collect();
        let table = Alias::new(E::default().table_name());
        let mut rows = Vec::new();
        for chunk in keys.chunks(KEYS_MAX) {
            let last = Query::select()
                .column(("other", self.age))
                .from_as(E::default(), "other")
                .and_where(self.belongs(Alias::new("other")))
                .order_by(("other", self.age), Order::Desc)
                .limit(1)
                .offset(self.limit.saturating_sub(1))
                .take();
            let last = Expr::SubQuery(None, Box::new(last.into()));
            let from = Func::coalesce([last, Expr::Value(self.age_least.clone())]);
            let mut query = E::find().into_query();
            query
                .join_subquery(JoinType::InnerJoin, list(chunk), "wanted", self.belongs(table.clone()))
                .and_where(Expr::col((table.clone(), self.age)).gte(from));
            for row in connection.query_all(&query).await? {
                rows.push(E::Model::from_query_result(&row, "")?);
            }
        }
        Ok(rows)
    }

    fn belongs(&self, table: Alias) -> Expr {
        let column = |column: E::Column| Expr::col((table.clone(), column));
        // The names that both databases give to the columns of a list of values.
        let same = column(self.key[0])
            .eq(Expr::col(("wanted", "column1")))
            .and(column(self.key[1]).eq(Expr::col(("wanted", "column2"))));
        match self.only {
            Some((kind, text)) => same.and(column(kind).eq(text)),
            None => same,
        }
    }
}
