//! Many rows in few statements, each database in the way that suits it. Knows no table and not why rows are written.
//!
//! PostgreSQL takes a column as one array, so that a statement has one text however many rows it writes, and it takes the writes of
//! several tables as one statement: one round trip. SQLite has no round trips to save, and takes lists of values.

use std::fmt::Write as _;

use sea_orm::sea_query::{
    Alias, ArrayType, Asterisk, ColumnType, Expr, ExprTrait, Func, Query, SelectStatement, ValueTuple,
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    PrimaryKeyToColumn, Statement, Value,
};

use super::super::StoreError;

/// The most values of one statement of SQLite, which takes 32,766.
const VALUES_MAX: usize = 30_000;

/// The most rows of one statement of SQLite: a longer text is no faster, and takes memory while it is kept prepared.
const ROWS_MAX: usize = 256;

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
    columns: Vec<(&'static str, ColumnType, bool)>,
    /// Row by row.
    values: Vec<Value>,
    conflict: String,
}

impl Part {
    fn new<E>(rows: Vec<E::Model>, conflict: &Conflict<'_, E::Column>) -> Self
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        let all: Vec<E::Column> = E::Column::iter().collect();
        let mut values = Vec::with_capacity(rows.len() * all.len());
        for row in rows {
            let mut row = row.into_active_model();
            // A whole row has every column.
            values.extend(all.iter().filter_map(|column| row.take(*column).into_value()));
        }
        let columns = all.iter().map(|column| {
            let definition = column.def();
            (column.as_str(), definition.get_column_type().clone(), definition.is_null())
        });
        Self { table: E::default().table_name(), columns: columns.collect(), values, conflict: conflict.sql::<E>() }
    }

    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, ..)| format!("\"{name}\"")).collect();
        names.join(", ")
    }

    /// One INSERT of PostgreSQL with a parameter for each column, and one more for each that may be null: an array of ours cannot
    /// hold nulls.
    fn postgres(self, parameters: &mut Vec<Value>) -> Result<String, StoreError> {
        let (mut selected, mut arrays, mut aliases) = (String::new(), String::new(), String::new());
        let names = self.names();
        let count = self.columns.len();
        let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(self.values.len() / count.max(1)); count];
        for (place, value) in self.values.into_iter().enumerate() {
            columns[place % count].push(value);
        }
        for (place, ((_, column_type, is_nullable), mut column)) in self.columns.into_iter().zip(columns).enumerate() {
            let kind = Kind::of(&column_type)?;
            let separator = if place == 0 { "" } else { ", " };
            if is_nullable {
                let nulls = column.iter().map(|value| Value::Bool(Some(is_null(value)))).collect();
                for value in column.iter_mut().filter(|value| is_null(value)) {
                    *value = kind.nothing();
                }
                parameters.push(Value::Array(ArrayType::Bool, Some(Box::new(nulls))));
                let _ = write!(selected, "{separator}CASE WHEN n{place} THEN NULL ELSE c{place} END");
                let _ = write!(arrays, "{separator}${}::bool[]", parameters.len());
                let _ = write!(aliases, "{separator}n{place}");
                parameters.push(kind.array(column));
                let _ = write!(arrays, ", ${}::{}[]", parameters.len(), kind.name());
                let _ = write!(aliases, ", c{place}");
            } else {
                parameters.push(kind.array(column));
                let _ = write!(selected, "{separator}c{place}");
                let _ = write!(arrays, "{separator}${}::{}[]", parameters.len(), kind.name());
                let _ = write!(aliases, "{separator}c{place}");
            }
        }
        Ok(format!(
            "INSERT INTO \"{}\" ({names}) SELECT {selected} FROM UNNEST({arrays}) AS rows({aliases}){}",
            self.table, self.conflict
        ))
    }

    /// INSERTs of SQLite, in lots of a power of two, so that it sees few different statements and keeps each prepared.
    fn sqlite(self) -> Vec<(String, Vec<Value>)> {
        let count = self.columns.len().max(1);
        let names = self.names();
        let row = format!("({})", vec!["?"; count].join(", "));
        let rows_max = (VALUES_MAX / count).min(ROWS_MAX);
        let mut statements = Vec::new();
        let mut values = self.values.into_iter();
        while values.len() >= count {
            let rows = 1 << (values.len() / count).min(rows_max).ilog2();
            let lot: Vec<Value> = values.by_ref().take(rows * count).collect();
            let mut sql = format!("INSERT INTO \"{}\" ({names}) VALUES {row}", self.table);
            sql.reserve(rows * (row.len() + 2) + self.conflict.len());
            for _ in 1..rows {
                sql.push_str(", ");
                sql.push_str(&row);
            }
            sql.push_str(&self.conflict);
            statements.push((sql, lot));
        }
        statements
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
    pub(in crate::store) fn insert<E>(&mut self, rows: Vec<E::Model>)
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Refuse));
        }
    }

    /// Rows that take the place of those with the same primary key: many in one statement, which an UPDATE cannot do.
    pub(in crate::store) fn replace<E>(&mut self, rows: Vec<E::Model>)
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Replace));
        }
    }

    /// Rows of which these columns are added to those of the row with the same primary key.
    pub(in crate::store) fn add<E>(&mut self, rows: Vec<E::Model>, sums: &[E::Column])
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        if !rows.is_empty() {
            self.rest.push(Part::new::<E>(rows, &Conflict::Add(sums)));
        }
    }

    /// Changed and new rows of one table. Where there are both the changes come first, so that a name that one row gives up is free
    /// for another.
    pub(in crate::store) fn write<E>(&mut self, changed: Vec<E::Model>, new: Vec<E::Model>)
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        if new.is_empty() || changed.is_empty() {
            self.replace::<E>(changed);
        } else {
            self.first.push(Part::new::<E>(changed, &Conflict::Replace));
        }
        self.insert::<E>(new);
    }

    /// Writes all of them.
    pub(in crate::store) async fn run(self, connection: &impl ConnectionTrait) -> Result<(), StoreError> {
        for parts in [self.first, self.rest] {
            if connection.get_database_backend() == DbBackend::Postgres {
                together(connection, parts).await?;
            } else {
                for (sql, values) in parts.into_iter().flat_map(Part::sqlite) {
                    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
                    failpoint!(BeforeStatement);
                    connection.execute_raw(statement).await?;
                }
            }
        }
        Ok(())
    }
}

/// All parts as one statement: all but the last stand before it, named.
async fn together(connection: &impl ConnectionTrait, parts: Vec<Part>) -> Result<(), StoreError> {
    let mut parameters = Vec::new();
    let mut inserts = parts.into_iter().map(|part| part.postgres(&mut parameters)).collect::<Result<Vec<_>, _>>()?;
    let Some(last) = inserts.pop() else { return Ok(()) };
    let named: Vec<_> =
        inserts.iter().enumerate().map(|(place, insert)| format!("write{place} AS ({insert})")).collect();
    let sql = if named.is_empty() { last } else { format!("WITH {} {last}", named.join(", ")) };
    failpoint!(BeforeStatement);
    connection.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, parameters)).await?;
    Ok(())
}

/// The keys as a table to join or to look into, with the columns `column1`, `column2` and so on. None of them is null.
pub(in crate::store) fn list_of_keys(
    connection: &impl ConnectionTrait,
    keys: Vec<ValueTuple>,
) -> Result<SelectStatement, StoreError> {
    if connection.get_database_backend() == DbBackend::Postgres {
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

/// The types that our columns have, as PostgreSQL calls them in a cast.
#[derive(Clone, Copy)]
enum Kind {
    Uuid,
    BigInteger,
    Integer,
    Text,
    Boolean,
    Bytes,
}

impl Kind {
    fn of(column_type: &ColumnType) -> Result<Self, StoreError> {
        Ok(match column_type {
            ColumnType::Uuid => Self::Uuid,
            ColumnType::BigInteger => Self::BigInteger,
            ColumnType::Integer => Self::Integer,
            ColumnType::Text | ColumnType::String(_) => Self::Text,
            ColumnType::Boolean => Self::Boolean,
            ColumnType::Blob | ColumnType::Binary(_) | ColumnType::VarBinary(_) => Self::Bytes,
            other => return Err(StoreError::Unexpected(format!("a column of type {other:?}"))),
        })
    }

    fn of_value(value: &Value) -> Result<Self, StoreError> {
        Ok(match value {
            Value::Uuid(_) => Self::Uuid,
            Value::BigInt(_) => Self::BigInteger,
            Value::Int(_) => Self::Integer,
            Value::String(_) => Self::Text,
            Value::Bool(_) => Self::Boolean,
            Value::Bytes(_) => Self::Bytes,
            other => return Err(StoreError::Unexpected(format!("a key of type {other:?}"))),
        })
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::BigInteger => "int8",
            Self::Integer => "int4",
            Self::Text => "text",
            Self::Boolean => "bool",
            Self::Bytes => "bytea",
        }
    }

    fn array(self, values: Vec<Value>) -> Value {
        let kind = match self {
            Self::Uuid => ArrayType::Uuid,
            Self::BigInteger => ArrayType::BigInt,
            Self::Integer => ArrayType::Int,
            Self::Text => ArrayType::String,
            Self::Boolean => ArrayType::Bool,
            Self::Bytes => ArrayType::Bytes,
        };
        Value::Array(kind, Some(Box::new(values)))
    }

    /// Any value, to stand where a null is.
    fn nothing(self) -> Value {
        match self {
            Self::Uuid => uuid::Uuid::nil().into(),
            Self::BigInteger => 0_i64.into(),
            Self::Integer => 0_i32.into(),
            Self::Text => String::new().into(),
            Self::Boolean => false.into(),
            Self::Bytes => Vec::<u8>::new().into(),
        }
    }
}

fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}
