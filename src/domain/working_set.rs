//! The part of an account's rows that a batch of commands needs, in memory, and what the commands changed of it.
//!
//! A rule reads the set and returns [`Changes`]; the set absorbs them only when the whole command succeeded, so a refused command
//! leaves no trace. What was not loaded is an error ([`Refusal::NotLoaded`]), never "does not exist".

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use super::account::{Account, ApiKey};
use super::affiliate::{Affiliate, AffiliateSelector};
use super::click::Click;
use super::conversion::Conversion;
use super::coupon::{Coupon, CouponState};
use super::enrollment::Enrollment;
use super::event::NewEvent;
use super::id::{
    AccountId, AffiliateId, ApiKeyId, ClickId, ConversionId, CouponId, EnrollmentId, LeadId, LinkId, ProgramId, RewardId,
};
use super::lead::{Customer, Lead, LeadSelector, UnmatchedSale};
use super::ledger::Posting;
use super::link::Link;
use super::program::{Program, Terms};
use super::refusal::Refusal;
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
    /// Customers whose sales that nobody referred are needed.
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

    fn load(&mut self, key: K, row: V) {
        self.rows.entry(key).or_insert((row, Mark::Loaded));
    }

    fn put(&mut self, key: K, row: V) {
        match self.rows.get_mut(&key) {
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
        rows.sort_by(|(left, _), (right, _)| left.cmp(right));
        rows.into_iter().map(|(_, row)| row).collect()
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

/// A look-up by another name than the id: known to be there, known to be absent, or not looked for.
#[derive(Debug)]
pub struct Index<K, V> {
    found: HashMap<K, Option<V>>,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { found: HashMap::new() }
    }
}

impl<K: Eq + Hash, V: Clone> Index<K, V> {
    /// Says that the key was looked for; `None` when nothing has it.
    pub fn insert(&mut self, key: K, value: Option<V>) {
        self.found.insert(key, value);
    }

    /// Says that the key was looked for, and nothing has it unless something was found already.
    pub fn insert_absent(&mut self, key: K) {
        self.found.entry(key).or_insert(None);
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

    /// What was looked for, by every name. The store fills these in; [`WorkingSet::absorb`] keeps them true.
    pub looked_for: LookedFor,
    /// True for a set that holds everything there is: then what it lacks does not exist. For tests of the rules alone.
    pub is_complete: bool,
}

/// The names that rows were looked for by.
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each field is named after what is looked for, and by what")]
pub struct LookedFor {
    pub requests: BTreeSet<RequestKey>,
    pub account_emails: Index<String, AccountId>,
    pub default_programs: Index<AccountId, ProgramId>,
    pub affiliates: Index<(AccountId, AffiliateSelector), AffiliateId>,
    pub enrollments: Index<(AccountId, AffiliateId, ProgramId), EnrollmentId>,
    pub link_codes: Index<(AccountId, String), LinkId>,
    pub coupon_codes: Index<(AccountId, String), CouponId>,
    pub leads: Index<(AccountId, LeadSelector), LeadId>,
    pub tids: Index<(AccountId, ClickId), Vec<ClickId>>,
    pub unmatched_sales: Index<(AccountId, LeadSelector), Vec<ConversionId>>,
    pub latest_sales: Index<(AccountId, LeadId), Vec<ConversionId>>,
    pub waiting_refunds: Index<(AccountId, String), Vec<ConversionId>>,
    pub rewards_by_conversion: Index<(AccountId, ConversionId), Vec<RewardId>>,
    /// How many active coupons an affiliate has.
    pub coupon_counts: Index<(AccountId, AffiliateId), i64>,
    /// Ids that were looked for, by their text; tells an id that does not exist from one that was not loaded.
    pub ids: BTreeSet<(AccountId, uuid::Uuid)>,
}
