//! The feed: rows, reads and pruning.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::{account_head as head_table, event as table};
use super::keyed::rows_by;
use super::row::{RowName, to_json};
use super::save::save_heads;
use super::{Source, Store, StoreError, WriteTransaction};
use crate::domain::event::{Event, NewEvent};
use crate::domain::id::{AccountId, AffiliateId, EventId, ProgramId};
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;

pub(super) fn to_row(sequence: i64, committed_at: Time, fact: &NewEvent) -> Result<table::Model, StoreError> {
    Ok(table::Model {
        account_id: fact.account_id.uuid(),
        sequence,
        id: fact.id.uuid(),
        event_type: fact.event_type.as_str().to_owned(),
        subject_id: fact.subject_id.clone(),
        program_id: fact.program_id.map(ProgramId::uuid),
        affiliate_id: fact.affiliate_id.map(AffiliateId::uuid),
        occurred_at: fact.occurred_at.micros(),
        committed_at: committed_at.micros(),
        image: fact.image.as_ref().map(to_json).transpose()?,
        cause_id: fact.cause_id.clone(),
    })
}

fn from_row(row: table::Model) -> Result<Event, StoreError> {
    let name = RowName::new("event", row.id);
    Ok(Event {
        sequence: row.sequence,
        committed_at: Time::from_micros(row.committed_at),
        fact: NewEvent {
            id: EventId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            event_type: name.parse(&row.event_type)?,
            subject_id: row.subject_id,
            program_id: row.program_id.map(ProgramId::from_uuid),
            affiliate_id: row.affiliate_id.map(AffiliateId::from_uuid),
            occurred_at: Time::from_micros(row.occurred_at),
            image: row.image.as_deref().map(|text| name.json(text)).transpose()?,
            cause_id: row.cause_id,
        },
    })
}

pub(super) fn head_to_row(head: &AccountHead) -> head_table::Model {
    head_table::Model {
        account_id: head.account_id.uuid(),
        event_sequence: head.event_sequence,
        pruned_sequence: head.pruned_sequence,
        ledger_sequence: head.ledger_sequence,
        ledger_hash: head.ledger_hash.to_vec(),
    }
}

pub(super) fn head_from_row(row: head_table::Model) -> Result<AccountHead, StoreError> {
    Ok(AccountHead {
        account_id: AccountId::from_uuid(row.account_id),
        event_sequence: row.event_sequence,
        pruned_sequence: row.pruned_sequence,
        ledger_sequence: row.ledger_sequence,
        ledger_hash: RowName::new("account_head", row.account_id).hash(row.ledger_hash)?,
    })
}

/// The newest numbers of an account's feed and ledger; those of an account that does not exist are zero.
///
/// # Errors
/// [`StoreError`].
pub async fn head(source: &impl Source, account_id: AccountId) -> Result<AccountHead, StoreError> {
    let row = head_table::Entity::find_by_id(account_id.uuid()).one(source.connection()).await?;
    row.map_or(Ok(AccountHead::new(account_id)), head_from_row)
}

/// The newest event's sequence of each of these accounts that exists.
///
/// # Errors
/// [`StoreError`].
pub async fn heads(store: &Store, accounts: &[AccountId]) -> Result<Vec<(AccountId, i64)>, StoreError> {
    let keys = accounts.iter().map(|account_id| account_id.uuid());
    let rows = rows_by::<head_table::Entity, _>(store.read(), &[head_table::Column::AccountId], keys).await?;
    Ok(rows.into_iter().map(|row| (AccountId::from_uuid(row.account_id), row.event_sequence)).collect())
}

/// Events in their order, those after the named sequence.
///
/// # Errors
/// [`StoreError`].
pub async fn read(
    store: &Store,
    account_id: AccountId,
    after_sequence: i64,
    limit: u64,
) -> Result<Vec<Event>, StoreError> {
    let rows = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::Sequence.gt(after_sequence))
        .order_by_asc(table::Column::Sequence)
        .limit(limit)
        .all(store.read())
        .await?;
    rows.into_iter().map(from_row).collect()
}

/// The sequence after which the first kept event that was committed at this time or later stands; the newest when there is none
/// so late. Found by halving, since sequences have no gap and times grow with them: no index to keep for a rare question.
///
/// # Errors
/// [`StoreError`].
pub async fn first_sequence_at(store: &Store, account_id: AccountId, time: Time) -> Result<i64, StoreError> {
    let head = head(store, account_id).await?;
    // Always: what is at `before` or below is too early, and what is above `last` is late enough.
    let (mut before, mut last) = (head.pruned_sequence, head.event_sequence);
    while before < last {
        let middle = before + (last - before + 1) / 2;
        let committed_at: Option<i64> = table::Entity::find_by_id((account_id.uuid(), middle))
            .select_only()
            .column(table::Column::CommittedAt)
            .into_tuple()
            .one(store.read())
            .await?;
        // An event that is gone was pruned since, and so is too early.
        if committed_at.is_none_or(|committed_at| committed_at < time.micros()) {
            before = middle;
        } else {
            last = middle - 1;
        }
    }
    Ok(before)
}

/// How many events of an account are kept.
///
/// # Errors
/// [`StoreError`].
pub async fn count(source: &impl Source, account_id: AccountId) -> Result<i64, StoreError> {
    let count =
        table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid())).count(source.connection()).await?;
    i64::try_from(count).map_err(|_| StoreError::Unexpected("a count that is no number of rows".to_owned()))
}

/// The accounts whose feed begins with an event that was committed before this time: for the upkeep alone.
///
/// # Errors
/// [`StoreError`].
pub async fn accounts_with_events_before(store: &Store, before: Time) -> Result<Vec<AccountId>, StoreError> {
    let of_head = |column: head_table::Column| Expr::col((head_table::Entity, column));
    let of_event = |column: table::Column| Expr::col((table::Entity, column));
    let first_of_feed = Query::select()
        .column(table::Column::CommittedAt)
        .from(table::Entity)
        .and_where(of_event(table::Column::AccountId).eq(of_head(head_table::Column::AccountId)))
        .and_where(of_event(table::Column::Sequence).eq(of_head(head_table::Column::PrunedSequence).add(1_i64)))
        .take();
    let query = Query::select()
        .column(head_table::Column::AccountId)
        .from(head_table::Entity)
        .and_where(Expr::SubQuery(None, Box::new(first_of_feed.into())).lt(before.micros()))
        .take();
    let rows = store.read().query_all(&query).await?;
    rows.iter().map(|row| Ok(AccountId::from_uuid(row.try_get_by_index(0)?))).collect()
}

/// Removes events from the beginning of an account's feed that were committed before this time, at most `limit` of them, and
/// writes the head. Says how many. The head must be locked.
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
    let mine = table::Column::AccountId.eq(head.account_id.uuid());
    let rows: Vec<(i64, i64)> = table::Entity::find()
        .select_only()
        .columns([table::Column::Sequence, table::Column::CommittedAt])
        .filter(mine.clone())
        .order_by_asc(table::Column::Sequence)
        .limit(limit)
        .into_tuple()
        .all(connection)
        .await?;
    let Some((sequence, _)) = rows.into_iter().take_while(|(_, time)| *time < before.micros()).last() else {
        return Ok(0);
    };
    let removed =
        table::Entity::delete_many().filter(mine).filter(table::Column::Sequence.lte(sequence)).exec(connection);
    let count = removed.await?.rows_affected;
    head.pruned_sequence = sequence;
    save_heads(connection, [&*head]).await?;
    Ok(count)
}
