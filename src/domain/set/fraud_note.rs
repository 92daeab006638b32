//! Look-ups of the notes of fraud rules, by their names.

use super::kind::{Key, Kind};
use crate::domain::fraud_note::FraudNote;
use crate::domain::id::AccountId;

/// The key of rows that are found by a text.
impl Key for (AccountId, String) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for FraudNote {
    type Key = (AccountId, String);

    const NAME: &'static str = "fraud note";

    fn key(&self) -> Self::Key {
        (self.account_id, self.name.clone())
    }
}
