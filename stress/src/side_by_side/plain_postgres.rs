//! The plain service on PostgreSQL: pgbench with `sql/sale.postgres.sql`. Knows nothing of the server except its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use testkit::postgres::Postgres;

use super::host::Place;
use super::plain::{self, Prepared};
use super::script::{self, Contents, Row};
use crate::figures::{self, Latencies};
use crate::load::{Measured, Until};
use crate::shop::{Shop, ShopSize};

const SCRIPT: &str = include_str!("../../sql/sale.postgres.sql");

/// Its database.
pub(super) const DATABASE: &str = "plain";

/// A database and its script.
pub(super) struct PlainPostgres {
    script: PathBuf,
    folder: PathBuf,
    accounts: usize,
    customers: usize,
    runs: u32,
}

impl PlainPostgres {
    /// Makes the database, and checks that its sales write as much as the server's.
    pub(super) async fn prepare(
        postgres: &Postgres,
        binary: Option<&Path>,
        folder: &Path,
        accounts: usize,
        size: ShopSize,
    ) -> anyhow::Result<Self> {
        let url = postgres.create_database(DATABASE).await?;
        let place = Place { binary: binary.map(Path::to_owned), data_dir: folder.join("plain"), database: Some(url) };
        let mut plain =
            Self { script: folder.join("sale.sql"), folder: folder.to_owned(), accounts: 1, customers: 1, runs: 0 };
        let sample_script = folder.join("sample.sql");
        let record = async |samples: &BTreeMap<String, Row>, shop: &Shop| {
            write_script(&sample_script, samples, std::slice::from_ref(shop))?;
            let arguments = ["-t", "1", "-c", "1", "-D", "accounts=1", "-D", "customers=1", "-D", "run=plain"];
            pgbench(postgres, &sample_script, &arguments.map(str::to_owned)).await.map(|_| ())
        };
        let Prepared { samples, shops } =
            plain::prepare(&place, accounts, size, async || read(postgres).await, record).await?;
        write_script(&plain.script, &samples, &shops)?;
        (plain.accounts, plain.customers) = (shops.len(), size.leads);
        // Analyzes the tables, as in a service that has run for a while.
        postgres.query(DATABASE, "ANALYZE").await?;
        Ok(plain)
    }

    /// The number of accounts.
    pub(super) fn accounts(&self) -> usize {
        self.accounts
    }

    /// Runs this many clients, each recording one sale after the other.
    pub(super) async fn measure(
        &mut self,
        postgres: &Postgres,
        clients: usize,
        accounts: usize,
        until: Until,
    ) -> anyhow::Result<Measured> {
        self.runs += 1;
        let log = self.folder.join("pgbench-log");
        let (how_long, how_much) = match until {
            Until::Time(time) => ("-T", time.as_secs().max(1)),
            // pgbench takes the number of calls per client.
            Until::Calls(calls) => ("-t", calls.div_ceil(clients.max(1) as u64)),
        };
        let arguments = [
            "-c".to_owned(),
            clients.to_string(),
            "-j".to_owned(),
            clients.min(2).to_string(),
            how_long.to_owned(),
            how_much.to_string(),
            "-D".to_owned(),
            format!("accounts={}", accounts.min(self.accounts)),
            "-D".to_owned(),
            format!("customers={}", self.customers),
            "-D".to_owned(),
            // Each run needs new event_ids.
            format!("run=run{}", self.runs),
            "-l".to_owned(),
            format!("--log-prefix={}", log.display()),
        ];
        let database = postgres.pid()?;
        let before = (children_seconds(), figures::processor_seconds_of_tree(database));
        let said = pgbench(postgres, &self.script, &arguments).await?;
        let used = (children_seconds() - before.0, figures::processor_seconds_of_tree(database) - before.1);
        let units = figure_after(&said, "number of transactions actually processed: ")?;
        let per_second = figure_after(&said, "tps = ")?;
        let latencies = read_latencies(&self.folder, "pgbench-log")?;
        Ok(Measured {
            calls: latencies.count(),
            units: units as u64,
            seconds: units / per_second.max(f64::EPSILON),
            latencies,
            processor_micros: [used.0, used.1].map(|seconds| seconds * 1e6 / units.max(1.0)).to_vec(),
        })
    }

    /// The number of sales in the database.
    pub(super) async fn count_sales(postgres: &Postgres) -> anyhow::Result<u64> {
        Ok(postgres.query(DATABASE, "SELECT count(*) FROM conversion WHERE kind = 'sale'").await?.parse()?)
    }
}

fn children_seconds() -> f64 {
    figures::processor_seconds(std::process::id()) - figures::own_processor_seconds()
}

fn write_script(path: &Path, samples: &BTreeMap<String, Row>, shops: &[Shop]) -> anyhow::Result<()> {
    let accounts: Vec<&str> = shops.iter().map(|shop| shop.account_id.rsplit('_').next().unwrap_or_default()).collect();
    let accounts = format!("'{{{}}}'::uuid[]", accounts.join(","));
    let mut text = String::new();
    for statement in script::statements(SCRIPT, samples)? {
        text.push_str(&statement.replace("ACCOUNTS", &accounts));
        text.push_str(";\n");
    }
    Ok(std::fs::write(path, text)?)
}

/// Runs the command and returns its output. Any failure is an error.
async fn pgbench(postgres: &Postgres, script: &Path, arguments: &[String]) -> anyhow::Result<String> {
    let mut command = postgres.client_program("pgbench");
    command.args(["-n", "-M", "prepared", "-D", "number=0", "-f"]).arg(script).args(arguments).arg(DATABASE);
    let output = command.output().await.context("cannot run pgbench")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || !said.contains("number of failed transactions: 0 ") {
        bail!("pgbench failed: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(said)
}

fn figure_after(said: &str, words: &str) -> anyhow::Result<f64> {
    let (_, rest) = said.split_once(words).with_context(|| format!("pgbench did not say {words}: {said}"))?;
    let digits: String = rest.chars().take_while(|letter| letter.is_ascii_digit() || *letter == '.').collect();
    Ok(digits.parse()?)
}

/// Reads and removes pgbench's logs: a line per transaction, whose third word is its duration in microseconds.
fn read_latencies(folder: &Path, prefix: &str) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)) {
            continue;
        }
        for line in std::fs::read_to_string(&path)?.lines() {
            let micros = line.split(' ').nth(2).and_then(|word| word.parse().ok());
            latencies.record_micros(micros.with_context(|| format!("no line of a pgbench log: {line}"))?);
        }
        std::fs::remove_file(&path)?;
    }
    Ok(latencies)
}

/// All rows of the database.
async fn read(postgres: &Postgres) -> anyhow::Result<Contents> {
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' \
                  AND table_type = 'BASE TABLE' AND table_name <> 'seaql_migrations'";
    let mut contents = Contents::default();
    for table in postgres.query(DATABASE, tables).await?.lines() {
        let rows = postgres.query(DATABASE, &format!("SELECT row_to_json(t) FROM \"{table}\" AS t")).await?;
        let rows: BTreeSet<Row> = rows.lines().map(row_from_json).collect::<anyhow::Result<_>>()?;
        contents.0.insert(table.to_owned(), rows);
    }
    Ok(contents)
}

fn row_from_json(line: &str) -> anyhow::Result<Row> {
    let row: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
    Ok(row.into_iter().map(|(column, value)| (column, literal(&value))).collect())
}

/// A value as SQL that pgbench does not change: it treats a colon with a word as a variable, even inside quotes.
fn literal(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "NULL".to_owned(),
        serde_json::Value::String(text) => {
            let text = text.replace('\\', "\\\\").replace('\'', "''").replace(':', "\\x3a").replace(';', "\\x3b");
            format!("E'{text}'")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_hides_what_pgbench_would_take_for_a_variable() {
        let row = row_from_json(r#"{"a":"{\"is\":true}","b":7,"c":null,"d":"it's \\x00"}"#).unwrap();
        assert_eq!(row["a"], r#"E'{"is"\x3atrue}'"#);
        assert_eq!((row["b"].as_str(), row["c"].as_str()), ("7", "NULL"));
        assert_eq!(row["d"], r"E'it''s \\x00'");
    }

    #[test]
    fn figures_are_read_from_what_pgbench_says() {
        let said =
            "number of transactions actually processed: 4711\ntps = 2390.125 (without initial connection time)\n";
        assert_eq!(figure_after(said, "tps = ").unwrap().to_string(), "2390.125");
        assert!(figure_after(said, "no such words").is_err());
    }
}
