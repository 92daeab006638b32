//! Look-ups of reconciliations.

use super::kind::{Kind, Named};
use crate::domain::id::{AccountId, PayoutReconciliationId};
use crate::domain::payout_reconciliation::PayoutReconciliation;
use crate::domain::refusal::Resource;

impl Kind for PayoutReconciliation {
    type Key = (AccountId, PayoutReconciliationId);

    const NAME: &'static str = "payout reconciliation";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for PayoutReconciliation {
    const RESOURCE: Resource = Resource::PayoutReconciliation;
}
