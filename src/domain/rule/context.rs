//! The surroundings that every rule is given beside its command. Knows no rule.

use std::sync::Arc;

use crate::domain::conversion::ConversionImage;
use crate::domain::event::{EventImage, EventType, NewEvent};
use crate::domain::id::{AccountId, EventId, IdSource};
use crate::domain::ledger::Posting;
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::set::kind::{InSet, Named};
use crate::domain::time::Time;

/// The working set with who asks, and when. A rule changes the set at once, and sees what it has changed.
pub struct Context<'run> {
    pub(super) set: &'run mut WorkingSet,
    pub(super) account_id: AccountId,
    pub(super) now: Time,
    pub(super) ids: &'run mut dyn IdSource,
    pub(super) cause_id: String,
}

impl Context<'_> {
    /// The caller's row with this id.
    pub(super) fn get<K, I>(&self, id: I) -> Result<&Arc<K>, Refusal>
    where
        K: InSet + Named<Key = (AccountId, I)>,
        I: ToString + Clone,
    {
        self.set.get(self.account_id, id)
    }

    /// Writes a row: a new one, or another form of one that is there.
    pub(super) fn put<K: InSet>(&mut self, row: impl Into<Arc<K>>) -> Arc<K> {
        self.set.put(row)
    }

    /// Books an amount.
    pub(super) fn post(&mut self, posting: Posting) {
        self.set.postings.push(posting);
    }

    /// Tells the feed what happened now.
    pub(super) fn tell(&mut self, event_type: EventType, image: EventImage) {
        self.tell_at(event_type, self.now, image);
    }

    /// Tells the feed what happened to a conversion, which may have been earlier.
    pub(super) fn tell_conversion(&mut self, event_type: EventType, occurred_at: Time, image: ConversionImage) {
        self.tell_at(event_type, occurred_at, EventImage::Conversion(image));
    }

    fn tell_at(&mut self, event_type: EventType, occurred_at: Time, image: EventImage) {
        let event = NewEvent {
            id: EventId::new(self.ids),
            account_id: self.account_id,
            event_type,
            occurred_at,
            image,
            cause_id: self.cause_id.clone(),
        };
        self.set.events.push(event);
    }
}
