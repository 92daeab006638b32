//! Look-ups of payouts.

use super::kind::{Kind, Named};
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::payout::Payout;
use crate::domain::refusal::Resource;

impl Kind for Payout {
    type Key = (AccountId, PayoutId);

    const NAME: &'static str = "payout";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for Payout {
    const RESOURCE: Resource = Resource::Payout;
}
