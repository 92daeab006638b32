//! Reconciliations: rows and reads, and the payouts that a reconciliation compares.

use sea_orm::sea_query::{Condition, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::entity::payout as payout_table;
use super::entity::payout_attempt as attempt_table;
use super::entity::payout_connection as connection_table;
use super::entity::payout_reconciliation as table;
use super::list::{self, Walk};
use super::row::{RowName, to_json};
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::id::{AccountId, ApiKeyId, PayoutId, PayoutReconciliationId};
use crate::domain::payout::{Payout, PayoutProvider};
use crate::domain::payout_attempt::PayoutAttempt;
use crate::domain::payout_connection::PayoutConnection;
use crate::domain::payout_reconciliation::{INTERVAL_DAYS, PayoutReconciliation};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for PayoutReconciliation {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            provider: self.provider.as_str().to_owned(),
            state: self.state.as_str().to_owned(),
            start_at: self.start_at.micros(),
            end_at: self.end_at.micros(),
            payment_count: self.payment_count,
            payout_count: self.payout_count,
            unread_count: self.unread_count,
            looked_at_count: self.looked_at_count,
            difference_count: self.difference_count,
            new_difference_count: self.new_difference_count,
            differences: (!self.differences.is_empty()).then(|| to_json(&self.differences)).transpose()?,
            problem_code: self.problem_code.clone(),
            tries: self.tries,
            lease_id: self.lease_id,
            next_at: self.next_at.map(Time::micros),
            created_by: self.created_by.map(ApiKeyId::uuid),
            created_at: self.created_at.micros(),
            ended_at: self.ended_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_reconciliation", row.id);
        Ok(Self {
            id: PayoutReconciliationId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            provider: name.parse(&row.provider)?,
            state: name.parse(&row.state)?,
            start_at: Time::from_micros(row.start_at),
            end_at: Time::from_micros(row.end_at),
            payment_count: row.payment_count,
            payout_count: row.payout_count,
            unread_count: row.unread_count,
            looked_at_count: row.looked_at_count,
            difference_count: row.difference_count,
            new_difference_count: row.new_difference_count,
            differences: row.differences.as_deref().map(|text| name.json(text)).transpose()?.unwrap_or_default(),
            problem_code: row.problem_code,
            tries: row.tries,
            lease_id: row.lease_id,
            next_at: row.next_at.map(Time::from_micros),
            created_by: row.created_by.map(ApiKeyId::from_uuid),
            created_at: Time::from_micros(row.created_at),
            ended_at: row.ended_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The reconciliation with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    id: PayoutReconciliationId,
) -> Result<Option<PayoutReconciliation>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(PayoutReconciliation::from_row).transpose()
}

/// One page of reconciliations, with this provider or with any.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    provider: Option<PayoutProvider>,
    walk: Walk,
) -> Result<Vec<PayoutReconciliation>, StoreError> {
    let mine = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(provider, |query, provider| query.filter(table::Column::Provider.eq(provider.as_str())));
    list::read(walk.cut(mine, table::Column::Id), store.read()).await
}

/// A reconciliation whose reading is due, of any account but those in `left_out`. A lease that seems to end later than any lease may, because
/// a clock was wrong, counts as over.
///
/// # Errors
/// [`StoreError`].
pub async fn due(store: &Store, now: Time, left_out: &[AccountId]) -> Result<Option<PayoutReconciliation>, StoreError> {
    let row = table::Entity::find()
        .filter(is_due(table::Column::NextAt, now))
        .filter(table::Column::AccountId.is_not_in(left_out.iter().map(|account_id| account_id.uuid())))
        .order_by_asc(table::Column::NextAt)
        .order_by_asc(table::Column::Id)
        .one(store.read())
        .await?;
    row.map(PayoutReconciliation::from_row).transpose()
}

/// A connection whose daily reconciliation is due, of any account but those in `left_out`.
///
/// # Errors
/// [`StoreError`].
pub async fn due_connection(
    store: &Store,
    now: Time,
    left_out: &[AccountId],
) -> Result<Option<PayoutConnection>, StoreError> {
    let row = connection_table::Entity::find()
        .filter(is_due(connection_table::Column::NextReconciliationAt, now))
        .filter(connection_table::Column::AccountId.is_not_in(left_out.iter().map(|account_id| account_id.uuid())))
        .order_by_asc(connection_table::Column::NextReconciliationAt)
        .one(store.read())
        .await?;
    row.map(PayoutConnection::from_row).transpose()
}

/// Whether a time has come, or is so far ahead that it was set by a clock that was wrong.
fn is_due(column: impl ColumnTrait, now: Time) -> Condition {
    Condition::any().add(column.lte(now.micros())).add(column.gt(now.plus_days(2 * INTERVAL_DAYS).micros()))
}

/// A payout with its attempt.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct SentPayout {
    pub payout: Payout,
    pub attempt: PayoutAttempt,
}

/// The payouts with these ids that a provider sends.
///
/// # Errors
/// [`StoreError`].
pub async fn sent(
    store: &Store,
    account_id: AccountId,
    provider: PayoutProvider,
    ids: &[PayoutId],
) -> Result<Vec<SentPayout>, StoreError> {
    let attempts = attempt_table::Entity::find()
        .filter(attempt_table::Column::AccountId.eq(account_id.uuid()))
        .filter(attempt_table::Column::PayoutId.is_in(ids.iter().map(|id| id.uuid())))
        .filter(attempt_table::Column::Provider.eq(provider.as_str()))
        .all(store.read())
        .await?;
    with_payouts(store, account_id, attempts).await
}

/// Which payouts of a provider a page has.
#[derive(Debug, Clone, Copy)]
pub enum Which {
    /// Those that the provider has under a name of its own, and that were last sent in this period.
    SentIn {
        /// The first moment.
        start_at: Time,
        /// The first moment after it.
        end_at: Time,
    },
    /// Those that were sent more than once.
    SentAgain,
}

/// A page of payouts of a provider, in the order of their ids.
///
/// # Errors
/// [`StoreError`].
pub async fn page(
    store: &Store,
    account_id: AccountId,
    provider: PayoutProvider,
    which: Which,
    after: Option<PayoutId>,
    limit: u64,
) -> Result<Vec<SentPayout>, StoreError> {
    use attempt_table::Column;
    let query = attempt_table::Entity::find()
        .filter(Column::AccountId.eq(account_id.uuid()))
        .filter(Column::Provider.eq(provider.as_str()))
        .apply_if(after, |query, after| query.filter(Column::PayoutId.gt(after.uuid())))
        .order_by_asc(Column::PayoutId)
        .limit(limit);
    let query = match which {
        Which::SentIn { start_at, end_at } => query
            .filter(Column::ProviderPaymentId.ne(""))
            .filter(Column::LastTryAt.gte(start_at.micros()).and(Column::LastTryAt.lt(end_at.micros()))),
        Which::SentAgain => query.filter(Column::Number.gt(1)),
    };
    let attempts = query.all(store.read()).await?;
    with_payouts(store, account_id, attempts).await
}

async fn with_payouts(
    store: &Store,
    account_id: AccountId,
    attempts: Vec<attempt_table::Model>,
) -> Result<Vec<SentPayout>, StoreError> {
    let payouts = payout_table::Entity::find()
        .filter(payout_table::Column::AccountId.eq(account_id.uuid()))
        .filter(payout_table::Column::Id.is_in(attempts.iter().map(|attempt| attempt.payout_id)))
        .order_by_asc(payout_table::Column::Id)
        .all(store.read())
        .await?;
    let mut attempts = attempts;
    attempts.sort_unstable_by_key(|attempt| attempt.payout_id);
    let mut sent = Vec::with_capacity(payouts.len());
    let mut attempts = attempts.into_iter().peekable();
    for row in payouts {
        while attempts.next_if(|attempt| attempt.payout_id < row.id).is_some() {}
        if let Some(attempt) = attempts.next_if(|attempt| attempt.payout_id == row.id) {
            sent.push(SentPayout { payout: Payout::from_row(row)?, attempt: PayoutAttempt::from_row(attempt)? });
        }
    }
    Ok(sent)
}
