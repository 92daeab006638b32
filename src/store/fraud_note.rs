//! The notes of fraud rules: rows, and the reads of what was found in the events of leads.

use std::collections::HashMap;

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::entity::fraud_note as table;
use super::list;
use super::row::{RowName, to_json};
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::fraud_note::FraudNote;
use crate::domain::id::{AccountId, LeadId};
use crate::domain::set::Needs;

impl Stored for FraudNote {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            name: self.name.clone(),
            content: to_json(&self.content)?,
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("fraud_note", row.account_id);
        Ok(Self { account_id: AccountId::from_uuid(row.account_id), content: name.json(&row.content)?, name: row.name })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The notes about leads, by their names. Leads in whose events nothing was found have none.
///
/// # Errors
/// [`StoreError`].
pub async fn of_leads(
    store: &Store,
    account_id: AccountId,
    leads: impl Iterator<Item = LeadId>,
) -> Result<HashMap<String, FraudNote>, StoreError> {
    let names: Vec<_> = leads.map(FraudNote::name_of_lead).collect();
    if names.is_empty() {
        return Ok(HashMap::new());
    }
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .filter(table::Column::Name.is_in(names));
    let notes = list::read::<FraudNote>(query, store.read()).await?;
    Ok(notes.into_iter().map(|note| (note.name.clone(), note)).collect())
}
