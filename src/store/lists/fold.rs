//! Folds the tail of an account: moves its entries into the blocks of their lists, adds its figures to theirs, and removes its rows. Also
//! makes the checkpoints of balances, because a fold has the account's lock and nobody waits for its answer.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::block::{Block, Covering};
use super::tail::entries_of;
use super::{List, Place};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::store::backend::bulk::Writes;
use crate::store::backend::table::Reads;
use crate::store::entity::{list_block as block_table, list_tail as tail_table, statistic_block as figures_table};
use crate::store::ledger::checkpoint;
use crate::store::{StoreError, WriteTransaction, account_head, statistic};

/// The most rows that one fold takes.
const ROWS_MAX: u64 = 2_048;

/// Folds the oldest entries of the account's tail, about this many at most. The caller must have locked the head.
///
/// # Errors
/// [`StoreError`].
pub async fn fold(transaction: &WriteTransaction, head: &mut AccountHead, entries_max: i64) -> Result<(), StoreError> {
    let connection = transaction.connection();
    let account_id = head.account_id;
    let rows = oldest_rows(connection, head, entries_max).await?;
    let Some(last) = rows.last() else { return Ok(()) };
    let folded_count = last.last_number;
    let mut lists: BTreeMap<List, BTreeSet<Place>> = BTreeMap::new();
    for row in &rows {
        for entry in entries_of(row)? {
            lists.entry(entry.list).or_default().insert(entry.place);
        }
    }
    let changed = entered(connection, account_id, lists).await?;
    let changed_figures = statistic::folded(connection, account_id, rows.iter().map(|row| &row.figures)).await?;
    head.folded_count = folded_count;

    let mut writes = Writes::default();
    writes.replace::<block_table::Entity>(changed.iter().map(|block| block.to_row(account_id)).collect())?;
    writes.replace::<figures_table::Entity>(changed_figures)?;
    checkpoint::add_if_due(connection, &mut writes, head).await?;
    writes.run(connection).await?;
    failpoint!(InFold);
    let delete = tail_table::Entity::delete_many()
        .filter(tail_table::Column::AccountId.eq(account_id.uuid()))
        .filter(tail_table::Column::LastNumber.lte(folded_count))
        .into_query();
    connection.execute(&delete).await?;
    account_head::save_heads(connection, [&*head]).await
}

/// The oldest rows of the tail, at least one if there are any.
async fn oldest_rows(
    connection: &impl Reads,
    head: &AccountHead,
    entries_max: i64,
) -> Result<Vec<tail_table::Model>, StoreError> {
    let all = tail_table::Entity::find()
        .filter(tail_table::Column::AccountId.eq(head.account_id.uuid()))
        .filter(tail_table::Column::LastNumber.gt(head.folded_count))
        .order_by_asc(tail_table::Column::LastNumber);
    let last = head.folded_count.saturating_add(entries_max);
    let some = all.clone().filter(tail_table::Column::LastNumber.lte(last)).limit(ROWS_MAX).into_query();
    let rows = connection.models::<tail_table::Entity>(&some).await?;
    if !rows.is_empty() {
        return Ok(rows);
    }
    // The entries of one large commit.
    connection.models::<tail_table::Entity>(&all.limit(1).into_query()).await
}

/// The blocks that change when these places enter their lists.
async fn entered(
    connection: &impl Reads,
    account_id: AccountId,
    lists: BTreeMap<List, BTreeSet<Place>>,
) -> Result<Vec<Block>, StoreError> {
    // Many lists have one new place.
    let ends = lists.iter().flat_map(|(list, places)| {
        let last = places.last().filter(|_| places.len() > 1);
        places.first().into_iter().chain(last).map(|place| (account_id, *list, *place))
    });
    let of_ends = Covering::read(connection, ends).await?;
    let mut changed = Vec::new();
    let mut scattered: Vec<(List, Place)> = Vec::new();
    for (list, places) in lists {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { continue };
        match (of_ends.get(account_id, list, *first), of_ends.get(account_id, list, *last)) {
            (Some(block), Some(other)) if block.from != other.from => {
                scattered.extend(places.into_iter().map(|place| (list, place)));
            }
            (block, _) => {
                let block = block.cloned().unwrap_or(Block { list, from: None, places: Vec::new() });
                changed.extend(block.enter(&places.into_iter().collect::<Vec<_>>()));
            }
        }
    }
    changed.extend(entered_apart(connection, account_id, scattered).await?);
    Ok(changed)
}

/// The same for places that do not belong to one block of their list.
async fn entered_apart(
    connection: &impl Reads,
    account_id: AccountId,
    places: Vec<(List, Place)>,
) -> Result<Vec<Block>, StoreError> {
    let covering = Covering::read(connection, places.iter().map(|(list, place)| (account_id, *list, *place))).await?;
    let mut by_block: BTreeMap<(List, Option<Place>), (Block, Vec<Place>)> = BTreeMap::new();
    for (list, place) in places {
        let Some(block) = covering.get(account_id, list, place) else { continue };
        by_block.entry((list, block.from)).or_insert_with(|| (block.clone(), Vec::new())).1.push(place);
    }
    Ok(by_block.into_values().flat_map(|(block, places)| block.enter(&places)).collect())
}
