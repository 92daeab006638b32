//! Look-ups of documents of payouts.

use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::working_set::WorkingSet;
use crate::domain::id::{AccountId, PayoutDocumentId};
use crate::domain::payout_document::{PayoutDocument, PayoutDocumentCount};
use crate::domain::refusal::{Refusal, Resource};

/// The account and the year.
type DocumentCountKey = (AccountId, i32);

impl Key for DocumentCountKey {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for PayoutDocument {
    type Key = (AccountId, PayoutDocumentId);

    const NAME: &'static str = "payout document";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for PayoutDocument {
    const RESOURCE: Resource = Resource::PayoutDocument;
}

impl Kind for PayoutDocumentCount {
    type Key = DocumentCountKey;

    const NAME: &'static str = "payout document count";

    fn key(&self) -> Self::Key {
        (self.account_id, self.year)
    }
}

impl WorkingSet {
    /// A document of a payout. If it was not looked up, it is wanted.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn payout_document(
        &mut self,
        account_id: AccountId,
        id: PayoutDocumentId,
    ) -> Result<Option<Arc<PayoutDocument>>, Refusal> {
        self.find_or_want::<PayoutDocument>((account_id, id))
    }

    /// The last sequence of a year's documents. If it was not looked up, it is wanted.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn last_document_sequence(&mut self, account_id: AccountId, year: i32) -> Result<i64, Refusal> {
        let count = self.find_or_want::<PayoutDocumentCount>((account_id, year))?;
        Ok(count.map_or(0, |count| count.last_sequence))
    }
}
