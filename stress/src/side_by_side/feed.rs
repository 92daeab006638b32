//! The feed: the rate at which a follower catches up, and the rate and delay of live followers. Knows nothing of the write path
//! except that it is under load.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use headwater::clock::{self, Clock, SystemClock};
use headwater_client::pb::EventKind;
use testkit::client;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::catch_up::CatchUp;
use super::floors;
use super::follower::{Follower, Got};
use super::ours::Ours;
use super::sales::{BATCH_SALES, Target};
use super::table::{Figures, RATE};
use crate::feed;
use crate::figures::Latencies;
use crate::load::Until;
use crate::shop::ShopSize;

/// The number of callers that write while followers read.
const WRITERS: usize = 64;

/// The rate at which delivery is timed, in sales a second.
const PACE: u64 = 1_000;

/// The setup for measuring the feed.
pub(super) struct FeedBench {
    catch_up: CatchUp,
    /// The account of the live followers.
    live: Target,
}

impl FeedBench {
    /// Fills the long feed, and brokers with the same events.
    pub(super) async fn prepare(ours: &Ours, folder: &Path, size: ShopSize, sales: u64) -> anyhow::Result<Self> {
        let long = ours.another_shop("long-feed", size).await?;
        let live = ours.another_shop("live-feed", size).await?;
        long.batches(8, Until::Calls(sales.div_ceil(BATCH_SALES))).await?;
        Ok(Self { catch_up: CatchUp::prepare(long, folder).await?, live })
    }

    /// The accounts with recorded sales.
    pub(super) fn targets(&self) -> [&Target; 2] {
        [self.catch_up.target(), &self.live]
    }

    /// Measures one round.
    pub(super) async fn round(&mut self, figures: &mut Figures, until: Until) -> anyhow::Result<()> {
        self.catch_up.round(figures, until).await?;
        for (followers, full, paced) in floors::LIVE {
            self.live_under_full_load(figures, full, followers, until).await?;
            self.live_at_a_pace(figures, paced, followers, until).await?;
        }
        Ok(())
    }

    async fn live_under_full_load(
        &self,
        figures: &mut Figures,
        name: &'static str,
        followers: usize,
        until: Until,
    ) -> anyhow::Result<()> {
        let followers = Followers::open(&self.live, followers).await?;
        let begun = clock::monotonic_now();
        let sales = self.live.sales(WRITERS, until).await?;
        // Only the events received under load count for the rate. Later ones show only that none is missing.
        figures.add(name, RATE, followers.delivered() as f64 / begun.elapsed().as_secs_f64());
        followers.finish(sales.units).await?;
        figures.add(name, "sales/s", sales.per_second());
        Ok(())
    }

    async fn live_at_a_pace(
        &self,
        figures: &mut Figures,
        name: &'static str,
        followers: usize,
        until: Until,
    ) -> anyhow::Result<()> {
        let followers = Followers::open(&self.live, followers).await?;
        let begun = clock::monotonic_now();
        let sales = self.live.paced_sales(WRITERS, PACE, until).await?;
        let seconds = begun.elapsed().as_secs_f64();
        figures.add(name, RATE, followers.delivered() as f64 / seconds);
        figures.add_latencies(name, &followers.finish(sales).await?);
        figures.add(name, "sales/s", sales as f64 / seconds);
        Ok(())
    }
}

/// Followers of one account from its newest event on, each with its own connection.
struct Followers {
    delivered: Arc<AtomicU64>,
    /// The number of sales that each must get, once it is known.
    expected: watch::Sender<Option<u64>>,
    tasks: JoinSet<anyhow::Result<Latencies>>,
}

impl Followers {
    async fn open(target: &Target, count: usize) -> anyhow::Result<Self> {
        let shop = target.shops.first().context("there is no account")?;
        let delivered = Arc::new(AtomicU64::new(0));
        let (expected, _) = watch::channel(None);
        let mut tasks = JoinSet::new();
        for _ in 0..count {
            let channel = client::connect(&target.url).await?;
            let follower = Follower::open(&channel, &shop.key, feed::latest()).await?;
            tasks.spawn(follow(follower, Arc::clone(&delivered), expected.subscribe()));
        }
        Ok(Self { delivered, expected, tasks })
    }

    /// The number of sales received by all of them so far.
    fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Waits until each follower has got this many sales. Returns the delay of each sale from its commit to its receipt.
    async fn finish(mut self, expected: u64) -> anyhow::Result<Latencies> {
        /// Far more than pending events can take.
        const PATIENCE: Duration = Duration::from_secs(120);
        self.expected.send_replace(Some(expected));
        let mut latencies = Latencies::new();
        let joined = tokio::time::timeout(PATIENCE, async {
            while let Some(done) = self.tasks.join_next().await {
                latencies.add(&done.context("a follower panicked")??);
            }
            anyhow::Ok(())
        });
        joined.await.context("a follower did not get all events")??;
        Ok(latencies)
    }
}

async fn follow(
    mut follower: Follower,
    delivered: Arc<AtomicU64>,
    mut expected: watch::Receiver<Option<u64>>,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::new();
    loop {
        if expected.borrow_and_update().is_some_and(|expected| latencies.count() >= expected) {
            return Ok(latencies);
        }
        let events = tokio::select! {
            _ = expected.changed() => continue,
            got = follower.next() => match got? {
                Got::Events(events) => events,
                Got::CaughtUp => continue,
            },
        };
        // The first sale of a customer changes the lead, which is an event too. Only sales are counted.
        let sales: Vec<_> = events.iter().filter(|event| event.kind() == EventKind::SaleRecorded).collect();
        let now = SystemClock.now().micros();
        for event in &sales {
            let time = event.commit_time.as_ref().context("an event has no commit time")?;
            let committed = time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000;
            latencies.record_micros(u64::try_from(now - committed).unwrap_or(0));
        }
        delivered.fetch_add(sales.len() as u64, Ordering::Relaxed);
    }
}
