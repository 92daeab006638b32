//! The monthly recurring revenue of programs: sums over leads, which change in the transaction that changes a lead. A lead without such
//! revenue costs nothing.

use std::collections::BTreeMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::backend::bulk::Writes;
use super::entity::lead as lead_table;
use super::entity::program_mrr as table;
use super::list::{self, Walk};
use super::row::RowName;
use super::{Snapshot, Source, Store, StoreError};
use crate::domain::id::{AccountId, ProgramId};
use crate::domain::lead::Lead;
use crate::domain::money::{Currency, Money};
use crate::domain::program::ProgramMrr;
use crate::domain::set::Rows;

/// A sum is kept as its whole billions and the rest, so that the database can store every sum.
const BILLION: i64 = 1_000_000_000;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The most leads that a check reads at once.
const PAGE_LENGTH: u64 = 1_000;

type Key = (AccountId, ProgramId, &'static str);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    billions: i64,
    rest_minor: i64,
    customer_count: i64,
}

impl Sum {
    /// Adds a lead's revenue, or takes it away.
    fn change(&mut self, mrr: Money, sign: i64) {
        self.billions += sign * (mrr.amount_minor / BILLION);
        self.rest_minor += sign * (mrr.amount_minor % BILLION);
        self.customer_count += sign;
    }

    fn total_minor(self) -> i128 {
        i128::from(self.billions) * i128::from(BILLION) + i128::from(self.rest_minor)
    }
}

fn add_lead(sums: &mut BTreeMap<Key, Sum>, lead: &Lead, sign: i64) {
    for (program_id, mrr) in lead.mrr_by_program() {
        sums.entry((lead.account_id, program_id, mrr.currency.code())).or_default().change(mrr, sign);
    }
}

/// Queues the changes of the sums that the changes of leads make.
pub(super) fn add_changes(writes: &mut Writes, leads: &Rows<Lead>) -> Result<(), StoreError> {
    let mut sums = BTreeMap::new();
    for (lead, loaded) in leads.written() {
        add_lead(&mut sums, lead, 1);
        loaded.into_iter().for_each(|loaded| add_lead(&mut sums, loaded, -1));
    }
    leads.removed().into_iter().for_each(|lead| add_lead(&mut sums, lead, -1));
    let changed = sums.into_iter().filter(|(_, sum)| *sum != Sum::default());
    let rows = changed.map(|((account_id, program_id, currency), sum)| table::Model {
        account_id: account_id.uuid(),
        program_id: program_id.uuid(),
        currency: currency.to_owned(),
        mrr_billions: sum.billions,
        mrr_rest_minor: sum.rest_minor,
        customer_count: sum.customer_count,
    });
    use table::Column;
    writes.add::<table::Entity>(rows.collect(), &[Column::MrrBillions, Column::MrrRestMinor, Column::CustomerCount])
}

fn sum_of(row: &table::Model) -> Sum {
    Sum { billions: row.mrr_billions, rest_minor: row.mrr_rest_minor, customer_count: row.customer_count }
}

/// A program's monthly recurring revenue, by currency.
///
/// # Errors
/// [`StoreError`].
pub async fn of_program(
    store: &Store,
    account_id: AccountId,
    program_id: ProgramId,
) -> Result<Vec<ProgramMrr>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::ProgramId.eq(program_id.uuid()))
        .filter(table::Column::CustomerCount.gt(0))
        .order_by_asc(table::Column::Currency);
    let name = RowName::new("program_mrr", program_id.uuid());
    let of_row = |row: table::Model| {
        let sum = sum_of(&row);
        let amount_minor = i64::try_from(sum.total_minor()).unwrap_or(i64::MAX);
        Ok(ProgramMrr { mrr: name.money(amount_minor, &row.currency)?, customer_count: sum.customer_count })
    };
    query.all(store.read()).await?.into_iter().map(of_row).collect()
}

/// The differences between the account's sums and its leads, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let mut expected: BTreeMap<Key, Sum> = BTreeMap::new();
    let mut walk = Walk::first(PAGE_LENGTH);
    loop {
        let with_revenue = list::page::<Lead>(account_id, walk).filter(lead_table::Column::MrrMinor.gt(0));
        let leads: Vec<Lead> = list::read(with_revenue, snapshot.connection()).await?;
        leads.iter().for_each(|lead| add_lead(&mut expected, lead, 1));
        let Some(last) = leads.last().filter(|_| leads.len() as u64 == PAGE_LENGTH) else { break };
        walk.after = Some(last.id.uuid());
    }
    let rows = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let mut kept: BTreeMap<Key, Sum> = BTreeMap::new();
    for row in rows.all(snapshot.connection()).await? {
        let currency: Currency = RowName::new("program_mrr", row.program_id).parse(&row.currency)?;
        kept.insert((account_id, ProgramId::from_uuid(row.program_id), currency.code()), sum_of(&row));
    }
    let keys = expected.keys().chain(kept.keys().filter(|key| !expected.contains_key(*key)));
    let figures = |sums: &BTreeMap<Key, Sum>, key: &Key| {
        let sum = sums.get(key).copied().unwrap_or_default();
        (sum.total_minor(), sum.customer_count)
    };
    let different = keys.map(|key| (key, figures(&kept, key), figures(&expected, key)));
    let text = |((_, program_id, currency), kept, expected): (&Key, (i128, i64), (i128, i64))| {
        format!(
            "the monthly revenue of {program_id} in {currency} is {} from {} customers and should be {} from {}",
            kept.0, kept.1, expected.0, expected.1
        )
    };
    Ok(different.filter(|(_, kept, expected)| kept != expected).map(text).take(DIFFERENCES_MAX).collect())
}
