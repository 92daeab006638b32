//! The billing profile of an account: who the merchant is on documents of payouts.

use super::affiliate::PostalAddress;
use super::id::AccountId;
use super::time::Time;

/// The merchant as documents name it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct BillingProfile {
    pub account_id: AccountId,
    pub legal_name: String,
    pub address: PostalAddress,
    /// With the prefix of its country. May be empty.
    pub vat_id: String,
    /// Another number at the tax office. May be empty.
    pub tax_number: String,
    /// The beginning of the numbers of invoices. May be empty.
    pub invoice_prefix: String,
    /// Text about the terms of payment. May be empty.
    pub payment_terms: String,
    pub created_at: Time,
    pub updated_at: Time,
}
