//! Exports of payouts: rows and reads.

use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait};

use super::entity::payout_export as table;
use super::row::{RowName, words};
use super::set::stored::Stored;
use super::{Store, StoreError, WriteTransaction};
use crate::domain::id::{AccountId, ApiKeyId, PayoutExportId};
use crate::domain::payout_export::{FILE_DAYS, PayoutExport};
use crate::domain::payout_method::Sealed;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for PayoutExport {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            format: self.format.as_str().to_owned(),
            payout_ids: words(&self.payout_ids).unwrap_or_default(),
            currency: self.total.currency.code().to_owned(),
            total_minor: self.total.amount_minor,
            sha256: self.sha256.clone(),
            file: self.file.as_ref().map(|file| file.bytes().to_vec()),
            created_by: self.created_by.map(ApiKeyId::uuid),
            created_at: self.created_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_export", row.id);
        Ok(Self {
            id: PayoutExportId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            format: name.parse(&row.format)?,
            payout_ids: name.words(Some(&row.payout_ids))?,
            total: name.money(row.total_minor, &row.currency)?,
            sha256: row.sha256,
            file: row.file.map(Sealed::new),
            created_by: row.created_by.map(ApiKeyId::from_uuid),
            created_at: Time::from_micros(row.created_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The export with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    id: PayoutExportId,
) -> Result<Option<PayoutExport>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(PayoutExport::from_row).transpose()
}

/// Removes files that were kept long enough, at most this many. Returns how many.
///
/// # Errors
/// [`StoreError`].
pub async fn forget_files(transaction: &WriteTransaction, now: Time, limit: u64) -> Result<u64, StoreError> {
    // A file has the accounts of affiliates, who may be erased.
    transaction.connection().overwrite_removed().await?;
    let before = now.plus_days(FILE_DAYS.saturating_neg()).micros();
    let oldest = table::Entity::find()
        .select_only()
        .column(table::Column::Id)
        .filter(table::Column::File.is_not_null())
        .filter(table::Column::CreatedAt.lt(before))
        .order_by_asc(table::Column::CreatedAt)
        .limit(limit)
        .into_query();
    let update = table::Entity::update_many()
        .col_expr(table::Column::File, Expr::value(Option::<Vec<u8>>::None))
        .filter(table::Column::Id.in_subquery(oldest));
    transaction.connection().execute(&update.into_query()).await
}
