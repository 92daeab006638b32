//! One reader of the feed, as a consumer would write it. Reads and detects gaps; measures nothing.

use anyhow::{Context, bail, ensure};
use headwater_client::pb;
use headwater_client::pb::watch_events_response::Content;
use testkit::client::Client;
use tonic::Streaming;
use tonic::transport::Channel;

/// A stream that is open.
pub(super) struct Follower {
    stream: Streaming<pb::WatchEventsResponse>,
    /// The last event's sequence; `None` before the first.
    last: Option<i64>,
}

/// A result of reading.
pub(super) enum Got {
    /// Events in order without a gap.
    Events(Vec<pb::Event>),
    /// There are no more events at the moment.
    CaughtUp,
}

impl Follower {
    /// Opens a stream. The stream has begun when this returns.
    pub(super) async fn open(channel: &Channel, key: &str, start: pb::FeedStart) -> anyhow::Result<Self> {
        // Messages of the server's default size, so that little is parsed at once.
        let request = pb::WatchEventsRequest { start: Some(start), ..pb::WatchEventsRequest::default() };
        let mut stream = Client::on(channel, key)?.feed.watch_events(request).await?.into_inner();
        let first = stream.message().await?.context("the feed ended before it began")?;
        ensure!(matches!(first.content, Some(Content::Opened(_))), "the feed did not begin with `opened`: {first:?}");
        Ok(Self { stream, last: None })
    }

    /// Waits for the next events.
    pub(super) async fn next(&mut self) -> anyhow::Result<Got> {
        loop {
            let message = self.stream.message().await?.context("the feed ended")?;
            match message.content {
                Some(Content::Batch(batch)) => {
                    for event in &batch.events {
                        if let Some(last) = self.last
                            && event.sequence != last + 1
                        {
                            bail!("the feed has {} after {last}", event.sequence);
                        }
                        self.last = Some(event.sequence);
                    }
                    return Ok(Got::Events(batch.events));
                }
                Some(Content::CaughtUp(_)) => return Ok(Got::CaughtUp),
                Some(Content::Opened(_) | Content::Heartbeat(_) | Content::FellBehind(_) | Content::Draining(_))
                | None => {}
            }
        }
    }
}
