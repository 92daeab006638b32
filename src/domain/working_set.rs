//! The part of an account's rows that a batch of commands needs, in memory, and what the commands changed of it.
//!
//! A rule reads the set and returns [`Changes`]; the set absorbs them only when the whole command succeeded, so a refused command
//! leaves no trace. What was not loaded is an error (`Refusal::NotLoaded`), never "does not exist".

use std::collections::BTreeSet;
use std::hash::Hash;

use hashbrown::{HashMap, HashSet};
use uuid::Uuid;

use super::account::{Account, ApiKey};
use super::affiliate::{Affiliate, AffiliateSelector};
use super::click::Click;
use super::conversion::{Conversion, ConversionKind, ConversionOutcome};
use super::coupon::{Coupon, CouponState};
use super::enrollment::Enrollment;
use super::event::NewEvent;
use super::id::{
    AccountId, AffiliateId, ApiKeyId, ClickId, ConversionId, CouponId, EnrollmentId, LeadId, LinkId, ProgramId,
    RewardId,
};
use super::index::{Index, Lists};
use super::lead::{Lead, LeadSelector, UnmatchedSale};
use super::ledger::Posting;
use super::link::Link;
use super::program::{Program, Terms};
use super::request::{Request, RequestKey};
use super::reward::Reward;

/// What a batch needs loaded. Rows that these lead to are loaded with them: a lead brings its enrollment, an enrollment its
/// affiliate and its program, a program all versions of its terms, a refund's sale its rewards, a reward its conversion and that
/// conversion's rewards.
#[derive(Debug, Default)]
pub struct Needs {
    /// Requests that may have been answered. Of a sale's event key the conversion is loaded too, with its rewards.
    pub requests: BTreeSet<RequestKey>,
    /// Accounts.
    pub accounts: BTreeSet<AccountId>,
    /// Owners' email addresses, over all accounts.
    pub account_emails: BTreeSet<String>,
    /// API keys.
    pub api_keys: BTreeSet<(AccountId, ApiKeyId)>,
    /// Programs.
    pub programs: BTreeSet<(AccountId, ProgramId)>,
    /// Accounts whose default program is needed.
    pub default_programs: BTreeSet<AccountId>,
    /// Affiliates, with all their enrollments.
    pub affiliates: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Enrollments.
    pub enrollments: BTreeSet<(AccountId, EnrollmentId)>,
    /// Links by id.
    pub links: BTreeSet<(AccountId, LinkId)>,
    /// Links by code, with their enrollments.
    pub link_codes: BTreeSet<(AccountId, String)>,
    /// Coupons by id.
    pub coupons: BTreeSet<(AccountId, CouponId)>,
    /// Coupons by code, removed ones too, with their enrollments.
    pub coupon_codes: BTreeSet<(AccountId, String)>,
    /// Affiliates whose active coupons are to be counted.
    pub coupon_counts: BTreeSet<(AccountId, AffiliateSelector)>,
    /// Visitors' clicks by tracking id, with their links and enrollments.
    pub tids: BTreeSet<(AccountId, ClickId)>,
    /// Leads by id, uid or email.
    pub leads: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers whose sales that nobody referred are needed, by this name and all others of their lead.
    pub unmatched_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Customers whose sales are needed, the latest of them, with their rewards.
    pub latest_sales: BTreeSet<(AccountId, LeadSelector)>,
    /// Sales' event_ids whose waiting refunds are needed.
    pub waiting_refunds: BTreeSet<(AccountId, String)>,
    /// Rewards.
    pub rewards: BTreeSet<(AccountId, RewardId)>,
}

/// Whether a row must be inserted, updated, or neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Loaded,
    New,
    Changed,
}

/// The rows of one kind, by key.
#[derive(Debug)]
pub struct Rows<K, V> {
    rows: HashMap<K, (V, Mark)>,
}

impl<K, V> Default for Rows<K, V> {
    fn default() -> Self {
        Self { rows: HashMap::new() }
    }
}

impl<K: Eq + Hash + Ord + Clone, V> Rows<K, V> {
    /// The row with this key, if it is in the set.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.rows.get(key).map(|(row, _)| row)
    }

    /// All rows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &V> {
        self.rows.values().map(|(row, _)| row)
    }

    /// Puts a row in as the database has it. A row that is in the set already stays: it may have been changed.
    fn load(&mut self, key: K, row: V) {
        self.rows.entry(key).or_insert((row, Mark::Loaded));
    }

    fn put(&mut self, key: K, row: V)
    where
        V: PartialEq,
    {
        match self.rows.get_mut(&key) {
            // A customer who buys again is as before: nothing to write.
            Some((slot, Mark::Loaded)) if *slot == row => {}
            Some((slot, mark)) => {
                *slot = row;
                if *mark == Mark::Loaded {
                    *mark = Mark::Changed;
                }
            }
            None => {
                self.rows.insert(key, (row, Mark::New));
            }
        }
    }

    fn marked(&self, wanted: Mark) -> Vec<&V> {
        let mut rows: Vec<_> =
            self.rows.iter().filter(|(_, (_, mark))| *mark == wanted).map(|(key, (row, _))| (key, row)).collect();
        // Key order, so that two server instances lock rows in the same order.
        rows.sort_by_key(|(key, _)| *key);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The keys of rows to insert or update, in no order.
    fn written_keys(&self) -> impl Iterator<Item = &K> {
        self.rows.iter().filter(|(_, (_, mark))| *mark != Mark::Loaded).map(|(key, _)| key)
    }

    /// Rows to insert, in key order.
    pub fn inserted(&self) -> Vec<&V> {
        self.marked(Mark::New)
    }

    /// Rows to update, in key order.
    pub fn updated(&self) -> Vec<&V> {
        self.marked(Mark::Changed)
    }
}

/// What a command changes. Rows are whole; a row whose key the set has is an update.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each field is named after the rows that it holds")]
pub struct Changes {
    pub accounts: Vec<Account>,
    pub api_keys: Vec<ApiKey>,
    pub programs: Vec<Program>,
    pub terms: Vec<Terms>,
    pub affiliates: Vec<Affiliate>,
    pub enrollments: Vec<Enrollment>,
    pub links: Vec<Link>,
    pub coupons: Vec<Coupon>,
    pub clicks: Vec<Click>,
    pub leads: Vec<Lead>,
    pub conversions: Vec<Conversion>,
    pub unmatched_sales: Vec<UnmatchedSale>,
    /// Unmatched sales that have found their lead.
    pub matched_sales: Vec<(AccountId, ConversionId)>,
    pub rewards: Vec<Reward>,
    pub postings: Vec<Posting>,
    pub events: Vec<NewEvent>,
    pub requests: Vec<Request>,
}

/// See the head of the file.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each field is named after the rows that it holds")]
pub struct WorkingSet {
    pub accounts: Rows<AccountId, Account>,
    pub api_keys: Rows<(AccountId, ApiKeyId), ApiKey>,
    pub programs: Rows<(AccountId, ProgramId), Program>,
    pub terms: Rows<(AccountId, ProgramId, i32), Terms>,
    pub affiliates: Rows<(AccountId, AffiliateId), Affiliate>,
    pub enrollments: Rows<(AccountId, EnrollmentId), Enrollment>,
    pub links: Rows<(AccountId, LinkId), Link>,
    pub coupons: Rows<(AccountId, CouponId), Coupon>,
    pub clicks: Rows<(AccountId, ClickId), Click>,
    pub leads: Rows<(AccountId, LeadId), Lead>,
    pub conversions: Rows<(AccountId, ConversionId), Conversion>,
    pub rewards: Rows<(AccountId, RewardId), Reward>,
    pub requests: Rows<RequestKey, Request>,
    pub unmatched_sales: Rows<(AccountId, ConversionId), UnmatchedSale>,
    /// Unmatched sales to remove.
    pub matched_sales: Vec<(AccountId, ConversionId)>,
    /// In the order of the commands.
    pub postings: Vec<Posting>,
    /// In the order of the commands.
    pub events: Vec<NewEvent>,
    /// What was looked for, by every name. The store says here what it looked for and did not find; what it found is entered by
    /// the `load_` functions.
    pub looked_for: LookedFor,
    /// True for a set that holds everything there is: then what it lacks does not exist. For tests of the rules alone.
    pub is_complete: bool,
}

/// The names that rows were looked for by.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each field is named after what is looked for, and by what")]
pub struct LookedFor {
    /// Rows of any kind that were looked for by their id.
    pub ids: HashSet<(AccountId, Uuid)>,
    pub requests: HashSet<RequestKey>,
    pub account_emails: Index<String, AccountId>,
    pub default_programs: Index<AccountId, ProgramId>,
    pub affiliates: Index<(AccountId, AffiliateSelector), AffiliateId>,
    /// All enrollments of an affiliate.
    pub enrollments: Lists<(AccountId, AffiliateId), EnrollmentId>,
    pub link_codes: Index<(AccountId, String), LinkId>,
    /// The active coupon with a code or else the one removed last.
    pub coupon_codes: Index<(AccountId, String), CouponId>,
    pub leads: Index<(AccountId, LeadSelector), LeadId>,
    pub tids: Lists<(AccountId, ClickId), ClickId>,
    pub unmatched_sales: Lists<(AccountId, LeadSelector), ConversionId>,
    /// The latest sales of a lead.
    pub latest_sales: Lists<(AccountId, LeadId), ConversionId>,
    pub waiting_refunds: Lists<(AccountId, String), ConversionId>,
    pub rewards_by_conversion: Lists<(AccountId, ConversionId), RewardId>,
    /// How many active coupons an affiliate has.
    pub coupon_counts: Index<(AccountId, AffiliateId), i64>,
    /// Rewards that take back from another, by that other.
    pub reversals: HashMap<(AccountId, RewardId), BTreeSet<RewardId>>,
}

/// Makes, for one kind of row, `load_x` (as the database has it) and `put_x` (as a command leaves it); both keep the look-ups
/// true through `index_x`.
macro_rules! row_kinds {
    ($($rows:ident, $row_type:ty, $load:ident, $put:ident, $index:ident, |$row:ident| $key:expr;)*) => {$(
        #[doc = concat!("Enters one of the `", stringify!($rows), "` as the database has it.")]
        pub fn $load(&mut self, $row: $row_type) {
            if self.$rows.get(&$key).is_none() {
                self.$index(&$row);
                self.$rows.load($key, $row);
            }
        }

        fn $put(&mut self, $row: $row_type) {
            self.$index(&$row);
            self.$rows.put($key, $row);
        }
    )*};
}

impl WorkingSet {
    row_kinds! {
        accounts, Account, load_account, put_account, index_account, |row| row.id;
        api_keys, ApiKey, load_api_key, put_api_key, index_api_key, |row| (row.account_id, row.id);
        programs, Program, load_program, put_program, index_program, |row| (row.account_id, row.id);
        terms, Terms, load_terms, put_terms, index_terms, |row| (row.account_id, row.program_id, row.version);
        affiliates, Affiliate, load_affiliate, put_affiliate, index_affiliate, |row| (row.account_id, row.id);
        enrollments, Enrollment, load_enrollment, put_enrollment, index_enrollment, |row| (row.account_id, row.id);
        links, Link, load_link, put_link, index_link, |row| (row.account_id, row.id);
        coupons, Coupon, load_coupon, put_coupon, index_coupon, |row| (row.account_id, row.id);
        clicks, Click, load_click, put_click, index_click, |row| (row.account_id, row.id);
        leads, Lead, load_lead, put_lead, index_lead, |row| (row.account_id, row.id);
        conversions, Conversion, load_conversion, put_conversion, index_conversion, |row| (row.account_id, row.id);
        rewards, Reward, load_reward, put_reward, index_reward, |row| (row.account_id, row.id);
        requests, Request, load_request, put_request, index_request, |row| row.key.clone();
        unmatched_sales, UnmatchedSale, load_unmatched_sale, put_unmatched_sale, index_unmatched_sale,
            |row| (row.account_id, row.conversion_id);
    }

    fn index_account(&mut self, row: &Account) {
        self.looked_for.ids.insert((row.id, row.id.uuid()));
        self.looked_for.account_emails.insert(row.email.clone(), Some(row.id));
    }

    fn index_api_key(&mut self, row: &ApiKey) {
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
    }

    fn index_program(&mut self, row: &Program) {
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
        if row.is_default {
            self.looked_for.default_programs.insert(row.account_id, Some(row.id));
        } else if self.looked_for.default_programs.get(&row.account_id) == Some(Some(row.id)) {
            self.looked_for.default_programs.insert(row.account_id, None);
        }
    }

    fn index_terms(&mut self, _row: &Terms) {}

    fn index_affiliate(&mut self, row: &Affiliate) {
        let account_id = row.account_id;
        self.looked_for.ids.insert((account_id, row.id.uuid()));
        let names = [
            Some(AffiliateSelector::Id(row.id)),
            row.external_id.clone().map(AffiliateSelector::ExternalId),
            Some(AffiliateSelector::Email(row.email.clone())),
            Some(AffiliateSelector::TokenHash(row.token_hash)),
        ];
        for name in names.into_iter().flatten() {
            self.looked_for.affiliates.insert((account_id, name), Some(row.id));
        }
    }

    fn index_enrollment(&mut self, row: &Enrollment) {
        let account_id = row.account_id;
        self.looked_for.ids.insert((account_id, row.id.uuid()));
        self.looked_for
            .affiliates
            .insert((account_id, AffiliateSelector::RefId(row.ref_id.clone())), Some(row.affiliate_id));
        self.looked_for.enrollments.add((account_id, row.affiliate_id), row.id);
    }

    fn index_link(&mut self, row: &Link) {
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
        self.looked_for.link_codes.insert((row.account_id, row.code.clone()), Some(row.id));
    }

    fn index_coupon(&mut self, row: &Coupon) {
        let key = (row.account_id, row.code.clone());
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
        let other_is_active = self
            .looked_for
            .coupon_codes
            .get(&key)
            .flatten()
            .and_then(|id| self.coupons.get(&(row.account_id, id)))
            .is_some_and(|other| other.id != row.id && other.state == CouponState::Active);
        if !other_is_active {
            self.looked_for.coupon_codes.insert(key, Some(row.id));
        }
    }

    fn index_click(&mut self, row: &Click) {
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
        self.looked_for.tids.add((row.account_id, row.tid), row.id);
    }

    fn index_lead(&mut self, row: &Lead) {
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
        let names = [
            Some(LeadSelector::Id(row.id)),
            row.uid.clone().map(LeadSelector::Uid),
            row.email.clone().map(LeadSelector::Email),
        ];
        for name in names.into_iter().flatten() {
            self.looked_for.leads.insert((row.account_id, name), Some(row.id));
        }
    }

    fn index_conversion(&mut self, row: &Conversion) {
        let account_id = row.account_id;
        self.looked_for.ids.insert((account_id, row.id.uuid()));
        match row.kind {
            ConversionKind::Sale => {
                if let Some(lead_id) = row.lead_id {
                    self.looked_for.latest_sales.add((account_id, lead_id), row.id);
                }
            }
            ConversionKind::Refund => {
                let key = (account_id, row.sale_event_id.clone());
                if row.outcome == ConversionOutcome::Waiting {
                    self.looked_for.waiting_refunds.add(key, row.id);
                } else {
                    self.looked_for.waiting_refunds.remove(&key, &row.id);
                }
            }
            ConversionKind::Lead | ConversionKind::Cancellation => {}
        }
    }

    fn index_reward(&mut self, row: &Reward) {
        self.looked_for.ids.insert((row.account_id, row.id.uuid()));
        self.looked_for.rewards_by_conversion.add((row.account_id, row.conversion_id), row.id);
        if let Some(original) = row.reverses {
            self.looked_for.reversals.entry((row.account_id, original)).or_default().insert(row.id);
        }
    }

    fn index_request(&mut self, row: &Request) {
        self.looked_for.requests.insert(row.key.clone());
    }

    fn index_unmatched_sale(&mut self, row: &UnmatchedSale) {
        for name in row.selectors() {
            self.looked_for.unmatched_sales.add((row.account_id, name), row.conversion_id);
        }
    }

    /// Nothing hangs on what is new but what hangs on it in this set.
    fn begin_lists(&mut self, changes: &Changes) {
        for row in changes.affiliates.iter().filter(|row| self.affiliates.get(&(row.account_id, row.id)).is_none()) {
            self.looked_for.enrollments.insert_absent((row.account_id, row.id));
            self.looked_for.coupon_counts.insert((row.account_id, row.id), Some(0));
        }
        for row in changes.leads.iter().filter(|row| self.leads.get(&(row.account_id, row.id)).is_none()) {
            self.looked_for.latest_sales.insert_absent((row.account_id, row.id));
        }
        for row in changes.conversions.iter().filter(|row| self.conversions.get(&(row.account_id, row.id)).is_none()) {
            self.looked_for.rewards_by_conversion.insert_absent((row.account_id, row.id));
        }
        for row in changes.clicks.iter().filter(|row| row.tid == row.id) {
            self.looked_for.tids.insert_absent((row.account_id, row.tid));
        }
    }

    /// The accounts of which a program, an affiliate, or what hangs on them is new or changed.
    pub fn accounts_with_changed_catalogue(&self) -> BTreeSet<AccountId> {
        let written = [
            self.programs.written_keys().map(|key| key.0).collect::<Vec<_>>(),
            self.terms.written_keys().map(|key| key.0).collect(),
            self.affiliates.written_keys().map(|key| key.0).collect(),
            self.enrollments.written_keys().map(|key| key.0).collect(),
            self.links.written_keys().map(|key| key.0).collect(),
            self.coupons.written_keys().map(|key| key.0).collect(),
        ];
        written.into_iter().flatten().collect()
    }

    /// Takes over what a command changed.
    pub fn absorb(&mut self, changes: Changes) {
        self.begin_lists(&changes);
        for coupon in &changes.coupons {
            let was_active =
                self.coupons.get(&(coupon.account_id, coupon.id)).is_some_and(|old| old.state == CouponState::Active);
            let is_active = coupon.state == CouponState::Active;
            let key = (coupon.account_id, coupon.affiliate_id);
            if let Some(Some(count)) = self.looked_for.coupon_counts.get(&key) {
                let count = count + i64::from(is_active) - i64::from(was_active);
                self.looked_for.coupon_counts.insert(key, Some(count));
            }
        }
        for account in &changes.accounts {
            // An email address that was given up is free for the next command of the batch.
            if let Some(old) = self.accounts.get(&account.id)
                && old.email != account.email
            {
                self.looked_for.account_emails.insert(old.email.clone(), None);
            }
        }
        for enrollment in &changes.enrollments {
            if let Some(old) = self.enrollments.get(&(enrollment.account_id, enrollment.id))
                && old.ref_id != enrollment.ref_id
            {
                let name = AffiliateSelector::RefId(old.ref_id.clone());
                self.looked_for.affiliates.insert((enrollment.account_id, name), None);
            }
        }
        changes.accounts.into_iter().for_each(|row| self.put_account(row));
        changes.api_keys.into_iter().for_each(|row| self.put_api_key(row));
        changes.programs.into_iter().for_each(|row| self.put_program(row));
        changes.terms.into_iter().for_each(|row| self.put_terms(row));
        changes.affiliates.into_iter().for_each(|row| self.put_affiliate(row));
        changes.enrollments.into_iter().for_each(|row| self.put_enrollment(row));
        changes.links.into_iter().for_each(|row| self.put_link(row));
        changes.coupons.into_iter().for_each(|row| self.put_coupon(row));
        changes.clicks.into_iter().for_each(|row| self.put_click(row));
        changes.leads.into_iter().for_each(|row| self.put_lead(row));
        changes.conversions.into_iter().for_each(|row| self.put_conversion(row));
        changes.unmatched_sales.into_iter().for_each(|row| self.put_unmatched_sale(row));
        changes.rewards.into_iter().for_each(|row| self.put_reward(row));
        changes.requests.into_iter().for_each(|row| self.put_request(row));
        for (account_id, id) in changes.matched_sales {
            let names = self.unmatched_sales.get(&(account_id, id)).map(UnmatchedSale::selectors).unwrap_or_default();
            for name in names {
                self.looked_for.unmatched_sales.remove(&(account_id, name), &id);
            }
            self.matched_sales.push((account_id, id));
        }
        self.postings.extend(changes.postings);
        self.events.extend(changes.events);
    }
}
