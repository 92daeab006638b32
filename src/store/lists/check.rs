//! Checks that the lists of an account have all of its rows, and that their blocks and the tail are in order.

use std::collections::BTreeSet;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::Entry;
use super::block::{Block, Covering};
use super::tail::{entries_of, rows as tail_rows};
use crate::domain::conversion::Conversion;
use crate::domain::id::AccountId;
use crate::domain::lead::Lead;
use crate::domain::ledger::AccountHead;
use crate::domain::reward::Reward;
use crate::store::backend::table::Reads;
use crate::store::entity::list_block as table;
use crate::store::list::{self, Listed, Walk};
use crate::store::set::stored::Stored;
use crate::store::{Snapshot, Source, StoreError, account_head, ledger};

/// How many rows are read at once.
const PAGE_ROWS: u64 = 500;

/// The most differences that are named.
const DIFFERENCES_MAX: usize = 10;

/// The differences in the account's lists, in words.
///
/// # Errors
/// [`StoreError`]; [`StoreError::Inconsistent`] when a block or the tail cannot be read at all.
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let head = account_head::head(snapshot, account_id).await?;
    let mut check = Check { snapshot, account_id, tail: BTreeSet::new(), differences: Vec::new(), others_count: 0 };
    check.tail(&head).await?;
    check.order_of_blocks().await?;
    check.rows_of::<Lead>("lead").await?;
    check.rows_of::<Conversion>("conversion").await?;
    check.rows_of::<Reward>("reward").await?;
    check.ledger_entries().await?;
    let Check { mut differences, others_count, .. } = check;
    if others_count > 0 {
        differences.push(format!("the lists have {others_count} more differences"));
    }
    Ok(differences)
}

struct Check<'check> {
    snapshot: &'check Snapshot,
    account_id: AccountId,
    tail: BTreeSet<Entry>,
    differences: Vec<String>,
    /// How many differences were found after these.
    others_count: u64,
}

impl Check<'_> {
    fn note(&mut self, difference: String) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        } else {
            self.others_count += 1;
        }
    }

    /// The numbers of the tail have no gap, and reach from the folded count to the listed count.
    async fn tail(&mut self, head: &AccountHead) -> Result<(), StoreError> {
        let mut number = head.folded_count;
        for row in tail_rows(self.snapshot.connection(), self.account_id).await? {
            let entries = entries_of(&row)?;
            number = number.saturating_add_unsigned(entries.len() as u64);
            if number != row.last_number {
                let found = row.last_number;
                self.note(format!("the tail of the lists has number {found} where {number} should be"));
                number = found;
            }
            self.tail.extend(entries);
        }
        if number != head.listed_count {
            let expected = head.listed_count;
            self.note(format!("the tail of the lists ends with {number} and should end with {expected}"));
        }
        Ok(())
    }

    /// Every list has a first block, no block is empty, and no place comes before one of an earlier block.
    async fn order_of_blocks(&mut self) -> Result<(), StoreError> {
        let mut last: Option<(Vec<u8>, Block)> = None;
        loop {
            let query = table::Entity::find()
                .filter(table::Column::AccountId.eq(self.account_id.uuid()))
                .apply_if(last.as_ref(), |query, (key, _)| query.filter(table::Column::Key.gt(key.clone())))
                .order_by_asc(table::Column::Key)
                .limit(PAGE_ROWS)
                .into_query();
            let rows = self.snapshot.connection().models::<table::Entity>(&query).await?;
            let is_last = (rows.len() as u64) < PAGE_ROWS;
            for row in rows {
                let block = Block::of_row(&row)?;
                if !follows(&block, last.as_ref().map(|(_, block)| block)) {
                    self.note(format!("a block of {:?} is out of order", block.list));
                }
                last = Some((row.key, block));
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Every row is on its lists.
    async fn rows_of<S: Listed>(&mut self, name: &str) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let query = list::page::<S>(self.account_id, Walk { after, ..Walk::first(PAGE_ROWS) });
            let rows: Vec<S> = list::read(query, self.snapshot.connection()).await?;
            let entries: Vec<Entry> = rows.iter().flat_map(Stored::entries).map(|(_, entry)| entry).collect();
            self.are_listed(name, &entries).await?;
            after = rows.last().map(Listed::place);
            if (rows.len() as u64) < PAGE_ROWS {
                return Ok(());
            }
        }
    }

    async fn ledger_entries(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let walk = Walk { order: list::ListOrder::OldestFirst, after, limit: PAGE_ROWS };
            let page = ledger::list(self.snapshot, self.account_id, None, walk).await?;
            let entries: Vec<Entry> = page.iter().map(ledger::entry_of).collect();
            self.are_listed("ledger entry", &entries).await?;
            after = page.last().map(|entry| entry.sequence);
            if (page.len() as u64) < PAGE_ROWS {
                return Ok(());
            }
        }
    }

    async fn are_listed(&mut self, name: &str, entries: &[Entry]) -> Result<(), StoreError> {
        let folded = entries.iter().filter(|entry| !self.tail.contains(entry));
        let folded: Vec<Entry> = folded.copied().collect();
        let places = folded.iter().map(|entry| (self.account_id, entry.list, entry.place));
        let blocks = Covering::read(self.snapshot.connection(), places).await?;
        for Entry { list, place } in folded {
            let block = blocks.get(self.account_id, list, place);
            if block.is_none_or(|block| block.places.binary_search(&place).is_err()) {
                self.note(format!("{name} {} is missing in {list:?}", place.id));
            }
        }
        Ok(())
    }
}

/// Whether a block may come after this one.
fn follows(block: &Block, last: Option<&Block>) -> bool {
    let Some(first_place) = block.places.first() else { return false };
    let last = last.filter(|last| last.list == block.list);
    match block.from {
        None => last.is_none(),
        Some(from) => {
            from <= *first_place && last.is_some_and(|last| last.places.last().is_some_and(|place| *place < from))
        }
    }
}
