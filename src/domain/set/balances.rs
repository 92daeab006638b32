//! The sums over the ledger, as far as a batch must know them. A posting that would make a sum too large is refused here, before
//! the database would refuse the whole batch. Knows no rule.
//!
//! No sum of an account's postings is larger than the sum of all their amounts, which the account's head has. While that sum is
//! below the limit, nothing else is looked up. It is above only for accounts that somebody fills with senseless amounts. Then the
//! balances that a command changes are needed too.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hashbrown::HashMap;

use crate::domain::id::AccountId;
use crate::domain::ledger::{BALANCE_MINOR_MAX, Balance, BalanceKey, Posting};
use crate::domain::money::Overflow;

/// One balance.
#[derive(Clone, Copy, Default)]
struct Sum {
    /// As the database has it.
    stored: Balance,
    /// What the first postings of the batch change.
    change: Balance,
    /// How many postings these are.
    posting_count: usize,
}

impl Sum {
    /// Adds further postings of the batch.
    fn add(mut self, key: &BalanceKey, postings: &[Posting]) -> Result<Self, Overflow> {
        for posting in &postings[self.posting_count.min(postings.len())..] {
            if posting.balance_key() == *key {
                self.change.post(posting)?;
            }
        }
        self.posting_count = postings.len();
        // The database adds the change to the balance, so both must fit.
        for (stored, change) in [
            (self.stored.pending_minor, self.change.pending_minor),
            (self.stored.owed_minor, self.change.owed_minor),
            (self.stored.in_flight_minor, self.change.in_flight_minor),
            (self.stored.frozen_minor, self.change.frozen_minor),
            (self.stored.paid_minor, self.change.paid_minor),
        ] {
            let sum = stored.checked_add(change).ok_or(Overflow)?;
            if sum.unsigned_abs() > BALANCE_MINOR_MAX.unsigned_abs()
                || change.unsigned_abs() > BALANCE_MINOR_MAX.unsigned_abs()
            {
                return Err(Overflow);
            }
        }
        Ok(self)
    }

    /// The balance with the changes of the batch. The parts fit, because they were checked when they were added.
    const fn sum(self) -> Balance {
        Balance {
            pending_minor: self.stored.pending_minor.saturating_add(self.change.pending_minor),
            owed_minor: self.stored.owed_minor.saturating_add(self.change.owed_minor),
            in_flight_minor: self.stored.in_flight_minor.saturating_add(self.change.in_flight_minor),
            frozen_minor: self.stored.frozen_minor.saturating_add(self.change.frozen_minor),
            paid_minor: self.stored.paid_minor.saturating_add(self.change.paid_minor),
        }
    }
}

/// See the head of the file.
#[derive(Default)]
pub struct Balances {
    /// By account: at least the sum of the amounts of all its postings, those of the batch included.
    posted_minor: HashMap<AccountId, i64>,
    known: BTreeMap<BalanceKey, Sum>,
    /// Whether a balance that was never looked up counts as zero.
    is_complete: bool,
}

/// Prints nothing, because what is known of balances is not part of the set's content.
impl fmt::Debug for Balances {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("_")
    }
}

impl Balances {
    /// Puts in the sum of the amounts of an account's postings, from its head.
    pub fn load_posted(&mut self, account_id: AccountId, posted_minor: i64) {
        self.posted_minor.insert(account_id, posted_minor);
    }

    /// Whether the account is locked. Only then is the sum of its head entered.
    pub fn is_locked(&self, account_id: AccountId) -> bool {
        self.is_complete || self.posted_minor.contains_key(&account_id)
    }

    /// Whether a balance was looked up.
    pub fn is_known(&self, key: &BalanceKey) -> bool {
        self.known.contains_key(key)
    }

    /// Puts in a balance that was read from the database; zero when there is none.
    pub fn load(&mut self, key: BalanceKey, stored: Balance) {
        self.known.entry(key).or_insert(Sum { stored, ..Sum::default() });
    }

    /// A balance after these postings of the batch. `None` if it was not looked up.
    pub(super) fn after(&self, key: &BalanceKey, postings: &[Posting]) -> Result<Option<Balance>, Overflow> {
        let known = self.known.get(key).copied().or_else(|| self.is_complete.then(Sum::default));
        known.map(|sum| Ok(sum.add(key, postings)?.sum())).transpose()
    }

    pub(super) fn complete(&mut self) {
        self.is_complete = true;
    }

    /// Checks the sums after the postings of a command, which are those of the batch from `first` on. Returns the balances that
    /// must be looked up before that is possible; none when all is well.
    pub(super) fn check(&mut self, postings: &[Posting], first: usize) -> Result<BTreeSet<BalanceKey>, Overflow> {
        let mut is_near = false;
        for posting in &postings[first..] {
            let posted = self.posted_minor.entry(posting.account_id).or_default();
            *posted = posted.saturating_add(posting.amount_minor);
            is_near |= *posted > BALANCE_MINOR_MAX;
        }
        if !is_near {
            return Ok(BTreeSet::new());
        }
        let keys: BTreeSet<BalanceKey> = postings[first..].iter().map(Posting::balance_key).collect();
        let missing: BTreeSet<_> =
            keys.iter().filter(|key| !self.is_complete && !self.is_known(key)).copied().collect();
        if !missing.is_empty() {
            return Ok(missing);
        }
        let known = |key: &BalanceKey| self.known.get(key).copied().unwrap_or_default();
        let sums = keys.iter().map(|key| Ok((*key, known(key).add(key, postings)?)));
        let sums = sums.collect::<Result<Vec<_>, Overflow>>()?;
        self.known.extend(sums);
        Ok(BTreeSet::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::{AffiliateId, RewardId};
    use crate::domain::ledger::{LedgerAccount, LedgerReason, LedgerSubject};
    use crate::domain::reward::RewardUnit;
    use crate::domain::time::Time;

    const ACCOUNT: AccountId = AccountId::from_uuid(Uuid::from_u128(1));

    fn posting(affiliate: u128, debit: LedgerAccount, credit: LedgerAccount, amount_minor: i64) -> Posting {
        Posting {
            account_id: ACCOUNT,
            debit,
            credit,
            unit: RewardUnit::Cash,
            currency: "USD".parse().unwrap(),
            amount_minor,
            affiliate_id: AffiliateId::from_uuid(Uuid::from_u128(affiliate)),
            subject: LedgerSubject::reward(RewardId::from_uuid(Uuid::from_u128(9))),
            reason: LedgerReason::Earned,
            posted_at: Time::from_micros(0),
        }
    }

    fn earned(affiliate: u128, amount_minor: i64) -> Posting {
        posting(affiliate, LedgerAccount::CommissionExpense, LedgerAccount::AffiliatePending, amount_minor)
    }

    #[test]
    fn balances_are_looked_up_only_once_the_sum_of_all_postings_is_above_the_limit() {
        let mut balances = Balances::default();
        balances.load_posted(ACCOUNT, BALANCE_MINOR_MAX - 10);
        let mut postings = vec![earned(1, 10)];
        assert_eq!(balances.check(&postings, 0), Ok(BTreeSet::new()));
        postings.push(earned(2, 1));
        let missing = balances.check(&postings, 1).unwrap();
        assert_eq!(missing, BTreeSet::from([postings[1].balance_key()]));
        balances.load(postings[1].balance_key(), Balance::default());
        assert_eq!(balances.check(&postings, 1), Ok(BTreeSet::new()));
    }

    #[test]
    fn earlier_postings_of_the_batch_count_although_nobody_looked_at_them() {
        let mut balances = Balances::default();
        balances.load_posted(ACCOUNT, BALANCE_MINOR_MAX - 10);
        let mut postings = vec![earned(1, 10)];
        assert_eq!(balances.check(&postings, 0), Ok(BTreeSet::new()));
        let stored = Balance { pending_minor: BALANCE_MINOR_MAX - 11, ..Balance::default() };
        balances.load(earned(1, 1).balance_key(), stored);
        postings.push(earned(1, 1));
        assert_eq!(balances.check(&postings, 1), Ok(BTreeSet::new()));
        postings.push(earned(1, 1));
        assert_eq!(balances.check(&postings, 2), Err(Overflow));
        // The refused posting is rolled back, and a smaller balance has room again.
        postings.truncate(2);
        postings.push(posting(1, LedgerAccount::AffiliatePending, LedgerAccount::CommissionExpense, 5));
        assert_eq!(balances.check(&postings, 2), Ok(BTreeSet::new()));
        postings.push(earned(1, 5));
        assert_eq!(balances.check(&postings, 3), Ok(BTreeSet::new()));
    }

    fn any_posting() -> impl Strategy<Value = Posting> {
        use LedgerAccount::{AffiliatePayable, AffiliatePending, CommissionExpense};
        let moves = [
            (CommissionExpense, AffiliatePending),
            (AffiliatePending, AffiliatePayable),
            (AffiliatePending, CommissionExpense),
            (AffiliatePayable, CommissionExpense),
        ];
        let amount = prop_oneof![1..=i64::MAX, 1..=1_000_000_000_000_000_i64];
        (0_u128..3, prop::sample::select(moves.to_vec()), amount)
            .prop_map(|(affiliate, (debit, credit), amount)| posting(affiliate, debit, credit, amount))
    }

    proptest! {
        /// What passes the check can be stored: each balance stays within the limit, and so does the change of each batch. What
        /// does not pass leaves no trace.
        #[test]
        fn the_database_never_sees_a_sum_that_it_would_refuse(
            batches in prop::collection::vec(prop::collection::vec(prop::collection::vec(any_posting(), 0..4), 0..6), 1..6),
            stored in prop::collection::vec(-BALANCE_MINOR_MAX..=BALANCE_MINOR_MAX, 3),
        ) {
            let mut database: BTreeMap<BalanceKey, i128> = (0_u128..).zip(stored)
                .map(|(affiliate, sum)| (earned(affiliate, 1).balance_key(), sum.into()))
                .collect();
            for batch in batches {
                let mut balances = Balances::default();
                balances.load_posted(ACCOUNT, i64::MAX);
                let mut postings: Vec<Posting> = Vec::new();
                for command in batch {
                    let first = postings.len();
                    postings.extend(command);
                    for key in balances.check(&postings, first).unwrap_or_default() {
                        let pending_minor = i64::try_from(database[&key]).unwrap();
                        balances.load(key, Balance { pending_minor, ..Balance::default() });
                    }
                    match balances.check(&postings, first) {
                        Ok(missing) => prop_assert!(missing.is_empty()),
                        Err(Overflow) => postings.truncate(first),
                    }
                }
                for (key, sum) in &mut database {
                    let mut change = Balance::default();
                    for posting in postings.iter().filter(|posting| posting.balance_key() == *key) {
                        prop_assert!(change.post(posting).is_ok());
                    }
                    *sum += i128::from(change.pending_minor);
                    for value in [*sum, change.pending_minor.into(), change.owed_minor.into()] {
                        prop_assert!(value.unsigned_abs() <= u128::from(BALANCE_MINOR_MAX.unsigned_abs()));
                    }
                }
            }
        }
    }
}
