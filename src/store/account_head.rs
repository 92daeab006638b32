//! The head row of each account: the newest numbers of its feed and ledger. The row's lock is the account's write lock. Knows no
//! event and no entry.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use super::backend::bulk::Writes;
use super::backend::lane::WriteConnection;
use super::backend::table::Reads;
use super::entity::account_head as table;
use super::row::RowName;
use super::set::keyed::rows_by;
use super::{Source, Store, StoreError, WriteTransaction};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;

pub(super) fn head_to_row(head: &AccountHead) -> table::Model {
    table::Model {
        account_id: head.account_id.uuid(),
        event_sequence: head.event_sequence,
        pruned_sequence: head.pruned_sequence,
        pruned_check: head.pruned_check.into(),
        ledger_sequence: head.ledger_sequence,
        ledger_hash: head.ledger_hash.to_vec(),
        posted_minor: head.posted_minor,
        catalogue_version: head.catalogue_version,
        waited_refund_count: head.waited_refund_count,
        click_terms_count: head.click_terms_count,
        listed_count: head.listed_count,
        folded_count: head.folded_count,
        committed_at: head.committed_at.micros(),
    }
}

pub(super) fn head_from_row(row: table::Model) -> Result<AccountHead, StoreError> {
    let name = RowName::new("account_head", row.account_id);
    Ok(AccountHead {
        account_id: AccountId::from_uuid(row.account_id),
        event_sequence: row.event_sequence,
        pruned_sequence: row.pruned_sequence,
        pruned_check: row.pruned_check.try_into().map_err(|_| name.inconsistent())?,
        ledger_sequence: row.ledger_sequence,
        ledger_hash: name.hash(row.ledger_hash)?,
        posted_minor: row.posted_minor,
        catalogue_version: row.catalogue_version,
        waited_refund_count: row.waited_refund_count,
        click_terms_count: row.click_terms_count,
        listed_count: row.listed_count,
        folded_count: row.folded_count,
        committed_at: Time::from_micros(row.committed_at),
    })
}

/// The newest numbers of an account's feed and ledger. All are zero for an account that does not exist.
///
/// # Errors
/// [`StoreError`].
pub async fn head(source: &impl Source, account_id: AccountId) -> Result<AccountHead, StoreError> {
    let row = table::Entity::find_by_id(account_id.uuid()).one(source.connection()).await?;
    row.map_or(Ok(AccountHead::new(account_id)), head_from_row)
}

/// The current heads of these accounts, without locking them. Accounts that do not exist are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn heads_of(
    transaction: &WriteTransaction,
    accounts: &BTreeSet<AccountId>,
) -> Result<BTreeMap<AccountId, AccountHead>, StoreError> {
    let keys = accounts.iter().map(|account_id| account_id.uuid());
    let rows = rows_by::<table::Entity, _>(transaction.connection(), &[table::Column::AccountId], keys).await?;
    rows.into_iter().map(|row| Ok((AccountId::from_uuid(row.account_id), head_from_row(row)?))).collect()
}

/// The sequence of the newest event of each of these accounts. Accounts that do not exist are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn heads(store: &Store, accounts: &[AccountId]) -> Result<Vec<(AccountId, i64)>, StoreError> {
    let keys = accounts.iter().map(|account_id| account_id.uuid());
    let rows = rows_by::<table::Entity, _>(store.read(), &[table::Column::AccountId], keys).await?;
    Ok(rows.into_iter().map(|row| (AccountId::from_uuid(row.account_id), row.event_sequence)).collect())
}

/// The accounts after this one, in the order of their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn page(store: &Store, after: Option<AccountId>, limit: u64) -> Result<Vec<AccountId>, StoreError> {
    let mut query = table::Entity::find().order_by_asc(table::Column::AccountId).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::AccountId.gt(after.uuid()));
    }
    let rows = query.all(store.read()).await?;
    Ok(rows.into_iter().map(|row| AccountId::from_uuid(row.account_id)).collect())
}

/// The time of the newest commit of any account. `None`: nothing was committed yet.
///
/// # Errors
/// [`StoreError`].
pub async fn newest_commit(store: &Store) -> Result<Option<Time>, StoreError> {
    let row = table::Entity::find().order_by_desc(table::Column::CommittedAt).one(store.read()).await?;
    Ok(row.map(|row| Time::from_micros(row.committed_at)).filter(|time| time.micros() > 0))
}

/// Locks the heads of these accounts until the end of the transaction, and returns the heads that exist. The holder of an
/// account's lock is the account's only writer.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_heads(
    transaction: &WriteTransaction,
    accounts: &BTreeSet<AccountId>,
) -> Result<BTreeMap<AccountId, AccountHead>, StoreError> {
    let Some(query) = query_of_all(accounts) else { return Ok(BTreeMap::new()) };
    let query = query.lock_exclusive().into_query();
    let rows = transaction.connection().models::<table::Entity>(&query).await?;
    rows.into_iter().map(|row| Ok((AccountId::from_uuid(row.account_id), head_from_row(row)?))).collect()
}

/// Locks the head of this account until the end of the transaction. `None`: another transaction holds it, or there is none.
///
/// # Errors
/// [`StoreError`].
pub async fn try_lock(
    transaction: &WriteTransaction,
    account_id: AccountId,
) -> Result<Option<AccountHead>, StoreError> {
    let query = table::Entity::find_by_id(account_id.uuid())
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .into_query();
    let rows = transaction.connection().models::<table::Entity>(&query).await?;
    rows.into_iter().next().map(head_from_row).transpose()
}

/// Locks those heads of these accounts that no other transaction holds, until the end of the transaction.
///
/// # Errors
/// [`StoreError`].
pub(super) async fn try_lock_all(
    transaction: &WriteTransaction,
    accounts: &BTreeSet<AccountId>,
) -> Result<BTreeSet<AccountId>, StoreError> {
    let Some(query) = query_of_all(accounts) else { return Ok(BTreeSet::new()) };
    let query = query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).into_query();
    let rows = transaction.connection().models::<table::Entity>(&query).await?;
    Ok(rows.into_iter().map(|row| AccountId::from_uuid(row.account_id)).collect())
}

/// A query for the heads of these accounts. `None` without accounts.
fn query_of_all(accounts: &BTreeSet<AccountId>) -> Option<Select<table::Entity>> {
    let first = accounts.first()?;
    let mut ids: Vec<_> = accounts.iter().map(|account_id| account_id.uuid()).collect();
    // The list is padded to a power of two, so that there are few different statements. The functions in `keyed` cannot be used
    // here, because they join the list to the table, and PostgreSQL cannot lock the rows of such a join.
    ids.resize(ids.len().next_power_of_two(), first.uuid());
    let query = table::Entity::find().filter(table::Column::AccountId.is_in(ids));
    // Always in the same order, so that two writers never deadlock.
    Some(query.order_by_asc(table::Column::AccountId))
}

/// Inserts or updates heads.
pub(super) async fn save_heads<'heads>(
    connection: &WriteConnection,
    heads: impl IntoIterator<Item = &'heads AccountHead>,
) -> Result<(), StoreError> {
    let mut writes = Writes::default();
    writes.replace::<table::Entity>(heads.into_iter().map(head_to_row).collect())?;
    writes.run(connection).await
}
