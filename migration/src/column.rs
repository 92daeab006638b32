//! The kinds of columns that mean the same in SQLite and PostgreSQL. There are no decimals (SQLite makes them floats), no
//! timestamps (SQLite makes them text) and no enums of the database's own.

use sea_orm_migration::prelude::*;

/// The largest absolute value of a balance, in minor units. It is below the limit of 64 bits, because SQLite turns a larger sum
/// into a float.
const BALANCE_MINOR_MAX: i64 = 9_000_000_000_000_000_000;

/// The longest text of a state, a kind or a currency, in characters.
const STATE_LENGTH: u32 = 32;

/// A UUID.
pub fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().not_null().take()
}

/// A UUID or null.
pub fn id_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).uuid().null().take()
}

/// Microseconds since 1970 in UTC.
pub fn time(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// Microseconds since 1970 in UTC, or null.
pub fn time_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().take()
}

/// An amount in minor units.
pub fn money(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// An amount in minor units, or null.
pub fn money_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().take()
}

/// A sum of amounts in minor units. A check keeps it from overflowing, because the database itself adds to it.
pub fn balance(name: &'static str) -> ColumnDef {
    ColumnDef::new(name)
        .big_integer()
        .not_null()
        .check(
            Expr::col(name)
                .between(Expr::Constant((-BALANCE_MINOR_MAX).into()), Expr::Constant(BALANCE_MINOR_MAX.into())),
        )
        .take()
}

/// A number in a sequence without gaps.
pub fn sequence(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

/// A number in a sequence without gaps, or null.
pub fn sequence_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().null().take()
}

/// A small number: a version or a limit.
pub fn count(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().take()
}

/// A small number, or null.
pub fn count_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().null().take()
}

/// One text of a closed set: a state, a kind, a currency code.
pub fn state(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(STATE_LENGTH).not_null().take()
}

/// One text of a closed set, or null.
pub fn state_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).string_len(STATE_LENGTH).null().take()
}

/// Text of any length.
pub fn text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

/// Text of any length, or null.
pub fn text_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().null().take()
}

/// JSON, opaque to the database.
pub fn json(name: &'static str) -> ColumnDef {
    text(name)
}

/// JSON or null.
pub fn json_null(name: &'static str) -> ColumnDef {
    text_null(name)
}

/// Bytes in a format of ours, opaque to the database.
pub fn bytes(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().take()
}

/// Bytes of any length; null if there are none.
pub fn bytes_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().null().take()
}

/// The 32 bytes of a hash or a secret.
pub fn hash(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().not_null().take()
}

/// A hash, or null.
pub fn hash_null(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).blob().null().take()
}

/// True or false.
pub fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().take()
}

/// A new table, with the names of its primary key's columns. The caller adds the columns themselves.
pub fn table(name: &'static str, primary_key: &[&'static str]) -> TableCreateStatement {
    Table::create().table(name).primary_key(&mut index_of(primary_key)).take()
}

fn index_of(columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create();
    for column in columns {
        index.col(*column);
    }
    index
}

/// An index.
pub fn index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index_of(columns).name(name).table(table).take()
}

/// A unique index. Rows with a null in an indexed column may repeat.
pub fn unique_index(name: &'static str, table: &'static str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, table, columns).unique().take()
}

/// A unique index of only the rows that have a value in the last column. The condition is explicit, because PostgreSQL without
/// statistics would otherwise use the index to find the rows of an account.
pub fn unique_index_of_named(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
    named: &'static str,
) -> IndexCreateStatement {
    unique_index(name, table, columns).and_where(Expr::col(named).is_not_null()).take()
}

/// An index of only the rows that fit the condition.
pub fn partial_index(
    name: &'static str,
    table: &'static str,
    columns: &[&'static str],
    condition: Expr,
) -> IndexCreateStatement {
    index(name, table, columns).and_where(condition).take()
}
