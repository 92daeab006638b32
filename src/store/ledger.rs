//! Ledger entries and balances: rows and reads.

pub mod as_of;
pub mod checkpoint;

use std::collections::{BTreeSet, HashMap};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};
use uuid::Uuid;

use super::entity::{balance as balance_table, ledger_entry as table, reward as reward_table};
use super::list::{self, Walk};
use super::lists::{Entry, List, Place, Rows, id_of_sequence, rows_of_list, sequence_of_id};
use super::row::RowName;
use super::set::Loading;
use super::set::keyed::rows_by;
use super::{Source, Store, StoreError};
use crate::domain::id::{AccountId, AffiliateId, ConversionId, RewardId};
use crate::domain::ledger::{Balance, BalanceKey, LedgerEntry, LedgerSubject, Posting};
use crate::domain::money::Currency;
use crate::domain::reward::RewardUnit;
use crate::domain::time::Time;

pub(super) fn to_row(entry: &LedgerEntry) -> table::Model {
    let posting = &entry.posting;
    table::Model {
        account_id: posting.account_id.uuid(),
        sequence: entry.sequence,
        debit: posting.debit.as_str().to_owned(),
        credit: posting.credit.as_str().to_owned(),
        unit: posting.unit.as_str().to_owned(),
        currency: posting.currency.code().to_owned(),
        amount_minor: posting.amount_minor,
        affiliate_id: posting.affiliate_id.uuid(),
        subject_kind: posting.subject.kind.as_str().to_owned(),
        subject_id: posting.subject.id,
        reason: posting.reason.as_str().to_owned(),
        posted_at: posting.posted_at.micros(),
        hash_version: entry.hash_version,
        hash: entry.hash.to_vec(),
    }
}

/// The place of an entry in its affiliate's list.
pub(super) fn entry_of(entry: &LedgerEntry) -> Entry {
    Entry { list: List::ledger_entries_of(entry.posting.affiliate_id), place: Place::of_sequence(entry.sequence) }
}

pub(super) fn from_row(row: table::Model) -> Result<LedgerEntry, StoreError> {
    let name = RowName::new("ledger_entry", row.subject_id);
    Ok(LedgerEntry {
        sequence: row.sequence,
        posting: Posting {
            account_id: AccountId::from_uuid(row.account_id),
            debit: name.parse(&row.debit)?,
            credit: name.parse(&row.credit)?,
            unit: name.parse(&row.unit)?,
            currency: name.parse(&row.currency)?,
            amount_minor: row.amount_minor,
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            subject: LedgerSubject { kind: name.parse(&row.subject_kind)?, id: row.subject_id },
            reason: name.parse(&row.reason)?,
            posted_at: Time::from_micros(row.posted_at),
        },
        hash_version: row.hash_version,
        hash: name.hash(row.hash)?,
    })
}

/// A change of a balance, with the number of rewards for sales that it has.
pub(super) fn balance_to_row(key: &BalanceKey, balance: Balance, sale_reward_count: i64) -> balance_table::Model {
    balance_table::Model {
        account_id: key.account_id.uuid(),
        affiliate_id: key.affiliate_id.uuid(),
        unit: key.unit.as_str().to_owned(),
        currency: key.currency.code().to_owned(),
        pending_minor: balance.pending_minor,
        owed_minor: balance.owed_minor,
        in_flight_minor: balance.in_flight_minor,
        frozen_minor: balance.frozen_minor,
        paid_minor: balance.paid_minor,
        sale_reward_count,
    }
}

fn balance_from_row(row: &balance_table::Model) -> Result<(BalanceKey, Balance), StoreError> {
    let name = RowName::new("balance", row.affiliate_id);
    let key = BalanceKey {
        account_id: AccountId::from_uuid(row.account_id),
        affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
        unit: name.parse(&row.unit)?,
        currency: name.parse(&row.currency)?,
    };
    let balance = Balance {
        pending_minor: row.pending_minor,
        owed_minor: row.owed_minor,
        in_flight_minor: row.in_flight_minor,
        frozen_minor: row.frozen_minor,
        paid_minor: row.paid_minor,
    };
    Ok((key, balance))
}

/// Reads the balances that a batch must know exactly.
pub(super) async fn load_balances(loading: &mut Loading<'_>) -> Result<(), StoreError> {
    use balance_table::Column::{AccountId, AffiliateId, Currency, Unit};
    let mut keys = std::mem::take(&mut loading.needs.names.balances);
    keys.retain(|key| !loading.set.balances.is_known(key));
    let values = keys.iter().map(|key| {
        (key.account_id.uuid(), key.affiliate_id.uuid(), key.unit.as_str().to_owned(), key.currency.code().to_owned())
    });
    let columns = [AccountId, AffiliateId, Unit, Currency];
    for row in rows_by::<balance_table::Entity, _>(loading.connection, &columns, values).await? {
        let (key, balance) = balance_from_row(&row)?;
        loading.set.balances.load(key, balance);
    }
    keys.into_iter().for_each(|key| loading.set.balances.load(key, Balance::default()));
    Ok(())
}

/// An affiliate's balances, one per unit and currency.
///
/// # Errors
/// [`StoreError`].
pub async fn balances(
    store: &Store,
    account_id: AccountId,
    affiliate_id: AffiliateId,
) -> Result<Vec<(BalanceKey, Balance)>, StoreError> {
    let rows = balance_table::Entity::find()
        .filter(balance_table::Column::AccountId.eq(account_id.uuid()))
        .filter(balance_table::Column::AffiliateId.eq(affiliate_id.uuid()))
        .order_by_asc(balance_table::Column::Unit)
        .order_by_asc(balance_table::Column::Currency)
        .all(store.read())
        .await?;
    rows.iter().map(balance_from_row).collect()
}

/// The balances of all affiliates of an account in the order of their keys.
///
/// # Errors
/// [`StoreError`].
pub async fn all_balances(
    source: &impl Source,
    account_id: AccountId,
) -> Result<Vec<(BalanceKey, Balance)>, StoreError> {
    let rows = balance_table::Entity::find()
        .filter(balance_table::Column::AccountId.eq(account_id.uuid()))
        .order_by_asc(balance_table::Column::AffiliateId)
        .order_by_asc(balance_table::Column::Unit)
        .order_by_asc(balance_table::Column::Currency)
        .all(source.connection())
        .await?;
    rows.iter().map(balance_from_row).collect()
}

/// Balances of affiliates, each with all of its balances.
#[derive(Debug)]
pub struct BalancePage {
    /// In the order of their keys.
    pub balances: Vec<(BalanceKey, Balance)>,
    /// The last affiliate of the page. `None` if no further one has balances.
    pub last: Option<AffiliateId>,
}

/// The balances of the affiliates after this one, up to about `limit`. An affiliate has at most one for each unit and currency.
///
/// # Errors
/// [`StoreError`].
pub async fn balances_after(
    source: &impl Source,
    account_id: AccountId,
    after: Option<AffiliateId>,
    limit: u64,
) -> Result<BalancePage, StoreError> {
    let first = balance_table::Entity::find()
        .filter(balance_table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(after, |query, after| query.filter(balance_table::Column::AffiliateId.gt(after.uuid())))
        .order_by_asc(balance_table::Column::AffiliateId);
    let ids: Vec<Uuid> = first
        .clone()
        .select_only()
        .column(balance_table::Column::AffiliateId)
        .limit(limit.max(1))
        .into_tuple()
        .all(source.connection())
        .await?;
    let is_last = (ids.len() as u64) < limit.max(1);
    let last = ids.last().copied().filter(|_| !is_last);
    // All balances of the last affiliate belong to the page.
    let rows = first
        .apply_if(last, |query, last| query.filter(balance_table::Column::AffiliateId.lte(last)))
        .order_by_asc(balance_table::Column::Unit)
        .order_by_asc(balance_table::Column::Currency)
        .all(source.connection())
        .await?;
    let balances = rows.iter().map(balance_from_row).collect::<Result<_, _>>()?;
    Ok(BalancePage { balances, last: last.map(AffiliateId::from_uuid) })
}

/// A filter of balances. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct BalanceQuery {
    /// Only balances of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only balances in these units. Empty: any unit.
    pub units: Vec<RewardUnit>,
    /// Only balances in these currencies. Empty: any currency.
    pub currencies: Vec<Currency>,
    /// Only balances of which something is owed.
    pub owed_only: bool,
}

/// One page of affiliates with the balances that pass the filter.
///
/// # Errors
/// [`StoreError`].
pub async fn list_balances(
    source: &impl Source,
    account_id: AccountId,
    wanted: &BalanceQuery,
    walk: Walk,
) -> Result<Vec<(AffiliateId, Vec<(BalanceKey, Balance)>)>, StoreError> {
    use balance_table::Column;
    let query = balance_table::Entity::find()
        .filter(Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(Column::AffiliateId.eq(id.uuid())))
        .apply_if(wanted.owed_only.then_some(0), |query, zero| query.filter(Column::OwedMinor.gt(zero)));
    let query = list::one_of(query, Column::Unit, &wanted.units);
    let query = match wanted.currencies.as_slice() {
        [] => query,
        currencies => query.filter(Column::Currency.is_in(currencies.iter().map(|currency| currency.code()))),
    };
    let ids = walk.cut(query.clone().select_only().column(Column::AffiliateId).distinct(), Column::AffiliateId);
    let ids: Vec<Uuid> = ids.into_tuple().all(source.connection()).await?;
    let rows = query.filter(Column::AffiliateId.is_in(ids.iter().copied())).all(source.connection()).await?;
    let mut balances: HashMap<Uuid, Vec<(BalanceKey, Balance)>> = HashMap::new();
    for row in &rows {
        balances.entry(row.affiliate_id).or_default().push(balance_from_row(row)?);
    }
    let page = ids.into_iter().map(|id| (AffiliateId::from_uuid(id), balances.remove(&id).unwrap_or_default()));
    Ok(page.collect())
}

/// One page of ledger entries. If an affiliate is given, only the entries of that affiliate.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    source: &impl Source,
    account_id: AccountId,
    affiliate_id: Option<AffiliateId>,
    walk: Walk<i64>,
) -> Result<Vec<LedgerEntry>, StoreError> {
    let rows = match affiliate_id {
        None => {
            let query = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
            walk.cut(query, table::Column::Sequence).all(source.connection()).await?
        }
        Some(affiliate_id) => {
            let key = [table::Column::AccountId, table::Column::Sequence];
            let id = |row: &table::Model| id_of_sequence(row.sequence);
            let rows = Rows { key, value: sequence_of_id, id, filter: |query: Select<table::Entity>| query };
            let walk = Walk { order: walk.order, after: walk.after.map(id_of_sequence), limit: walk.limit };
            let list = (account_id, List::ledger_entries_of(affiliate_id));
            rows_of_list(source.connection(), list, &rows, walk).await?
        }
    };
    rows.into_iter().map(from_row).collect()
}

/// The conversions of the rewards of these entries. Needed because an entry has only its reward's id.
///
/// # Errors
/// [`StoreError`].
pub async fn conversions(
    store: &Store,
    account_id: AccountId,
    entries: &[LedgerEntry],
) -> Result<HashMap<RewardId, ConversionId>, StoreError> {
    let rewards: BTreeSet<RewardId> = entries.iter().filter_map(|entry| entry.posting.subject.reward_id()).collect();
    let columns = [reward_table::Column::AccountId, reward_table::Column::Id];
    let keys = rewards.iter().map(|id| (account_id.uuid(), id.uuid()));
    let rows = rows_by::<reward_table::Entity, _>(store.read(), &columns, keys).await?;
    let conversion =
        |row: reward_table::Model| Some((RewardId::from_uuid(row.id), ConversionId::from_uuid(row.conversion_id?)));
    Ok(rows.into_iter().filter_map(conversion).collect())
}
