//! Mail that waits to be sent: rows and reads.

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::backend::bulk::Writes;
use super::backend::lane::WriteConnection;
use super::entity::mail as table;
use super::set::stored::Stored;
use super::{Store, StoreError, WriteTransaction};
use crate::domain::affiliate::{Affiliate, AffiliateState};
use crate::domain::id::{AccountId, AffiliateId, MailId};
use crate::domain::mail::{Letter, Mail};
use crate::domain::set::{Needs, WorkingSet};
use crate::domain::time::Time;

impl Stored for Mail {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            recipient: self.letter.recipient.clone(),
            subject: self.letter.subject.clone(),
            body: self.letter.body.clone(),
            affiliate_id: self.affiliate_id.map(AffiliateId::uuid),
            created_at: self.created_at.micros(),
            due_at: self.due_at.micros(),
            tries: self.tries,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            id: MailId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            letter: Letter { recipient: row.recipient, subject: row.subject, body: row.body },
            affiliate_id: row.affiliate_id.map(AffiliateId::from_uuid),
            created_at: Time::from_micros(row.created_at),
            due_at: Time::from_micros(row.due_at),
            tries: row.tries,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The mail of all accounts that is due, the longest waiting first, at most `limit`. Mail to affiliates comes last, because one account may
/// cause much of it at once, and somebody waits for the token in other mail.
///
/// # Errors
/// [`StoreError`].
pub async fn due(store: &Store, now: Time, limit: u64) -> Result<Vec<Mail>, StoreError> {
    let due = table::Entity::find().filter(table::Column::DueAt.lte(now.micros()));
    let is_to_affiliate = Expr::col(table::Column::AffiliateId.as_column_ref()).is_not_null();
    let due = due.order_by_asc(is_to_affiliate).order_by_asc(table::Column::DueAt).limit(limit);
    due.all(store.read()).await?.into_iter().map(Mail::from_row).collect()
}

/// Writes a mail that waits. Returns how many rows that were.
///
/// # Errors
/// [`StoreError`].
pub async fn post(transaction: &WriteTransaction, mail: &Mail) -> Result<u64, StoreError> {
    let mut writes = Writes::default();
    writes.replace::<table::Entity>(vec![mail.to_row()?])?;
    writes.run(transaction.connection()).await?;
    Ok(1)
}

/// Deletes the mail that waits for affiliates whose data this set erases. Few mails wait, so there is no index by affiliate.
///
/// # Errors
/// [`StoreError`].
pub(in crate::store) async fn remove_of_erased(
    connection: &WriteConnection,
    set: &WorkingSet,
) -> Result<(), StoreError> {
    let is_erased = |affiliate: &Affiliate| affiliate.state == AffiliateState::Erased;
    for (affiliate, _) in set.affiliates.written().filter(|(row, _)| is_erased(row)) {
        let delete = table::Entity::delete_many()
            .filter(table::Column::AccountId.eq(affiliate.account_id.uuid()))
            .filter(table::Column::AffiliateId.eq(affiliate.id.uuid()));
        connection.execute(&delete.into_query()).await?;
    }
    Ok(())
}

/// Begins a try of a mail: it is due at `next` from now on. Returns 0 if another server has begun the same try, otherwise 1.
///
/// # Errors
/// [`StoreError`].
pub async fn begin_try(transaction: &WriteTransaction, mail: &Mail, next: Time) -> Result<u64, StoreError> {
    // The recipient's data may be erased later, and the row may move in the file.
    transaction.connection().overwrite_removed().await?;
    let update = table::Entity::update_many()
        .col_expr(table::Column::DueAt, Expr::value(next.micros()))
        .col_expr(table::Column::Tries, Expr::value(mail.tries.saturating_add(1)))
        .filter(table::Column::AccountId.eq(mail.account_id.uuid()))
        .filter(table::Column::Id.eq(mail.id.uuid()))
        .filter(table::Column::DueAt.eq(mail.due_at.micros()));
    transaction.connection().execute(&update.into_query()).await
}

/// Deletes a mail that was sent or given up. Returns how many rows that were.
///
/// # Errors
/// [`StoreError`].
pub async fn remove(transaction: &WriteTransaction, mail: &Mail) -> Result<u64, StoreError> {
    transaction.connection().overwrite_removed().await?;
    let delete = table::Entity::delete_many()
        .filter(table::Column::AccountId.eq(mail.account_id.uuid()))
        .filter(table::Column::Id.eq(mail.id.uuid()));
    transaction.connection().execute(&delete.into_query()).await
}
