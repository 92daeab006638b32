//! The feed: how fast a follower catches up, beside reading as many bytes from JetStream and Redis Streams, and how live
//! followers fare. Knows nothing of the write path but that it is under load.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use headwater::clock::{self, Clock, SystemClock};
use headwater::pb;
use headwater::pb::watch_conversions_request::Start;
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::floors;
use super::follower::{Follower, Got};
use super::jetstream::JetStream;
use super::ours::Ours;
use super::redis::RedisStreams;
use super::sales::{BATCH_SALES, Target};
use super::table::{Figures, RATE};
use crate::client;
use crate::figures::Latencies;
use crate::load::{Clocks, Until};
use crate::shop::ShopSize;

/// Callers that write while followers follow.
const WRITERS: usize = 64;

/// The pace at which delivery is timed, in sales a second.
const PACE: u64 = 1_000;

/// What the feed is measured with.
pub(super) struct FeedBench {
    /// The account with the long feed.
    pub(super) long: Target,
    /// The account that live followers follow.
    pub(super) live: Target,
    events: u64,
    bytes: u64,
    jetstream: Option<JetStream>,
    redis: Option<RedisStreams>,
}

impl FeedBench {
    /// Fills the long feed, and the others with as many messages of as many bytes.
    pub(super) async fn prepare(ours: &Ours, folder: &Path, size: ShopSize, sales: u64) -> anyhow::Result<Self> {
        let long = ours.another_shop("long-feed", size).await?;
        let live = ours.another_shop("live-feed", size).await?;
        long.batches(8, Until::Calls(sales.div_ceil(BATCH_SALES))).await?;
        let (events, bytes) = read_all(&long, |event| event.encoded_len() as u64).await?;
        let event_bytes = usize::try_from(bytes / events.max(1))?;
        println!("feed: {events} events of {event_bytes} bytes on average");
        let jetstream = JetStream::start(folder, events, event_bytes).await?;
        if jetstream.is_none() {
            println!("there is no nats-server: the feed is not measured beside JetStream");
        }
        let redis = RedisStreams::start(folder, events, event_bytes).await?;
        if redis.is_none() {
            println!("there is no redis-server: the feed is not measured beside Redis Streams");
        }
        Ok(Self { long, live, events, bytes, jetstream, redis })
    }

    /// One round.
    pub(super) async fn round(&mut self, figures: &mut Figures, until: Until) -> anyhow::Result<()> {
        if let Some(jetstream) = &mut self.jetstream {
            let rate = repeat(until, async || jetstream.read_all().await).await?;
            self.add_catch_up(figures, floors::JETSTREAM, rate);
        }
        let clocks = Clocks::read(&self.long.processes);
        let begun = clock::monotonic_now();
        let mut read = 0;
        while until.goes_on(begun, read) {
            read += read_all(&self.long, |_| 0).await?.0;
        }
        self.add_catch_up(figures, floors::CATCH_UP, read as f64 / begun.elapsed().as_secs_f64());
        figures.add_processor(floors::CATCH_UP, &clocks.micros_per(read, &self.long.processes));
        if let Some(redis) = &mut self.redis {
            let rate = repeat(until, async || redis.read_all().await).await?;
            self.add_catch_up(figures, floors::REDIS, rate);
        }
        for (followers, full, paced) in floors::LIVE {
            self.live_under_full_load(figures, full, followers, until).await?;
            self.live_at_a_pace(figures, paced, followers, until).await?;
        }
        Ok(())
    }

    fn add_catch_up(&self, figures: &mut Figures, name: &'static str, per_second: f64) {
        figures.add(name, RATE, per_second);
        figures.add(name, "MB/s", per_second * self.bytes as f64 / self.events.max(1) as f64 / 1e6);
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
        // What came while the load was on; what comes after it counts for completeness alone.
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

/// Reads everything again and again. Gives messages per second.
async fn repeat(until: Until, mut read: impl AsyncFnMut() -> anyhow::Result<u64>) -> anyhow::Result<f64> {
    let begun = clock::monotonic_now();
    let mut count = 0;
    while until.goes_on(begun, count) {
        count += read().await?;
    }
    Ok(count as f64 / begun.elapsed().as_secs_f64())
}

/// Follows the account's feed from the beginning until it has caught up. Counts events, and whatever `weigh` says of each.
async fn read_all(target: &Target, weigh: impl Fn(&pb::ConversionEvent) -> u64) -> anyhow::Result<(u64, u64)> {
    let shop = target.shops.first().context("there is no account")?;
    let channel = target.channels.first().context("there is no connection")?;
    let mut follower = Follower::open(channel, &shop.key, Start::Beginning(())).await?;
    let (mut count, mut weight) = (0, 0);
    loop {
        match follower.next().await? {
            Got::CaughtUp => return Ok((count, weight)),
            Got::Events(events) => {
                count += events.len() as u64;
                weight += events.iter().map(&weigh).sum::<u64>();
            }
        }
    }
}

/// Followers of one account from its newest event on, each on a connection of its own.
struct Followers {
    delivered: Arc<AtomicU64>,
    /// How many events each of them is to get, once that is known.
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
            let follower = Follower::open(&channel, &shop.key, Start::Latest(())).await?;
            tasks.spawn(follow(follower, Arc::clone(&delivered), expected.subscribe()));
        }
        Ok(Self { delivered, expected, tasks })
    }

    /// What all of them got until now.
    fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Waits until each of them has got so many events, and tells how long after its commit each came.
    async fn finish(mut self, expected: u64) -> anyhow::Result<Latencies> {
        /// Far more than what is under way can take.
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
        let now = SystemClock.now().micros();
        for event in &events {
            let time = event.commit_time.as_ref().context("an event has no commit time")?;
            let committed = time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000;
            latencies.record_micros(u64::try_from(now - committed).unwrap_or(0));
        }
        delivered.fetch_add(events.len() as u64, Ordering::Relaxed);
    }
}
