//! The plain service on SQLite: a loop over `sql/sale.sqlite.sql` on one connection in this process, with the same durability as the
//! server. Knows nothing of the server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use headwater::clock::{self, Clock, SystemClock};
use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

use super::merchants::Merchants;
use super::sample::{self, Dialect};
use super::script;
use crate::figures::Latencies;
use crate::load::{Clocks, Measured, Until};
use crate::shop::{self, ShopSize};
use crate::storage::Database;

const SCRIPT: &str = include_str!("../../../sql/sale.sqlite.sql");

/// A database and the statements of a sale.
pub(in crate::side_by_side) struct PlainSqlite {
    file: PathBuf,
    statements: Vec<String>,
    account_ids: Vec<u128>,
    customers: u64,
    /// Decides which customers buy.
    seed: u64,
    recorded: u64,
}

impl PlainSqlite {
    /// Makes the database with its merchants, and checks that a sale adds all of its rows.
    pub(in crate::side_by_side) fn prepare(
        folder: &Path,
        accounts: usize,
        size: ShopSize,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let file = folder.join("plain.sqlite");
        let merchants = Merchants::of(Dialect::Sqlite, accounts, size)?;
        let mut connection = open(&file)?;
        connection.execute_batch(Dialect::Sqlite.tables())?;
        let transaction = connection.transaction()?;
        for statement in &merchants.statements {
            transaction.execute_batch(statement)?;
        }
        transaction.commit()?;
        let statements = script::statements(SCRIPT, &sample::rows(Dialect::Sqlite)?)?;
        let (account_ids, customers) = (merchants.account_ids, size.leads as u64);
        let mut plain = Self { file, statements, account_ids, customers, seed, recorded: 0 };
        let before = counts(&connection)?;
        plain.record(&mut |recorded| recorded < 1)?;
        super::check_rows(before, counts(&connection)?)?;
        Ok(plain)
    }

    /// Its database, for measuring its size.
    pub(in crate::side_by_side) fn database(&self) -> Database<'_> {
        Database::Sqlite(&self.file)
    }

    /// One sale after the other.
    pub(in crate::side_by_side) fn measure(&mut self, until: Until) -> anyhow::Result<Measured> {
        let clocks = Clocks::read(&[]);
        let begun = clock::monotonic_now();
        let latencies = self.record(&mut |recorded| until.goes_on(begun, recorded))?;
        let (units, seconds) = (latencies.count(), begun.elapsed().as_secs_f64());
        let processor_micros = clocks.micros_per(units, &[]);
        Ok(Measured { calls: units, units, seconds, latencies, processor_micros })
    }

    /// Records sales while `goes_on`, which gets their number, returns true.
    fn record(&mut self, goes_on: &mut dyn FnMut(u64) -> bool) -> anyhow::Result<Latencies> {
        let connection = open(&self.file)?;
        let mut variables = Variables::default();
        let mut steps: Vec<Step<'_>> = self
            .statements
            .iter()
            .map(|text| Step::prepare(&connection, text, &mut variables))
            .collect::<Result<_, _>>()?;
        let accounts: Vec<Value> = self.account_ids.iter().map(|id| Value::Blob(id.to_be_bytes().to_vec())).collect();
        let mut latencies = Latencies::new();
        while goes_on(latencies.count()) {
            let before = clock::monotonic_now();
            let number = self.recorded;
            self.recorded += 1;
            let place = usize::try_from(number)? % accounts.len();
            let now = SystemClock.now().micros();
            let id = |of: u64| Value::Blob([now.to_be_bytes(), (number * 4 + of).to_be_bytes()].concat());
            variables.set("account_id", accounts[place].clone());
            let customer = shop::drawn(self.seed, number) % self.customers.max(1);
            variables.set("email", Value::Text(shop::email_of(customer)));
            variables.set("event_key", Value::Text(format!("plain-{number:010}")));
            variables.set("now", Value::Integer(now));
            variables.set("conversion_id", id(1));
            variables.set("reward_id", id(2));
            for step in &mut steps {
                step.run(&mut variables)?;
            }
            latencies.record(before.elapsed());
        }
        Ok(latencies)
    }

    /// The number of sales in the database.
    pub(in crate::side_by_side) fn count_sales(&self) -> anyhow::Result<u64> {
        let count: i64 =
            open(&self.file)?.query_row("SELECT count(*) FROM conversion WHERE kind = 'sale'", (), |row| row.get(0))?;
        Ok(count.try_into()?)
    }
}

/// Opens the file with the store's settings for durability: see `SqliteWriter::open` in `src/store/backend/sqlite.rs`.
fn open(file: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// The values that statements take and return, by name; accessed by index while it runs.
#[derive(Default)]
struct Variables {
    names: Vec<String>,
    values: Vec<Value>,
}

impl Variables {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.names.iter().position(|known| known == name) {
            return place;
        }
        self.names.push(name.to_owned());
        self.values.push(Value::Null);
        self.names.len() - 1
    }

    fn set(&mut self, name: &str, value: Value) {
        let place = self.place(name);
        self.values[place] = value;
    }
}

/// A prepared statement with the indexes of its parameters and of its results.
struct Step<'connection> {
    statement: Statement<'connection>,
    given: Vec<usize>,
    returned: Vec<usize>,
}

impl<'connection> Step<'connection> {
    fn prepare(connection: &'connection Connection, text: &str, variables: &mut Variables) -> anyhow::Result<Self> {
        let statement = connection.prepare(text).with_context(|| text.to_owned())?;
        let names = (1..=statement.parameter_count()).filter_map(|index| statement.parameter_name(index));
        let given = names.map(|name| variables.place(name.trim_start_matches(':'))).collect();
        let returned = statement.column_names().into_iter().map(|name| variables.place(name)).collect();
        Ok(Self { statement, given, returned })
    }

    fn run(&mut self, variables: &mut Variables) -> anyhow::Result<()> {
        for (index, place) in (1..).zip(&self.given) {
            self.statement.raw_bind_parameter(index, &variables.values[*place])?;
        }
        if self.returned.is_empty() {
            self.statement.raw_execute()?;
            return Ok(());
        }
        let mut rows = self.statement.raw_query();
        let row = rows.next()?.context("a row is missing")?;
        for (index, place) in self.returned.iter().enumerate() {
            variables.values[*place] = row.get(index)?;
        }
        Ok(())
    }
}

/// The rows of each table that a sale adds to.
fn counts(connection: &Connection) -> anyhow::Result<[u64; 5]> {
    let mut counts = [0; 5];
    connection.query_row(&super::counts_statement(), (), |row| {
        for (place, count) in counts.iter_mut().enumerate() {
            *count = row.get::<_, i64>(place)?.unsigned_abs();
        }
        Ok(())
    })?;
    Ok(counts)
}
