//! The plain service: it records the same sale as Headwater, one transaction each, into tables of its own. The tables, the
//! statements and the constants are in `stress/sql`. They do not follow Headwater, so that every build of Headwater is compared
//! with the same work.

mod merchants;
mod postgres;
mod sample;
mod script;
mod sqlite;

use anyhow::ensure;

pub(super) use postgres::PlainPostgres;
pub(super) use sqlite::PlainSqlite;

/// The tables that a sale adds a row to. The first sale of an affiliate also adds one to `balance`. Every sale changes
/// `account_head` and `balance`.
const TABLES_OF_A_SALE: [&str; 5] = ["conversion", "event_segment", "ledger_entry", "request", "reward"];

/// The number of rows that one sale is expected to add, in the order of `TABLES_OF_A_SALE`.
const ROWS_OF_A_SALE: [u64; 5] = [1; 5];

/// The statement that counts the rows of these tables, as one row.
fn counts_statement() -> String {
    let counts = TABLES_OF_A_SALE.map(|table| format!("(SELECT count(*) FROM {table})"));
    format!("SELECT {}", counts.join(", "))
}

/// Refuses to compare with a script that does not write a whole sale.
fn check_rows(before: [u64; 5], after: [u64; 5]) -> anyhow::Result<()> {
    let mut added = [0; 5];
    for (place, added) in added.iter_mut().enumerate() {
        *added = after[place].saturating_sub(before[place]);
    }
    ensure!(added == ROWS_OF_A_SALE, "one plain sale adds {added:?} rows to {TABLES_OF_A_SALE:?}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_that_leaves_a_table_out_is_found() {
        assert!(check_rows([0; 5], [1; 5]).is_ok());
        assert!(check_rows([3; 5], [4, 4, 4, 4, 3]).is_err());
    }
}
