//! VerifyLedger: recomputes the books from the first entry, and checks the invariants of `ARCHITECTURE.md`.
//!
//! The books are read in slices of some hundred rows. Each slice is a snapshot of its own, so that none is held for long: SQLite
//! cannot shorten its log past a snapshot. Sales, refunds and approvals go on meanwhile. Each slice therefore first reads the
//! entries that were added since the slice before. From then on the sums are those of all entries of this snapshot, and every
//! balance and every reward that is read in the same snapshot must be equal to them. Entries are never changed, so each is read
//! once. A row is compared once, as it is in one snapshot; what changes it later is for the next verification.

mod audit;
mod figures;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;
use crate::domain::id::{AccountId, AffiliateId, PayoutId};
use crate::domain::ledger::{AccountHead, LedgerAccount};
use crate::domain::money::Currency;
use crate::domain::payout::Payout;
use crate::domain::reward::RewardUnit;
use crate::store::list::Walk;
use crate::store::payout::PayoutQuery;
use crate::store::{self, ReadTurn, Snapshot, Store, StoreError};
use audit::Audit;

/// How many rows of a kind a slice reads.
const SLICE_ROWS: u64 = 500;

/// The longest pause between two slices.
const PAUSE_MAX: Duration = Duration::from_millis(50);

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

/// Recomputes the books of one account.
///
/// # Errors
/// [`StoreError`] when the books cannot be read.
pub async fn verify(store: &Store, account_id: AccountId) -> Result<Report, StoreError> {
    verify_in_slices(store, account_id, SLICE_ROWS).await
}

/// As [`verify`], with slices of this many rows. For tests of the borders between slices.
///
/// # Errors
/// As [`verify`].
pub async fn verify_in_slices(store: &Store, account_id: AccountId, slice_rows: u64) -> Result<Report, StoreError> {
    let mut walk = Walker { store, account_id, slice_rows, audit: Audit::default() };
    walk.balances().await?;
    walk.rewards().await?;
    walk.rewards_not_met().await?;
    walk.reversed_rewards().await?;
    walk.payouts().await?;
    walk.payouts_not_met().await?;
    walk.events().await?;
    let mut report = walk.audit.finish();
    figures::differences(store, account_id, slice_rows).await?.into_iter().for_each(|text| report.differs(text));
    Ok(report)
}

/// A snapshot of the books. All of its entries have been read.
struct Slice {
    books: Snapshot,
    head: AccountHead,
    begun_at: Instant,
    _turn: ReadTurn,
}

impl Slice {
    /// Ends the snapshot, and waits as long as it took. Others then get at least half of the connection's time, and SQLite's log
    /// can be folded in between.
    async fn end(self) {
        let pause = self.begun_at.elapsed().min(PAUSE_MAX);
        drop(self);
        tokio::time::sleep(pause).await;
    }
}

/// Reads the books slice by slice.
struct Walker<'store> {
    store: &'store Store,
    account_id: AccountId,
    slice_rows: u64,
    audit: Audit,
}

impl Walker<'_> {
    /// Begins a slice: reads the entries that were added since the last one. While there are more than fit into a slice, they have
    /// slices of their own.
    async fn slice(&mut self) -> Result<Slice, StoreError> {
        loop {
            let turn = self.store.read_turn(self.account_id).await;
            let begun_at = clock::monotonic_now();
            let books = self.store.snapshot().await?;
            let head = store::account_head::head(&books, self.account_id).await?;
            let walk = Walk { after: Some(self.audit.last_sequence), ..Walk::first(self.slice_rows) };
            let page = store::ledger::list(&books, self.account_id, None, walk).await?;
            page.iter().for_each(|entry| self.audit.enter(entry));
            let slice = Slice { books, head, begun_at, _turn: turn };
            if !self.is_full(page.len()) {
                self.audit.check_head(&slice.head);
                return Ok(slice);
            }
            slice.end().await;
        }
    }

    fn is_full(&self, count: usize) -> bool {
        count as u64 >= self.slice_rows
    }

    fn chunk_length(&self) -> usize {
        usize::try_from(self.slice_rows).unwrap_or(usize::MAX).max(1)
    }

    /// Compares all balances, in the order of the affiliates.
    async fn balances(&mut self) -> Result<(), StoreError> {
        let mut after: Option<AffiliateId> = None;
        loop {
            let slice = self.slice().await?;
            let page = store::ledger::balances_after(&slice.books, self.account_id, after, self.slice_rows).await?;
            self.audit.check_balances(after, page.last, page.balances);
            slice.end().await;
            match page.last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Compares all rewards, in the order of their ids.
    async fn rewards(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let slice = self.slice().await?;
            let page = store::reward::page(&slice.books, self.account_id, after, self.slice_rows).await?;
            page.iter().for_each(|reward| self.audit.check_reward(reward));
            slice.end().await;
            after = page.last().map(|reward| reward.id);
            if !self.is_full(page.len()) {
                return Ok(());
            }
        }
    }

    /// Looks up the rewards that have entries and were not among those before: they do not exist, or they were made while the
    /// others were read, with ids that come before those of the slice at that time.
    async fn rewards_not_met(&mut self) -> Result<(), StoreError> {
        for ids in self.audit.rewards_not_met().chunks(self.chunk_length()) {
            let slice = self.slice().await?;
            let found = store::reward::find_all(&slice.books, self.account_id, ids).await?;
            found.iter().for_each(|reward| self.audit.check_reward(reward));
            self.audit.check_exist(ids);
            slice.end().await;
        }
        Ok(())
    }

    /// Looks again at reversed rewards whose reversals do not add up. A reward and its reversals may have been read in several
    /// slices, and have become reversed in between. Here they are read in one.
    async fn reversed_rewards(&mut self) -> Result<(), StoreError> {
        for originals in self.audit.unsettled().chunks(self.chunk_length()) {
            let slice = self.slice().await?;
            let rewards = store::reward::with_reversals(&slice.books, self.account_id, originals).await?;
            self.audit.check_settled(originals, &rewards);
            slice.end().await;
        }
        Ok(())
    }

    /// Compares all payouts, in the order of their ids.
    async fn payouts(&mut self) -> Result<(), StoreError> {
        let mut after: Option<PayoutId> = None;
        loop {
            let slice = self.slice().await?;
            let walk = Walk { after: after.map(PayoutId::uuid), ..Walk::first(self.slice_rows) };
            let page = store::payout::list(&slice.books, self.account_id, &PayoutQuery::default(), walk).await?;
            self.check_payouts(&slice, &page).await?;
            slice.end().await;
            after = page.last().map(|payout| payout.id);
            if !self.is_full(page.len()) {
                return Ok(());
            }
        }
    }

    async fn check_payouts(&mut self, slice: &Slice, payouts: &[Payout]) -> Result<(), StoreError> {
        let ids: Vec<_> = payouts.iter().map(|payout| payout.id).collect();
        let mut sums = store::payout::rewards_of(&slice.books, self.account_id, &ids).await?;
        for payout in payouts {
            self.audit.check_payout(payout, sums.remove(&payout.id).unwrap_or_default());
        }
        Ok(())
    }

    /// Looks up the payouts that have entries and were not among those before, as for rewards.
    async fn payouts_not_met(&mut self) -> Result<(), StoreError> {
        for ids in self.audit.payouts_not_met().chunks(self.chunk_length()) {
            let slice = self.slice().await?;
            let found = store::payout::find_all(&slice.books, self.account_id, ids).await?;
            self.check_payouts(&slice, &found).await?;
            self.audit.check_payouts_exist(ids);
            slice.end().await;
        }
        Ok(())
    }

    /// Checks that the feed has every event after the pruned ones. Further ones may be added and pruned meanwhile.
    async fn events(&mut self) -> Result<(), StoreError> {
        let (mut position, mut missing_count, mut has_gap) = (0, 0, false);
        loop {
            let slice = self.slice().await?;
            let head = slice.head.clone();
            let page = store::event::ranges(&slice.books, self.account_id, position, self.slice_rows).await?;
            slice.end().await;
            for (first, last) in &page {
                let expected = head.pruned_sequence.max(position) + 1;
                missing_count += first - expected;
                has_gap |= *first != expected;
                position = *last;
            }
            if self.is_full(page.len()) {
                continue;
            }
            let end = head.pruned_sequence.max(position);
            missing_count += head.event_sequence - end;
            has_gap |= head.event_sequence != end;
            let expected = head.event_sequence - head.pruned_sequence;
            self.audit.check_events(expected, expected - missing_count, has_gap);
            return Ok(());
        }
    }
}
