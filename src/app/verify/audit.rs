//! The comparison itself: the sums over the entries that were read, and what does not fit to them. Knows no database.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Report;
use crate::domain::id::{AffiliateId, PayoutId, RewardId};
use crate::domain::ledger::{
    AccountHead, Balance, BalanceKey, GENESIS_HASH, HASH_VERSION, LedgerAccount, LedgerEntry, LedgerSubjectKind,
    entry_hash,
};
use crate::domain::money::Currency;
use crate::domain::payout::{Payout, PayoutState};
use crate::domain::reward::RewardLine;
use crate::domain::reward::{Reward, RewardState, RewardUnit};
use crate::domain::time::Time;
use crate::store::payout::PayoutRewards;

/// The amounts of a reward by ledger account, according to the entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Booked {
    pending: i64,
    payable: i64,
    in_flight: i64,
    frozen: i64,
    fulfilled: i64,
    paid: i64,
}

impl Booked {
    /// What the entries leave of a reversed reward.
    fn rest(self) -> i128 {
        i128::from(self.pending) + i128::from(self.payable) + i128::from(self.frozen)
    }
}

/// A reward, as the entries know it.
#[derive(Debug, Default, Clone, Copy)]
struct Known {
    booked: Booked,
    /// Whether its row was compared.
    is_met: bool,
}

/// A payout, as the entries know it.
#[derive(Debug, Default, Clone, Copy)]
struct KnownPayout {
    payable_minor: i64,
    in_flight_minor: i64,
    paid_minor: i64,
    /// Whether its row was compared.
    is_met: bool,
}

/// The balances of an affiliate.
type OfAffiliate = BTreeMap<(RewardUnit, Currency), Balance>;

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Audit {
    report: Report,
    /// The sequence and the hash of the last entry that was read.
    pub(super) last_sequence: i64,
    last_hash: Option<[u8; 32]>,
    last_posted_at: Option<Time>,
    /// Sums over the entries.
    balances: BTreeMap<AffiliateId, OfAffiliate>,
    rewards: BTreeMap<RewardId, Known>,
    payouts: BTreeMap<PayoutId, KnownPayout>,
    /// For each reversed reward, what it and its reversals add up to.
    settled: BTreeMap<RewardId, i128>,
    /// Whether the head was found wrong. It is compared in every slice, and reported once.
    is_head_wrong: bool,
}

impl Audit {
    /// Adds the next entry.
    pub(super) fn enter(&mut self, entry: &LedgerEntry) {
        let (posting, report) = (&entry.posting, &mut self.report);
        report.entry_count += 1;
        if entry.sequence != report.entry_count {
            report.differs(format!("entry {} stands in the place of {}", entry.sequence, report.entry_count));
        }
        let previous = self.last_hash.unwrap_or(GENESIS_HASH);
        if entry.hash_version != i32::from(HASH_VERSION) {
            let (sequence, version) = (entry.sequence, entry.hash_version);
            report.differs(format!(
                "entry {sequence}: its hash is of version {version}, which this server does not know"
            ));
        } else if entry.hash != entry_hash(&previous, entry.sequence, posting) {
            report.differs(format!("entry {}: the hash does not fit; it or one before it was changed", entry.sequence));
        }
        if self.last_posted_at.is_some_and(|last| posting.posted_at < last) {
            report.differs(format!("entry {}: it is older than the one before", entry.sequence));
        }
        self.last_posted_at = Some(posting.posted_at);
        (self.last_sequence, self.last_hash) = (entry.sequence, Some(entry.hash));
        if posting.amount_minor <= 0 {
            report.differs(format!("entry {}: the amount is not more than zero", entry.sequence));
        }
        let of_affiliate = self.balances.entry(posting.affiliate_id).or_default();
        if of_affiliate.entry((posting.unit, posting.currency)).or_default().post(posting).is_err() {
            report.differs(format!("entry {}: the balance is too large to compute", entry.sequence));
        }
        let mut of_payout = Booked::default();
        let booked = match posting.subject.kind {
            LedgerSubjectKind::Reward => {
                &mut self.rewards.entry(RewardId::from_uuid(posting.subject.id)).or_default().booked
            }
            LedgerSubjectKind::Payout => &mut of_payout,
        };
        let is_fee = posting.is_fee();
        for (account, amount) in [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)] {
            let total = report.totals.entry((posting.unit, posting.currency, account)).or_default();
            *total += i128::from(amount);
            match account {
                LedgerAccount::AffiliatePending => booked.pending = booked.pending.saturating_add(amount),
                LedgerAccount::AffiliatePayable => booked.payable = booked.payable.saturating_add(amount),
                LedgerAccount::PayoutInFlight => booked.in_flight = booked.in_flight.saturating_add(amount),
                LedgerAccount::AffiliateFrozen => booked.frozen = booked.frozen.saturating_add(amount),
                LedgerAccount::Fulfilled => booked.fulfilled = booked.fulfilled.saturating_add(amount),
                // Fees are not paid to affiliates.
                LedgerAccount::ProviderCash if is_fee => {}
                LedgerAccount::ProviderCash => booked.paid = booked.paid.saturating_add(amount),
                LedgerAccount::CommissionExpense | LedgerAccount::ProviderFee => {}
            }
        }
        if let Some(payout_id) = posting.subject.payout_id() {
            let known = self.payouts.entry(payout_id).or_default();
            known.paid_minor = known.paid_minor.saturating_add(of_payout.paid);
            known.in_flight_minor = known.in_flight_minor.saturating_add(of_payout.in_flight);
            known.payable_minor = known.payable_minor.saturating_add(of_payout.payable);
        }
    }

    /// Compares the head with the last entry of the same snapshot.
    pub(super) fn check_head(&mut self, head: &AccountHead) {
        if self.is_head_wrong {
            return;
        }
        let (report, last_hash) = (&mut self.report, self.last_hash.unwrap_or(GENESIS_HASH));
        self.is_head_wrong = true;
        if head.ledger_sequence != report.entry_count {
            let (counted, found) = (head.ledger_sequence, report.entry_count);
            report.differs(format!("the head counts {counted} entries, {found} are there"));
        } else if head.ledger_hash != last_hash {
            report.differs("the last entry's hash is not the head's".to_owned());
        } else {
            self.is_head_wrong = false;
        }
    }

    /// Compares the balances of the affiliates after one and up to another one. `kept` has all of their balances.
    pub(super) fn check_balances(
        &mut self,
        after: Option<AffiliateId>,
        last: Option<AffiliateId>,
        kept: Vec<(BalanceKey, Balance)>,
    ) {
        let mut kept: BTreeMap<_, _> =
            kept.into_iter().map(|(key, balance)| ((key.affiliate_id, (key.unit, key.currency)), balance)).collect();
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), last.map_or(Bound::Unbounded, Bound::Included));
        let summed = self.balances.range(range);
        for (affiliate_id, (kind, sum)) in summed.flat_map(|(id, sums)| sums.iter().map(move |sum| (id, sum))) {
            let of_kept = kept.remove(&(*affiliate_id, *kind)).unwrap_or_default();
            let name = name_of(*kind);
            if of_kept != *sum {
                self.report.differs(format!(
                    "balance of {affiliate_id} in {name}: {} pending, {} owed, {} in flight, {} frozen and {} paid are kept, the entries say {}, {}, {}, {} and {}",
                    of_kept.pending_minor,
                    of_kept.owed_minor,
                    of_kept.in_flight_minor,
                    of_kept.frozen_minor,
                    of_kept.paid_minor,
                    sum.pending_minor,
                    sum.owed_minor,
                    sum.in_flight_minor,
                    sum.frozen_minor,
                    sum.paid_minor,
                ));
            }
            if sum.pending_minor < 0 {
                self.report.differs(format!("balance of {affiliate_id} in {name}: pending is below zero"));
            }
            if sum.frozen_minor < 0 {
                self.report.differs(format!("balance of {affiliate_id} in {name}: frozen is below zero"));
            }
            if sum.in_flight_minor < 0 {
                self.report.differs(format!("balance of {affiliate_id} in {name}: in flight is below zero"));
            }
        }
        for ((affiliate_id, kind), balance) in kept {
            if balance != Balance::default() {
                self.report.differs(format!("balance of {affiliate_id} in {} has no entries", name_of(kind)));
            }
        }
    }

    /// Compares a reward with its entries.
    pub(super) fn check_reward(&mut self, reward: &Reward) {
        self.report.reward_count += 1;
        let known = self.rewards.entry(reward.id).or_default();
        known.is_met = true;
        let booked = known.booked;
        if let Some(sum) = sum_of_lines(reward).filter(|sum| *sum != i128::from(reward.value.amount_minor)) {
            let value = reward.unit.describe(reward.value);
            self.report.differs(format!("{} is {value}, and its lines add up to {sum}", reward.id));
        }
        let is_held = reward.review.as_ref().is_some_and(|review| review.holds());
        if is_held && !matches!(reward.state, RewardState::Held | RewardState::Denied | RewardState::Reversed) {
            self.report.differs(format!(
                "{} is {}, a fraud rule holds it, and nobody has released it",
                reward.id, reward.state
            ));
        }
        if reward.state == RewardState::Reversed {
            // A reversed reward and everything that was taken back from it sum to zero.
            let original = reward.reverses.unwrap_or(reward.id);
            *self.settled.entry(original).or_default() += booked.rest();
        } else if !fits(reward, booked) {
            self.report.differs(format!(
                "{} is {} with {}, the entries say {} pending, {} payable, {} frozen and {} fulfilled",
                reward.id,
                reward.state,
                reward.unit.describe(reward.value),
                booked.pending,
                booked.payable,
                booked.frozen,
                booked.fulfilled,
            ));
        }
        let is_frozen = reward.state == RewardState::Frozen;
        if reward.dispute.is_some_and(|dispute| dispute.frozen_from.is_some()) != is_frozen {
            self.report.differs(format!("{} is {}, and its dispute says otherwise", reward.id, reward.state));
        }
    }

    /// Compares a payout with its entries, and with the rewards that name it: how many they are, what they add up to, and their states.
    pub(super) fn check_payout(&mut self, payout: &Payout, rewards: PayoutRewards) {
        let known = self.payouts.entry(payout.id).or_default();
        known.is_met = true;
        let (id, amount_minor) = (payout.id, payout.amount.amount_minor);
        let has = !payout.state.is_released();
        let expected = |has: bool| if has { amount_minor } else { 0 };
        let (in_flight, paid) = (expected(payout.state.is_open()), expected(payout.state == PayoutState::Paid));
        let booked = (known.payable_minor, known.in_flight_minor, known.paid_minor);
        if booked != (expected(has).saturating_neg(), in_flight, paid) {
            let (payable, in_flight, paid) = booked;
            self.report.differs(format!(
                "{id} is {} with {}, the entries say {payable} payable, {in_flight} in flight and {paid} paid",
                payout.state, payout.amount
            ));
        }
        let PayoutRewards { count, reserved_count, sum } = rewards;
        let of_payout = if has { i64::from(payout.reward_count) } else { 0 };
        if (count, sum) != (of_payout, expected(has).into()) {
            self.report.differs(format!(
                "{id} is {} and pays {} rewards with {}, and {count} rewards name it, with {sum} in all",
                payout.state, payout.reward_count, payout.amount
            ));
        }
        if reserved_count != (if payout.state.is_open() { count } else { 0 }) {
            let state = payout.state;
            self.report.differs(format!("{id} is {state}, and {reserved_count} of its {count} rewards are reserved"));
        }
    }

    /// The payouts that have entries and were not compared.
    pub(super) fn payouts_not_met(&self) -> Vec<PayoutId> {
        self.payouts.iter().filter(|(_, known)| !known.is_met).map(|(id, _)| *id).collect()
    }

    /// Reports those of these payouts that were not compared, after all that exist were.
    pub(super) fn check_payouts_exist(&mut self, ids: &[PayoutId]) {
        for id in ids {
            if self.payouts.get(id).is_some_and(|known| !known.is_met) {
                self.report.differs(format!("{id} has entries and does not exist"));
            }
        }
    }

    /// The rewards that have entries and were not compared.
    pub(super) fn rewards_not_met(&self) -> Vec<RewardId> {
        self.rewards.iter().filter(|(_, known)| !known.is_met).map(|(id, _)| *id).collect()
    }

    /// Reports those of these rewards that were not compared, after all that exist were.
    pub(super) fn check_exist(&mut self, ids: &[RewardId]) {
        for id in ids {
            if self.rewards.get(id).is_some_and(|known| !known.is_met) {
                self.report.differs(format!("{id} has entries and does not exist"));
            }
        }
    }

    /// The reversed rewards that do not add up to zero with the reversals that were read.
    pub(super) fn unsettled(&self) -> Vec<RewardId> {
        self.settled.iter().filter(|(_, rest)| **rest != 0).map(|(id, _)| *id).collect()
    }

    /// Compares reversed rewards with their reversals. `rewards` has all of both, from one snapshot.
    pub(super) fn check_settled(&mut self, originals: &[RewardId], rewards: &[Reward]) {
        for original in originals {
            let family = rewards.iter().filter(|reward| reward.reverses.unwrap_or(reward.id) == *original);
            let reversed = family.filter(|reward| reward.state == RewardState::Reversed);
            let booked =
                reversed.map(|reward| self.rewards.get(&reward.id).map(|known| known.booked).unwrap_or_default());
            let rest: i128 = booked.map(Booked::rest).sum();
            if rest != 0 {
                self.report.differs(format!("{original} is reversed, the entries leave {rest}"));
            }
        }
    }

    /// Compares the number of events in the feed.
    pub(super) fn check_events(&mut self, expected: i64, found: i64, has_gap: bool) {
        self.report.event_count = found;
        if has_gap {
            self.report.differs(format!("the feed should hold {expected} events and holds {found}"));
        }
    }

    /// Checks the totals, and returns the report.
    pub(super) fn finish(mut self) -> Report {
        let mut sums: BTreeMap<(RewardUnit, Currency), i128> = BTreeMap::new();
        for ((unit, currency, _), total) in &self.report.totals {
            *sums.entry((*unit, *currency)).or_default() += total;
        }
        for (kind, sum) in sums {
            if sum != 0 {
                self.report.differs(format!("the books in {} sum to {sum}, not to zero", name_of(kind)));
            }
        }
        self.report
    }
}

/// What a balance or the books are counted in, for people to read.
fn name_of((unit, currency): (RewardUnit, Currency)) -> String {
    match unit {
        RewardUnit::Cash => currency.to_string(),
        RewardUnit::DiscountMoney => format!("{unit} {currency}"),
        RewardUnit::Points | RewardUnit::Credits | RewardUnit::FreeMonths | RewardUnit::DiscountPercent => {
            unit.to_string()
        }
    }
}

/// What the lines of a reward add up to, if it has any.
fn sum_of_lines(reward: &Reward) -> Option<i128> {
    let lines = &reward.calculation.as_ref()?.lines;
    (!lines.is_empty()).then(|| RewardLine::value_of(lines))
}

fn fits(reward: &Reward, booked: Booked) -> bool {
    let value = reward.value.amount_minor;
    let expected = match reward.state {
        RewardState::Pending | RewardState::Held => Booked { pending: value, ..Booked::default() },
        RewardState::Frozen => Booked { frozen: value, ..Booked::default() },
        RewardState::Paid if reward.unit != RewardUnit::Cash => Booked { fulfilled: value, ..Booked::default() },
        RewardState::Approved | RewardState::InPayout | RewardState::Paid => {
            Booked { payable: value, ..Booked::default() }
        }
        RewardState::Denied | RewardState::Reversed => Booked::default(),
    };
    booked == expected
}
