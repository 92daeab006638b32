//! Folds the tail: adds what its rows have to the blocks of their accounts, by day, and removes the rows. What rows of lists have is added
//! when these are folded.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sea_orm::sea_query::{SelectStatement, ValueTuple};
use sea_orm::{EntityTrait, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::block::Block;
use super::bytes::from_key;
use super::{Key, Tail, calendar, inconsistent};
use crate::domain::id::AccountId;
use crate::domain::statistic::Figures;
use crate::store::account_head::try_lock_all;
use crate::store::backend::bulk::Writes;
use crate::store::backend::table::Reads;
use crate::store::entity::{statistic_block as block_table, statistic_tail as tail_table};
use crate::store::set::keyed::{chunks, delete_by};
use crate::store::{StoreError, WriteTransaction};

/// The most rows that one fold takes.
const ROWS_MAX: u64 = 2_048;

/// A key of an account's blocks.
type BlockKey = (AccountId, Vec<u8>);

/// Folds the oldest rows of the tail, except those of accounts that another server writes for at this moment. Returns whether there may
/// be more.
///
/// # Errors
/// [`StoreError`].
pub async fn fold(transaction: &WriteTransaction) -> Result<bool, StoreError> {
    let connection = transaction.connection();
    let rows = connection.models::<tail_table::Entity>(&oldest()).await?;
    // The holder of an account's lock is the only one that changes its blocks and removes its rows.
    let locked = try_lock_all(transaction, &rows.iter().map(account_of).collect()).await?;
    let mut rows = connection.models::<tail_table::Entity>(&oldest()).await?;
    let is_full = rows.len() as u64 == ROWS_MAX;
    rows.retain(|row| locked.contains(&account_of(row)));
    if rows.is_empty() {
        return Ok(false);
    }
    let mut tails: BTreeMap<AccountId, Tail> = BTreeMap::new();
    for row in &rows {
        let account_id = account_of(row);
        tails.entry(account_id).or_default().add(&row.figures, |_| true).map_err(|_| inconsistent(account_id))?;
    }
    let changed = entered(connection, tails).await?;

    let mut writes = Writes::default();
    writes.replace::<block_table::Entity>(changed)?;
    writes.run(connection).await?;
    failpoint!(InStatisticFold);
    // By their keys, because another server may commit an older row at any time: clicks do not lock the account.
    let keys: Vec<Uuid> = rows.into_iter().map(|row| row.id).collect();
    delete_by::<tail_table::Entity, _>(connection, &[tail_table::Column::Id], keys).await?;
    Ok(is_full)
}

/// The rows of the blocks that change when what these rows of an account's lists have is added to its figures.
pub(in crate::store) async fn folded(
    connection: &impl Reads,
    account_id: AccountId,
    rows: impl IntoIterator<Item = &Vec<u8>>,
) -> Result<Vec<block_table::Model>, StoreError> {
    let mut tail = Tail::default();
    for figures in rows.into_iter().filter(|figures| !figures.is_empty()) {
        tail.add(figures, |_| true).map_err(|_| inconsistent(account_id))?;
    }
    entered(connection, BTreeMap::from([(account_id, tail)])).await
}

/// The rows of the blocks that change when these tails are added to the figures of their accounts.
async fn entered(
    connection: &impl Reads,
    tails: BTreeMap<AccountId, Tail>,
) -> Result<Vec<block_table::Model>, StoreError> {
    let mut figures: BTreeMap<BlockKey, Figures> = BTreeMap::new();
    for (account_id, tail) in tails.into_iter().filter(|(_, tail)| !tail.0.is_empty()) {
        let mut calendar = calendar(connection, account_id).await?;
        let add = |key: Key<&str>, new: &Figures| figures.entry((account_id, from_key(&key))).or_default().add_all(new);
        tail.each(&mut calendar, add).map_err(|_| inconsistent(account_id))?;
    }
    added(connection, figures).await
}

fn oldest() -> SelectStatement {
    tail_table::Entity::find().order_by_asc(tail_table::Column::Id).limit(ROWS_MAX).into_query()
}

const fn account_of(row: &tail_table::Model) -> AccountId {
    AccountId::from_uuid(row.account_id)
}

/// The rows of the blocks that change when these figures are added.
async fn added(
    connection: &impl Reads,
    figures: BTreeMap<BlockKey, Figures>,
) -> Result<Vec<block_table::Model>, StoreError> {
    let first: Vec<u8> = Vec::new();
    let wanted = figures
        .keys()
        .map(|(account_id, key)| ValueTuple::Three(account_id.uuid().into(), first.clone().into(), key.clone().into()));
    let mut blocks: BTreeMap<BlockKey, Block> = BTreeMap::new();
    for chunk in chunks(wanted) {
        let columns = [block_table::Column::AccountId, block_table::Column::Key];
        for row in connection.last_models::<block_table::Entity>(columns, chunk).await? {
            let key = (AccountId::from_uuid(row.account_id), row.key.clone());
            if let Entry::Vacant(place) = blocks.entry(key) {
                place.insert(Block::of_row(&row)?);
            }
        }
    }
    let mut by_block: BTreeMap<BlockKey, BTreeMap<Vec<u8>, Figures>> = BTreeMap::new();
    for ((account_id, key), figures) in figures {
        // The first block of an account has the empty key.
        blocks.entry((account_id, Vec::new())).or_default();
        let Some((from, _)) = blocks.range(..=(account_id, key.clone())).next_back() else { continue };
        by_block.entry(from.clone()).or_default().entry(key).or_default().add_all(&figures);
    }
    let changed = by_block.into_iter().filter_map(|(from, figures)| Some((from.0, blocks.remove(&from)?.add(figures))));
    Ok(changed.flat_map(|(account_id, blocks)| blocks.into_iter().map(move |block| block.to_row(account_id))).collect())
}
