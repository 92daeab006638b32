//! The types of our columns, and columns of many values to send to PostgreSQL as arrays.

use std::sync::Arc;

use sea_orm::sea_query::{ArrayType, ColumnType};
use sea_orm::sqlx::error::BoxDynError;
use sea_orm::sqlx::postgres::{PgArguments, PgRow};
use sea_orm::sqlx::{Arguments as _, Row as _};
use sea_orm::{DbErr, RuntimeErr, Value};
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

    /// A column with room for so many values.
    pub(super) fn column(self, rows: usize) -> Column {
        match self {
            Self::Uuid => Column::Uuid(Vec::with_capacity(rows)),
            Self::BigInteger => Column::BigInteger(Vec::with_capacity(rows)),
            Self::Integer => Column::Integer(Vec::with_capacity(rows)),
            Self::Text => Column::Text(Vec::with_capacity(rows)),
            Self::Boolean => Column::Boolean(Vec::with_capacity(rows)),
            Self::Bytes => Column::Bytes(Vec::with_capacity(rows)),
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

    /// The value at this index of a row of PostgreSQL.
    pub(super) fn value_of(self, row: &PgRow, place: usize) -> Result<Value, DbErr> {
        let value = match self {
            Self::Uuid => row.try_get(place).map(Value::Uuid),
            Self::BigInteger => row.try_get(place).map(Value::BigInt),
            Self::Integer => row.try_get(place).map(Value::Int),
            Self::Text => row.try_get(place).map(Value::String),
            Self::Boolean => row.try_get(place).map(Value::Bool),
            Self::Bytes => row.try_get(place).map(Value::Bytes),
        };
        value.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(Arc::new(error))))
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
