//! The rule of the billing profile.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::affiliate::PostalAddress;
use crate::domain::billing_profile::BillingProfile;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::AccountId;
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;

/// Set the merchant as documents of payouts name it.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the profile")]
pub struct SetBillingProfile {
    pub legal_name: String,
    pub address: PostalAddress,
    pub vat_id: String,
    pub tax_number: String,
    pub invoice_prefix: String,
    pub payment_terms: String,
}

impl Rule for SetBillingProfile {
    type Answer = Arc<BillingProfile>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<BillingProfile>(account);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.set.find::<BillingProfile>(&context.account_id)?;
        let created_at = before.map_or(context.now, |before| before.created_at);
        let profile = context.put(BillingProfile {
            account_id: context.account_id,
            legal_name: self.legal_name.clone(),
            address: self.address.clone(),
            vat_id: self.vat_id.clone(),
            tax_number: self.tax_number.clone(),
            invoice_prefix: self.invoice_prefix.clone(),
            payment_terms: self.payment_terms.clone(),
            created_at,
            updated_at: context.now,
        });
        context.tell(EventKind::BillingProfileSet, EventImage::BillingProfile(Arc::clone(&profile)));
        Ok(profile)
    }
}
