//! Followers that open the feed and do not read. Half of them leave only their streams unread, and the other half leave their
//! connections unread too. Later they wake up, check how they were ended, and resume. Knows nothing of sales.

use headwater_client::pb;
use headwater_client::pb::watch_events_response::Content;
use testkit::client::Client;
use tokio::sync::watch;
use tonic::Streaming;
use tonic::transport::Endpoint;
use tonic_types::StatusExt;

use crate::audit::Seen;
use crate::feed;
use crate::follower::{self, Followed, Follower, Habits};
use crate::proxy::Proxy;

/// The number of streams that share a connection.
const PER_CONNECTION: usize = 10;

/// The client's buffer for an unread stream: the smallest initial window of HTTP/2.
const WINDOW_BYTES: u32 = 65_535;

/// Followers that do not read.
pub(super) struct Stalled {
    followers: Vec<Unread>,
    /// The proxies of connections that are not read.
    frozen: Vec<Proxy>,
}

struct Unread {
    stream: Streaming<pb::WatchEventsResponse>,
    is_frozen: bool,
}

/// The results of the stalled followers.
#[derive(Default)]
pub(super) struct Awoken {
    /// The number that got SLOW_CONSUMER.
    pub(super) told: usize,
    /// The number whose connection was gone.
    pub(super) cut: usize,
    /// The events that each has in the end.
    pub(super) held: Vec<Followed>,
    pub(super) faults: Vec<String>,
}

impl Stalled {
    /// Opens this many streams from the beginning of the feed.
    pub(super) async fn open(address: &str, key: &str, count: usize) -> anyhow::Result<Self> {
        let mut stalled = Self { followers: Vec::new(), frozen: Vec::new() };
        while stalled.followers.len() < count {
            let is_frozen = stalled.followers.len() >= count / 2;
            let url = if is_frozen {
                stalled.frozen.push(Proxy::to(address).await?);
                stalled.frozen.last().map(Proxy::url).unwrap_or_default()
            } else {
                format!("http://{address}")
            };
            let endpoint = Endpoint::from_shared(url)?.initial_stream_window_size(WINDOW_BYTES);
            let mut client = Client::on(&endpoint.connect().await?, key)?;
            for _ in 0..PER_CONNECTION.min(count - stalled.followers.len()) {
                let start = Some(feed::beginning());
                let request = pb::WatchEventsRequest { start, ..pb::WatchEventsRequest::default() };
                let stream = client.feed.watch_events(request).await?.into_inner();
                stalled.followers.push(Unread { stream, is_frozen });
            }
        }
        stalled.frozen.iter().for_each(|proxy| proxy.freeze(true));
        Ok(stalled)
    }

    /// Reads on, and resumes from the given cursors, until each has this many events.
    pub(super) async fn wake(self, url: &str, key: &str, event_count: usize) -> anyhow::Result<Awoken> {
        let mut awoken = Awoken::default();
        self.frozen.iter().for_each(|proxy| proxy.freeze(false));
        let (_sender, counted) = watch::channel(Some(event_count));
        for unread in self.followers {
            let held = awoken.read_on(unread).await;
            let follower = Follower {
                urls: vec![url.to_owned()],
                key: key.to_owned(),
                habits: Habits { batch_events_max: 1_000, ..Habits::default() },
                random: fastrand::Rng::with_seed(0),
                event_count: counted.clone(),
                crashes: std::sync::Arc::default(),
            };
            awoken.held.push(follower.follow_on(held).await);
        }
        Ok(awoken)
    }
}

impl Awoken {
    /// Reads the rest of a stream, and how it ended.
    async fn read_on(&mut self, mut unread: Unread) -> Followed {
        let mut held = Followed::default();
        let status = loop {
            match unread.stream.message().await {
                Ok(Some(message)) => {
                    if let Some(Content::Batch(batch)) = message.content {
                        held.events.extend(batch.events.iter().map(Seen::from));
                    }
                    held.cursor = Some(message.cursor);
                }
                Ok(None) => {
                    self.faults.push("a reader that took nothing was ended with OK".to_owned());
                    return held;
                }
                Err(status) => break status,
            }
        };
        if follower::reason(&status) == "SLOW_CONSUMER" {
            self.told += 1;
            let details = status.get_error_details();
            let told = details.error_info().and_then(|info| info.metadata.get("last_cursor"));
            if told != held.cursor.as_ref() {
                self.faults.push(format!("a slow reader has {:?} and was told {told:?}", held.cursor));
            }
        } else if status.details().is_empty() && unread.is_frozen {
            self.cut += 1;
        } else {
            self.faults.push(format!("a reader that took nothing was ended with {status:?}"));
        }
        held
    }
}
