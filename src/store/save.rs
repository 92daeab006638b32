//! Writes what a batch changed: a few statements per table, whatever the size of the batch; the heads last.
//! Knows the order of writing, not what the rows mean.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    PrimaryKeyToColumn, QueryFilter, QueryOrder, QuerySelect,
};

use super::entity;
use super::keyed::delete_by;
use super::{
    StoreError, WriteTransaction, account, affiliate, click, conversion, coupon, enrollment, event, lead, ledger, link,
    program, request, reward,
};
use crate::domain::conversion::{Conversion, ConversionKind, ConversionOutcome};
use crate::domain::id::AccountId;
use crate::domain::ledger::{AccountHead, Balance, BalanceKey};
use crate::domain::time::Time;
use crate::domain::working_set::WorkingSet;

/// The most values of one statement: below the 32,766 that SQLite takes.
const VALUES_MAX: usize = 30_000;

/// The most rows of one statement: a longer text is no faster, and takes memory in every connection that has it prepared.
const ROWS_MAX: usize = 256;

/// Locks the heads of these accounts until the end of the transaction and returns those that exist. Whoever holds an account's
/// head is the only one who writes to the account.
///
/// # Errors
/// [`StoreError`].
pub async fn lock_heads(
    transaction: &WriteTransaction,
    accounts: &BTreeSet<AccountId>,
) -> Result<BTreeMap<AccountId, AccountHead>, StoreError> {
    use entity::account_head::{Column, Entity};
    let Some(first) = accounts.first() else { return Ok(BTreeMap::new()) };
    let mut ids: Vec<_> = accounts.iter().map(|account_id| account_id.uuid()).collect();
    // Few different statements, as in `keyed`; there a lock could not follow the join.
    ids.resize(ids.len().next_power_of_two(), first.uuid());
    let rows = Entity::find()
        .filter(Column::AccountId.is_in(ids))
        // In one order, so that two writers never wait for each other.
        .order_by_asc(Column::AccountId)
        .lock_exclusive()
        .all(transaction.connection())
        .await?;
    rows.into_iter().map(|row| Ok((AccountId::from_uuid(row.account_id), event::head_from_row(row)?))).collect()
}

/// Writes what the set has new and changed, gives events and ledger entries their numbers, and writes the heads that moved. The
/// heads of all accounts concerned must be locked; those of new accounts are added. Returns what the feed has new once it is
/// committed.
///
/// # Errors
/// [`StoreError::Conflict`] when a name that must be unique was taken meanwhile; else [`StoreError`].
pub async fn save(
    transaction: &WriteTransaction,
    set: &WorkingSet,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    now: Time,
    encode_body: event::EncodeBody,
) -> Result<Vec<event::Segment>, StoreError> {
    let connection = transaction.connection();
    let mut moved: BTreeSet<AccountId> = BTreeSet::new();
    for account in set.accounts.inserted() {
        heads.insert(account.id, AccountHead::new(account.id));
        moved.insert(account.id);
    }
    save_subjects(connection, set).await?;
    save_events_of_customers(connection, set).await?;
    save_postings(connection, set, heads, &mut moved).await?;
    let segments = save_feed(connection, set, heads, &mut moved, now, encode_body).await?;
    save_heads(connection, moved.iter().filter_map(|account_id| heads.get(account_id))).await?;
    Ok(segments)
}

/// Accounts, programs, affiliates and what hangs on them.
async fn save_subjects(connection: &impl ConnectionTrait, set: &WorkingSet) -> Result<(), StoreError> {
    let rows = rows_of(&set.accounts, |row| Ok(account::to_row(row)))?;
    write::<entity::account::Entity>(connection, rows).await?;
    let rows = rows_of(&set.api_keys, |row| Ok(account::key_to_row(row)))?;
    write::<entity::api_key::Entity>(connection, rows).await?;
    let rows = rows_of(&set.programs, |row| Ok(program::to_row(row)))?;
    write::<entity::program::Entity>(connection, rows).await?;
    let rows = rows_of(&set.terms, program::terms_to_row)?;
    write::<entity::terms::Entity>(connection, rows).await?;
    let rows = rows_of(&set.affiliates, affiliate::to_row)?;
    write::<entity::affiliate::Entity>(connection, rows).await?;
    let rows = rows_of(&set.enrollments, enrollment::to_row)?;
    write::<entity::enrollment::Entity>(connection, rows).await?;
    let rows = rows_of(&set.links, |row| Ok(link::to_row(row)))?;
    write::<entity::link::Entity>(connection, rows).await?;
    let rows = rows_of(&set.coupons, |row| Ok(coupon::to_row(row)))?;
    write::<entity::coupon::Entity>(connection, rows).await
}

/// Clicks, leads, conversions and rewards.
async fn save_events_of_customers(connection: &impl ConnectionTrait, set: &WorkingSet) -> Result<(), StoreError> {
    let rows = rows_of(&set.clicks, |row| Ok(click::to_row(row)))?;
    write::<entity::click::Entity>(connection, rows).await?;
    let rows = rows_of(&set.leads, |row| Ok(lead::to_row(row)))?;
    write::<entity::lead::Entity>(connection, rows).await?;
    let rows = rows_of(&set.conversions, conversion::to_row)?;
    write::<entity::conversion::Entity>(connection, rows).await?;
    save_waiting_refunds(connection, set).await?;

    let rows = rows_of(&set.unmatched_sales, |row| Ok(lead::unmatched_to_row(row)))?;
    write::<entity::unmatched_sale::Entity>(connection, rows).await?;
    let columns = [entity::unmatched_sale::Column::AccountId, entity::unmatched_sale::Column::ConversionId];
    let matched = set.matched_sales.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid()));
    delete_by::<entity::unmatched_sale::Entity, _>(connection, &columns, matched).await?;

    let rows = rows_of(&set.rewards, reward::to_row)?;
    write::<entity::reward::Entity>(connection, rows).await
}

/// Refunds that came before their sale, by the name that the sale will have. A table of their own, since hardly any refund waits
/// and every sale asks.
async fn save_waiting_refunds(connection: &impl ConnectionTrait, set: &WorkingSet) -> Result<(), StoreError> {
    use entity::waiting_refund::{Column, Entity, Model};
    let is_waiting = |refund: &Conversion| refund.outcome == ConversionOutcome::Waiting;
    let refunds = |rows: Vec<&Conversion>, waiting: bool| -> Vec<Model> {
        rows.into_iter()
            .filter(|row| row.kind == ConversionKind::Refund && is_waiting(row) == waiting)
            .map(|row| Model {
                account_id: row.account_id.uuid(),
                sale_event_id: row.sale_event_id.clone(),
                conversion_id: row.id.uuid(),
            })
            .collect()
    };
    insert::<Entity>(connection, refunds(set.conversions.inserted(), true)).await?;
    let settled = refunds(set.conversions.updated(), false);
    let columns = [Column::AccountId, Column::SaleEventId, Column::ConversionId];
    let keys = settled.into_iter().map(|row| (row.account_id, row.sale_event_id, row.conversion_id));
    delete_by::<Entity, _>(connection, &columns, keys).await?;
    Ok(())
}

/// Ledger entries and the balances that they change.
async fn save_postings(
    connection: &impl ConnectionTrait,
    set: &WorkingSet,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    moved: &mut BTreeSet<AccountId>,
) -> Result<(), StoreError> {
    let mut entries = Vec::with_capacity(set.postings.len());
    let mut changes: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
    for posting in &set.postings {
        let too_large = |_| StoreError::Unexpected("a balance does not fit into 64 bits".to_owned());
        changes.entry(posting.balance_key()).or_default().post(posting).map_err(too_large)?;
        moved.insert(posting.account_id);
        entries.push(ledger::to_row(&head_of(heads, posting.account_id)?.enter(posting.clone())));
    }
    insert::<entity::ledger_entry::Entity>(connection, entries).await?;

    use entity::balance::{Column, Entity};
    let mut conflict = OnConflict::columns([Column::AccountId, Column::AffiliateId, Column::Unit, Column::Currency]);
    for column in [Column::PendingMinor, Column::OwedMinor, Column::PaidMinor] {
        let sum = Expr::col((Entity, column)).add(Expr::col(("excluded", column)));
        conflict.value(column, sum);
    }
    let rows = changes.iter().map(|(key, change)| ledger::balance_to_row(key, *change)).collect();
    insert_or::<Entity>(connection, rows, Some(conflict)).await
}

/// Requests and events.
async fn save_feed(
    connection: &impl ConnectionTrait,
    set: &WorkingSet,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    moved: &mut BTreeSet<AccountId>,
    now: Time,
    encode_body: event::EncodeBody,
) -> Result<Vec<event::Segment>, StoreError> {
    let rows = rows_of(&set.requests, request::to_row)?;
    write::<entity::request::Entity>(connection, rows).await?;

    let segments = event::number(&set.events, heads, now, encode_body)?;
    moved.extend(segments.iter().map(|segment| segment.account_id));
    insert::<entity::event_segment::Entity>(connection, event::to_rows(&segments)).await?;
    Ok(segments)
}

fn head_of(
    heads: &mut BTreeMap<AccountId, AccountHead>,
    account_id: AccountId,
) -> Result<&mut AccountHead, StoreError> {
    heads.get_mut(&account_id).ok_or_else(|| StoreError::Unexpected(format!("the head of {account_id} is not locked")))
}

/// Writes heads, new or not.
pub(super) async fn save_heads<'heads>(
    connection: &impl ConnectionTrait,
    heads: impl IntoIterator<Item = &'heads AccountHead>,
) -> Result<(), StoreError> {
    let rows = heads.into_iter().map(event::head_to_row).collect();
    update::<entity::account_head::Entity>(connection, rows).await
}

/// The rows of one kind that must be written.
struct Written<M> {
    updated: Vec<M>,
    inserted: Vec<M>,
}

fn rows_of<K, V, M>(
    rows: &crate::domain::working_set::Rows<K, V>,
    to_row: impl Fn(&V) -> Result<M, StoreError>,
) -> Result<Written<M>, StoreError>
where
    K: Eq + std::hash::Hash + Ord + Clone,
{
    Ok(Written {
        updated: rows.updated().into_iter().map(&to_row).collect::<Result<_, _>>()?,
        inserted: rows.inserted().into_iter().map(&to_row).collect::<Result<_, _>>()?,
    })
}

/// Changes first, so that a name that one row gives up is free for a new row of the same batch.
async fn write<E>(connection: &impl ConnectionTrait, rows: Written<E::Model>) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    update::<E>(connection, rows.updated).await?;
    insert::<E>(connection, rows.inserted).await
}

async fn insert<E>(connection: &impl ConnectionTrait, rows: Vec<E::Model>) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    insert_or::<E>(connection, rows, None).await
}

/// Replaces the rows that have these primary keys: many rows in one statement, which an UPDATE cannot do.
async fn update<E>(connection: &impl ConnectionTrait, rows: Vec<E::Model>) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    let key: Vec<E::Column> = E::PrimaryKey::iter().map(PrimaryKeyToColumn::into_column).collect();
    let is_key = |column: &E::Column| key.iter().any(|other| other.as_str() == column.as_str());
    let others: Vec<E::Column> = E::Column::iter().filter(|column| !is_key(column)).collect();
    let conflict = OnConflict::columns(key.iter().copied()).update_columns(others).to_owned();
    insert_or::<E>(connection, rows, Some(conflict)).await
}

/// In lots of a power of two, so that a database sees few different statements and keeps each prepared.
async fn insert_or<E>(
    connection: &impl ConnectionTrait,
    rows: Vec<E::Model>,
    conflict: Option<OnConflict>,
) -> Result<(), StoreError>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    let rows_max = (VALUES_MAX / E::Column::iter().count().max(1)).min(ROWS_MAX);
    let mut rows = rows.into_iter().map(IntoActiveModel::into_active_model);
    while rows.len() > 0 {
        let count = 1 << rows.len().min(rows_max).ilog2();
        let mut statement = E::insert_many(rows.by_ref().take(count));
        if let Some(conflict) = &conflict {
            statement = statement.on_conflict(conflict.clone());
        }
        failpoint!(BeforeStatement);
        statement.exec_without_returning(connection).await?;
    }
    Ok(())
}
