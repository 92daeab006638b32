//! VerifyLedger: recomputes the books from the first entry, and checks the invariants of `ARCHITECTURE.md`.

use std::collections::BTreeMap;

use crate::domain::id::{AccountId, RewardId};
use crate::domain::ledger::{
    AccountHead, Balance, BalanceKey, GENESIS_HASH, HASH_VERSION, LedgerAccount, LedgerEntry, LedgerSubjectKind,
    entry_hash,
};
use crate::domain::money::Currency;
use crate::domain::reward::{Reward, RewardState, RewardUnit};
use crate::store::list::Walk;
use crate::store::{self, Snapshot, Store, StoreError};

/// How many rows are read at once.
const PAGE_ROWS: u64 = 1_000;

/// How many differences are reported.
const DIFFERENCES_MAX: usize = 100;

/// The result of a verification.
#[derive(Debug, Default)]
pub struct Report {
    /// How many entries were read.
    pub entry_count: i64,
    /// How many rewards were compared.
    pub reward_count: i64,
    /// How many events the feed holds.
    pub event_count: i64,
    /// Credits less debits by ledger account, unit and currency.
    pub totals: BTreeMap<(RewardUnit, Currency, LedgerAccount), i128>,
    /// The differences, in words.
    pub differences: Vec<String>,
}

impl Report {
    fn differs(&mut self, difference: String) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }
}

/// The amounts of a reward by ledger account, according to the entries.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Booked {
    pending: i64,
    payable: i64,
}

/// Recomputes the books of one account as they are at one moment.
///
/// # Errors
/// [`StoreError`] when the books cannot be read.
pub async fn verify(store: &Store, account_id: AccountId) -> Result<Report, StoreError> {
    // The snapshot is needed because entries, balances and rewards are read one after the other while sales go on.
    let books = store.snapshot().await?;
    let mut report = Report::default();
    let head = store::account_head::head(&books, account_id).await?;
    let mut balances: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
    let mut booked: BTreeMap<RewardId, Booked> = BTreeMap::new();
    let mut previous = GENESIS_HASH;
    loop {
        let walk = Walk { after: Some(report.entry_count), ..Walk::first(PAGE_ROWS) };
        let page = store::ledger::list(&books, account_id, None, walk).await?;
        for entry in &page {
            report.entry_count += 1;
            check_entry(&mut report, entry, &mut previous, &mut balances, &mut booked);
        }
        if (page.len() as u64) < PAGE_ROWS {
            break;
        }
    }
    if head.ledger_sequence != report.entry_count {
        report.differs(format!("the head counts {} entries, {} are there", head.ledger_sequence, report.entry_count));
    } else if head.ledger_hash != previous {
        report.differs("the last entry's hash is not the head's".to_owned());
    }
    check_balances(&books, account_id, &balances, &mut report).await?;
    check_rewards(&books, account_id, booked, &mut report).await?;
    check_events(&books, &head, &mut report).await?;
    check_totals(&mut report);
    Ok(report)
}

fn check_entry(
    report: &mut Report,
    entry: &LedgerEntry,
    previous: &mut [u8; 32],
    balances: &mut BTreeMap<BalanceKey, Balance>,
    booked: &mut BTreeMap<RewardId, Booked>,
) {
    let posting = &entry.posting;
    if entry.sequence != report.entry_count {
        report.differs(format!("entry {} stands in the place of {}", entry.sequence, report.entry_count));
    }
    if entry.hash_version != i32::from(HASH_VERSION) {
        let (sequence, version) = (entry.sequence, entry.hash_version);
        report.differs(format!("entry {sequence}: its hash is of version {version}, which this server does not know"));
    } else if entry.hash != entry_hash(previous, entry.sequence, posting) {
        report.differs(format!("entry {}: the hash does not fit; it or one before it was changed", entry.sequence));
    }
    *previous = entry.hash;
    if posting.amount_minor <= 0 {
        report.differs(format!("entry {}: the amount is not more than zero", entry.sequence));
    }
    if balances.entry(posting.balance_key()).or_default().post(posting).is_err() {
        report.differs(format!("entry {}: the balance is too large to compute", entry.sequence));
    }
    let of_reward = match posting.subject.kind {
        LedgerSubjectKind::Reward => booked.entry(RewardId::from_uuid(posting.subject.id)).or_default(),
    };
    for (account, amount) in [(posting.debit, -posting.amount_minor), (posting.credit, posting.amount_minor)] {
        let total = report.totals.entry((posting.unit, posting.currency, account)).or_default();
        *total += i128::from(amount);
        match account {
            LedgerAccount::AffiliatePending => of_reward.pending = of_reward.pending.saturating_add(amount),
            LedgerAccount::AffiliatePayable => of_reward.payable = of_reward.payable.saturating_add(amount),
            LedgerAccount::CommissionExpense => {}
        }
    }
}

async fn check_balances(
    books: &Snapshot,
    account_id: AccountId,
    summed: &BTreeMap<BalanceKey, Balance>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut kept: BTreeMap<BalanceKey, Balance> =
        store::ledger::all_balances(books, account_id).await?.into_iter().collect();
    for (key, sum) in summed {
        let of_kept = kept.remove(key).unwrap_or_default();
        // Paid amounts are not compared, because no ledger account holds them.
        if (of_kept.pending_minor, of_kept.owed_minor) != (sum.pending_minor, sum.owed_minor) {
            report.differs(format!(
                "balance of {} in {}: {} pending and {} owed are kept, the entries say {} and {}",
                key.affiliate_id,
                key.currency,
                of_kept.pending_minor,
                of_kept.owed_minor,
                sum.pending_minor,
                sum.owed_minor
            ));
        }
        if sum.pending_minor < 0 {
            report.differs(format!("balance of {} in {}: pending is below zero", key.affiliate_id, key.currency));
        }
    }
    for (key, balance) in kept {
        if balance != Balance::default() {
            report.differs(format!("balance of {} in {} has no entries", key.affiliate_id, key.currency));
        }
    }
    Ok(())
}

async fn check_rewards(
    books: &Snapshot,
    account_id: AccountId,
    mut booked: BTreeMap<RewardId, Booked>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut settled: BTreeMap<RewardId, i128> = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store::reward::page(books, account_id, after, PAGE_ROWS).await?;
        for reward in &page {
            report.reward_count += 1;
            let entries = booked.remove(&reward.id).unwrap_or_default();
            if reward.state == RewardState::Reversed {
                // A reversed reward and everything that was taken back from it sum to zero.
                let original = reward.reverses.unwrap_or(reward.id);
                *settled.entry(original).or_default() += i128::from(entries.pending) + i128::from(entries.payable);
            } else if !fits(reward, entries) {
                report.differs(format!(
                    "{} is {} with {}, the entries say {} pending and {} payable",
                    reward.id, reward.state, reward.value, entries.pending, entries.payable
                ));
            }
        }
        after = page.last().map(|reward| reward.id);
        if (page.len() as u64) < PAGE_ROWS {
            break;
        }
    }
    for (id, rest) in settled {
        if rest != 0 {
            report.differs(format!("{id} is reversed, the entries leave {rest}"));
        }
    }
    for id in booked.into_keys() {
        report.differs(format!("{id} has entries and does not exist"));
    }
    Ok(())
}

fn fits(reward: &Reward, entries: Booked) -> bool {
    let value = reward.value.amount_minor;
    let expected = match reward.state {
        RewardState::Pending => Booked { pending: value, payable: 0 },
        RewardState::Approved | RewardState::Paid => Booked { pending: 0, payable: value },
        RewardState::Denied | RewardState::Reversed => Booked::default(),
    };
    entries == expected
}

async fn check_events(books: &Snapshot, head: &AccountHead, report: &mut Report) -> Result<(), StoreError> {
    report.event_count = store::event::count(books, head.account_id).await?;
    let expected = head.event_sequence - head.pruned_sequence;
    if report.event_count != expected {
        report.differs(format!("the feed should hold {expected} events and holds {}", report.event_count));
    }
    Ok(())
}

fn check_totals(report: &mut Report) {
    let mut sums: BTreeMap<(RewardUnit, Currency), i128> = BTreeMap::new();
    for ((unit, currency, _), total) in &report.totals {
        *sums.entry((*unit, *currency)).or_default() += total;
    }
    for ((_, currency), sum) in sums {
        if sum != 0 {
            report.differs(format!("the books in {currency} sum to {sum}, not to zero"));
        }
    }
}
