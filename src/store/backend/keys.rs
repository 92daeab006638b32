//! Passes lists of keys to a statement, in the way that suits each database. Knows no table, nor what is done with the rows.
//!
//! PostgreSQL gets the keys as one array per column, SQLite as rows of values.

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, JoinType, Order, Query, SelectStatement, ValueTuple};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, Iterable, QueryTrait, Value};

use super::super::StoreError;
use super::kind::Kind;

/// The alias of a list of keys in a statement.
const WANTED: &str = "wanted";

/// The alias of the table in a query for each key.
pub(in crate::store) const OTHER: &str = "other";

/// A query for all columns of the rows whose `columns` match one of the keys.
pub(super) fn query_by_keys<E: EntityTrait>(
    backend: DbBackend,
    columns: &[E::Column],
    keys: Vec<ValueTuple>,
) -> Result<SelectStatement, StoreError> {
    let mut query = E::find().into_query();
    join::<E>(backend, &mut query, columns, keys)?;
    Ok(query)
}

/// Narrows a query of a table to the rows whose `columns` match one of the keys.
pub(in crate::store) fn join<E: EntityTrait>(
    backend: DbBackend,
    query: &mut SelectStatement,
    columns: &[E::Column],
    keys: Vec<ValueTuple>,
) -> Result<(), StoreError> {
    let table = Alias::new(E::default().table_name());
    let list = list_of_keys(backend, keys)?;
    query.join_subquery(JoinType::InnerJoin, list, WANTED, has_key::<E>(&table, columns));
    Ok(())
}

/// Narrows a query to the rows whose column has one of these values. All values are one parameter, so the statement has the same text
/// for any number of them, and a row is found in less time than by [`join`]. The values are ids or numbers.
pub(in crate::store) fn narrow_to_values<E: EntityTrait>(
    backend: DbBackend,
    query: &mut SelectStatement,
    column: E::Column,
    values: Vec<Value>,
) -> Result<(), StoreError> {
    let column = column.as_column_ref();
    if backend == DbBackend::Postgres {
        let Some(kind) = values.first().map(Kind::of_value).transpose()? else { return Ok(()) };
        let array = Expr::val(kind.array(values)).cast_as(Alias::new(format!("{}[]", kind.name())));
        query.and_where(Expr::col(column).eq(Func::cust("ANY").arg(array)));
        return Ok(());
    }
    let value = Expr::col(Alias::new("value"));
    let value = match values.first() {
        Some(Value::Uuid(_)) => Func::cust("unhex").arg(value).into(),
        _ => value,
    };
    let list = Func::cust("json_each").arg(Expr::val(json_of_values(&values)?));
    let list = Query::select().expr(value).from_function(list, Alias::new(WANTED)).take();
    query.and_where(Expr::col(column).in_subquery(list));
    Ok(())
}

/// Ids or numbers as a JSON array.
fn json_of_values(values: &[Value]) -> Result<String, StoreError> {
    let texts = values.iter().map(|value| match value {
        Value::Uuid(Some(id)) => Ok(format!("\"{}\"", id.simple())),
        Value::BigInt(Some(number)) => Ok(number.to_string()),
        other => Err(StoreError::Unexpected(format!("a key of type {other:?}"))),
    });
    Ok(format!("[{}]", texts.collect::<Result<Vec<_>, _>>()?.join(",")))
}

/// The condition that the columns match a row of the list.
pub(in crate::store) fn has_key<E: EntityTrait>(table: &Alias, columns: &[E::Column]) -> Expr {
    let pairs = columns.iter().zip(1..);
    pairs
        .map(|(column, number)| Expr::col((table.clone(), *column)).eq(wanted(number)))
        .reduce(ExprTrait::and)
        .unwrap_or(Expr::Constant(true.into()))
}

/// The row with the greatest value of the second column between `from` and `to`, of those that have `first` in the first column. An
/// index must have both columns. The table is named `other`.
fn last_in<E: EntityTrait>(columns: [E::Column; 2], first: Expr, from: Expr, to: Expr) -> SelectStatement {
    let other = Alias::new(OTHER);
    let [first_column, column] = columns.map(|column| (other.clone(), column));
    Query::select()
        .from_as(E::default(), other)
        .and_where(Expr::col(first_column).eq(first))
        .and_where(Expr::col(column.clone()).gte(from))
        .and_where(Expr::col(column.clone()).lte(to))
        .order_by(column, Order::Desc)
        .limit(1)
        .take()
}

/// The greatest value of the second column in such a row.
pub(in crate::store) fn last_value<E: EntityTrait>(columns: [E::Column; 2], first: Expr, from: Expr, to: Expr) -> Expr {
    let last = last_in::<E>(columns, first, from, to).column((OTHER, columns[1])).take();
    Expr::SubQuery(None, Box::new(last.into()))
}

/// A query for the last row of each range. A range is a value of the first column, and the least and greatest of the second.
pub(super) fn query_of_last<E: EntityTrait>(
    backend: DbBackend,
    columns: [E::Column; 2],
    ranges: Vec<ValueTuple>,
) -> Result<SelectStatement, StoreError> {
    if backend == DbBackend::Postgres {
        let last = last_in::<E>(columns, wanted(1), wanted(2), wanted(3));
        return query_for_each::<E>(last, ranges);
    }
    let table = Alias::new(E::default().table_name());
    let last = last_value::<E>(columns, wanted(1), wanted(2), wanted(3));
    let [first, second] = columns.map(|column| Expr::col((table.clone(), column)));
    let is_last = first.eq(wanted(1)).and(second.eq(last));
    let mut query = E::find().into_query();
    query.join_subquery(JoinType::InnerJoin, list_of_keys(backend, ranges)?, WANTED, is_last);
    Ok(query)
}

/// A query for the rows that the keys of each range belong to, but at most so many. A key belongs to the last row that is not after it. A
/// range is a value of the first column, and the first and the last key, which are bytes of the second column. A row is found once for each
/// of its ranges.
pub(super) fn query_of_covering<E: EntityTrait>(
    backend: DbBackend,
    columns: [E::Column; 2],
    ranges: Vec<ValueTuple>,
    limit: u64,
) -> Result<SelectStatement, StoreError> {
    let least = || Expr::val(Vec::<u8>::new());
    let from = Func::coalesce([last_value::<E>(columns, wanted(1), least(), wanted(2)), least()]);
    if backend == DbBackend::Postgres {
        let [first, second] = columns.map(|column| (Alias::new(OTHER), column));
        let rows = Query::select()
            .from_as(E::default(), OTHER)
            .and_where(Expr::col(first).eq(wanted(1)))
            .and_where(Expr::col(second.clone()).gte(from))
            .and_where(Expr::col(second).lte(wanted(3)))
            .limit(limit)
            .take();
        return Ok(query_for_each::<E>(rows, ranges)?.limit(limit).take());
    }
    let table = Alias::new(E::default().table_name());
    let [first, second] = columns.map(|column| Expr::col((table.clone(), column)));
    let is_covering = first.eq(wanted(1)).and(second.clone().gte(from)).and(second.lte(wanted(3)));
    let mut query = E::find().into_query();
    query.join_subquery(JoinType::InnerJoin, list_of_keys(backend, ranges)?, WANTED, is_covering).limit(limit);
    Ok(query)
}

/// A PostgreSQL query for what another query finds for each key. `rows` selects from `other` and must be ordered or limited. PostgreSQL then
/// never starts with the table, as it may do with a join, when it plans while the table is still small.
pub(in crate::store) fn query_for_each<E: EntityTrait>(
    mut rows: SelectStatement,
    keys: Vec<ValueTuple>,
) -> Result<SelectStatement, StoreError> {
    rows.columns(E::Column::iter().map(|column| (OTHER, column)));
    let mut query = Query::select();
    query
        .columns(E::Column::iter().map(|column| ("found", column)))
        .from_subquery(list_of_keys(DbBackend::Postgres, keys)?, WANTED)
        .join_lateral(JoinType::InnerJoin, rows, "found", Expr::Constant(true.into()));
    Ok(query)
}

/// A column of the list of keys that a query is narrowed to, counted from 1.
pub(in crate::store) fn wanted(number: u8) -> Expr {
    // Both databases name the columns of a list of values `column1`, `column2` and so on.
    Expr::col((WANTED, Alias::new(format!("column{number}"))))
}

/// The keys as a table to join or to search, with the columns `column1`, `column2` and so on. No key has a null.
pub(in crate::store) fn list_of_keys(backend: DbBackend, keys: Vec<ValueTuple>) -> Result<SelectStatement, StoreError> {
    if backend == DbBackend::Postgres {
        return arrays_of_keys(keys);
    }
    let mut keys = keys;
    if let Some(first) = keys.first() {
        // The list is padded with nulls to a power of two, so that SQLite sees few different statements. Nulls match nothing.
        let nothing: Vec<Value> = first.clone().into_iter().map(|value| value.as_null()).collect();
        keys.resize(keys.len().next_power_of_two(), ValueTuple::Many(nothing));
    }
    Ok(Query::select().column(Asterisk).from_values(keys, "keys").take())
}

fn arrays_of_keys(keys: Vec<ValueTuple>) -> Result<SelectStatement, StoreError> {
    let mut query = Query::select();
    for (values, number) in columns_of_keys(keys).into_iter().zip(1..) {
        let Some(kind) = values.first().map(Kind::of_value).transpose()? else { continue };
        let array = Expr::val(kind.array(values)).cast_as(Alias::new(format!("{}[]", kind.name())));
        query.expr_as(Func::cust("UNNEST").arg(array), Alias::new(format!("column{number}")));
    }
    Ok(query)
}

/// The parameters of a PostgreSQL query for keys: an array for each column of the keys.
pub(super) fn parameters_of_keys(keys: Vec<ValueTuple>) -> Result<Vec<Value>, StoreError> {
    let columns = columns_of_keys(keys).into_iter().filter(|values| !values.is_empty());
    columns.map(|values| Ok(Kind::of_value(&values[0])?.array(values))).collect()
}

/// The keys column by column.
fn columns_of_keys(keys: Vec<ValueTuple>) -> Vec<Vec<Value>> {
    let count = keys.len();
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for key in keys {
        for (place, value) in key.into_iter().enumerate() {
            if place == columns.len() {
                columns.push(Vec::with_capacity(count));
            }
            columns[place].push(value);
        }
    }
    columns
}
