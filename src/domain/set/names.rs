//! Indexes of the working set by names other than the key. Each can tell "looked up, not there" from "never looked up", and each
//! can undo the changes of a refused command. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Debug};
use std::hash::Hash;

use hashbrown::{HashMap, HashSet};

use super::undo::Undo;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::id::{
    AccountId, AffiliateGroupId, AffiliateId, ApiKeyId, ClickId, ConversionId, CouponId, EnrollmentId, ItemId, LeadId,
    LinkId, PayoutId, PayoutScheduleId, ProgramId, RewardId,
};
use crate::domain::lead::LeadSelector;
use crate::domain::money::Currency;

/// An index of unique names.
pub struct Index<K, V> {
    found: HashMap<K, Option<V>>,
    before: Vec<(K, Option<Option<V>>)>,
    is_complete: bool,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { found: HashMap::new(), before: Vec::new(), is_complete: false }
    }
}

/// Prints the entries in order, so that equal indexes print the same text. Does not print the journal.
impl<K: Debug + Ord, V: Debug> Debug for Index<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.found.iter().collect::<BTreeMap<_, _>>()).finish()
    }
}

impl<K: Eq + Hash + Clone, V: Clone> Index<K, V> {
    /// The value; `Some(None)` when nothing has the name, `None` when it was never looked up.
    pub fn get(&self, key: &K) -> Option<Option<V>> {
        self.found.get(key).cloned().or_else(|| self.is_complete.then_some(None))
    }

    /// Sets the value of the name; `None` when nothing has it.
    pub fn insert(&mut self, key: K, value: Option<V>) {
        let before = self.found.insert(key.clone(), value);
        self.before.push((key, before));
    }

    /// Marks the name as looked up. It is absent, unless something was found already.
    pub fn insert_absent(&mut self, key: K) {
        self.found.entry(key).or_insert(None);
    }
}

impl<K: Eq + Hash, V> Undo for Index<K, V> {
    fn keep(&mut self) {
        self.before.clear();
    }

    fn roll_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(value) => self.found.insert(key, value),
                None => self.found.remove(&key),
            };
        }
    }

    fn complete(&mut self) {
        self.is_complete = true;
    }
}

/// An index of lists. A list is complete only once its key was looked up. Before that it has only the rows that were loaded for
/// other reasons.
pub struct Lists<K, V> {
    met: HashMap<K, Vec<V>>,
    whole: HashSet<K>,
    before: Vec<Step<K, V>>,
    is_complete: bool,
}

/// One change of a list.
#[derive(Debug)]
enum Step<K, V> {
    Added(K, V),
    Removed(K, V),
    MadeWhole(K),
}

impl<K, V> Default for Lists<K, V> {
    fn default() -> Self {
        Self { met: HashMap::new(), whole: HashSet::new(), before: Vec::new(), is_complete: false }
    }
}

/// Prints the entries in order and marks incomplete lists. Does not print the journal.
impl<K: Debug + Ord + Hash, V: Debug + Ord> Debug for Lists<K, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: BTreeSet<_> = self.met.keys().chain(&self.whole).collect();
        let list = |key| self.met.get(key).into_iter().flatten().collect::<BTreeSet<_>>();
        formatter.debug_map().entries(keys.into_iter().map(|key| (key, (self.whole.contains(key), list(key))))).finish()
    }
}

impl<K: Eq + Hash + Clone, V: Clone + PartialEq> Lists<K, V> {
    /// Everything under the key; none when it was never looked up.
    pub fn get(&self, key: &K) -> Option<&[V]> {
        (self.is_complete || self.whole.contains(key)).then(|| self.met(key))
    }

    /// Adds a value to a list that was looked up. Other lists are filled when they are looked up, from the rows of the set too.
    pub(super) fn add_to_whole(&mut self, key: K, value: V) {
        if self.is_complete || self.whole.contains(&key) {
            self.add(key, value);
        }
    }

    /// The values under the key that are in the set, whether the list is complete or not.
    pub(super) fn met(&self, key: &K) -> &[V] {
        self.met.get(key).map_or(&[], Vec::as_slice)
    }

    /// Marks the key as looked up. Its list then has the values met so far and those that are added later.
    pub fn insert_absent(&mut self, key: K) {
        if self.whole.insert(key.clone()) {
            self.before.push(Step::MadeWhole(key));
        }
    }

    /// Adds a value, unless the list has it.
    pub fn add(&mut self, key: K, value: V) {
        let met = self.met.entry(key.clone()).or_default();
        if !met.contains(&value) {
            met.push(value.clone());
            self.before.push(Step::Added(key, value));
        }
    }

    pub(super) fn remove(&mut self, key: K, value: V) {
        if let Some(met) = self.met.get_mut(&key)
            && let Some(place) = met.iter().position(|other| *other == value)
        {
            met.remove(place);
            if met.is_empty() {
                self.met.remove(&key);
            }
            self.before.push(Step::Removed(key, value));
        }
    }
}

impl<K: Eq + Hash, V: PartialEq> Undo for Lists<K, V> {
    fn keep(&mut self) {
        self.before.clear();
    }

    fn roll_back(&mut self) {
        while let Some(step) = self.before.pop() {
            match step {
                Step::Added(key, value) => {
                    if let Some(met) = self.met.get_mut(&key) {
                        met.retain(|other| *other != value);
                        if met.is_empty() {
                            self.met.remove(&key);
                        }
                    }
                }
                // The value may go to the end, because lists are sorted where they are read.
                Step::Removed(key, value) => self.met.entry(key).or_default().push(value),
                Step::MadeWhole(key) => _ = self.whole.remove(&key),
            }
        }
    }

    fn complete(&mut self) {
        self.is_complete = true;
    }
}

/// Generates [`Names`] from one list.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $index:ty,)*) => {
        /// All indexes.
        #[derive(Debug, Default)]
        pub struct Names {
            $($(#[$doc])* pub $name: $index,)*
        }

        impl Undo for Names {
            fn keep(&mut self) {
                $(self.$name.keep();)*
            }

            fn roll_back(&mut self) {
                $(self.$name.roll_back();)*
            }

            fn complete(&mut self) {
                $(self.$name.complete();)*
            }
        }
    };
}

names! {
    /// Accounts by the owner's email address.
    account_emails: Index<String, AccountId>,
    /// The keys of an account that manage its keys, see `KeyKind::that_manages`. Not those that were revoked before. The list is
    /// complete, or it has the [`super::MANAGING_KEYS_LOADED`] keys that expire last and those that were created since.
    managing_keys: Lists<AccountId, ApiKeyId>,
    /// The account's default program.
    default_programs: Index<AccountId, ProgramId>,
    /// Affiliates by each of their names.
    affiliates: Index<(AccountId, AffiliateSelector), AffiliateId>,
    /// All enrollments of an affiliate.
    enrollments_of: Lists<(AccountId, AffiliateId), EnrollmentId>,
    /// The affiliates whose links, submissions and coupons were all looked up. The rows themselves are found among all rows of the set.
    code_holders: Index<(AccountId, AffiliateId), ()>,
    /// Links by code.
    link_codes: Index<(AccountId, String), LinkId>,
    /// Active links by the page that they claim.
    claimed_pages: Index<(AccountId, String), LinkId>,
    /// All coupons that ever had a code.
    coupon_codes: Lists<(AccountId, String), CouponId>,
    /// Active groups of affiliates by name.
    group_names: Index<(AccountId, String), AffiliateGroupId>,
    /// Active items by SKU.
    item_skus: Index<(AccountId, String), ItemId>,
    /// Leads by each of their names.
    leads: Index<(AccountId, LeadSelector), LeadId>,
    /// The clicks of a visitor.
    clicks_of: Lists<(AccountId, ClickId), ClickId>,
    /// Sales that nobody referred, by each name of the customer.
    unmatched_sales: Lists<(AccountId, LeadSelector), ConversionId>,
    /// The conversions of a lead: all of them, or the newest [`super::TIMELINE_LENGTH_MAX`].
    timelines: Lists<(AccountId, LeadId), ConversionId>,
    /// The visitors whose first clicks were looked up. The first clicks are found by their keys.
    first_clicks_of: Lists<(AccountId, ClickId), ClickId>,
    /// The sign-ups and sales whose requests had a visitor's tracking id.
    conversions_of_visitor: Lists<(AccountId, ClickId), ConversionId>,
    /// The latest sales of a lead.
    latest_sales: Lists<(AccountId, LeadId), ConversionId>,
    /// Refunds that wait for the sale with this event_id.
    waiting_refunds: Lists<(AccountId, String), ConversionId>,
    /// The rewards of a conversion.
    rewards_of: Lists<(AccountId, ConversionId), RewardId>,
    /// The approved rewards in cash of an affiliate in a currency. A list that was looked up may lack those beyond a number, see
    /// [`super::PAYABLE_REWARDS_LOADED`].
    payable_of: Lists<(AccountId, AffiliateId, Currency), RewardId>,
    /// The rewards that a payout has or paid.
    rewards_of_payout: Lists<(AccountId, PayoutId), RewardId>,
    /// The active payout schedules of an account.
    payout_schedules_of: Lists<AccountId, PayoutScheduleId>,
    /// The rewards that reverse another, by that other.
    reversals_of: Lists<(AccountId, RewardId), RewardId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_whole_only_after_it_was_looked_up() {
        let mut lists = Lists::default();
        lists.add("sales of a lead", 1);
        assert_eq!(lists.get(&"sales of a lead"), None);
        lists.insert_absent("sales of a lead");
        assert_eq!(lists.get(&"sales of a lead"), Some(&[1][..]));
        lists.add("sales of a lead", 2);
        lists.remove("sales of a lead", 1);
        assert_eq!(lists.get(&"sales of a lead"), Some(&[2][..]));
    }

    #[test]
    fn a_rolled_back_list_is_as_before() {
        let mut lists = Lists::default();
        lists.add("a", 1);
        lists.insert_absent("a");
        lists.keep();
        lists.add("a", 2);
        lists.remove("a", 1);
        lists.insert_absent("b");
        lists.roll_back();
        assert_eq!((lists.get(&"a"), lists.get(&"b")), (Some(&[1][..]), None));
    }

    #[test]
    fn a_rolled_back_index_is_as_before() {
        let mut index = Index::default();
        index.insert("ann", Some(1));
        index.insert_absent("bob");
        index.keep();
        index.insert("ann", None);
        index.insert("ann", Some(3));
        index.insert("bob", Some(2));
        index.insert("new", Some(4));
        index.roll_back();
        assert_eq!([index.get(&"ann"), index.get(&"bob"), index.get(&"new")], [Some(Some(1)), Some(None), None]);
    }
}
