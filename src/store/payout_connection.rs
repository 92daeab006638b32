//! Connections to payout providers: rows and reads.

use sea_orm::sea_query::ValueTuple;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::entity::payout_connection as table;
use super::row::RowName;
use super::set::stored::{SqlKey, Stored};
use super::{Store, StoreError};
use crate::domain::id::{AccountId, PayoutReconciliationId};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_connection::{PayoutConnection, PayoutConnectionKey};
use crate::domain::payout_method::Sealed;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl SqlKey for PayoutConnectionKey {
    fn values(&self) -> ValueTuple {
        ValueTuple::Two(self.0.uuid().into(), self.1.as_str().into())
    }
}

impl Stored for PayoutConnection {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            provider: self.provider.as_str().to_owned(),
            hint: self.hint.clone(),
            sealed: self.sealed.bytes().to_vec(),
            next_reconciliation_at: self.next_reconciliation_at.map(Time::micros),
            open_reconciliation_id: self.open_reconciliation_id.map(PayoutReconciliationId::uuid),
            last_reconciliation_id: self.last_reconciliation_id.map(PayoutReconciliationId::uuid),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("payout_connection", row.account_id);
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            provider: name.parse(&row.provider)?,
            hint: row.hint,
            sealed: Sealed::new(row.sealed),
            next_reconciliation_at: row.next_reconciliation_at.map(Time::from_micros),
            open_reconciliation_id: row.open_reconciliation_id.map(PayoutReconciliationId::from_uuid),
            last_reconciliation_id: row.last_reconciliation_id.map(PayoutReconciliationId::from_uuid),
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The connection of an account to a provider.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    provider: PayoutProvider,
) -> Result<Option<PayoutConnection>, StoreError> {
    let key = (account_id.uuid(), provider.as_str().to_owned());
    table::Entity::find_by_id(key).one(store.read()).await?.map(PayoutConnection::from_row).transpose()
}

/// All connections of an account, ordered by the name of the provider. There are as many as providers at most.
///
/// # Errors
/// [`StoreError`].
pub async fn list(store: &Store, account_id: AccountId) -> Result<Vec<PayoutConnection>, StoreError> {
    let rows = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .order_by_asc(table::Column::Provider)
        .all(store.read())
        .await?;
    rows.into_iter().map(PayoutConnection::from_row).collect()
}
