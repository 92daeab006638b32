//! Writes the changes of a batch. Each table takes a few statements, whatever the size of the batch. Rows are deleted first, because
//! another row may take the name of one. The heads are written after all other rows. Knows the order of writing, not what the rows mean.

use std::collections::{BTreeMap, BTreeSet};

use super::keyed::delete_by;
use super::stored::{SqlKey, Stored, key_columns};
use crate::domain::affiliate::{Affiliate, AffiliateState};
use crate::domain::conversion::ConversionKind;
use crate::domain::id::AccountId;
use crate::domain::ledger::{AccountHead, Balance, BalanceKey, LedgerAccount, LedgerReason, Posting};
use crate::domain::set::{InSet, Rows, WorkingSet};
use crate::domain::time::Time;
use crate::store::backend::bulk::Writes;
use crate::store::backend::lane::WriteConnection;
use crate::store::lists::Entries;
use crate::store::{
    StoreError, WriteTransaction, account_head, entity, event, ledger, mail, payout_method, program_mrr, search,
    statistic, yearly_total,
};

/// What the transaction adds to tables that are looked after when it is committed.
#[derive(Debug)]
pub struct Saved {
    /// The new segments of the feed.
    pub segments: Vec<event::Segment>,
    /// How many rows the tail of figures has more.
    pub figure_row_count: usize,
}

/// Saves the set: deletes rows, writes its new and changed rows, numbers its events and ledger entries, and writes the heads that
/// changed. The caller must have locked the heads of all accounts concerned. Heads of new accounts are added to `heads`.
///
/// # Errors
/// [`StoreError::Conflict`] when another writer has taken a name that must be unique; else [`StoreError`].
pub async fn save(
    transaction: &WriteTransaction,
    set: &WorkingSet,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    now: Time,
    encode_body: event::EncodeBody,
) -> Result<Saved, StoreError> {
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
    for refund in set.waiting_refunds.inserted() {
        head_of(heads, refund.account_id)?.waited_refund_count += 1;
        moved.insert(refund.account_id);
    }
    for terms in set.terms.inserted().into_iter().filter(|terms| terms.rules.pays_for_clicks()) {
        head_of(heads, terms.account_id)?.click_terms_count += 1;
        moved.insert(terms.account_id);
    }
    let accounts_of_events = set.events.iter().map(|event| event.account_id);
    let with_time: BTreeSet<_> =
        accounts_of_events.chain(set.postings.iter().map(|posting| posting.account_id)).collect();
    for account_id in with_time {
        head_of(heads, account_id)?.commit(now);
    }
    let mut calendars = yearly_total::calendars(connection, set).await?;
    let mut writes = Writes::default();
    let mut listed = Entries::default();
    add_rows(&mut writes, &mut listed, set)?;
    let fees = add_postings(&mut writes, &mut listed, set, heads, &mut moved)?;
    yearly_total::add_changes(&mut writes, set, &fees, &mut calendars)?;
    program_mrr::add_changes(&mut writes, &set.leads)?;
    moved.extend(listed.accounts());
    let unlisted = listed.write(&mut writes, heads, statistic::changes(set)?)?;
    let figure_row_count = statistic::add_to_tail(&mut writes, unlisted)?;
    let segments = event::number(&set.events, heads, encode_body)?;
    moved.extend(segments.iter().map(|segment| segment.account_id));
    writes.insert::<entity::event_segment::Entity>(event::to_rows(&segments))?;
    let moved = moved.iter().filter_map(|account_id| heads.get(account_id));
    writes.replace::<entity::account_head::Entity>(moved.map(account_head::head_to_row).collect())?;
    overwrite_erased(connection, set).await?;
    delete_rows(connection, set).await?;
    writes.run(connection).await?;
    search::save(connection, set).await?;
    mail::remove_of_erased(connection, set).await?;
    payout_method::wipe_of_erased(connection, set).await?;
    Ok(Saved { segments, figure_row_count })
}

/// Sees to it that nothing of an affiliate's former data stays in the files of the database. Former values of changed rows are
/// overwritten too, because they may be erased later.
async fn overwrite_erased(connection: &WriteConnection, set: &WorkingSet) -> Result<(), StoreError> {
    let is_erased = |affiliate: &Affiliate| affiliate.state == AffiliateState::Erased;
    if has_changed(&set.affiliates)
        || has_changed(&set.enrollments)
        || has_changed(&set.links)
        || has_changed(&set.coupons)
        || has_changed(&set.submissions)
        || has_changed(&set.payout_methods)
        || has_changed(&set.tax_profiles)
        || has_changed(&set.payouts)
    {
        connection.overwrite_removed().await?;
    }
    if set.affiliates.written().any(|(row, _)| is_erased(row)) {
        connection.empty_log_afterwards().await?;
    }
    Ok(())
}

fn has_changed<K: InSet>(rows: &Rows<K>) -> bool {
    rows.written().any(|(_, loaded)| loaded.is_some())
}

/// Generates the functions that write all kinds.
macro_rules! every_kind {
    ($($place:ident: $kind:ty,)*) => {
        fn add_rows(writes: &mut Writes, listed: &mut Entries, set: &WorkingSet) -> Result<(), StoreError> {
            $(add::<$kind>(writes, listed, set)?;)*
            Ok(())
        }

        async fn delete_rows(connection: &WriteConnection, set: &WorkingSet) -> Result<(), StoreError> {
            $(delete::<$kind>(connection, set).await?;)*
            Ok(())
        }
    };
}

crate::for_all_kinds!(every_kind);

fn add<S: Stored>(writes: &mut Writes, listed: &mut Entries, set: &WorkingSet) -> Result<(), StoreError> {
    let (mut changed, mut new) = (Vec::new(), Vec::new());
    for (row, loaded) in S::rows(set).written() {
        listed.add_row::<S>(row, loaded.map(AsRef::as_ref));
        if loaded.is_some() { changed.push(row) } else { new.push(row) }
    }
    changed.sort_by_key(|row| !row.is_written_first());
    let changed = changed.into_iter().map(|row| row.to_row()).collect::<Result<_, _>>()?;
    let new = new.into_iter().map(|row| row.to_row()).collect::<Result<_, _>>()?;
    writes.write::<S::Table>(changed, new)
}

async fn delete<S: Stored>(connection: &WriteConnection, set: &WorkingSet) -> Result<(), StoreError> {
    let keys = S::rows(set).removed().into_iter().map(|row| row.key().values()).collect::<Vec<_>>();
    if keys.is_empty() {
        return Ok(());
    }
    delete_by::<S::Table, _>(connection, &key_columns::<S::Table>(), keys).await?;
    Ok(())
}

/// Ledger entries and the balances that they change. Returns the fees, which change none, with the times of their entries.
fn add_postings(
    writes: &mut Writes,
    listed: &mut Entries,
    set: &WorkingSet,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    moved: &mut BTreeSet<AccountId>,
) -> Result<Vec<Posting>, StoreError> {
    let mut entries = Vec::with_capacity(set.postings.len());
    let mut fees = Vec::new();
    // Each with the number of new rewards for sales.
    let mut changes: BTreeMap<BalanceKey, (Balance, i64)> = BTreeMap::new();
    for posting in &set.postings {
        if posting.is_fee() {
            moved.insert(posting.account_id);
            let entry = head_of(heads, posting.account_id)?.enter(posting.clone());
            listed.add(posting.account_id, ledger::entry_of(&entry));
            entries.push(ledger::to_row(&entry));
            fees.push(entry.posting);
            continue;
        }
        let too_large = |_| StoreError::Unexpected("a balance does not fit into 64 bits".to_owned());
        let (change, sale_reward_count) = changes.entry(posting.balance_key()).or_default();
        change.post(posting).map_err(too_large)?;
        *sale_reward_count += i64::from(is_earned_by_sale(set, posting));
        moved.insert(posting.account_id);
        let entry = head_of(heads, posting.account_id)?.enter(posting.clone());
        listed.add(posting.account_id, ledger::entry_of(&entry));
        entries.push(ledger::to_row(&entry));
    }
    writes.insert::<entity::ledger_entry::Entity>(entries)?;

    use entity::balance::Column;
    let rows = changes.iter().map(|(key, (change, count))| ledger::balance_to_row(key, *change, *count)).collect();
    let sums = [
        Column::PendingMinor,
        Column::OwedMinor,
        Column::InFlightMinor,
        Column::FrozenMinor,
        Column::PaidMinor,
        Column::SaleRewardCount,
    ];
    writes.add::<entity::balance::Entity>(rows, &sums)?;
    Ok(fees)
}

/// Whether an entry is the first of a reward for a sale. The number of such rewards tells an affiliate with sales from one that was given
/// rewards by hand alone.
fn is_earned_by_sale(set: &WorkingSet, posting: &Posting) -> bool {
    if !matches!(posting.reason, LedgerReason::Earned | LedgerReason::Reattributed)
        || posting.debit != LedgerAccount::CommissionExpense
    {
        return false;
    }
    let reward = posting.subject.reward_id().and_then(|id| set.rewards.get(&(posting.account_id, id)));
    let sale = reward.filter(|reward| reward.reverses.is_none()).and_then(|reward| reward.conversion_id);
    let sale = sale.and_then(|id| set.conversions.get(&(posting.account_id, id)));
    sale.is_some_and(|sale| sale.kind == ConversionKind::Sale)
}

fn head_of(
    heads: &mut BTreeMap<AccountId, AccountHead>,
    account_id: AccountId,
) -> Result<&mut AccountHead, StoreError> {
    heads.get_mut(&account_id).ok_or_else(|| StoreError::Unexpected(format!("the head of {account_id} is not locked")))
}
