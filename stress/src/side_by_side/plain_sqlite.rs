//! The plain service on SQLite: a loop over `sql/sale.sqlite.sql` on one connection in this process, with the store's settings.
//! Knows nothing of the server except its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use headwater::clock::{self, Clock, SystemClock};
use rusqlite::types::Value;
use rusqlite::{Connection, Statement};

use super::host::Place;
use super::plain::{self, Prepared};
use super::script::{self, Contents, Row};
use crate::figures::Latencies;
use crate::load::{Clocks, Measured, Until};
use crate::shop::{Shop, ShopSize};

const SCRIPT: &str = include_str!("../../sql/sale.sqlite.sql");

/// A database and the statements of a sale.
pub(super) struct PlainSqlite {
    file: PathBuf,
    statements: Vec<String>,
    shops: Vec<Shop>,
    recorded: u64,
}

impl PlainSqlite {
    /// Makes the database, and checks that its sales write as much as the server's.
    pub(super) async fn prepare(
        binary: Option<&Path>,
        folder: &Path,
        accounts: usize,
        size: ShopSize,
    ) -> anyhow::Result<Self> {
        let place = Place { binary: binary.map(Path::to_owned), data_dir: folder.join("plain"), database: None };
        let file = place.sqlite_file();
        let record = async |samples: &BTreeMap<String, Row>, shop: &Shop| {
            let statements = script::statements(SCRIPT, samples)?;
            let mut sample = Self { file: file.clone(), statements, shops: vec![shop.clone()], recorded: 0 };
            sample.record(&mut |recorded| recorded < 1).map(|_| ())
        };
        let Prepared { samples, shops } = plain::prepare(&place, accounts, size, async || read(&file), record).await?;
        let statements = script::statements(SCRIPT, &samples)?;
        Ok(Self { file, statements, shops, recorded: 0 })
    }

    /// One sale after the other.
    pub(super) fn measure(&mut self, until: Until) -> anyhow::Result<Measured> {
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
        let accounts: Vec<Value> = self.shops.iter().map(account_value).collect::<Result<_, _>>()?;
        let mut latencies = Latencies::new();
        while goes_on(latencies.count()) {
            let before = clock::monotonic_now();
            let number = self.recorded;
            self.recorded += 1;
            let place = usize::try_from(number)? % self.shops.len();
            let now = SystemClock.now().micros();
            let id = |of: u64| Value::Blob([now.to_be_bytes(), (number * 4 + of).to_be_bytes()].concat());
            variables.set("account_id", accounts[place].clone());
            variables.set("email", Value::Text(self.shops[place].email(number.wrapping_mul(7_919))));
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
    pub(super) fn count_sales(&self) -> anyhow::Result<u64> {
        let count: i64 =
            open(&self.file)?.query_row("SELECT count(*) FROM conversion WHERE kind = 'sale'", (), |row| row.get(0))?;
        Ok(count.try_into()?)
    }
}

/// Opens the file with the store's settings: see `SqliteWriter::open` in `src/store/backend/sqlite.rs`.
fn open(file: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.busy_timeout(Duration::from_secs(5))?;
    Ok(connection)
}

/// The account's id as SQLite stores it, in 16 bytes.
fn account_value(shop: &Shop) -> anyhow::Result<Value> {
    let (_, digits) = shop.account_id.split_once('_').context("the account's id has no prefix")?;
    let number = u128::from_str_radix(&digits.replace('-', ""), 16)?;
    Ok(Value::Blob(number.to_be_bytes().to_vec()))
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

/// All rows of the database.
fn read(file: &Path) -> anyhow::Result<Contents> {
    let connection = open(file)?;
    let mut names = connection.prepare(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations'",
    )?;
    let tables: Vec<String> = names.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut contents = Contents::default();
    for table in tables {
        let mut columns = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let columns: Vec<String> = columns.query_map([&table], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let quoted: Vec<String> = columns.iter().map(|column| format!("quote(\"{column}\")")).collect();
        let mut statement = connection.prepare(&format!("SELECT {} FROM \"{table}\"", quoted.join(", ")))?;
        let rows = statement.query_map((), |row| {
            columns
                .iter()
                .enumerate()
                .map(|(index, column)| Ok((column.clone(), row.get(index)?)))
                .collect::<Result<Row, _>>()
        })?;
        contents.0.insert(table, rows.collect::<Result<BTreeSet<Row>, _>>()?);
    }
    Ok(contents)
}
