//! The plain service on PostgreSQL: pgbench with `sql/sale.postgres.sql`. Knows nothing of the server.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use testkit::postgres::Postgres;

use super::merchants::Merchants;
use super::sample::{self, Dialect};
use super::script;
use crate::figures::{self, Latencies};
use crate::load::{Measured, Until};
use crate::shop::ShopSize;
use crate::storage::Database;

const SCRIPT: &str = include_str!("../../../sql/sale.postgres.sql");

/// Its database.
const DATABASE: &str = "plain";

/// A database and its script.
pub(in crate::side_by_side) struct PlainPostgres {
    script: PathBuf,
    folder: PathBuf,
    accounts: usize,
    customers: usize,
    runs: u32,
}

impl PlainPostgres {
    /// Makes the database with its merchants, and checks that a sale adds all of its rows.
    pub(in crate::side_by_side) async fn prepare(
        postgres: &Postgres,
        folder: &Path,
        accounts: usize,
        size: ShopSize,
    ) -> anyhow::Result<Self> {
        postgres.create_database(DATABASE).await?;
        let merchants = Merchants::of(Dialect::Postgres, accounts, size)?;
        let setup = format!("{}\n{};\n", Dialect::Postgres.tables(), merchants.statements.join(";\n"));
        run_file(postgres, &folder.join("merchants.sql"), &setup).await?;
        let script = folder.join("sale.sql");
        write_script(&script, &merchants.account_ids)?;
        let plain = Self { script, folder: folder.to_owned(), accounts, customers: size.leads, runs: 0 };
        let before = counts(postgres).await?;
        pgbench(postgres, &plain.script, &plain.arguments(1, ("-t", 1), accounts)).await?;
        super::check_rows(before, counts(postgres).await?)?;
        // Analyzes the tables, as in a service that has run for a while.
        postgres.query(DATABASE, "ANALYZE").await?;
        Ok(plain)
    }

    fn arguments(&self, clients: usize, (how_long, how_much): (&str, u64), accounts: usize) -> Vec<String> {
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
        ];
        arguments.to_vec()
    }

    /// Its database, for measuring its size.
    pub(in crate::side_by_side) fn database<'a>(&self, postgres: &'a Postgres) -> Database<'a> {
        Database::Postgres(postgres, DATABASE)
    }

    /// The number of accounts.
    pub(in crate::side_by_side) fn accounts(&self) -> usize {
        self.accounts
    }

    /// Runs this many clients, each recording one sale after the other.
    pub(in crate::side_by_side) async fn measure(
        &mut self,
        postgres: &Postgres,
        clients: usize,
        accounts: usize,
        until: Until,
    ) -> anyhow::Result<Measured> {
        self.runs += 1;
        let log = self.folder.join("pgbench-log");
        let how_long = match until {
            Until::Time(time) => ("-T", time.as_secs().max(1)),
            // pgbench takes the number of calls per client.
            Until::Calls(calls) => ("-t", calls.div_ceil(clients.max(1) as u64)),
        };
        let mut arguments = self.arguments(clients, how_long, accounts);
        arguments.extend(["-l".to_owned(), format!("--log-prefix={}", log.display())]);
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
    pub(in crate::side_by_side) async fn count_sales(postgres: &Postgres) -> anyhow::Result<u64> {
        Ok(postgres.query(DATABASE, "SELECT count(*) FROM conversion WHERE kind = 'sale'").await?.parse()?)
    }
}

fn children_seconds() -> f64 {
    figures::processor_seconds(std::process::id()) - figures::own_processor_seconds()
}

fn write_script(path: &Path, account_ids: &[u128]) -> anyhow::Result<()> {
    let accounts: Vec<String> = account_ids.iter().map(|id| format!("{id:032x}")).collect();
    let accounts = format!("'{{{}}}'::uuid[]", accounts.join(","));
    let mut text = String::new();
    for statement in script::statements(SCRIPT, &sample::rows(Dialect::Postgres)?)? {
        text.push_str(&statement.replace("ACCOUNTS", &accounts));
        text.push_str(";\n");
    }
    Ok(std::fs::write(path, text)?)
}

/// Runs statements from a file, because they are too long for a command line.
async fn run_file(postgres: &Postgres, path: &Path, statements: &str) -> anyhow::Result<()> {
    std::fs::write(path, statements)?;
    let mut command = postgres.client_program("psql");
    command.args(["-X", "-q", "-1", "-v", "ON_ERROR_STOP=1", "-d", DATABASE, "-f"]).arg(path);
    let output = command.output().await.context("cannot run psql")?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The rows of each table that a sale adds to.
async fn counts(postgres: &Postgres) -> anyhow::Result<[u64; 5]> {
    let said = postgres.query(DATABASE, &super::counts_statement()).await?;
    let counts: Vec<u64> = said.split('|').map(str::parse).collect::<Result<_, _>>()?;
    counts.try_into().map_err(|_| anyhow::anyhow!("no counts: {said}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_from_what_pgbench_says() {
        let said =
            "number of transactions actually processed: 4711\ntps = 2390.125 (without initial connection time)\n";
        assert_eq!(figure_after(said, "tps = ").unwrap().to_string(), "2390.125");
        assert!(figure_after(said, "no such words").is_err());
    }
}
