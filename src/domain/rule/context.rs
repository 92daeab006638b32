//! The trait of a rule, and the context that every rule gets. Knows no rule in particular.

use std::sync::Arc;

use crate::domain::conversion::{ConversionImage, Credit};
use crate::domain::event::{EventImage, EventKind, NewEvent};
use crate::domain::id::{AccountId, AffiliateId, ApiKeyId, EventId, IdSource, MailId};
use crate::domain::ledger::Posting;
use crate::domain::mail::{Letter, Mail};
use crate::domain::outcome::{OtherOutcome, Outcome};
use crate::domain::refusal::Refusal;
use crate::domain::sales_tally::TouchedTally;
use crate::domain::set::{InSet, Named, Needs, WorkingSet};
use crate::domain::time::Time;

/// A write. Its fields are well-formed; the rule decides whether they are allowed.
pub trait Rule {
    /// The answer. It is stored, so that a repeated request gets it again.
    type Answer: Into<Outcome> + TryFrom<Outcome, Error = OtherOutcome>;

    /// Whether it may make events or postings. If so, the account must be locked while it runs.
    fn locks_account(&self) -> bool {
        true
    }

    /// Whether only the answer is wanted: everything is checked, and nothing is written.
    fn is_trial(&self) -> bool {
        false
    }

    /// About how many sales take as long to carry out. A batch takes few commands if they are heavy.
    fn weight(&self) -> usize {
        1
    }

    /// Adds the rows that [`Rule::apply`] reads. A rule that reads any other row gets [`Refusal::NotLoaded`].
    fn needs(&self, account: AccountId, needs: &mut Needs);

    /// Carries out the write. After an error the caller rolls the set back.
    ///
    /// # Errors
    /// The rule that the command broke.
    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal>;
}

/// The working set, the calling account and the time. A rule changes the set directly, and sees its own changes.
pub struct Context<'run> {
    pub(super) set: &'run mut WorkingSet,
    pub(super) account_id: AccountId,
    pub(super) now: Time,
    pub(super) ids: &'run mut dyn IdSource,
    pub(super) cause_id: String,
    /// The tallies of sales that the command has changed so far.
    pub(super) touched: Vec<TouchedTally>,
    /// The calling key. `None` for work of the server.
    pub(super) key_id: Option<ApiKeyId>,
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

    /// Writes a new or a changed row.
    pub(super) fn put<K: InSet>(&mut self, row: impl Into<Arc<K>>) -> Arc<K> {
        self.set.put(row)
    }

    /// Adds an entry to the ledger.
    pub(super) fn post(&mut self, posting: Posting) {
        self.set.postings.push(posting);
    }

    /// Sends a mail once the command is committed.
    pub(super) fn mail(&mut self, letter: Letter) {
        let mail = Mail::new(MailId::new(self.ids), self.account_id, letter, self.now);
        self.put(mail);
    }

    /// Sends a mail to an affiliate once the command is committed.
    pub(super) fn mail_to_affiliate(&mut self, affiliate_id: AffiliateId, letter: Letter) {
        let mail = Mail::new(MailId::new(self.ids), self.account_id, letter, self.now);
        self.put(Mail { affiliate_id: Some(affiliate_id), ..mail });
    }

    /// Adds an event that happened now to the feed.
    pub(super) fn tell(&mut self, kind: EventKind, image: EventImage) {
        self.tell_at(kind, self.now, image, &[]);
    }

    /// Adds an event that happened now and may have taken these credits away.
    pub(super) fn tell_moved(&mut self, kind: EventKind, image: EventImage, former_credits: &[Credit]) {
        self.tell_at(kind, self.now, image, former_credits);
    }

    /// Adds an event about a conversion to the feed. It may have happened earlier.
    pub(super) fn tell_conversion(&mut self, kind: EventKind, occurred_at: Time, image: ConversionImage) {
        self.tell_conversion_moved(kind, occurred_at, image, &[]);
    }

    /// Adds an event about a conversion that may have lost these credits.
    pub(super) fn tell_conversion_moved(
        &mut self,
        kind: EventKind,
        occurred_at: Time,
        image: ConversionImage,
        former_credits: &[Credit],
    ) {
        self.tell_at(kind, occurred_at, EventImage::Conversion(image), former_credits);
    }

    fn tell_at(&mut self, kind: EventKind, occurred_at: Time, image: EventImage, former_credits: &[Credit]) {
        debug_assert_eq!(kind.subject(), image.subject(), "the image of another subject");
        let event = NewEvent {
            id: EventId::new(self.ids),
            account_id: self.account_id,
            kind,
            occurred_at,
            image,
            former_credits: former_credits.to_vec(),
            cause_id: self.cause_id.clone(),
            // `decide` knows who calls.
            audit_entry: None,
        };
        self.set.events.push(event);
    }
}
