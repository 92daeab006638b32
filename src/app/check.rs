//! Checks everything that one account has in a database: its books, its feed, its lists, the checkpoints of its balances, its numbers of coupons,
//! of sales and of documents, the revenue of its programs, its yearly totals and the search of its affiliates. For a person with a copy or a doubt, who has no key. Changes
//! nothing.

use super::verify::{self, Report};
use crate::domain::id::AccountId;
use crate::store::{self, Store, StoreError};

/// How many segments are read at once.
const PAGE_SEGMENTS: u64 = 200;

/// How many accounts are read at once.
const PAGE_ACCOUNTS: u64 = 1_000;

/// All accounts, the server's own among them.
///
/// # Errors
/// [`StoreError`].
pub async fn accounts(store: &Store) -> Result<Vec<AccountId>, StoreError> {
    let mut accounts = Vec::new();
    loop {
        let page = store::account_head::page(store, accounts.last().copied(), PAGE_ACCOUNTS).await?;
        let is_last = (page.len() as u64) < PAGE_ACCOUNTS;
        accounts.extend(page);
        if is_last {
            return Ok(accounts);
        }
    }
}

/// Recomputes the books of one account, and reads its whole feed, all of its lists, its coupons and its affiliates.
///
/// # Errors
/// [`StoreError`] when the database does not answer.
pub async fn check(store: &Store, account_id: AccountId) -> Result<Report, StoreError> {
    let mut report = match verify::verify(store, account_id).await {
        Ok(report) => report,
        Err(error @ (StoreError::Inconsistent { .. } | StoreError::Unexpected(_))) => {
            Report { differences: vec![format!("the books cannot be read: {error}")], ..Report::default() }
        }
        Err(error) => return Err(error),
    };
    add(&mut report, "the feed", feed_differences(store, account_id).await)?;
    add(&mut report, "the lists", list_differences(store, account_id).await)?;
    add(&mut report, "the numbers of coupons", count_differences(store, account_id).await)?;
    add(&mut report, "the search of affiliates", search_differences(store, account_id).await)?;
    add(&mut report, "the checkpoints of balances", checkpoint_differences(store, account_id).await)?;
    add(&mut report, "the numbers of customers' sales", sale_differences(store, account_id).await)?;
    add(&mut report, "the tallies", tally_differences(store, account_id).await)?;
    add(&mut report, "the tallies of ladders", ladder_differences(store, account_id).await)?;
    add(&mut report, "the tallies of sales", sales_differences(store, account_id).await)?;
    add(&mut report, "the lines of sales", line_differences(store, account_id).await)?;
    add(&mut report, "the clicks that count", click_differences(store, account_id).await)?;
    add(&mut report, "the bounties", bounty_differences(store, account_id).await)?;
    add(&mut report, "the yearly totals", total_differences(store, account_id).await)?;
    add(&mut report, "the numbers of documents", document_differences(store, account_id).await)?;
    add(&mut report, "the revenue of programs", revenue_differences(store, account_id).await)?;
    Ok(report)
}

/// Adds what was found in a part of the database, also that it cannot be read.
fn add(report: &mut Report, part: &str, found: Result<Vec<String>, StoreError>) -> Result<(), StoreError> {
    match found {
        Ok(differences) => report.differences.extend(differences),
        Err(error @ (StoreError::Inconsistent { .. } | StoreError::Unexpected(_))) => {
            report.differences.push(format!("{part} cannot be read: {error}"));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// The differences in the lists by affiliate and by lead.
async fn list_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::lists::check::differences(&store.snapshot().await?, account_id).await
}

/// The differences in the numbers that the limits of coupons and claims are compared with.
async fn count_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::counts::differences(&store.snapshot().await?, account_id).await
}

/// The differences between the checkpoints of balances and the ledger.
async fn checkpoint_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::ledger::checkpoint::differences(&store.snapshot().await?, account_id).await
}

/// The sales and refunds whose lines do not add up.
async fn line_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::lines::differences(&store.snapshot().await?, account_id).await
}

/// The affiliates that a search does not find.
async fn search_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::search::differences(&store.snapshot().await?, account_id).await
}

/// The differences in the numbers of customers' sales that commission rules ask for.
async fn sale_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::sale_counts::differences(&store.snapshot().await?, account_id).await
}

/// The differences between bounties, what was submitted to them and what that was paid with.
async fn bounty_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::submission_counts::differences(&store.snapshot().await?, account_id).await
}

/// The differences between clicks that count and the rewards of clicks.
async fn click_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::click::counted::differences(&store.snapshot().await?, account_id).await
}

/// The differences between tallies and the events that are in them.
async fn tally_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::tally::differences(&store.snapshot().await?, account_id).await
}

/// The differences between the tallies of ladders and the sales that are in them.
async fn ladder_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::ladder_tally::differences(&store.snapshot().await?, account_id).await
}

/// The differences between the tallies of sales, the sales that are in them, and the bonuses for them.
async fn sales_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::sales_tally::differences(&store.snapshot().await?, account_id).await
}

/// The differences between yearly totals, payouts and balances.
async fn total_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::yearly_total::differences(&store.snapshot().await?, account_id).await
}

/// The gaps in the numbers of documents of payouts.
async fn document_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::payout_document::differences(&store.snapshot().await?, account_id).await
}

/// The differences in the monthly recurring revenue of programs.
async fn revenue_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    store::program_mrr::differences(&store.snapshot().await?, account_id).await
}

/// The gaps in the feed, from the oldest kept event to the newest.
async fn feed_differences(store: &Store, account_id: AccountId) -> Result<Vec<String>, StoreError> {
    let snapshot = store.snapshot().await?;
    let head = store::account_head::head(&snapshot, account_id).await?;
    let mut differences = Vec::new();
    // Also an event before the oldest one that the head knows of is a difference.
    let (mut last, mut read_to) = (head.pruned_sequence, 0);
    loop {
        let page = store::event::segments_after(&snapshot, account_id, read_to, PAGE_SEGMENTS).await?;
        for segment in &page {
            if segment.first_sequence != last + 1 {
                let (expected, found) = (last + 1, segment.first_sequence);
                differences.push(format!("the feed goes on with event {found} where event {expected} should be"));
            }
            last = segment.last_sequence;
            read_to = segment.last_sequence;
        }
        if (page.len() as u64) < PAGE_SEGMENTS {
            break;
        }
    }
    if last != head.event_sequence {
        differences.push(format!("the feed ends with event {last} and should end with {}", head.event_sequence));
    }
    Ok(differences)
}
