//! Writes many rows in few statements, in the way that suits each database. Knows no table, nor why rows are written.
//!
//! PostgreSQL gets each column as one array parameter, so the text of a statement does not depend on the number of rows. The
//! writes of several tables are one statement, which takes one round trip. SQLite gets one row at a time, because it has no round
//! trips to save.

use std::sync::Arc;

use sea_orm::sqlx::Arguments as _;
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::{ActiveModelTrait, DbBackend, IdenStatic, IntoActiveModel, Iterable, PrimaryKeyToColumn, Value};

use super::super::StoreError;
use super::kind::Column;
use super::lane::WriteConnection;
use super::table::{self, Columns, Reads, Shape, Table};

/// More bytes than most statements have.
const SQL_SIZE: usize = 8_192;

/// The action when a row with the same primary key exists already.
enum Conflict<'columns, C> {
    /// The INSERT fails with a conflict.
    Refuse,
    /// Its other columns get the new values.
    Replace,
    /// The new values are added to these columns.
    Add(&'columns [C]),
    /// This column gets the new value if that is larger. It is the only column besides the key.
    Raise(C),
}

/// The rows of one table that have the same action on a conflict.
struct Part {
    shape: Arc<Shape>,
    /// All values, row by row.
    values: Vec<Value>,
    conflict: String,
}

impl Part {
    fn new<E: Table>(rows: Vec<E::Model>, conflict: &Conflict<'_, E::Column>) -> Result<Self, StoreError> {
        let shape = table::shape::<E>()?;
        let mut values = Vec::with_capacity(rows.len() * shape.kinds.len());
        for row in rows {
            let mut row = row.into_active_model();
            // Every column is set, because the model is a whole row.
            values.extend(E::Column::iter().filter_map(|column| row.take(column).into_value()));
        }
        let conflict = match conflict {
            Conflict::Refuse => String::new(),
            Conflict::Replace => shape.replace.clone(),
            Conflict::Add(columns) => conflict_add::<E>(columns),
            Conflict::Raise(column) => conflict_raise::<E>(shape.replace.clone(), *column),
        };
        Ok(Self { shape, values, conflict })
    }

    /// Adds a PostgreSQL INSERT of all rows to a statement, with one array parameter per column. The text is put together without
    /// formatting, which took an eighth of the time of a batch of one sale.
    fn postgres(self, sql: &mut String, arguments: &mut PgArguments) -> Result<(), StoreError> {
        let Self { shape, values, conflict } = self;
        let Shape { table, kinds, .. } = &*shape;
        let Columns { places, names, aliases } = columns_to_write(&shape, &values);
        let rows = values.len() / kinds.len().max(1);
        let mut columns = kinds.iter().map(|kind| kind.column(rows)).collect::<Vec<Column>>();
        for (place, value) in values.into_iter().enumerate() {
            columns[place % kinds.len()].push(value)?;
        }
        push_all(sql, &["INSERT INTO \"", table, "\" (", names, ") SELECT ", aliases, " FROM UNNEST("]);
        let mut is_first = true;
        for (place, (kind, column)) in kinds.iter().zip(columns).enumerate() {
            if !places.contains(&place) {
                continue;
            }
            column.add_to(arguments).map_err(|error| StoreError::Unexpected(error.to_string()))?;
            let separator = if is_first { "$" } else { ", $" };
            is_first = false;
            push_all(sql, &[separator, itoa::Buffer::new().format(arguments.len()), "::", kind.name(), "[]"]);
        }
        push_all(sql, &[") AS rows(", aliases, ")", &conflict]);
        Ok(())
    }

    /// About how many bytes its values take in a message.
    fn size(&self) -> usize {
        let content = |value: &Value| match value {
            Value::String(Some(text)) => text.len(),
            Value::Bytes(Some(bytes)) => bytes.len(),
            _ => 0,
        };
        // Each value has its length before it, and a number or an id has up to 16 bytes.
        self.values.iter().map(|value| 20 + content(value)).sum()
    }

    /// A SQLite INSERT of one row.
    fn sqlite(&self) -> String {
        let Shape { table, kinds, all: Columns { names, .. }, .. } = &*self.shape;
        let places = ["?, "].repeat(kinds.len().saturating_sub(1)).concat();
        format!("INSERT INTO \"{table}\" ({names}) VALUES ({places}?){}", self.conflict)
    }
}

fn conflict_add<E: Table>(columns: &[E::Column]) -> String {
    let table = E::default().table_name();
    let key: Vec<_> = E::PrimaryKey::iter().map(|key| format!("\"{}\"", key.into_column().as_str())).collect();
    let sum = |name: &str| format!("\"{name}\" = \"{table}\".\"{name}\" + excluded.\"{name}\"");
    let sums: Vec<_> = columns.iter().map(|column| sum(column.as_str())).collect();
    format!(" ON CONFLICT ({}) DO UPDATE SET {}", key.join(", "), sums.join(", "))
}

fn conflict_raise<E: Table>(replace: String, column: E::Column) -> String {
    let (table, column) = (E::default().table_name(), column.as_str());
    format!("{replace} WHERE excluded.\"{column}\" > \"{table}\".\"{column}\"")
}

/// Rows to be written together.
#[derive(Default)]
pub(in crate::store) struct Writes {
    /// Written before `rest`.
    first: Vec<Part>,
    rest: Vec<Part>,
}

impl Writes {
    /// Queues new rows.
    pub(in crate::store) fn insert<E: Table>(&mut self, rows: Vec<E::Model>) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Refuse)?);
        }
        Ok(())
    }

    /// Queues rows that replace the rows with the same primary key if their value in this column is larger.
    pub(in crate::store) fn raise<E: Table>(
        &mut self,
        rows: Vec<E::Model>,
        column: E::Column,
    ) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Raise(column))?);
        }
        Ok(())
    }

    /// Queues rows that replace the rows with the same primary key. One statement replaces many rows, which an UPDATE cannot do.
    pub(in crate::store) fn replace<E: Table>(&mut self, rows: Vec<E::Model>) -> Result<(), StoreError> {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Replace)?);
        }
        Ok(())
    }

    /// Queues rows whose values in `sums` are added to those of the row with the same primary key. A row without one is inserted.
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

    /// Queues the changed and new rows of one table. Changes come first, because a new row may take a name that a changed row
    /// gives up.
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

    /// Writes everything that was queued.
    pub(in crate::store) async fn run(self, connection: &WriteConnection) -> Result<(), StoreError> {
        for parts in [self.first, self.rest] {
            if connection.backend() == DbBackend::Postgres {
                together(connection, parts).await?;
            } else {
                for part in parts {
                    failpoint!(BeforeStatement);
                    connection.execute_rows(&part.sqlite(), part.shape.kinds.len(), &part.values).await?;
                }
            }
        }
        Ok(())
    }
}

/// Runs all parts as one statement. All but the last are in its WITH clause.
async fn together(connection: &WriteConnection, parts: Vec<Part>) -> Result<(), StoreError> {
    if parts.is_empty() {
        return Ok(());
    }
    let mut arguments = PgArguments::default();
    // A batch takes a few hundred kilobytes, which would otherwise be copied each time that the message outgrows its place.
    let columns = parts.iter().map(|part| part.shape.kinds.len()).sum();
    arguments.reserve(columns, parts.iter().map(Part::size).sum());
    let (mut sql, last) = (String::with_capacity(SQL_SIZE), parts.len() - 1);
    for (place, part) in parts.into_iter().enumerate() {
        if place < last {
            let opening = if place == 0 { "WITH write" } else { ", write" };
            push_all(&mut sql, &[opening, itoa::Buffer::new().format(place), " AS ("]);
            part.postgres(&mut sql, &mut arguments)?;
            sql.push(')');
        } else {
            if place > 0 {
                sql.push(' ');
            }
            part.postgres(&mut sql, &mut arguments)?;
        }
    }
    failpoint!(BeforeStatement);
    connection.execute_arrays(sql, arguments).await?;
    Ok(())
}

/// The columns that rows with these values are written with. Columns that are left out get no value, also in rows that are replaced.
fn columns_to_write<'shape>(shape: &'shape Shape, values: &[Value]) -> &'shape Columns {
    let has_rare = |row: &[Value]| shape.rare.iter().any(|place| !is_null(&row[*place]));
    match &shape.common {
        Some(common) if !values.chunks_exact(shape.kinds.len()).any(has_rare) => common,
        _ => &shape.all,
    }
}

fn is_null(value: &Value) -> bool {
    matches!(
        value,
        Value::Uuid(None)
            | Value::BigInt(None)
            | Value::Int(None)
            | Value::String(None)
            | Value::Bool(None)
            | Value::Bytes(None)
    )
}

fn push_all(sql: &mut String, texts: &[&str]) {
    texts.iter().for_each(|text| sql.push_str(text));
}
