//! A rule, and the surroundings that every rule is given. Knows no rule in particular.

use std::sync::Arc;

use crate::domain::conversion::ConversionImage;
use crate::domain::event::{EventImage, EventType, NewEvent};
use crate::domain::id::{AccountId, EventId, IdSource};
use crate::domain::ledger::Posting;
use crate::domain::outcome::{OtherOutcome, Outcome};
use crate::domain::refusal::Refusal;
use crate::domain::set::{InSet, Named, Needs, WorkingSet};
use crate::domain::time::Time;

/// A write: its fields are valid by themselves; whether they are allowed is for the rule to say.
pub trait Rule {
    /// The answer, kept for repeated requests.
    type Answer: Into<Outcome> + TryFrom<Outcome, Error = OtherOutcome>;

    /// Whether it makes events or postings, so that the account must be locked while it is carried out.
    const LOCKS_ACCOUNT: bool = true;

    /// Adds the rows that [`Rule::apply`] asks for. A rule that asks for more gets [`Refusal::NotLoaded`].
    fn needs(&self, account: AccountId, needs: &mut Needs);

    /// Carries it out. The set becomes as it was when this is an error.
    ///
    /// # Errors
    /// The rule that the command broke.
    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal>;
}

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
