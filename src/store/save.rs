//! Writes what a batch changed: a few statements per table, whatever the size of the batch; the heads last.
//! Knows the order of writing, not what the rows mean.

use std::collections::{BTreeMap, BTreeSet};

use super::backend::bulk::Writes;
use super::backend::lane::WriteConnection;
use super::backend::table::Table;
use super::entity;
use super::keyed::delete_by;
use super::{
    StoreError, WriteTransaction, account, account_head, affiliate, click, conversion, coupon, enrollment, event, lead,
    ledger, link, program, request, reward,
};
use crate::domain::conversion::{Conversion, ConversionKind, ConversionOutcome};
use crate::domain::id::AccountId;
use crate::domain::ledger::{AccountHead, Balance, BalanceKey};
use crate::domain::time::Time;
use crate::domain::working_set::{Rows, WorkingSet};

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
    for account_id in set.accounts_with_changed_catalogue() {
        head_of(heads, account_id)?.catalogue_version += 1;
        moved.insert(account_id);
    }
    for refund in refunds(set.conversions.inserted(), true) {
        let account_id = AccountId::from_uuid(refund.account_id);
        head_of(heads, account_id)?.waited_refund_count += 1;
        moved.insert(account_id);
    }
    let mut writes = Writes::default();
    add_subjects(&mut writes, set)?;
    add_events_of_customers(&mut writes, set)?;
    add_postings(&mut writes, set, heads, &mut moved)?;
    let segments = add_feed(&mut writes, set, heads, &mut moved, now, encode_body)?;
    let moved = moved.iter().filter_map(|account_id| heads.get(account_id));
    writes.replace::<entity::account_head::Entity>(moved.map(account_head::head_to_row).collect())?;
    writes.run(connection).await?;
    remove_settled(connection, set).await?;
    Ok(segments)
}

/// Accounts, programs, affiliates and what hangs on them.
fn add_subjects(writes: &mut Writes, set: &WorkingSet) -> Result<(), StoreError> {
    add::<entity::account::Entity, _, _>(writes, &set.accounts, |row| Ok(account::to_row(row)))?;
    add::<entity::api_key::Entity, _, _>(writes, &set.api_keys, |row| Ok(account::key_to_row(row)))?;
    add::<entity::program::Entity, _, _>(writes, &set.programs, |row| Ok(program::to_row(row)))?;
    add::<entity::terms::Entity, _, _>(writes, &set.terms, program::terms_to_row)?;
    add::<entity::affiliate::Entity, _, _>(writes, &set.affiliates, affiliate::to_row)?;
    add::<entity::enrollment::Entity, _, _>(writes, &set.enrollments, enrollment::to_row)?;
    add::<entity::link::Entity, _, _>(writes, &set.links, |row| Ok(link::to_row(row)))?;
    add::<entity::coupon::Entity, _, _>(writes, &set.coupons, |row| Ok(coupon::to_row(row)))
}

/// Clicks, leads, conversions and rewards.
fn add_events_of_customers(writes: &mut Writes, set: &WorkingSet) -> Result<(), StoreError> {
    add::<entity::click::Entity, _, _>(writes, &set.clicks, |row| Ok(click::to_row(row)))?;
    add::<entity::lead::Entity, _, _>(writes, &set.leads, |row| Ok(lead::to_row(row)))?;
    add::<entity::conversion::Entity, _, _>(writes, &set.conversions, conversion::to_row)?;
    let waiting = refunds(set.conversions.inserted(), true);
    writes.insert::<entity::waiting_refund::Entity>(waiting)?;
    add::<entity::unmatched_sale::Entity, _, _>(writes, &set.unmatched_sales, |row| Ok(lead::unmatched_to_row(row)))?;
    add::<entity::reward::Entity, _, _>(writes, &set.rewards, reward::to_row)
}

/// Those of the conversions that are refunds and wait for their sale, or do not, by the name that the sale will have. A table of
/// their own, since hardly any refund waits and every sale asks.
fn refunds(conversions: Vec<&Conversion>, waiting: bool) -> Vec<entity::waiting_refund::Model> {
    let is_waiting = |refund: &Conversion| refund.outcome == ConversionOutcome::Waiting;
    let refunds =
        conversions.into_iter().filter(|row| row.kind == ConversionKind::Refund && is_waiting(row) == waiting);
    refunds
        .map(|row| entity::waiting_refund::Model {
            account_id: row.account_id.uuid(),
            sale_event_id: row.sale_event_id.clone(),
            conversion_id: row.id.uuid(),
        })
        .collect()
}

/// What waits no longer. After all else is written, since what was made to wait and what it waited for may be in one batch.
async fn remove_settled(connection: &WriteConnection, set: &WorkingSet) -> Result<(), StoreError> {
    use entity::waiting_refund::Column as RefundColumn;
    let columns = [RefundColumn::AccountId, RefundColumn::SaleEventId, RefundColumn::ConversionId];
    let settled = refunds(set.conversions.updated(), false);
    let keys = settled.into_iter().map(|row| (row.account_id, row.sale_event_id, row.conversion_id));
    delete_by::<entity::waiting_refund::Entity, _>(connection, &columns, keys).await?;

    use entity::unmatched_sale::Column;
    let matched = set.matched_sales.iter().map(|(account_id, id)| (account_id.uuid(), id.uuid()));
    delete_by::<entity::unmatched_sale::Entity, _>(connection, &[Column::AccountId, Column::ConversionId], matched)
        .await?;
    Ok(())
}

/// Ledger entries and the balances that they change.
fn add_postings(
    writes: &mut Writes,
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
    writes.insert::<entity::ledger_entry::Entity>(entries)?;

    use entity::balance::Column;
    let rows = changes.iter().map(|(key, change)| ledger::balance_to_row(key, *change)).collect();
    let sums = [Column::PendingMinor, Column::OwedMinor, Column::PaidMinor];
    writes.add::<entity::balance::Entity>(rows, &sums)
}

/// Requests and events.
fn add_feed(
    writes: &mut Writes,
    set: &WorkingSet,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    moved: &mut BTreeSet<AccountId>,
    now: Time,
    encode_body: event::EncodeBody,
) -> Result<Vec<event::Segment>, StoreError> {
    add::<entity::request::Entity, _, _>(writes, &set.requests, request::to_row)?;

    let segments = event::number(&set.events, heads, now, encode_body)?;
    moved.extend(segments.iter().map(|segment| segment.account_id));
    writes.insert::<entity::event_segment::Entity>(event::to_rows(&segments))?;
    Ok(segments)
}

fn head_of(
    heads: &mut BTreeMap<AccountId, AccountHead>,
    account_id: AccountId,
) -> Result<&mut AccountHead, StoreError> {
    heads.get_mut(&account_id).ok_or_else(|| StoreError::Unexpected(format!("the head of {account_id} is not locked")))
}

/// Adds what must be written of one kind of row.
fn add<E, K, V>(
    writes: &mut Writes,
    rows: &Rows<K, V>,
    to_row: impl Fn(&V) -> Result<E::Model, StoreError>,
) -> Result<(), StoreError>
where
    E: Table,
    K: Eq + std::hash::Hash + Ord + Clone,
{
    let changed = rows.updated().into_iter().map(&to_row).collect::<Result<_, _>>()?;
    let new = rows.inserted().into_iter().map(&to_row).collect::<Result<_, _>>()?;
    writes.write::<E>(changed, new)
}
