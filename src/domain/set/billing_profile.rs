//! Look-ups of billing profiles.

use super::kind::Kind;
use crate::domain::billing_profile::BillingProfile;
use crate::domain::id::AccountId;

impl Kind for BillingProfile {
    type Key = AccountId;

    const NAME: &'static str = "billing profile";

    fn key(&self) -> Self::Key {
        self.account_id
    }
}
