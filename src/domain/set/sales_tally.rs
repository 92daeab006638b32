//! Look-ups of the tallies of sales.

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::id::AccountId;
use crate::domain::refusal::Refusal;
use crate::domain::sales_tally::{SalesTally, SalesTallyKey};

impl Key for SalesTallyKey {
    fn account_id(&self) -> AccountId {
        self.account_id
    }
}

impl Kind for SalesTally {
    type Key = SalesTallyKey;

    const NAME: &'static str = "sales tally";

    fn key(&self) -> Self::Key {
        self.key
    }
}

impl WorkingSet {
    /// A tally of sales, which may have nothing yet.
    pub fn sales_tally(&self, key: SalesTallyKey) -> Result<SalesTally, Refusal> {
        Ok(self.find::<SalesTally>(&key)?.map_or_else(|| SalesTally::none(key), |tally| tally.as_ref().clone()))
    }
}
