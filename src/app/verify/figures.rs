//! Compares the figures of an account with its clicks, conversions and rewards.
//!
//! The rows are read in slices, and others write meanwhile. A figure that changed between the beginning and the end is not compared,
//! because some of its rows were read before the change and some after it. What differs must differ in a second pass too, because a row
//! may have moved away from a figure and back.

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

use crate::clock;
use crate::domain::calendar::Calendar;
use crate::domain::id::{AccountId, AffiliateId, ConversionId, LinkId, RewardId};
use crate::domain::statistic::{Changes, Figure, Figures};
use crate::store::reward::RewardOrigin;
use crate::store::statistic::{ByKey, Key};
use crate::store::{self, ReadTurn, Snapshot, Store, StoreError};

/// The longest pause between two slices.
const PAUSE_MAX: Duration = Duration::from_millis(50);

/// The differences of one account, in words.
///
/// # Errors
/// [`StoreError`] when the rows cannot be read.
pub(super) async fn differences(
    store: &Store,
    account_id: AccountId,
    slice_rows: u64,
) -> Result<Vec<String>, StoreError> {
    let walk = Walk { store, account_id, slice_rows };
    let first = walk.pass().await?;
    if first.is_empty() {
        return Ok(Vec::new());
    }
    let second = walk.pass().await?;
    Ok(second.into_iter().filter(|(key, _)| first.contains_key(key)).map(|(_, text)| text).collect())
}

struct Walk<'store> {
    store: &'store Store,
    account_id: AccountId,
    slice_rows: u64,
}

impl Walk<'_> {
    /// One comparison of all figures. The texts of those that differ.
    async fn pass(&self) -> Result<BTreeMap<Key, String>, StoreError> {
        let (before, mut calendar) = {
            let (_turn, snapshot) = self.slice().await?;
            let figures = store::statistic::all(&snapshot, self.account_id).await?;
            (figures, store::statistic::calendar_of(&snapshot, self.account_id).await?)
        };
        let mut counted = ByKey::new();
        self.clicks(&mut calendar, &mut counted).await?;
        self.conversions(&mut calendar, &mut counted).await?;
        for origin in [RewardOrigin::ByHand, RewardOrigin::Click] {
            self.rewards(origin, &mut calendar, &mut counted).await?;
        }
        counted.retain(|_, figures| !figures.is_empty());
        let after = {
            let (_turn, snapshot) = self.slice().await?;
            store::statistic::all(&snapshot, self.account_id).await?
        };
        Ok(compare(&before, &after, &counted))
    }

    async fn slice(&self) -> Result<(ReadTurn, Snapshot), StoreError> {
        let turn = self.store.read_turn(self.account_id).await;
        Ok((turn, self.store.snapshot().await?))
    }

    /// Whether a page was the last one. Otherwise waits as long as the slice took, so that others get at least half of the time.
    async fn is_last(&self, count: usize, begun_at: tokio::time::Instant) -> bool {
        if (count as u64) < self.slice_rows {
            return true;
        }
        tokio::time::sleep(begun_at.elapsed().min(PAUSE_MAX)).await;
        false
    }

    async fn clicks(&self, calendar: &mut Calendar, counted: &mut ByKey) -> Result<(), StoreError> {
        let mut after: Option<(Uuid, Uuid)> = None;
        loop {
            let begun_at = clock::monotonic_now();
            let (turn, snapshot) = self.slice().await?;
            let page = store::click::page(&snapshot, self.account_id, after, self.slice_rows).await?;
            drop((snapshot, turn));
            let mut changes = Changes::default();
            page.iter().for_each(|click| changes.click(click, 1));
            count(calendar, counted, changes);
            after = page.last().map(|click| (click.tid.uuid(), click.id.uuid()));
            if self.is_last(page.len(), begun_at).await {
                return Ok(());
            }
        }
    }

    /// The conversions, each with its rewards.
    async fn conversions(&self, calendar: &mut Calendar, counted: &mut ByKey) -> Result<(), StoreError> {
        let mut after: Option<ConversionId> = None;
        loop {
            let begun_at = clock::monotonic_now();
            let (turn, snapshot) = self.slice().await?;
            let page = store::conversion::page(&snapshot, self.account_id, after, self.slice_rows).await?;
            drop((snapshot, turn));
            let mut changes = Changes::default();
            for image in &page {
                changes.conversion(&image.conversion, 1);
                image.rewards.iter().for_each(|reward| changes.reward(reward, Some(&image.conversion), 1));
            }
            count(calendar, counted, changes);
            after = page.last().map(|image| image.conversion.id);
            if self.is_last(page.len(), begun_at).await {
                return Ok(());
            }
        }
    }

    /// The rewards without a conversion.
    async fn rewards(
        &self,
        origin: RewardOrigin,
        calendar: &mut Calendar,
        counted: &mut ByKey,
    ) -> Result<(), StoreError> {
        let mut after: Option<RewardId> = None;
        loop {
            let begun_at = clock::monotonic_now();
            let (turn, snapshot) = self.slice().await?;
            let page = store::reward::page_of(&snapshot, self.account_id, origin, after, self.slice_rows).await?;
            drop((snapshot, turn));
            let mut changes = Changes::default();
            page.iter().for_each(|reward| changes.reward(reward, None, 1));
            count(calendar, counted, changes);
            after = page.last().map(|reward| reward.id);
            if self.is_last(page.len(), begun_at).await {
                return Ok(());
            }
        }
    }
}

/// Adds what rows add to all sums that count them.
fn count(calendar: &mut Calendar, counted: &mut ByKey, changes: Changes) {
    for ((quarter, origin, sub_id), figures) in changes.sums().flat_map(|(_, sums)| sums) {
        let day = calendar.day(quarter);
        for key in Key::all_of(day, origin, sub_id) {
            counted.entry(key).or_default().add_all(&figures);
        }
    }
}

/// The texts of the figures that differ from those that were counted, and did not change meanwhile.
fn compare(before: &ByKey, after: &ByKey, counted: &ByKey) -> BTreeMap<Key, String> {
    let nothing = Figures::new();
    let mut differences = BTreeMap::new();
    for key in after.keys().chain(counted.keys()) {
        let kept = after.get(key).unwrap_or(&nothing);
        let own = counted.get(key).unwrap_or(&nothing);
        if kept != own && before.get(key).unwrap_or(&nothing) == kept {
            differences.entry(key.clone()).or_insert_with(|| text(key, kept, own));
        }
    }
    differences
}

fn text(key: &Key, kept: &Figures, counted: &Figures) -> String {
    let of_affiliate = key.affiliate_id().map(|id: AffiliateId| format!(" of {id}")).unwrap_or_default();
    let through = key.link_id().map(|id: LinkId| format!(" through {id}")).unwrap_or_default();
    let with = key.sub_id().map(|sub_id| format!(" with the sub-id {sub_id:?}")).unwrap_or_default();
    let (day, program_id) = (key.day(), key.program_id());
    format!(
        "figures of {day}{of_affiliate} in {program_id}{through}{with}: {} are kept, the rows say {}",
        describe(kept),
        describe(counted)
    )
}

fn describe(figures: &Figures) -> String {
    if figures.is_empty() {
        return "none".to_owned();
    }
    let name = |figure: Figure| match figure {
        Figure::Clicks => "clicks".to_owned(),
        Figure::Leads => "leads".to_owned(),
        Figure::Sales => "sales".to_owned(),
        Figure::Refunds => "refunds".to_owned(),
        Figure::Cancellations => "cancellations".to_owned(),
        Figure::Appointments => "appointments".to_owned(),
        Figure::CustomEvents => "custom events".to_owned(),
        Figure::SaleAmount(currency) => format!("{} of sales", currency.code()),
        Figure::RefundAmount(currency) => format!("{} of refunds", currency.code()),
        Figure::Reward(unit, currency) => format!("{} {unit} of rewards", currency.code()),
    };
    let parts: Vec<String> = figures.iter().map(|(figure, value)| format!("{value} {}", name(figure))).collect();
    parts.join(", ")
}
