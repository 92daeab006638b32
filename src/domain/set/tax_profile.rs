//! Look-ups of tax profiles.

use std::sync::Arc;

use super::kind::Kind;
use super::working_set::WorkingSet;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::refusal::Refusal;
use crate::domain::tax_profile::TaxProfile;

impl Kind for TaxProfile {
    type Key = (AccountId, AffiliateId);

    const NAME: &'static str = "tax profile";

    fn key(&self) -> Self::Key {
        (self.account_id, self.affiliate_id)
    }
}

impl WorkingSet {
    /// The tax profile of an affiliate, if it ever had one. If it was not looked up, it is wanted.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn tax_profile(
        &mut self,
        account_id: AccountId,
        affiliate_id: AffiliateId,
    ) -> Result<Option<Arc<TaxProfile>>, Refusal> {
        let key = (account_id, affiliate_id);
        match self.find::<TaxProfile>(&key) {
            Ok(found) => Ok(found.cloned()),
            Err(missing) => {
                self.wanted().row::<TaxProfile>(key);
                Err(missing)
            }
        }
    }
}
