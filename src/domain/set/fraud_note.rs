//! Look-ups of the notes of fraud rules, by their names.

use std::sync::Arc;

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::fraud_note::FraudNote;
use crate::domain::id::{AccountId, LeadId};
use crate::domain::refusal::Refusal;

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

impl WorkingSet {
    /// The note about what was found in the events of a lead, if there is one. If it was not looked up, it is wanted. A new lead has a new id each
    /// time that its command is decided, so its note can neither be there nor be looked up.
    pub(in crate::domain) fn fraud_note_of_lead(
        &mut self,
        account_id: AccountId,
        lead_id: LeadId,
    ) -> Result<Option<Arc<FraudNote>>, Refusal> {
        let key = (account_id, FraudNote::name_of_lead(lead_id));
        if self.fraud_notes.find(&key).is_none() && self.leads.is_new(&(account_id, lead_id)) {
            return Ok(None);
        }
        self.find_or_want::<FraudNote>(key)
    }
}
