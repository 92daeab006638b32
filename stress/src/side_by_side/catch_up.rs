//! How fast one follower catches up with a long feed, compared with one consumer that reads the same events from JetStream or
//! Redis Streams. Brokers return bytes, so each side is measured both as bytes and with every event parsed.

use std::path::Path;

use anyhow::{Context, ensure};
use headwater::clock;
use headwater_client::pb;
use prost::Message;
use prost::bytes::Bytes;

use super::bytes_follower::BytesFollower;
use super::floors;
use super::follower::{Follower, Got};
use super::jetstream::JetStream;
use super::redis::RedisStreams;
use super::sales::Target;
use super::table::{Figures, RATE};
use crate::feed;
use crate::load::{Clocks, Until};

/// A long feed, and brokers filled with the same events.
pub(super) struct CatchUp {
    target: Target,
    events: u64,
    bytes: usize,
    jetstream: Option<JetStream>,
    redis: Option<RedisStreams>,
}

impl CatchUp {
    /// Fills the installed brokers with the account's feed.
    pub(super) async fn prepare(target: Target, folder: &Path) -> anyhow::Result<Self> {
        let mut events = Vec::new();
        let keep = |event| {
            events.push(event);
            Ok(())
        };
        read_bytes(&target, keep).await?;
        let bytes = events.iter().map(Bytes::len).sum();
        println!("feed: {} events of {} bytes on average", events.len(), bytes / events.len().max(1));
        let jetstream = JetStream::start(folder, &events).await?;
        if jetstream.is_none() {
            println!("there is no nats-server: the feed is not measured beside JetStream");
        }
        let redis = RedisStreams::start(folder, &events).await?;
        if redis.is_none() {
            println!("there is no redis-server: the feed is not measured beside Redis Streams");
        }
        Ok(Self { target, events: events.len() as u64, bytes, jetstream, redis })
    }

    /// The account whose feed is read.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// Measures one round.
    pub(super) async fn round(&mut self, figures: &mut Figures, until: Until) -> anyhow::Result<()> {
        self.read_again_and_again(figures, floors::CATCH_UP, until, || read_bytes(&self.target, look_at)).await?;
        if let Some(jetstream) = &self.jetstream {
            self.read_again_and_again(figures, floors::JETSTREAM, until, || jetstream.read_all(look_at)).await?;
        }
        self.read_again_and_again(figures, floors::CATCH_UP_PARSED, until, || read_parsed(&self.target)).await?;
        if let Some(jetstream) = &self.jetstream {
            self.read_again_and_again(figures, floors::JETSTREAM_PARSED, until, || jetstream.read_all(parse)).await?;
        }
        if let Some(redis) = &self.redis {
            self.read_again_and_again(figures, floors::REDIS, until, || redis.read_all()).await?;
        }
        Ok(())
    }

    async fn read_again_and_again<Reading: Future<Output = anyhow::Result<u64>>>(
        &self,
        figures: &mut Figures,
        name: &'static str,
        until: Until,
        read: impl Fn() -> Reading,
    ) -> anyhow::Result<()> {
        let clocks = Clocks::read(&self.target.processes);
        let begun = clock::monotonic_now();
        let mut count = 0;
        while until.goes_on(begun, count) {
            let read = read().await?;
            ensure!(read == self.events, "{name}: {read} events of {} were read", self.events);
            count += read;
        }
        let per_second = count as f64 / begun.elapsed().as_secs_f64();
        figures.add(name, RATE, per_second);
        figures.add(name, "MB/s", per_second * self.bytes as f64 / self.events.max(1) as f64 / 1e6);
        let processor_micros = clocks.micros_per(count, &self.target.processes);
        // A broker runs as its own server, and its processor time is not measured.
        let is_ours = matches!(name, floors::CATCH_UP | floors::CATCH_UP_PARSED);
        figures.add_processor(name, if is_ours { &processor_micros } else { &processor_micros[..1] });
        Ok(())
    }
}

fn look_at(event: Bytes) -> anyhow::Result<()> {
    ensure!(!event.is_empty(), "an event is empty");
    Ok(())
}

fn parse(event: Bytes) -> anyhow::Result<()> {
    let event = pb::Event::decode(event)?;
    ensure!(event.sequence > 0, "an event has no sequence");
    Ok(())
}

/// Follows the feed as bytes, from the beginning until it has caught up.
async fn read_bytes(target: &Target, mut take: impl FnMut(Bytes) -> anyhow::Result<()>) -> anyhow::Result<u64> {
    let shop = target.shops.first().context("there is no account")?;
    let channel = target.channels.first().context("there is no connection")?;
    let mut follower = BytesFollower::open(channel, &shop.key, feed::beginning()).await?;
    let mut count = 0;
    while let Some(events) = follower.next().await? {
        for event in events {
            take(event?)?;
            count += 1;
        }
    }
    Ok(count)
}

/// Follows the feed with the generated types, from the beginning until it has caught up.
async fn read_parsed(target: &Target) -> anyhow::Result<u64> {
    let shop = target.shops.first().context("there is no account")?;
    let channel = target.channels.first().context("there is no connection")?;
    let mut follower = Follower::open(channel, &shop.key, feed::beginning()).await?;
    let mut count = 0;
    while let Got::Events(events) = follower.next().await? {
        count += events.len() as u64;
    }
    Ok(count)
}
