//! Look-ups of the attempts of payouts, and of the purses that they are paid from.

use std::sync::Arc;

use super::kind::Kind;
use super::working_set::WorkingSet;
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_attempt::PayoutAttempt;
use crate::domain::payout_purse::PayoutPurse;
use crate::domain::refusal::Refusal;

impl Kind for PayoutAttempt {
    type Key = (AccountId, PayoutId);

    const NAME: &'static str = "payout attempt";

    fn key(&self) -> Self::Key {
        (self.account_id, self.payout_id)
    }
}

impl Kind for PayoutPurse {
    type Key = (AccountId, PayoutProvider);

    const NAME: &'static str = "payout purse";

    fn key(&self) -> Self::Key {
        (self.account_id, self.provider)
    }
}

impl WorkingSet {
    /// The attempt of a payout, if it has one.
    pub fn payout_attempt(
        &self,
        account_id: AccountId,
        payout_id: PayoutId,
    ) -> Result<Option<&Arc<PayoutAttempt>>, Refusal> {
        self.find::<PayoutAttempt>(&(account_id, payout_id))
    }

    /// The purse of an account at a provider, in which nobody may wait yet.
    pub fn payout_purse(&self, account_id: AccountId, provider: PayoutProvider) -> Result<PayoutPurse, Refusal> {
        let found = self.find::<PayoutPurse>(&(account_id, provider))?;
        Ok(found.map_or_else(|| PayoutPurse::new(account_id, provider), |purse| purse.as_ref().clone()))
    }
}
