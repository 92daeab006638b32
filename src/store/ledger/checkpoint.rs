//! Checkpoints of balances: all balances of an account as they were after some entry of its ledger, so that a balance of the past is a
//! checkpoint and the few entries after it. See docs/adr/0034.
//!
//! A checkpoint has a *mark*, a row with its sequence, and a row for each balance that has changed since the checkpoint before. The key
//! of a row is the affiliate's id, the unit and the currency, each with a zero after it, and the sequence in 8 bytes. A mark has an id of
//! zeros and nothing else. Checkpoints are never changed.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Value};
use uuid::Uuid;

use super::as_of::each_entry;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::ledger::{AccountHead, Balance, BalanceKey, LedgerEntry};
use crate::domain::money::Overflow;
use crate::store::backend::bulk::Writes;
use crate::store::backend::kind::Kind;
use crate::store::backend::lane::WriteConnection;
use crate::store::backend::table::Reads;
use crate::store::entity::{balance_checkpoint as table, ledger_entry as entry_table};
use crate::store::row::RowName;
use crate::store::set::keyed::{chunks, rows_by};
use crate::store::{Snapshot, Source, StoreError};

/// How many entries a checkpoint has more than the one before. A balance of the past reads as many entries at most, and a checkpoint has as
/// many rows at most.
#[cfg(not(feature = "failpoints"))]
const LENGTH: i64 = 8_192;

/// Small, so that tests have many checkpoints.
#[cfg(feature = "failpoints")]
const LENGTH: i64 = 16;

/// The length of a sequence in a key.
const SEQUENCE_LENGTH: usize = 8;

/// The part of a key without the sequence.
fn prefix_of(key: &BalanceKey) -> Vec<u8> {
    let mut bytes = key.affiliate_id.uuid().as_bytes().to_vec();
    for text in [key.unit.as_str(), key.currency.code()] {
        bytes.extend(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// The same of a mark.
fn prefix_of_mark() -> Vec<u8> {
    Uuid::nil().as_bytes().to_vec()
}

fn key_of(mut prefix: Vec<u8>, sequence: i64) -> Vec<u8> {
    prefix.extend(sequence.to_be_bytes());
    prefix
}

/// The two parts of a key.
fn parts_of(row: &table::Model) -> Result<(&[u8], i64), StoreError> {
    let (prefix, sequence) = row.key.split_last_chunk::<SEQUENCE_LENGTH>().ok_or_else(|| inconsistent(row))?;
    Ok((prefix, i64::from_be_bytes(*sequence)))
}

fn inconsistent(row: &table::Model) -> StoreError {
    StoreError::Inconsistent { table: "balance_checkpoint", row: row.account_id }
}

/// The newest row up to this sequence of each of these prefixes that has one, by prefix.
async fn newest(
    connection: &impl Reads,
    account_id: AccountId,
    prefixes: impl IntoIterator<Item = Vec<u8>>,
    sequence: i64,
) -> Result<BTreeMap<Vec<u8>, (i64, Balance)>, StoreError> {
    let ranges = prefixes.into_iter().map(|prefix| {
        let [least, greatest] = [0, sequence].map(|sequence| key_of(prefix.clone(), sequence));
        ValueTuple::Three(account_id.uuid().into(), least.into(), greatest.into())
    });
    let mut found = BTreeMap::new();
    for chunk in chunks(ranges) {
        let columns = [table::Column::AccountId, table::Column::Key];
        for row in connection.last_models::<table::Entity>(columns, chunk).await? {
            let (prefix, sequence) = parts_of(&row)?;
            found.insert(prefix.to_vec(), (sequence, balance_of(&row)));
        }
    }
    Ok(found)
}

fn balance_of(row: &table::Model) -> Balance {
    Balance {
        pending_minor: row.pending_minor,
        owed_minor: row.owed_minor,
        in_flight_minor: row.in_flight_minor,
        frozen_minor: row.frozen_minor,
        paid_minor: row.paid_minor,
    }
}

fn to_row(account_id: AccountId, key: Vec<u8>, balance: Balance) -> table::Model {
    let Balance { pending_minor, owed_minor, in_flight_minor, frozen_minor, paid_minor } = balance;
    let account_id = account_id.uuid();
    table::Model { account_id, key, pending_minor, owed_minor, in_flight_minor, frozen_minor, paid_minor }
}

/// The sequence of the newest checkpoint that is not after this one. 0 before the first.
pub(super) async fn before(connection: &impl Reads, account_id: AccountId, sequence: i64) -> Result<i64, StoreError> {
    let mark = prefix_of_mark();
    let found = newest(connection, account_id, [mark.clone()], sequence).await?;
    Ok(found.get(&mark).map_or(0, |(sequence, _)| *sequence))
}

/// Those of these balances that a checkpoint has, as they were then.
pub(super) async fn balances(
    connection: &impl Reads,
    account_id: AccountId,
    keys: &BTreeSet<BalanceKey>,
    checkpoint: i64,
) -> Result<BTreeMap<BalanceKey, Balance>, StoreError> {
    if checkpoint == 0 {
        return Ok(BTreeMap::new());
    }
    let found = newest(connection, account_id, keys.iter().map(prefix_of), checkpoint).await?;
    Ok(keys.iter().filter_map(|key| Some((*key, found.get(&prefix_of(key))?.1))).collect())
}

/// Queues the rows of the next checkpoint, if there are enough entries after the last one. The caller must have locked the head.
pub(in crate::store) async fn add_if_due(
    connection: &WriteConnection,
    writes: &mut Writes,
    head: &AccountHead,
) -> Result<(), StoreError> {
    let account_id = head.account_id;
    if head.ledger_sequence < LENGTH {
        return Ok(());
    }
    let last = before(connection, account_id, i64::MAX).await?;
    let next = last + LENGTH;
    if head.ledger_sequence < next {
        return Ok(());
    }
    let changes = changes(connection, account_id, last, next).await?;
    let keys: BTreeSet<BalanceKey> = changes.keys().copied().collect();
    let mut sums = balances(connection, account_id, &keys, last).await?;
    for (key, change) in changes {
        let sum = sums.entry(key).or_default();
        *sum = sum.plus(change).map_err(too_large)?;
    }
    let mut rows = vec![to_row(account_id, key_of(prefix_of_mark(), next), Balance::default())];
    rows.extend(sums.iter().map(|(key, balance)| to_row(account_id, key_of(prefix_of(key), next), *balance)));
    writes.insert::<table::Entity>(rows)
}

/// The sums of the entries after one sequence and up to another. Reads those columns alone that balances come from, because every entry is
/// read here once, in the time of its sale's writer.
async fn changes(
    connection: &WriteConnection,
    account_id: AccountId,
    after: i64,
    last: i64,
) -> Result<BTreeMap<BalanceKey, Balance>, StoreError> {
    use entry_table::Column;
    let query = entry_table::Entity::find()
        .select_only()
        .columns([
            Column::AffiliateId,
            Column::Unit,
            Column::Currency,
            Column::Debit,
            Column::Credit,
            Column::AmountMinor,
        ])
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Sequence.gt(after))
        .filter(Column::Sequence.lte(last))
        .into_query();
    let kinds = [Kind::Uuid, Kind::Text, Kind::Text, Kind::Text, Kind::Text, Kind::BigInteger];
    let name = RowName::new("ledger_entry", account_id.uuid());
    let mut sums: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
    for row in connection.values(&query, &kinds).await? {
        let [
            Value::Uuid(Some(affiliate_id)),
            Value::String(Some(unit)),
            Value::String(Some(currency)),
            Value::String(Some(debit)),
            Value::String(Some(credit)),
            Value::BigInt(Some(amount_minor)),
        ] = &row[..]
        else {
            return Err(name.inconsistent());
        };
        let affiliate_id = AffiliateId::from_uuid(*affiliate_id);
        let key = BalanceKey { account_id, affiliate_id, unit: name.parse(unit)?, currency: name.parse(currency)? };
        let sum = sums.entry(key).or_default();
        sum.move_amount(name.parse(debit)?, name.parse(credit)?, *amount_minor).map_err(too_large)?;
    }
    Ok(sums)
}

fn too_large(_: Overflow) -> StoreError {
    StoreError::Unexpected("a balance does not fit into 64 bits".to_owned())
}

/// Compares all checkpoints of an account with its entries. Returns the differences, in words.
///
/// # Errors
/// [`StoreError`].
pub async fn differences(snapshot: &Snapshot, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let connection = snapshot.connection();
    let all = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let marks =
        all.clone().filter(table::Column::Key.lte(key_of(prefix_of_mark(), i64::MAX))).order_by_asc(table::Column::Key);
    let mut differences = Vec::new();
    let mut sums: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
    let (mut last, mut expected_count) = (0, 0);
    for mark in connection.models::<table::Entity>(&marks.into_query()).await? {
        let (_, sequence) = parts_of(&mark)?;
        let mut changed: BTreeSet<BalanceKey> = BTreeSet::new();
        let mut is_too_large = false;
        let add = |entry: LedgerEntry| {
            let key = entry.posting.balance_key();
            is_too_large |= sums.entry(key).or_default().post(&entry.posting).is_err();
            changed.insert(key);
        };
        each_entry(connection, account_id, None, last, sequence, add).await?;
        let keys = changed.iter().map(|key| (account_id.uuid(), key_of(prefix_of(key), sequence)));
        let rows =
            rows_by::<table::Entity, _>(connection, &[table::Column::AccountId, table::Column::Key], keys).await?;
        let rows: BTreeMap<&[u8], Balance> = rows.iter().map(|row| (row.key.as_slice(), balance_of(row))).collect();
        for key in &changed {
            let found = rows.get(key_of(prefix_of(key), sequence).as_slice());
            if is_too_large || found.is_none() || found != sums.get(key) {
                let affiliate_id = key.affiliate_id;
                differences.push(format!(
                    "checkpoint {sequence} of the balances of {affiliate_id} is not the sum of the entries"
                ));
            }
        }
        expected_count += 1 + changed.len() as u64;
        last = sequence;
    }
    let count = all.count(connection).await?;
    if count != expected_count {
        differences.push(format!("there are {count} rows of checkpoints and should be {expected_count}"));
    }
    Ok(differences)
}
