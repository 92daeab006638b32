//! The books as of a time. Every commit of an account has a later time than the one before, and entries have the time and the order of
//! their commits, so a time stands for a sequence: that of the last entry up to it. See docs/adr/0034.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Value};
use uuid::Uuid;

use super::{BalanceQuery, balance_from_row, balance_table, checkpoint, from_row, table};
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::ledger::{AccountHead, Balance, BalanceKey, LedgerEntry};
use crate::domain::time::Time;
use crate::store::backend::keys::narrow_to_values;
use crate::store::backend::table::Reads;
use crate::store::list::{SCAN_MAX, Walk};
use crate::store::set::keyed::rows_by;
use crate::store::{Source, StoreError};

/// How many entries are looked at in each step of the search for a time. More make fewer steps: six for ten million entries.
const PROBES: i64 = 15;

/// The most entries that are read at once.
const ENTRIES_PER_READ: u64 = 4_096;

/// About how many affiliates are looked at together. They share the read of the entries after the checkpoint.
const AFFILIATES_PER_READ: u64 = 1_000;

/// The sequence of the last entry of an account that was committed up to this time, the time itself included. 0 before the first.
///
/// # Errors
/// [`StoreError`].
pub async fn sequence_at(source: &impl Source, head: &AccountHead, time: Time) -> Result<i64, StoreError> {
    // Invariant: entries up to `before` are early enough, and entries after `last` are too late.
    let (mut before, mut last) = (0, head.ledger_sequence);
    if head.committed_at <= time {
        return Ok(last);
    }
    while before < last {
        let step = (last - before) / (PROBES + 1) + 1;
        let probes = (1..=PROBES).map(|number| before + number * step).take_while(|sequence| *sequence <= last);
        let rows: Vec<(i64, i64)> = table::Entity::find()
            .select_only()
            .columns([table::Column::Sequence, table::Column::PostedAt])
            .filter(table::Column::AccountId.eq(head.account_id.uuid()))
            .filter(table::Column::Sequence.is_in(probes))
            .order_by_asc(table::Column::Sequence)
            .into_tuple()
            .all(source.connection())
            .await?;
        if rows.is_empty() {
            return Err(StoreError::Inconsistent { table: "ledger_entry", row: head.account_id.uuid() });
        }
        for (sequence, posted_at) in rows {
            if posted_at > time.micros() {
                last = sequence - 1;
                break;
            }
            before = sequence;
        }
    }
    Ok(last)
}

/// Gives the entries after one sequence and up to another, in order. If affiliates are given, only their entries.
pub(super) async fn each_entry(
    connection: &impl Reads,
    account_id: AccountId,
    affiliates: Option<&[AffiliateId]>,
    after: i64,
    last: i64,
    mut give: impl FnMut(LedgerEntry),
) -> Result<(), StoreError> {
    let mut after = after;
    while after < last {
        let mut query = table::Entity::find()
            .filter(table::Column::AccountId.eq(account_id.uuid()))
            .filter(table::Column::Sequence.gt(after))
            .filter(table::Column::Sequence.lte(last))
            .order_by_asc(table::Column::Sequence)
            .limit(ENTRIES_PER_READ)
            .into_query();
        if let Some(affiliates) = affiliates {
            let ids = affiliates.iter().map(|id| Value::from(id.uuid())).collect();
            narrow_to_values::<table::Entity>(connection.backend(), &mut query, table::Column::AffiliateId, ids)?;
        }
        let rows = connection.models::<table::Entity>(&query).await?;
        let is_last = (rows.len() as u64) < ENTRIES_PER_READ;
        after = rows.last().map_or(last, |row| row.sequence);
        for row in rows {
            give(from_row(row)?);
        }
        if is_last {
            break;
        }
    }
    Ok(())
}

/// The balances of these affiliates after the entry with this sequence. Those that had no entry yet are left out.
///
/// # Errors
/// [`StoreError`].
pub async fn balances_at(
    source: &impl Source,
    account_id: AccountId,
    affiliates: &[AffiliateId],
    sequence: i64,
) -> Result<BTreeMap<BalanceKey, Balance>, StoreError> {
    let connection = source.connection();
    if affiliates.is_empty() || sequence == 0 {
        return Ok(BTreeMap::new());
    }
    let checkpoint = checkpoint::before(connection, account_id, sequence).await?;
    let mut keys: BTreeSet<BalanceKey> = BTreeSet::new();
    if checkpoint > 0 {
        // Balances are never removed, so those of today are among these.
        let columns = [balance_table::Column::AccountId, balance_table::Column::AffiliateId];
        let wanted = affiliates.iter().map(|id| (account_id.uuid(), id.uuid()));
        for row in rows_by::<balance_table::Entity, _>(connection, &columns, wanted).await? {
            keys.insert(balance_from_row(&row)?.0);
        }
    }
    let mut balances = checkpoint::balances(connection, account_id, &keys, checkpoint).await?;
    let mut result = Ok(());
    let add = |entry: LedgerEntry| {
        let posted = balances.entry(entry.posting.balance_key()).or_default().post(&entry.posting);
        if posted.is_err() {
            result = Err(StoreError::Inconsistent { table: "ledger_entry", row: entry.posting.subject.id });
        }
    };
    each_entry(connection, account_id, Some(affiliates), checkpoint, sequence, add).await?;
    result.map(|()| balances)
}

/// One page of affiliates with the balances that passed the filter after the entry with this sequence, and the affiliate where the page
/// ended because it had looked at many and was not full.
///
/// # Errors
/// [`StoreError`].
pub async fn list_balances_at(
    source: &impl Source,
    account_id: AccountId,
    wanted: &BalanceQuery,
    sequence: i64,
    walk: Walk,
) -> Result<(Vec<OfAffiliate>, Option<Uuid>), StoreError> {
    use balance_table::Column;
    let limit = usize::try_from(walk.limit).unwrap_or(usize::MAX);
    let length = walk.limit.max(AFFILIATES_PER_READ);
    let (mut page, mut after, mut looked_at) = (Vec::new(), walk.after, 0);
    while page.len() < limit {
        let query = balance_table::Entity::find()
            .filter(Column::AccountId.eq(account_id.uuid()))
            .apply_if(wanted.affiliate_id, |query, id| query.filter(Column::AffiliateId.eq(id.uuid())));
        let walk = Walk { order: walk.order, after, limit: length };
        let ids = walk.cut(query.select_only().column(Column::AffiliateId).distinct(), Column::AffiliateId);
        let ids: Vec<Uuid> = ids.into_tuple().all(source.connection()).await?;
        let affiliates: Vec<AffiliateId> = ids.iter().copied().map(AffiliateId::from_uuid).collect();
        let mut by_affiliate: BTreeMap<AffiliateId, Vec<(BalanceKey, Balance)>> = BTreeMap::new();
        for (key, balance) in balances_at(source, account_id, &affiliates, sequence).await? {
            if wanted.accepts(&key, balance) {
                by_affiliate.entry(key.affiliate_id).or_default().push((key, balance));
            }
        }
        page.extend(affiliates.iter().filter_map(|id| Some((*id, by_affiliate.remove(id)?))));
        after = ids.last().copied();
        looked_at += ids.len() as u64;
        if (ids.len() as u64) < length {
            break;
        }
        if looked_at >= SCAN_MAX && page.len() < limit {
            return Ok((page, after));
        }
    }
    page.truncate(limit);
    Ok((page, None))
}

/// An affiliate with its balances.
type OfAffiliate = (AffiliateId, Vec<(BalanceKey, Balance)>);

impl BalanceQuery {
    /// Whether a balance passes the filter.
    fn accepts(&self, key: &BalanceKey, balance: Balance) -> bool {
        (self.units.is_empty() || self.units.contains(&key.unit))
            && (self.currencies.is_empty() || self.currencies.contains(&key.currency))
            && (!self.owed_only || balance.owed_minor > 0)
    }
}
