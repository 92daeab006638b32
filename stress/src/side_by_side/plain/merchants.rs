//! The plain service's merchants: accounts with a program, affiliates and bound customers, as many as Headwater's. Makes their rows
//! as SQL, and opens no database.

use std::collections::BTreeMap;

use anyhow::Context;

use super::sample::{self, Dialect};
use super::script::Row;
use crate::shop::{self, ShopSize};

/// The number of rows in one statement.
const ROWS_PER_STATEMENT: usize = 500;

/// The time in the first id, in milliseconds since 1970: November 2026.
const FIRST_MILLISECOND: u128 = 1_795_000_000_000;

/// The statements that fill the new tables.
pub(super) struct Merchants {
    /// The ids of the accounts.
    pub(super) account_ids: Vec<u128>,
    /// The statements, in order.
    pub(super) statements: Vec<String>,
}

impl Merchants {
    /// The statements that make the tables are not among them.
    pub(super) fn of(dialect: Dialect, accounts: usize, size: ShopSize) -> anyhow::Result<Self> {
        let mut ids = Ids { count: 0 };
        let mut filling =
            Filling { dialect, samples: sample::rows(dialect)?, waiting: BTreeMap::new(), done: Vec::new() };
        let account_ids: Vec<u128> = (0..accounts).map(|_| ids.next()).collect();
        for account_id in &account_ids {
            filling.merchant(*account_id, &mut ids, size)?;
        }
        filling.finish();
        Ok(Self { account_ids, statements: filling.done })
    }
}

/// Makes ids in order, of version 7 as the server's.
struct Ids {
    count: u64,
}

impl Ids {
    fn next(&mut self) -> u128 {
        self.count += 1;
        let random = u128::from(shop::drawn(0, self.count));
        let (high, low) = (random & 0xfff, (random >> 12) & ((1 << 62) - 1));
        ((FIRST_MILLISECOND + u128::from(self.count)) << 80) | (7 << 76) | (high << 64) | (2 << 62) | low
    }
}

/// Rows on their way into statements.
struct Filling {
    dialect: Dialect,
    samples: BTreeMap<String, Row>,
    /// The first part of each table's statement, and its rows.
    waiting: BTreeMap<&'static str, Vec<String>>,
    done: Vec<String>,
}

impl Filling {
    fn merchant(&mut self, account_id: u128, ids: &mut Ids, size: ShopSize) -> anyhow::Result<()> {
        let dialect = self.dialect;
        let account = ("account_id", dialect.uuid(account_id));
        let program_id = ids.next();
        let program = ("program_id", dialect.uuid(program_id));
        self.add("account_head", std::slice::from_ref(&account))?;
        self.add("program", &[account.clone(), ("id", dialect.uuid(program_id))])?;
        self.add("terms", &[account.clone(), program.clone()])?;
        let mut enrolled = Vec::with_capacity(size.affiliates);
        for number in 0..size.affiliates {
            let (affiliate_id, enrollment_id) = (ids.next(), ids.next());
            self.add(
                "enrollment",
                &[
                    account.clone(),
                    ("id", dialect.uuid(enrollment_id)),
                    ("affiliate_id", dialect.uuid(affiliate_id)),
                    program.clone(),
                    ("ref_id", dialect.text(&format!("affiliate-{number}"))),
                ],
            )?;
            enrolled.push((affiliate_id, enrollment_id));
        }
        for number in 0..size.leads {
            let (affiliate_id, enrollment_id) = enrolled[number % enrolled.len().max(1)];
            let email = dialect.text(&shop::email_of(number as u64));
            self.add(
                "lead",
                &[
                    account.clone(),
                    ("id", dialect.uuid(ids.next())),
                    ("email", email.clone()),
                    ("email_as_sent", email),
                    ("sole_affiliate_id", dialect.uuid(affiliate_id)),
                    ("credits", dialect.bytes(&credits(affiliate_id, enrollment_id, program_id))),
                ],
            )?;
        }
        Ok(())
    }

    /// Adds the table's sample row with other values.
    fn add(&mut self, table: &'static str, values: &[(&str, String)]) -> anyhow::Result<()> {
        let mut row = self.samples.get(table).with_context(|| format!("there is no sample of {table}"))?.clone();
        for (column, value) in values {
            value.clone_into(row.get_mut(*column).with_context(|| format!("{table} has no column {column}"))?);
        }
        let waiting = self.waiting.entry(table).or_default();
        let row: Vec<String> = row.into_values().collect();
        waiting.push(format!("({})", row.join(", ")));
        if waiting.len() >= ROWS_PER_STATEMENT {
            let rows = std::mem::take(waiting);
            self.write(table, &rows);
        }
        Ok(())
    }

    fn write(&mut self, table: &str, rows: &[String]) {
        let columns: Vec<&str> =
            self.samples.get(table).into_iter().flat_map(BTreeMap::keys).map(String::as_str).collect();
        self.done.push(format!("INSERT INTO {table} ({}) VALUES\n{}", columns.join(", "), rows.join(",\n")));
    }

    fn finish(&mut self) {
        for (table, rows) in std::mem::take(&mut self.waiting) {
            if !rows.is_empty() {
                self.write(table, &rows);
            }
        }
    }
}

/// The stored form of one whole credit, in hexadecimal digits: version and count; affiliate, enrollment and program; the terms'
/// version, the source and the share.
fn credits(affiliate_id: u128, enrollment_id: u128, program_id: u128) -> String {
    format!("0101{affiliate_id:032x}{enrollment_id:032x}{program_id:032x}010000000340420f00")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_and_are_of_version_7() {
        let mut ids = Ids { count: 0 };
        let [first, second] = [ids.next(), ids.next()];
        assert!(first < second);
        assert_eq!(((first >> 76) & 0xf, (first >> 62) & 3), (7, 2));
    }

    #[test]
    fn a_merchants_rows_are_of_the_requested_number() {
        let size = ShopSize { affiliates: 3, leads: 501, rules: 0 };
        let merchants = Merchants::of(Dialect::Sqlite, 2, size).unwrap();
        let rows = |table: &str| -> usize {
            let head = format!("INSERT INTO {table} ");
            let of_table = merchants.statements.iter().filter(|statement| statement.starts_with(&head));
            of_table.map(|statement| statement.lines().count() - 1).sum()
        };
        assert_eq!(merchants.account_ids.len(), 2);
        assert_eq!(["account_head", "program", "terms", "enrollment", "lead"].map(rows), [2, 2, 2, 6, 1_002]);
    }
}
