//! Billing profiles: rows and reads.

use sea_orm::EntityTrait;

use super::entity::billing_profile as table;
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::affiliate::PostalAddress;
use crate::domain::billing_profile::BillingProfile;
use crate::domain::id::AccountId;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for BillingProfile {
    type Table = table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            legal_name: self.legal_name.clone(),
            street: self.address.street.clone(),
            city: self.address.city.clone(),
            region: self.address.region.clone(),
            postal_code: self.address.postal_code.clone(),
            country_code: self.address.country_code.clone(),
            vat_id: self.vat_id.clone(),
            tax_number: self.tax_number.clone(),
            invoice_prefix: self.invoice_prefix.clone(),
            payment_terms: self.payment_terms.clone(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            legal_name: row.legal_name,
            address: PostalAddress {
                street: row.street,
                city: row.city,
                region: row.region,
                postal_code: row.postal_code,
                country_code: row.country_code,
            },
            vat_id: row.vat_id,
            tax_number: row.tax_number,
            invoice_prefix: row.invoice_prefix,
            payment_terms: row.payment_terms,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// The billing profile of an account, if it was set.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId) -> Result<Option<BillingProfile>, StoreError> {
    let row = table::Entity::find_by_id(account_id.uuid()).one(store.read()).await?;
    row.map(BillingProfile::from_row).transpose()
}
