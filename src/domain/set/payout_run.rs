//! Look-ups of payout runs.

use super::kind::{Kind, Named};
use crate::domain::id::{AccountId, PayoutRunId};
use crate::domain::payout_run::PayoutRun;
use crate::domain::refusal::Resource;

impl Kind for PayoutRun {
    type Key = (AccountId, PayoutRunId);

    const NAME: &'static str = "payout run";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for PayoutRun {
    const RESOURCE: Resource = Resource::PayoutRun;
}
