//! Look-ups of exports of payouts.

use super::kind::{Kind, Named};
use crate::domain::id::{AccountId, PayoutExportId};
use crate::domain::payout_export::PayoutExport;
use crate::domain::refusal::Resource;

impl Kind for PayoutExport {
    type Key = (AccountId, PayoutExportId);

    const NAME: &'static str = "payout export";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for PayoutExport {
    const RESOURCE: Resource = Resource::PayoutExport;
}
