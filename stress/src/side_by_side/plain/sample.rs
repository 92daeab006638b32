//! The sample rows, one of each table: what Headwater wrote for a merchant and a sale in November 2026. They do not change with
//! Headwater, so that the plain service writes as much in every run. Knows both databases' literals, but opens neither.

use std::collections::BTreeMap;

use anyhow::Context;
use serde_json::Value;

use super::script::Row;

/// The rows. Columns that every statement fills by itself are null.
const SAMPLE: &str = include_str!("../../../sql/sample.json");

/// How the tables are made and how values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// The statements that make the tables.
    pub(super) fn tables(self) -> &'static str {
        match self {
            Self::Sqlite => include_str!("../../../sql/tables.sqlite.sql"),
            Self::Postgres => include_str!("../../../sql/tables.postgres.sql"),
        }
    }

    /// A text as SQL. On PostgreSQL it has no colon, because pgbench and psql take a colon with a word for a variable, even inside
    /// quotes.
    pub(super) fn text(self, text: &str) -> String {
        match self {
            Self::Sqlite => format!("'{}'", text.replace('\'', "''")),
            Self::Postgres => {
                let text = text.replace('\\', "\\\\").replace('\'', "''").replace(':', "\\x3a").replace(';', "\\x3b");
                format!("E'{text}'")
            }
        }
    }

    /// Bytes as SQL, from hexadecimal digits.
    pub(super) fn bytes(self, digits: &str) -> String {
        match self {
            Self::Sqlite => format!("X'{digits}'"),
            Self::Postgres => format!("'\\x{digits}'"),
        }
    }

    /// A UUID as SQL.
    pub(super) fn uuid(self, id: u128) -> String {
        match self {
            Self::Sqlite => format!("X'{id:032x}'"),
            Self::Postgres => format!("'{id:032x}'"),
        }
    }

    fn literal(self, value: &Value) -> anyhow::Result<String> {
        match (self, value) {
            (_, Value::Null) => Ok("NULL".to_owned()),
            (Self::Sqlite, Value::Bool(flag)) => Ok(u8::from(*flag).to_string()),
            (Self::Postgres, Value::Bool(flag)) => Ok(flag.to_string()),
            (_, Value::Number(number)) => Ok(number.to_string()),
            (_, Value::String(text)) => Ok(self.text(text)),
            (_, other) => {
                let digits = other.get("bytes").and_then(Value::as_str);
                Ok(self.bytes(digits.with_context(|| format!("no value of a sample: {other}"))?))
            }
        }
    }
}

/// A row of each table, as SQL.
pub(super) fn rows(dialect: Dialect) -> anyhow::Result<BTreeMap<String, Row>> {
    let tables: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(SAMPLE)?;
    let row = |row: BTreeMap<String, Value>| {
        row.into_iter().map(|(column, value)| Ok((column, dialect.literal(&value)?))).collect::<anyhow::Result<Row>>()
    };
    tables.into_iter().map(|(table, columns)| Ok((table, row(columns)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_for_postgresql_has_nothing_that_pgbench_would_take_for_a_variable() {
        assert_eq!(Dialect::Postgres.text(r#"{"is":true}"#), r#"E'{"is"\x3atrue}'"#);
        assert_eq!(Dialect::Postgres.text(r"it's \x00"), r"E'it''s \\x00'");
        assert_eq!(Dialect::Sqlite.text("it's"), "'it''s'");
    }

    #[test]
    fn samples_have_a_literal_for_each_kind_of_value() {
        for (dialect, flag, bytes) in [(Dialect::Sqlite, "1", "X'01ff'"), (Dialect::Postgres, "true", "'\\x01ff'")] {
            let literal = |json: &str| dialect.literal(&serde_json::from_str(json).unwrap());
            assert_eq!(literal("true").unwrap(), flag);
            assert_eq!(literal(r#"{"bytes": "01ff"}"#).unwrap(), bytes);
            assert_eq!((literal("null").unwrap(), literal("7").unwrap()), ("NULL".to_owned(), "7".to_owned()));
            assert!(literal("[1]").is_err());
            assert!(rows(dialect).unwrap().contains_key("conversion"));
        }
    }
}
