//! Look-ups of tallies.

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::id::AccountId;
use crate::domain::refusal::Refusal;
use crate::domain::tally::{Tally, TallyKey};

impl Key for TallyKey {
    fn account_id(&self) -> AccountId {
        self.account_id
    }
}

impl Kind for Tally {
    type Key = TallyKey;

    const NAME: &'static str = "tally";

    fn key(&self) -> Self::Key {
        self.key
    }
}

impl WorkingSet {
    /// A tally, which may have nothing yet. That of a new customer has nothing.
    pub fn tally(&self, key: TallyKey) -> Result<Tally, Refusal> {
        let is_new = key.lead_id.is_some_and(|id| self.leads.is_new(&(key.account_id, id)));
        if is_new && self.tallies.get(&key).is_none() {
            return Ok(Tally::none(key));
        }
        Ok(self.find::<Tally>(&key)?.map_or(Tally::none(key), |tally| **tally))
    }
}
