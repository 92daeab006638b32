//! The working set itself: the rows of each kind, and the changes of a command. Knows no subject except by the list of kinds.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::balances::Balances;
use super::kind::{Key, Kind, Named};
use super::names::Names;
use super::needed_names::NeededNames;
use super::rows::Rows;
use super::undo::Undo;
use crate::domain::event::NewEvent;
use crate::domain::id::AccountId;
use crate::domain::ledger::{Balance, BalanceKey, Posting};
use crate::domain::refusal::Refusal;
use crate::domain::simulation::ProposedTerms;

/// The list of kinds. Calls a macro with the field and the type of each kind. Kinds that lead to others come first, because rows
/// are loaded in this order.
#[macro_export]
macro_rules! for_all_kinds {
    ($callback:ident) => {
        $callback! {
            requests: $crate::domain::request::Request,
            accounts: $crate::domain::account::Account,
            api_keys: $crate::domain::account::ApiKey,
            mails: $crate::domain::mail::Mail,
            audit_entries: $crate::domain::audit::AuditEntry,
            affiliate_groups: $crate::domain::affiliate_group::AffiliateGroup,
            affiliates: $crate::domain::affiliate::Affiliate,
            leads: $crate::domain::lead::Lead,
            unmatched_sales: $crate::domain::lead::UnmatchedSale,
            waiting_refunds: $crate::domain::conversion::WaitingRefund,
            first_clicks: $crate::domain::click::FirstClick,
            clicks: $crate::domain::click::Click,
            counted_clicks: $crate::domain::click::CountedClick,
            links: $crate::domain::link::Link,
            fraud_notes: $crate::domain::fraud_note::FraudNote,
            // Before coupons: all three of an affiliate are looked up together.
            submissions: $crate::domain::bounty::Submission,
            submission_counts: $crate::domain::bounty::SubmissionCount,
            bounties: $crate::domain::bounty::Bounty,
            coupons: $crate::domain::coupon::Coupon,
            coupon_counts: $crate::domain::coupon::CouponCount,
            coupon_uses: $crate::domain::coupon::CouponUses,
            tallies: $crate::domain::tally::Tally,
            ladder_tallies: $crate::domain::ladder::LadderTally,
            sales_tallies: $crate::domain::sales_tally::SalesTally,
            offer_claims: $crate::domain::claim::OfferClaims,
            offers: $crate::domain::offer::Offer,
            payout_methods: $crate::domain::payout_method::PayoutMethod,
            tax_profiles: $crate::domain::tax_profile::TaxProfile,
            billing_profiles: $crate::domain::billing_profile::BillingProfile,
            payout_connections: $crate::domain::payout_connection::PayoutConnection,
            payouts: $crate::domain::payout::Payout,
            payout_documents: $crate::domain::payout_document::PayoutDocument,
            payout_document_counts: $crate::domain::payout_document::PayoutDocumentCount,
            payout_attempts: $crate::domain::payout_attempt::PayoutAttempt,
            payout_purses: $crate::domain::payout_purse::PayoutPurse,
            payout_exports: $crate::domain::payout_export::PayoutExport,
            payout_reconciliations: $crate::domain::payout_reconciliation::PayoutReconciliation,
            payout_runs: $crate::domain::payout_run::PayoutRun,
            payout_schedules: $crate::domain::payout_schedule::PayoutSchedule,
            items: $crate::domain::item::Item,
            conversions: $crate::domain::conversion::Conversion,
            rewards: $crate::domain::reward::Reward,
            enrollments: $crate::domain::enrollment::Enrollment,
            programs: $crate::domain::program::Program,
            terms: $crate::domain::program::Terms,
        }
    };
}

/// Gives access to the set's rows of a kind. Implemented by the list of kinds.
pub trait InSet: Kind {
    /// The rows.
    fn rows(set: &WorkingSet) -> &Rows<Self>;

    /// The rows, to change them.
    fn rows_mut(set: &mut WorkingSet) -> &mut Rows<Self>;

    /// The keys that a batch needs.
    fn needed(needs: &mut Needs) -> &mut BTreeSet<Self::Key>;
}

/// How many postings and events there were before the command in progress.
#[derive(Clone, Copy, Default)]
struct Before(usize, usize);

/// Prints nothing, because the counts are not part of the set's content.
impl std::fmt::Debug for Before {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("_")
    }
}

/// Generates the structs that have a field for each kind.
macro_rules! working_set {
    ($($place:ident: $kind:ty,)*) => {
        /// See the head of the file.
        #[derive(Debug, Default)]
        #[expect(missing_docs, reason = "each field is named after the rows that it holds")]
        pub struct WorkingSet {
            $(pub $place: Rows<$kind>,)*
            /// Rows by other names than their keys.
            pub names: Names,
            /// In the order of the commands.
            pub postings: Vec<Posting>,
            /// In the order of the commands.
            pub events: Vec<NewEvent>,
            /// The sums that the postings change.
            pub balances: Balances,
            /// The rows that the command in progress turned out to need besides those of its `needs`. After
            /// [`Refusal::NotLoaded`] they are loaded, and the command is decided again.
            wanted: Option<Box<Needs>>,
            /// Whether a command turned out to need the lock of its account, and did not have it.
            lacks_lock: bool,
            /// Terms that stand in place of those in force. Set only while history is judged by them, and never while something is written.
            pub(in crate::domain) proposed: Option<Arc<ProposedTerms>>,
            /// How many postings and events there were before the command in progress.
            before: Before,
        }

        /// The rows that a batch needs loaded.
        #[derive(Debug, Default, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each field is named after the rows whose keys it holds")]
        pub struct Needs {
            $(pub $place: BTreeSet<<$kind as Kind>::Key>,)*
            /// Rows by other names than their keys.
            pub names: NeededNames,
        }

        impl Needs {
            /// Adds other rows.
            pub fn add(&mut self, other: Self) {
                $(self.$place.extend(other.$place);)*
                self.names.add(other.names);
            }
        }

        $(impl InSet for $kind {
            fn rows(set: &WorkingSet) -> &Rows<Self> {
                &set.$place
            }

            fn rows_mut(set: &mut WorkingSet) -> &mut Rows<Self> {
                &mut set.$place
            }

            fn needed(needs: &mut Needs) -> &mut BTreeSet<Self::Key> {
                &mut needs.$place
            }
        })*

        impl WorkingSet {
            fn parts(&mut self, mut each: impl FnMut(&mut dyn Undo)) {
                $(each(&mut self.$place);)*
                each(&mut self.names);
            }

            /// The accounts in whose catalogue a row is new, changed or removed.
            pub fn accounts_with_changed_catalogue(&self) -> BTreeSet<AccountId> {
                let mut accounts = BTreeSet::new();
                $(if <$kind as Kind>::IN_CATALOGUE {
                    accounts.extend(self.$place.written_keys().map(Key::account_id));
                })*
                accounts
            }
        }
    };
}

for_all_kinds!(working_set);

impl WorkingSet {
    /// A set in which a missing row counts as absent, not as never looked up. Only for tests of the rules.
    pub fn complete() -> Self {
        let mut set = Self::default();
        set.parts(|part| part.complete());
        set.balances.complete();
        set
    }

    /// The rows that the command in progress turned out to need. A rule adds them before it looks them up.
    pub fn wanted(&mut self) -> &mut Needs {
        self.wanted.get_or_insert_default()
    }

    /// The rows to load before a command that was refused with [`Refusal::NotLoaded`] is decided again. `None` if it named none.
    pub fn take_wanted(&mut self) -> Option<Needs> {
        self.wanted.take().map(|wanted| *wanted)
    }

    /// Refuses a command that turns out to make events or postings, unless its account is locked.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub(in crate::domain) fn check_locked(&mut self, account_id: AccountId) -> Result<(), Refusal> {
        if self.balances.is_locked(account_id) {
            return Ok(());
        }
        self.lacks_lock = true;
        Err(Refusal::NotLoaded("the lock of the account"))
    }

    /// Whether a command was refused because its account is not locked.
    pub const fn lacks_lock(&self) -> bool {
        self.lacks_lock
    }

    /// Enters a row that was read from the database. A row that was entered before stays as it is, because it may have been changed
    /// or removed.
    pub fn load<K: InSet>(&mut self, row: Arc<K>) {
        if !K::rows(self).has_met(&row.key()) {
            K::index(None, Some(&row), &mut self.names);
            K::rows_mut(self).load(row);
        }
    }

    /// Writes a new or changed row of a command.
    pub fn put<K: InSet>(&mut self, row: impl Into<Arc<K>>) -> Arc<K> {
        let row = row.into();
        let before = K::rows(self).get(&row.key()).cloned();
        K::index(before.as_deref(), Some(&row), &mut self.names);
        K::changed(before.as_deref(), Some(&row), &mut self.names);
        K::rows_mut(self).put(Arc::clone(&row));
        row
    }

    /// Deletes a row, if it is there.
    pub fn remove<K: InSet>(&mut self, key: &K::Key) {
        if let Some(row) = K::rows_mut(self).remove(key) {
            K::index(Some(&row), None, &mut self.names);
            K::changed(Some(&row), None, &mut self.names);
        }
    }

    /// The row with this key, if there is one.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn find<K: InSet>(&self, key: &K::Key) -> Result<Option<&Arc<K>>, Refusal> {
        K::rows(self).find(key).ok_or(Refusal::NotLoaded(K::NAME))
    }

    /// The row with this key, if there is one. If it was not looked up, it is wanted.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub(in crate::domain) fn find_or_want<K: InSet>(&mut self, key: K::Key) -> Result<Option<Arc<K>>, Refusal> {
        match self.find::<K>(&key) {
            Ok(found) => Ok(found.cloned()),
            Err(missing) => {
                self.wanted().row::<K>(key);
                Err(missing)
            }
        }
    }

    /// The row with this key. A request names it, so a missing row is refused.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotLoaded`].
    pub fn get<K: InSet + Named<Key = (AccountId, I)>, I: ToString + Clone>(
        &self,
        account_id: AccountId,
        id: I,
    ) -> Result<&Arc<K>, Refusal> {
        self.find::<K>(&(account_id, id.clone()))?.ok_or_else(|| Refusal::not_found(K::RESOURCE, id))
    }

    /// The row with this key. Another row leads to it, so it must exist.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`].
    pub fn existing<K: InSet>(&self, key: &K::Key) -> Result<&Arc<K>, Refusal> {
        K::rows(self).get(key).ok_or(Refusal::NotLoaded(K::NAME))
    }

    /// Begins a command. Its changes can be rolled back, but not the changes before it.
    pub(in crate::domain) fn begin(&mut self) {
        self.parts(|part| part.keep());
        self.wanted = None;
        self.before = Before(self.postings.len(), self.events.len());
    }

    /// Checks the sums that a command has changed, after its rule has run.
    ///
    /// # Errors
    /// [`Refusal::Overflow`] when the database could not store one, [`Refusal::NotLoaded`] when one must be looked up first.
    pub(in crate::domain) fn check_sums(&mut self) -> Result<(), Refusal> {
        let missing = self.balances.check(&self.postings, self.before.0)?;
        if missing.is_empty() {
            return Ok(());
        }
        self.wanted().names.balances.extend(missing);
        Err(Refusal::NotLoaded("balance"))
    }

    /// A balance, with the postings of the batch so far. If it was not looked up, it is wanted.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`]; [`Refusal::Overflow`] when the sum is too large.
    pub fn balance(&mut self, key: BalanceKey) -> Result<Balance, Refusal> {
        if let Some(balance) = self.balances.after(&key, &self.postings)? {
            return Ok(balance);
        }
        self.wanted().names.balances.insert(key);
        Err(Refusal::NotLoaded("balance"))
    }

    /// The events of the command in progress.
    pub(in crate::domain) fn new_events(&mut self) -> impl Iterator<Item = &mut NewEvent> {
        self.events.iter_mut().skip(self.before.1)
    }

    /// Undoes all changes since [`WorkingSet::begin`].
    pub(in crate::domain) fn roll_back(&mut self) {
        self.parts(|part| part.roll_back());
        let Before(postings, events) = self.before;
        self.postings.truncate(postings);
        self.events.truncate(events);
    }
}

/// The result of looking up a name, or [`Refusal::NotLoaded`] if it was never looked up.
pub(super) fn known<T>(answer: Option<T>, name: &'static str) -> Result<T, Refusal> {
    answer.ok_or(Refusal::NotLoaded(name))
}
