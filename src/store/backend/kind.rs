//! The types of our columns, and columns of many values to send to PostgreSQL as arrays.

use sea_orm::sea_query::{ArrayType, ColumnType};
use sea_orm::sqlx::Arguments as _;
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::postgres::PgArguments;
use sea_orm::{DbErr, QueryResult, Value};
use uuid::Uuid;

use super::super::StoreError;

/// The types of our columns. `name` is PostgreSQL's name for a cast.
#[derive(Clone, Copy)]
pub(in crate::store) enum Kind {
    Uuid,
    BigInteger,
    Integer,
    Text,
    Boolean,
    Bytes,
}

impl Kind {
    pub(super) fn of(column_type: &ColumnType) -> Result<Self, StoreError> {
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

    pub(super) fn of_value(value: &Value) -> Result<Self, StoreError> {
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

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::BigInteger => "int8",
            Self::Integer => "int4",
            Self::Text => "text",
            Self::Boolean => "bool",
            Self::Bytes => "bytea",
        }
    }

    pub(super) fn column(self) -> Column {
        match self {
            Self::Uuid => Column::Uuid(Vec::new()),
            Self::BigInteger => Column::BigInteger(Vec::new()),
            Self::Integer => Column::Integer(Vec::new()),
            Self::Text => Column::Text(Vec::new()),
            Self::Boolean => Column::Boolean(Vec::new()),
            Self::Bytes => Column::Bytes(Vec::new()),
        }
    }

    pub(super) fn array(self, values: Vec<Value>) -> Value {
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

    /// The value at this index of a row.
    pub(super) fn value_of(self, row: &QueryResult, place: usize) -> Result<Value, DbErr> {
        Ok(match self {
            Self::Uuid => Value::Uuid(row.try_get_by_index(place)?),
            Self::BigInteger => Value::BigInt(row.try_get_by_index(place)?),
            Self::Integer => Value::Int(row.try_get_by_index(place)?),
            Self::Text => Value::String(row.try_get_by_index(place)?),
            Self::Boolean => Value::Bool(row.try_get_by_index(place)?),
            Self::Bytes => Value::Bytes(row.try_get_by_index(place)?),
        })
    }
}

/// One column of many rows, which PostgreSQL gets as an array.
pub(super) enum Column {
    Uuid(Vec<Option<Uuid>>),
    BigInteger(Vec<Option<i64>>),
    Integer(Vec<Option<i32>>),
    Text(Vec<Option<String>>),
    Boolean(Vec<Option<bool>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Column {
    pub(super) fn push(&mut self, value: Value) -> Result<(), StoreError> {
        match (self, value) {
            (Self::Uuid(column), Value::Uuid(value)) => column.push(value),
            (Self::BigInteger(column), Value::BigInt(value)) => column.push(value),
            (Self::Integer(column), Value::Int(value)) => column.push(value),
            (Self::Text(column), Value::String(value)) => column.push(value),
            (Self::Boolean(column), Value::Bool(value)) => column.push(value),
            (Self::Bytes(column), Value::Bytes(value)) => column.push(value),
            (_, other) => return Err(StoreError::Unexpected(format!("a value of another type: {other:?}"))),
        }
        Ok(())
    }

    pub(super) fn add_to(self, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match self {
            Self::Uuid(column) => arguments.add(column),
            Self::BigInteger(column) => arguments.add(column),
            Self::Integer(column) => arguments.add(column),
            Self::Text(column) => arguments.add(column),
            Self::Boolean(column) => arguments.add(column),
            Self::Bytes(column) => arguments.add(column),
        }
    }
}
