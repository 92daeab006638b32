//! Look-ups of connections to payout providers.

use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::working_set::WorkingSet;
use crate::domain::id::AccountId;
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_connection::{PayoutConnection, PayoutConnectionKey};
use crate::domain::refusal::{Refusal, Resource};

impl Key for PayoutConnectionKey {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for PayoutConnection {
    type Key = PayoutConnectionKey;

    const NAME: &'static str = "payout connection";

    fn key(&self) -> Self::Key {
        (self.account_id, self.provider)
    }
}

impl Named for PayoutConnection {
    const RESOURCE: Resource = Resource::PayoutConnection;
}

impl WorkingSet {
    /// The account's connection to a provider. Refuses if there is none.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotLoaded`].
    pub fn payout_connection(
        &self,
        account_id: AccountId,
        provider: PayoutProvider,
    ) -> Result<&Arc<PayoutConnection>, Refusal> {
        self.get(account_id, provider)
    }

    /// Whether the account has a connection to this provider.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn is_connected(&self, account_id: AccountId, provider: PayoutProvider) -> Result<bool, Refusal> {
        Ok(self.find::<PayoutConnection>(&(account_id, provider))?.is_some())
    }
}
