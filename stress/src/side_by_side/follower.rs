//! One reader of the feed, as a consumer would write it. Reads and detects gaps; measures nothing.

use anyhow::{Context, bail, ensure};
use headwater_client::pb;
use headwater_client::pb::watch_conversions_request::Start;
use headwater_client::pb::watch_conversions_response::Message;
use testkit::client::Client;
use tonic::Streaming;
use tonic::transport::Channel;

/// A stream that is open.
pub(super) struct Follower {
    stream: Streaming<pb::WatchConversionsResponse>,
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
    pub(super) async fn open(channel: &Channel, key: &str, start: Start) -> anyhow::Result<Self> {
        // Messages of the server's default size, so that little is parsed at once.
        let request = pb::WatchConversionsRequest { start: Some(start), ..pb::WatchConversionsRequest::default() };
        let mut stream = Client::on(channel, key)?.tracking.watch_conversions(request).await?.into_inner();
        let first = stream.message().await?.context("the feed ended before it began")?;
        ensure!(matches!(first.message, Some(Message::Opened(_))), "the feed did not begin with `opened`: {first:?}");
        Ok(Self { stream, last: None })
    }

    /// Waits for the next events.
    pub(super) async fn next(&mut self) -> anyhow::Result<Got> {
        loop {
            let message = self.stream.message().await?.context("the feed ended")?;
            match message.message {
                Some(Message::Batch(batch)) => {
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
                Some(Message::CaughtUp(_)) => return Ok(Got::CaughtUp),
                Some(Message::Opened(_) | Message::Heartbeat(_) | Message::FellBehind(_) | Message::Draining(_))
                | None => {}
            }
        }
    }
}
