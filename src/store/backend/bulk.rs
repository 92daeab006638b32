//! Many rows in few statements, each database in the way that suits it. Knows no table and not why rows are written.
//!
//! PostgreSQL takes a column as one array, so that a statement has one text however many rows it writes, and it takes the writes of
//! several tables as one statement: one round trip. SQLite has no round trips to save, and takes row by row.

use std::fmt::Write as _;

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait, Func, Query, SelectStatement, ValueTuple};
use sea_orm::sqlx::Arguments as _;
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, DbBackend, EntityTrait, IdenStatic, IntoActiveModel, Iterable, PrimaryKeyToColumn,
    Value,
};

use super::super::StoreError;
use super::kind::{Column, Kind};
use super::lane::WriteConnection;
use super::table::{Reads, Table};

/// What is done where a row with the primary key is there already.
enum Conflict<'columns, C> {
    /// Nothing is written at all.
    Refuse,
    /// Its other columns get the new values.
    Replace,
    /// The new values are added to these columns.
    Add(&'columns [C]),
}

/// The rows of one table to be written in one way.
struct Part {
    table: &'static str,
    columns: Vec<(&'static str, Kind)>,
    /// Row by row.
    values: Vec<Value>,
    conflict: String,
}

impl Part {
    fn new<E: Table>(rows: Vec<E::Model>, conflict: &Conflict<'_, E::Column>) -> Result<Self, StoreError> {
        let all: Vec<E::Column> = E::Column::iter().collect();
        let mut values = Vec::with_capacity(rows.len() * all.len());
        for row in rows {
            let mut row = row.into_active_model();
            // A whole row has every column.
            values.extend(all.iter().filter_map(|column| row.take(*column).into_value()));
        }
        let columns = all.iter().map(|column| Ok((column.as_str(), Kind::of(column.def().get_column_type())?)));
        let columns = columns.collect::<Result<_, StoreError>>()?;
        Ok(Self { table: E::default().table_name(), columns, values, conflict: conflict.sql::<E>() })
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        names.join(", ")
    }

    /// One INSERT of PostgreSQL with a parameter for each column.
    fn postgres(self, arguments: &mut PgArguments) -> Result<String, StoreError> {
        let (mut arrays, mut aliases) = (String::new(), String::new());
        let names = self.names();
        let mut columns = self.columns.iter().map(|(_, kind)| kind.column()).collect::<Vec<Column>>();
        let width = columns.len().max(1);
        for (place, value) in self.values.into_iter().enumerate() {
            columns[place % width].push(value)?;
        }
        for (place, ((_, kind), column)) in self.columns.iter().zip(columns).enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            column.add_to(arguments).map_err(|error| StoreError::Unexpected(error.to_string()))?;
            let _ = write!(arrays, "{separator}${}::{}[]", arguments.len(), kind.name());
            let _ = write!(aliases, "{separator}c{place}");
        }
        Ok(format!(
            "INSERT INTO \"{}\" ({names}) SELECT {aliases} FROM UNNEST({arrays}) AS rows({aliases}){}",
            self.table, self.conflict
        ))
    }

    /// An INSERT of one row of SQLite.
    fn sqlite(&self) -> String {
        let places = vec!["?"; self.columns.len()].join(", ");
        format!("INSERT INTO \"{}\" ({}) VALUES ({places}){}", self.table, self.names(), self.conflict)
    }
}

impl<C: ColumnTrait> Conflict<'_, C> {
    fn sql<E: EntityTrait<Column = C>>(&self) -> String {
        let key: Vec<C> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
        let is_key = |column: &C| key.iter().any(|other| other.as_str() == column.as_str());
        let changes: Vec<String> = match self {
            Self::Refuse => return String::new(),
            Self::Replace => {
                let others = C::iter().filter(|column| !is_key(column));
                others.map(|column| format!("\"{0}\" = excluded.\"{0}\"", column.as_str())).collect()
            }
            Self::Add(columns) => {
                let table = E::default().table_name();
                let sum = |name: &str| format!("\"{name}\" = \"{table}\".\"{name}\" + excluded.\"{name}\"");
                columns.iter().map(|column| sum(column.as_str())).collect()
            }
        };
        let key: Vec<_> = key.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
        format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), changes.join(", "))
    }
}

/// Rows to be written together.
#[derive(Default)]
pub(in crate::store) struct Writes {
    /// Written first.
    first: Vec<Part>,
    rest: Vec<Part>,
}

impl Writes {
    /// New rows.
    pub(in crate::store) fn insert<E: Table>(&mut self, rows: Vec<E::Model>) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Refuse)?);
        }
        Ok(())
    }

    /// Rows that take the place of those with the same primary key: many in one statement, which an UPDATE cannot do.
    pub(in crate::store) fn replace<E: Table>(&mut self, rows: Vec<E::Model>) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Replace)?);
        }
        Ok(())
    }

    /// Rows of which these columns are added to those of the row with the same primary key.
    pub(in crate::store) fn add<E: Table>(
        &mut self,
        rows: Vec<E::Model>,
        sums: &[E::Column],
    ) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Add(sums))?);
        }
        Ok(())
    }

    /// Changed and new rows of one table. Where there are both the changes come first, so that a name that one row gives up is free
    /// for another.
    pub(in crate::store) fn write<E: Table>(
        &mut self,
        changed: Vec<E::Model>,
        new: Vec<E::Model>,
    ) -> Result<(), StoreError> {
        if new.is_empty() || changed.is_empty() {
            self.replace::<E>(changed)?;
        } else {
            self.first.push(Part::new::<E>(changed, &Conflict::Replace)?);
        }
        self.insert::<E>(new)
    }

    /// Writes all of them.
    pub(in crate::store) async fn run(self, connection: &WriteConnection) -> Result<(), StoreError> {
        for parts in [self.first, self.rest] {
            if connection.backend() == DbBackend::Postgres {
                together(connection, parts).await?;
            } else {
                for part in parts {
                    failpoint!(BeforeStatement);
                    connection.execute_rows(&part.sqlite(), part.columns.len(), &part.values).await?;
                }
            }
        }
        Ok(())
    }
}

/// All parts as one statement: all but the last stand before it, named.
async fn together(connection: &WriteConnection, parts: Vec<Part>) -> Result<(), StoreError> {
    let mut arguments = PgArguments::default();
    let mut inserts = parts.into_iter().map(|part| part.postgres(&mut arguments)).collect::<Result<Vec<_>, _>>()?;
    let Some(last) = inserts.pop() else { return Ok(()) };
    let named: Vec<_> =
        inserts.iter().enumerate().map(|(place, insert)| format!("write{place} AS ({insert})")).collect();
    let sql = if named.is_empty() { last } else { format!("WITH {} {last}", named.join(", ")) };
    failpoint!(BeforeStatement);
    connection.execute_arrays(sql, arguments).await?;
    Ok(())
}

/// The keys as a table to join or to look into, with the columns `column1`, `column2` and so on. None of them is null.
pub(in crate::store) fn list_of_keys(
    connection: &impl Reads,
    keys: Vec<ValueTuple>,
) -> Result<SelectStatement, StoreError> {
    if connection.backend() == DbBackend::Postgres {
        return arrays_of_keys(keys);
    }
    let mut keys = keys;
    if let Some(first) = keys.first() {
        // Filled up to a power of two, so that SQLite sees few different statements. Nulls equal nothing.
        let nothing: Vec<Value> = first.clone().into_iter().map(|value| value.as_null()).collect();
        keys.resize(keys.len().next_power_of_two(), ValueTuple::Many(nothing));
    }
    Ok(Query::select().column(Asterisk).from_values(keys, "keys").take())
}

fn arrays_of_keys(keys: Vec<ValueTuple>) -> Result<SelectStatement, StoreError> {
    let mut columns: Vec<Vec<Value>> = Vec::new();
    for key in keys {
        for (place, value) in key.into_iter().enumerate() {
            if place == columns.len() {
                columns.push(Vec::new());
            }
            columns[place].push(value);
        }
    }
    let mut query = Query::select();
    for (values, number) in columns.into_iter().zip(1..) {
        let Some(kind) = values.first().map(Kind::of_value).transpose()? else { continue };
        let array = Expr::val(kind.array(values)).cast_as(Alias::new(format!("{}[]", kind.name())));
        query.expr_as(Func::cust("UNNEST").arg(array), Alias::new(format!("column{number}")));
    }
    Ok(query)
}
