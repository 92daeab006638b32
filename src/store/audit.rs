//! The audit log: rows and reads. Nothing changes or deletes a row.

use sea_orm::{ColumnTrait, QueryFilter, QueryTrait};

use super::entity::audit_entry as table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::audit::AuditEntry;
use crate::domain::id::{AccountId, ApiKeyId, AuditEntryId};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for AuditEntry {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            key_id: self.key_id.uuid(),
            key_kind: self.key_kind.as_str().to_owned(),
            address: self.address.map(|address| address.to_string()),
            method: self.method.clone(),
            subject_id: self.subject_id.clone(),
            call_id: self.call_id.clone(),
            created_at: self.created_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("audit_entry", row.id);
        Ok(Self {
            id: AuditEntryId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            key_id: ApiKeyId::from_uuid(row.key_id),
            key_kind: name.parse(&row.key_kind)?,
            address: row.address.map(|address| name.parse(&address)).transpose()?,
            method: row.method,
            subject_id: row.subject_id,
            call_id: row.call_id,
            created_at: Time::from_micros(row.created_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// One page of an account's entries. If a key is given, only entries of calls with it.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    key_id: Option<ApiKeyId>,
    walk: Walk,
) -> Result<Vec<AuditEntry>, StoreError> {
    let query = list::page::<AuditEntry>(account_id, walk);
    let query = query.apply_if(key_id, |query, key_id| query.filter(table::Column::KeyId.eq(key_id.uuid())));
    list::read(query, store.read()).await
}
