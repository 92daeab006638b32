//! The plain service's SQL, with the sample rows put in. Knows neither database.

use std::collections::BTreeMap;

use anyhow::{Context, bail};

/// Placeholder for all columns of a table.
const LIKE_SAMPLE: &str = " LIKE SAMPLE";

/// A row: its columns with their values as SQL.
pub(super) type Row = BTreeMap<String, String>;

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
    let mut row = samples.get(table).with_context(|| format!("there is no sample of {table}"))?.clone();
    for line in assignments.lines().map(|line| line.trim().trim_end_matches(',')).filter(|line| !line.is_empty()) {
        let (column, value) = line.split_once(" = ").with_context(|| format!("no assignment: {line}"))?;
        match row.get_mut(column) {
            Some(slot) => value.clone_into(slot),
            None => bail!("{table} has no column {column}: see stress/sql/sample.json"),
        }
    }
    let columns: Vec<&str> = row.keys().map(String::as_str).collect();
    let values: Vec<&str> = row.values().map(String::as_str).collect();
    Ok(format!("{before}INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), values.join(", ")))
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
}
