//! Look-ups of payout methods.

use super::kind::Kind;
use super::working_set::WorkingSet;
use crate::domain::id::{AccountId, AffiliateId};
use crate::domain::payout_method::PayoutMethod;
use crate::domain::refusal::Refusal;

impl Kind for PayoutMethod {
    type Key = (AccountId, AffiliateId);

    const NAME: &'static str = "payout method";

    fn key(&self) -> Self::Key {
        (self.account_id, self.affiliate_id)
    }
}

impl WorkingSet {
    /// The payout method of an affiliate, if it ever had one. If it was not looked up, it is wanted.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn payout_method(
        &mut self,
        account_id: AccountId,
        affiliate_id: AffiliateId,
    ) -> Result<Option<std::sync::Arc<PayoutMethod>>, Refusal> {
        let key = (account_id, affiliate_id);
        match self.find::<PayoutMethod>(&key) {
            Ok(found) => Ok(found.cloned()),
            Err(missing) => {
                self.wanted().row::<PayoutMethod>(key);
                Err(missing)
            }
        }
    }
}
