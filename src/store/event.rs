//! The feed's table: segments of events, reads and pruning.

use std::collections::BTreeMap;

use bytes::Bytes;
use sea_orm::sea_query::{Alias, Expr, ExprTrait, Func, Order, Query, SimpleExpr};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Value};

use super::account_head::{head, save_heads};
use super::backend::kind::Kind;
use super::entity::{account_head as head_table, event_segment as table};
use super::row::RowName;
pub use super::segment::EncodeBody;
use super::segment::{self, Frame, SegmentWriter, packed};
use super::{Source, Store, StoreError, WriteTransaction};
use crate::domain::event::{EventHeader, FeedPlace, NewEvent};
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;

/// The maximum number of events in a segment.
pub const SEGMENT_EVENTS_MAX: usize = 1_000;

/// A segment of this many bytes takes no further event.
const SEGMENT_BYTES_FULL: usize = 256 << 10;

/// Consecutive events of one account that were committed together. A long commit makes several segments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The account that the events belong to.
    pub account_id: AccountId,
    /// The sequence of the segment's first event.
    pub first_sequence: i64,
    /// The sequence of the segment's last event.
    pub last_sequence: i64,
    /// When the events were committed.
    pub committed_at: Time,
    frames: Vec<Frame>,
    bytes: Bytes,
}

impl Segment {
    /// The segment's events in order, each as sequence, header and body.
    pub fn events(&self) -> impl Iterator<Item = (i64, &EventHeader, &[u8])> {
        let frames = (self.first_sequence..).zip(&self.frames);
        frames.map(|(sequence, frame)| (sequence, &frame.header, &self.bytes[frame.body.clone()]))
    }

    /// The headers of the events after a sequence, for filters.
    pub fn headers_after(&self, sequence: i64) -> impl Iterator<Item = (i64, &EventHeader)> {
        let passed = usize::try_from(sequence + 1 - self.first_sequence).unwrap_or_default();
        let frames = self.frames.get(passed..).unwrap_or_default();
        (Ord::max(self.first_sequence, sequence + 1)..).zip(frames.iter().map(|frame| &frame.header))
    }

    /// The place after the event with this sequence, which is one of the segment.
    pub fn place(&self, sequence: i64) -> FeedPlace {
        FeedPlace { sequence, check: segment::check(&self.bytes).unwrap_or_default() }
    }

    /// The length of the encoded segment in bytes. The row may be shorter.
    pub fn byte_count(&self) -> usize {
        self.bytes.len()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(first_sequence: i64, last_sequence: i64) -> Self {
        let account_id = AccountId::SERVER;
        let bytes = Bytes::new();
        Self { account_id, first_sequence, last_sequence, committed_at: Time::from_micros(0), frames: vec![], bytes }
    }

    fn to_row(&self) -> table::Model {
        table::Model {
            account_id: self.account_id.uuid(),
            last_sequence: self.last_sequence,
            first_sequence: self.first_sequence,
            committed_at: self.committed_at.micros(),
            events: packed::pack(&self.bytes),
        }
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let (account_id, last_sequence) = (row.account_id, row.last_sequence);
        let inconsistent = || {
            tracing::error!(%account_id, last_sequence, "a segment of the feed does not make sense");
            RowName::new("event_segment", account_id).inconsistent()
        };
        let bytes = packed::unpack(row.events).map_err(|_| inconsistent())?;
        let frames = segment::frames(&bytes).map_err(|_| inconsistent())?;
        if i64::try_from(frames.len()) != Ok(row.last_sequence - row.first_sequence + 1) {
            return Err(inconsistent());
        }
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            first_sequence: row.first_sequence,
            last_sequence: row.last_sequence,
            committed_at: Time::from_micros(row.committed_at),
            frames,
            bytes: bytes.into(),
        })
    }
}

/// Encodes events that are committed together as segments, numbered from each account's head on. The heads have the time of the commit.
pub(super) fn number<'facts>(
    facts: impl IntoIterator<Item = &'facts NewEvent>,
    heads: &mut BTreeMap<AccountId, AccountHead>,
    encode_body: EncodeBody,
) -> Result<Vec<Segment>, StoreError> {
    let mut open: BTreeMap<AccountId, SegmentWriter> = BTreeMap::new();
    let mut segments = Vec::new();
    let mut close = |account_id: AccountId, writer: SegmentWriter| {
        let unlocked = || StoreError::Unexpected(format!("the head of {account_id} is not locked"));
        let head = heads.get_mut(&account_id).ok_or_else(unlocked)?;
        let (bytes, frames) = writer.finish();
        let count = i64::try_from(frames.len()).unwrap_or_default();
        let first_sequence = head.event_sequence + 1;
        head.event_sequence += count;
        let last_sequence = head.event_sequence;
        let committed_at = head.committed_at;
        segments.push(Segment { account_id, first_sequence, last_sequence, committed_at, frames, bytes: bytes.into() });
        Ok::<_, StoreError>(())
    };
    for fact in facts {
        let writer = open.entry(fact.account_id).or_insert_with(SegmentWriter::new);
        let too_long = |_| StoreError::Unexpected(format!("an event {} is too long to store", fact.kind));
        writer.push(fact.header(), |out| encode_body(fact, out)).map_err(too_long)?;
        if writer.event_count() >= SEGMENT_EVENTS_MAX || writer.byte_count() >= SEGMENT_BYTES_FULL {
            close(fact.account_id, std::mem::replace(writer, SegmentWriter::new()))?;
        }
    }
    for (account_id, writer) in open {
        if writer.event_count() > 0 {
            close(account_id, writer)?;
        }
    }
    Ok(segments)
}

pub(super) fn to_rows(segments: &[Segment]) -> Vec<table::Model> {
    segments.iter().map(Segment::to_row).collect()
}

/// Segments in order. The first one contains the event after `after_sequence`. If that event is no longer kept, the first one is
/// the next segment that is kept.
///
/// Only segments that end within a range of sequences after `after_sequence` are read. The range has the length `events_max` or
/// [`SEGMENT_EVENTS_MAX`], whichever is larger. If no segment ends in the range, the next segment is read alone.
///
/// # Errors
/// [`StoreError`].
pub async fn read(
    store: &Store,
    account_id: AccountId,
    after_sequence: i64,
    events_max: u64,
) -> Result<Vec<Segment>, StoreError> {
    let after = || {
        table::Entity::find()
            .filter(table::Column::AccountId.eq(account_id.uuid()))
            .filter(table::Column::LastSequence.gt(after_sequence))
            .order_by_asc(table::Column::LastSequence)
    };
    // The range is at least as wide as the longest segment. The range counts sequences and not segments, so one read returns
    // either many short segments or few long ones.
    let width = i64::try_from(Ord::max(events_max, SEGMENT_EVENTS_MAX as u64)).unwrap_or(i64::MAX);
    let within = table::Column::LastSequence.lte(after_sequence.saturating_add(width));
    let mut rows = after().filter(within).limit(Ord::max(events_max, 1)).all(store.read()).await?;
    if rows.is_empty() {
        // No segment ends in this range, because there are no newer events or because the segments are no longer kept.
        rows = after().limit(1).all(store.read()).await?;
    }
    rows.into_iter().map(Segment::from_row).collect()
}

/// The sequence before the first kept event that was committed at or after this time. The newest sequence if there is no such
/// event. Uses a binary search, because sequences have no gaps and commit times grow with them. This rare query therefore needs
/// no index.
///
/// # Errors
/// [`StoreError`].
pub async fn first_sequence_at(store: &Store, account_id: AccountId, time: Time) -> Result<i64, StoreError> {
    let head = head(store, account_id).await?;
    // Invariant: events up to `before` are too early, and events after `last` are late enough.
    let (mut before, mut last) = (head.pruned_sequence, head.event_sequence);
    while before < last {
        let middle = before + (last - before + 1) / 2;
        let segment: Option<(i64, i64, i64)> = bounds(account_id)
            .filter(table::Column::LastSequence.gte(middle))
            .order_by_asc(table::Column::LastSequence)
            .limit(1)
            .into_tuple()
            .one(store.read())
            .await?;
        match segment {
            Some((first, _, committed_at)) if first <= middle && committed_at >= time.micros() => last = first - 1,
            Some((first, end, _)) if first <= middle => before = end,
            // The event was pruned in the meantime, so it is too early.
            _ => before = middle,
        }
    }
    Ok(before)
}

/// The place after the event with this sequence. `None` if the feed does not have the event.
///
/// # Errors
/// [`StoreError`].
pub async fn place(store: &Store, account_id: AccountId, sequence: i64) -> Result<Option<FeedPlace>, StoreError> {
    let segment: Option<(i64, Vec<u8>)> = table::Entity::find()
        .select_only()
        .column(table::Column::FirstSequence)
        .expr_as(beginning(), "beginning")
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::LastSequence.gte(sequence))
        .order_by_asc(table::Column::LastSequence)
        .limit(1)
        .into_tuple()
        .one(store.read())
        .await?;
    match segment {
        Some((first, beginning)) if first <= sequence => {
            Ok(Some(FeedPlace { sequence, check: check(account_id, &beginning)? }))
        }
        _ => Ok(None),
    }
}

/// The part of a segment that [`check`] needs. A whole segment may have hundreds of KiB.
fn beginning() -> SimpleExpr {
    // PostgreSQL has this function for 32-bit numbers only.
    let length = i32::try_from(segment::START).unwrap_or_default();
    Func::cust("substr").arg(Expr::col((table::Entity, table::Column::Events))).arg(1_i32).arg(length).into()
}

fn check(account_id: AccountId, beginning: &[u8]) -> Result<u32, StoreError> {
    segment::check(beginning).map_err(|_| RowName::new("event_segment", account_id.uuid()).inconsistent())
}

/// First sequence, last sequence and commit time of an account's segments.
fn bounds(account_id: AccountId) -> sea_orm::Select<table::Entity> {
    table::Entity::find()
        .select_only()
        .columns([table::Column::FirstSequence, table::Column::LastSequence, table::Column::CommittedAt])
        .filter(table::Column::AccountId.eq(account_id.uuid()))
}

/// The segments of an account that end after a sequence, in order.
///
/// # Errors
/// [`StoreError`].
pub async fn segments_after(
    source: &impl Source,
    account_id: AccountId,
    after_sequence: i64,
    limit: u64,
) -> Result<Vec<Segment>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::LastSequence.gt(after_sequence))
        .order_by_asc(table::Column::LastSequence)
        .limit(limit);
    query.all(source.connection()).await?.into_iter().map(Segment::from_row).collect()
}

/// The first and the last sequence of each segment that ends after a sequence, in order.
///
/// # Errors
/// [`StoreError`].
pub async fn ranges(
    source: &impl Source,
    account_id: AccountId,
    after_sequence: i64,
    limit: u64,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = bounds(account_id)
        .filter(table::Column::LastSequence.gt(after_sequence))
        .order_by_asc(table::Column::LastSequence)
        .limit(limit)
        .into_tuple()
        .all(source.connection())
        .await?;
    Ok(rows.into_iter().map(|(first, last, _)| (first, last)).collect())
}

/// The number of an account's kept events.
///
/// # Errors
/// [`StoreError`].
pub async fn count(source: &impl Source, account_id: AccountId) -> Result<i64, StoreError> {
    let column = |column: table::Column| Expr::col((table::Entity, column));
    let length = column(table::Column::LastSequence).sub(column(table::Column::FirstSequence)).add(1_i64);
    // PostgreSQL's sum of bigints is a decimal.
    let sum = Expr::from(Func::coalesce([length.sum(), 0_i64.into()])).cast_as(Alias::new("bigint"));
    let query = Query::select()
        .expr(sum)
        .from(table::Entity)
        .and_where(column(table::Column::AccountId).eq(account_id.uuid()))
        .take();
    let row = source.connection().query_one(&query).await?;
    Ok(row.ok_or_else(|| StoreError::Unexpected("a sum without a row".to_owned()))?.try_get_by_index(0)?)
}

/// The accounts whose oldest kept event was committed before this time. Only for the upkeep.
///
/// # Errors
/// [`StoreError`].
pub async fn accounts_with_events_before(store: &Store, before: Time) -> Result<Vec<AccountId>, StoreError> {
    let of_head = |column: head_table::Column| Expr::col((head_table::Entity, column));
    let of_segment = |column: table::Column| Expr::col((table::Entity, column));
    let first_of_feed = Query::select()
        .column(table::Column::CommittedAt)
        .from(table::Entity)
        .and_where(of_segment(table::Column::AccountId).eq(of_head(head_table::Column::AccountId)))
        .and_where(of_segment(table::Column::LastSequence).gt(of_head(head_table::Column::PrunedSequence)))
        .order_by(table::Column::LastSequence, Order::Asc)
        .limit(1)
        .take();
    let query = Query::select()
        .column(head_table::Column::AccountId)
        .from(head_table::Entity)
        .and_where(Expr::SubQuery(None, Box::new(first_of_feed.into())).lt(before.micros()))
        .take();
    let rows = store.read().query_all(&query).await?;
    rows.iter().map(|row| Ok(AccountId::from_uuid(row.try_get_by_index(0)?))).collect()
}

/// Deletes the oldest segments of an account's feed: those committed before this time, at most `limit` of them. Updates the head,
/// which must be locked. Returns the number of deleted segments.
///
/// # Errors
/// [`StoreError`].
pub async fn prune(
    transaction: &WriteTransaction,
    head: &mut AccountHead,
    before: Time,
    limit: u64,
) -> Result<u64, StoreError> {
    let connection = transaction.connection();
    let query = bounds(head.account_id)
        .expr_as(beginning(), "beginning")
        .order_by_asc(table::Column::LastSequence)
        .limit(limit)
        .into_query();
    let kinds = [Kind::BigInteger, Kind::BigInteger, Kind::BigInteger, Kind::Bytes];
    let rows = connection.values(&query, &kinds).await?;
    let too_old = rows.iter().map_while(|row| match &row[..] {
        [_, Value::BigInt(Some(sequence)), Value::BigInt(Some(time)), Value::Bytes(Some(beginning))]
            if *time < before.micros() =>
        {
            Some((*sequence, beginning))
        }
        _ => None,
    });
    let Some((sequence, beginning)) = too_old.last() else { return Ok(0) };
    let delete = table::Entity::delete_many()
        .filter(table::Column::AccountId.eq(head.account_id.uuid()))
        .filter(table::Column::LastSequence.lte(sequence))
        .into_query();
    let count = connection.execute(&delete).await?;
    head.pruned_sequence = sequence;
    head.pruned_check = check(head.account_id, beginning)?;
    save_heads(connection, [&*head]).await?;
    Ok(count)
}
