//! Look-ups of the tallies of ladders.

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::id::AccountId;
use crate::domain::ladder::{LadderTally, LadderTallyKey};
use crate::domain::refusal::Refusal;

impl Key for LadderTallyKey {
    fn account_id(&self) -> AccountId {
        self.account_id
    }
}

impl Kind for LadderTally {
    type Key = LadderTallyKey;

    const NAME: &'static str = "ladder tally";

    fn key(&self) -> Self::Key {
        self.key
    }
}

impl WorkingSet {
    /// The tally of a ladder, which may have nothing yet.
    pub fn ladder_tally(&self, key: LadderTallyKey) -> Result<LadderTally, Refusal> {
        Ok(self.find::<LadderTally>(&key)?.map_or_else(|| LadderTally::none(key), |tally| tally.as_ref().clone()))
    }
}
