//! The plain service's SQL, and the rows that it must add to match the server. Knows neither database.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};

/// Placeholder for all columns of a table.
const LIKE_SAMPLE: &str = " LIKE SAMPLE";

/// A row: its columns with their values as SQL.
pub(super) type Row = BTreeMap<String, String>;

/// All rows of all tables.
#[derive(Debug, Default)]
pub(super) struct Contents(pub(super) BTreeMap<String, BTreeSet<Row>>);

impl Contents {
    /// The increase in rows of each table that has grown.
    pub(super) fn growth_since(&self, before: &Self) -> BTreeMap<String, usize> {
        let growth = self.0.iter().map(|(table, rows)| {
            let had = before.0.get(table).map_or(0, BTreeSet::len);
            (table.clone(), rows.len().saturating_sub(had))
        });
        growth.filter(|(_, more)| *more > 0).collect()
    }

    /// A new row of each table.
    pub(super) fn new_rows_since(&self, before: &Self) -> BTreeMap<String, Row> {
        let new = self.0.iter().filter_map(|(table, rows)| {
            let had = before.0.get(table);
            let row = rows.iter().find(|row| had.is_none_or(|had| !had.contains(*row)))?;
            Some((table.clone(), row.clone()))
        });
        new.collect()
    }
}

/// The script's statements with `LIKE SAMPLE` expanded, without comments and without the `;` between them.
pub(super) fn statements(script: &str, samples: &BTreeMap<String, Row>) -> anyhow::Result<Vec<String>> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = lines.join("\n");
    let statements = text.split(';').map(str::trim).filter(|statement| !statement.is_empty());
    statements.map(|statement| write_out(statement, samples)).collect()
}

fn write_out(statement: &str, samples: &BTreeMap<String, Row>) -> anyhow::Result<String> {
    let Some((head, assignments)) = statement.split_once(LIKE_SAMPLE) else { return Ok(statement.to_owned()) };
    // Keeps the text before it, such as the line of another command.
    let (before, table) = head.rsplit_once("INSERT INTO ").with_context(|| format!("no INSERT INTO in {head}"))?;
    let mut row = samples.get(table).with_context(|| format!("a sale of the server adds no row to {table}"))?.clone();
    for line in assignments.lines().map(|line| line.trim().trim_end_matches(',')).filter(|line| !line.is_empty()) {
        let (column, value) = line.split_once(" = ").with_context(|| format!("no assignment: {line}"))?;
        match row.get_mut(column) {
            Some(slot) => value.clone_into(slot),
            None => bail!("{table} has no column {column}: the script must follow the migration"),
        }
    }
    let columns: Vec<&str> = row.keys().map(String::as_str).collect();
    let values: Vec<&str> = row.values().map(String::as_str).collect();
    Ok(format!("{before}INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", ")))
}

/// Refuses an unfair comparison: a sale must add as many rows to the same tables on both sides.
pub(super) fn check_equal(server: &BTreeMap<String, usize>, plain: &BTreeMap<String, usize>) -> anyhow::Result<()> {
    if server != plain {
        bail!(
            "one sale adds {server:?} rows when the server records it and {plain:?} when the plain service does: \
             stress/sql must follow the migration"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[(&str, &str)]) -> Row {
        values.iter().map(|&(column, value)| (column.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn unnamed_columns_come_from_the_sample() {
        let samples = BTreeMap::from([("sale".to_owned(), row(&[("id", "1"), ("note", "';'")]))]);
        let script = "-- a comment; of two parts\nBEGIN;\nINSERT INTO sale LIKE SAMPLE\n  id = :id + 1;\nCOMMIT;\n";
        let expected = ["BEGIN", "INSERT INTO sale (id, note) VALUES (:id + 1, ';')", "COMMIT"];
        assert_eq!(statements(script, &samples).unwrap(), expected);
        assert!(statements("INSERT INTO sale LIKE SAMPLE\n  no_column = 1;", &samples).is_err());
        assert!(statements("INSERT INTO no_table LIKE SAMPLE\n  id = 1;", &samples).is_err());
    }

    #[test]
    fn a_table_that_only_one_side_writes_is_found() {
        let before = Contents(BTreeMap::from([("sale".to_owned(), BTreeSet::from([row(&[("id", "1")])]))]));
        let rows = BTreeSet::from([row(&[("id", "1")]), row(&[("id", "2")])]);
        let after = Contents(BTreeMap::from([("sale".to_owned(), rows)]));
        let growth = after.growth_since(&before);
        assert_eq!(growth, BTreeMap::from([("sale".to_owned(), 1)]));
        assert_eq!(after.new_rows_since(&before)["sale"], row(&[("id", "2")]));
        assert!(check_equal(&growth, &growth).is_ok());
        assert!(check_equal(&growth, &BTreeMap::new()).is_err());
    }
}
