//! Folds the tail of an account's figures: adds what it has to the blocks, by day, and removes its rows.

use std::collections::BTreeMap;

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};
use uuid::Uuid;

use super::block::Block;
use super::bytes::from_key;
use super::{Tail, calendar, inconsistent};
use crate::domain::id::AccountId;
use crate::domain::statistic::{Figures, add_all};
use crate::store::backend::bulk::Writes;
use crate::store::backend::table::Reads;
use crate::store::entity::{statistic_block as block_table, statistic_tail as tail_table};
use crate::store::set::keyed::{chunks, delete_by};
use crate::store::{StoreError, WriteTransaction};

/// The most rows that one fold takes.
const ROWS_MAX: u64 = 2_048;

/// Folds the oldest rows of the account's tail. Returns whether there may be more. The caller must have locked the head, so that two
/// servers do not fold the same rows.
///
/// # Errors
/// [`StoreError`].
pub async fn fold(transaction: &WriteTransaction, account_id: AccountId) -> Result<bool, StoreError> {
    let connection = transaction.connection();
    let oldest = tail_table::Entity::find()
        .filter(tail_table::Column::AccountId.eq(account_id.uuid()))
        .order_by_asc(tail_table::Column::Id)
        .limit(ROWS_MAX)
        .into_query();
    let rows = connection.models::<tail_table::Entity>(&oldest).await?;
    if rows.is_empty() {
        return Ok(false);
    }
    let mut tail = Tail::new(calendar(connection, account_id).await?);
    rows.iter().try_for_each(|row| tail.add(&row.figures)).map_err(|_| inconsistent(account_id))?;
    let figures = tail.figures.into_iter().map(|(key, figures)| (from_key(&key), figures)).collect();
    let changed = added(connection, account_id, figures).await?;

    let mut writes = Writes::default();
    writes.replace::<block_table::Entity>(changed.iter().map(|block| block.to_row(account_id)).collect())?;
    writes.run(connection).await?;
    failpoint!(InStatisticFold);
    // By their keys, because another server may commit an older row at any time: clicks do not lock the account.
    let columns = [tail_table::Column::AccountId, tail_table::Column::Id];
    let is_full = rows.len() as u64 == ROWS_MAX;
    let keys: Vec<(Uuid, Uuid)> = rows.into_iter().map(|row| (row.account_id, row.id)).collect();
    delete_by::<tail_table::Entity, _>(connection, &columns, keys).await?;
    Ok(is_full)
}

/// The blocks that change when these figures are added.
async fn added(
    connection: &impl Reads,
    account_id: AccountId,
    figures: BTreeMap<Vec<u8>, Figures>,
) -> Result<Vec<Block>, StoreError> {
    let first: Vec<u8> = Vec::new();
    let wanted =
        figures.keys().map(|key| ValueTuple::Three(account_id.uuid().into(), first.clone().into(), key.clone().into()));
    let mut blocks: BTreeMap<Vec<u8>, Block> = BTreeMap::new();
    for chunk in chunks(wanted) {
        let columns = [block_table::Column::AccountId, block_table::Column::Key];
        for row in connection.last_models::<block_table::Entity>(columns, chunk).await? {
            if !blocks.contains_key(&row.key) {
                blocks.insert(row.key.clone(), Block::of_row(&row)?);
            }
        }
    }
    blocks.entry(Vec::new()).or_default();
    let mut by_block: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Figures>> = BTreeMap::new();
    for (key, figures) in figures {
        let Some((from, _)) = blocks.range(..=key.clone()).next_back() else { continue };
        add_all(by_block.entry(from.clone()).or_default().entry(key).or_default(), &figures);
    }
    Ok(by_block.into_iter().filter_map(|(from, figures)| Some(blocks.remove(&from)?.add(figures))).flatten().collect())
}
