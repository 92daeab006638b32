//! A reader of the feed that resumes by cursor after every failure. It stores its events and its cursor together, as the contract
//! tells consumers to. It can be made to crash or to be slow. Does not know what fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use headwater::clock::{self, Clock, SystemClock};
use headwater_client::pb;
use headwater_client::pb::watch_events_response::Content;
use testkit::client::{self, Client};
use tokio::sync::watch;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::audit::Seen;
use crate::feed;

/// A reader that receives nothing for three heartbeat intervals connects again.
const HEARTBEAT_SECONDS: i64 = 5;
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Delay before reconnecting after an error.
const PAUSE: Duration = Duration::from_millis(20);

/// Time limit for receiving events that were committed long ago.
const LAST_WORD: Duration = Duration::from_secs(30);

/// How a reader behaves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Habits {
    /// Crashes before it has processed this many messages of a stream, at the latest. `None`: never.
    pub(crate) messages_to_crash_max: Option<usize>,
    /// The time it takes to process an event.
    pub(crate) event_pause: Duration,
    /// Asks for messages of at most this many events; 0 for the server's default.
    pub(crate) batch_events_max: i32,
}

/// A reader of the feed.
pub(crate) struct Follower {
    /// Servers to read from in turn.
    pub(crate) urls: Vec<String>,
    pub(crate) key: String,
    pub(crate) habits: Habits,
    pub(crate) random: fastrand::Rng,
    /// The final number of events, once it is known.
    pub(crate) event_count: watch::Receiver<Option<usize>>,
    /// How often it has crashed so far, shared with others.
    pub(crate) crashes: Arc<AtomicUsize>,
}

/// The events and counts of a reader at the end.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    pub(crate) events: Vec<Seen>,
    /// How often it connected.
    pub(crate) connections: usize,
    /// How often the server ended it as too slow.
    pub(crate) slow_ends: usize,
    /// The delay of each event that came after the reader had caught up, from its commit to its receipt, in microseconds.
    pub(crate) delays_micros: Vec<i64>,
    /// Unexpected ends of streams.
    pub(crate) surprises: Vec<String>,
    /// The cursor to resume from.
    pub(crate) cursor: Option<String>,
    is_caught_up: bool,
}

/// How a stream ended.
enum End {
    /// The reader has every event.
    Complete,
    /// The reader must reconnect.
    Broken,
}

impl Follower {
    /// Follows from the beginning until it has every event or no more arrive.
    pub(crate) async fn follow(self) -> Followed {
        self.follow_on(Followed::default()).await
    }

    /// Follows from an earlier state until it has every event or no more arrive.
    pub(crate) async fn follow_on(mut self, mut held: Followed) -> Followed {
        let mut give_up_at = None;
        while !self.is_complete(&held) {
            if self.event_count.borrow().is_some() {
                let at = *give_up_at.get_or_insert_with(|| clock::monotonic_now() + LAST_WORD);
                if clock::monotonic_now() > at && self.habits.event_pause.is_zero() {
                    break;
                }
            }
            match self.connect_and_read(&mut held).await {
                Ok(End::Complete) => break,
                Ok(End::Broken) => {}
                Err(status) => {
                    held.note(&status);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        held
    }

    fn is_complete(&self, held: &Followed) -> bool {
        self.event_count.borrow().is_some_and(|count| held.events.len() >= count)
    }

    async fn connect_and_read(&mut self, held: &mut Followed) -> Result<End, Status> {
        let url = self.urls.get(held.connections % self.urls.len().max(1)).cloned().unwrap_or_default();
        held.connections += 1;
        held.is_caught_up = false;
        let client = match client::connect(&url).await {
            Ok(channel) => Client::on(&channel, &self.key),
            Err(error) => Err(error),
        };
        let Ok(mut client) = client else {
            tokio::time::sleep(PAUSE).await;
            return Ok(End::Broken);
        };
        let request = pb::WatchEventsRequest {
            start: Some(held.cursor.clone().map_or_else(feed::beginning, feed::after)),
            heartbeat_delay: Some(prost_types::Duration { seconds: HEARTBEAT_SECONDS, nanos: 0 }),
            max_batch_size: self.habits.batch_events_max,
            ..pb::WatchEventsRequest::default()
        };
        let mut stream = client.feed.watch_events(request).await?.into_inner();
        let mut messages_left = self.habits.messages_to_crash_max.map(|max| self.random.usize(0..=max));
        loop {
            let message = tokio::select! {
                message = tokio::time::timeout(SILENCE_MAX, stream.message()) => message,
                changed = self.event_count.changed() => {
                    if changed.is_err() || self.is_complete(held) {
                        return Ok(End::Complete);
                    }
                    continue;
                }
            };
            // The reader received nothing for too long, or the stream ended with OK. It connects again.
            let Some(message) = message.unwrap_or(Ok(None))? else { return Ok(End::Broken) };
            if let Some(left) = &mut messages_left {
                if *left == 0 {
                    // The message was received but not processed, so neither its events nor its cursor are kept.
                    self.crashes.fetch_add(1, Ordering::SeqCst);
                    return Ok(End::Broken);
                }
                *left -= 1;
            }
            self.process(held, message).await;
            if self.is_complete(held) {
                return Ok(End::Complete);
            }
        }
    }

    async fn process(&self, held: &mut Followed, message: pb::WatchEventsResponse) {
        match message.content {
            Some(Content::Batch(batch)) => {
                let now = SystemClock.now().micros();
                if held.is_caught_up {
                    held.delays_micros.extend(batch.events.iter().filter_map(|event| delay(event, now)));
                }
                held.events.extend(batch.events.iter().map(Seen::from));
                if !self.habits.event_pause.is_zero() {
                    let count = u32::try_from(batch.events.len()).unwrap_or(u32::MAX);
                    tokio::time::sleep(self.habits.event_pause * count).await;
                }
            }
            Some(Content::CaughtUp(_)) => held.is_caught_up = true,
            Some(Content::FellBehind(_)) => held.is_caught_up = false,
            _ => {}
        }
        held.cursor = Some(message.cursor);
    }
}

fn delay(event: &pb::Event, now_micros: i64) -> Option<i64> {
    let at = event.commit_time.as_ref()?;
    Some(now_micros - (at.seconds * 1_000_000 + i64::from(at.nanos / 1_000)))
}

/// The reason that the server gives for an error, such as `SLOW_CONSUMER`.
pub(crate) fn reason(status: &Status) -> String {
    status.get_error_details().error_info().map(|info| info.reason.clone()).unwrap_or_default()
}

impl Followed {
    /// Records how a stream ended. A consumer expects broken connections and, if it was slow, SLOW_CONSUMER.
    fn note(&mut self, status: &Status) {
        let reason = reason(status);
        match (status.code(), reason.as_str()) {
            (_, "SLOW_CONSUMER") => self.slow_ends += 1,
            // TOO_MANY_STREAMS is expected, because the server notices only a moment later that a crashed reader's streams are
            // gone.
            (_, "TOO_MANY_STREAMS" | "") | (Code::Unavailable, _) => {}
            (code, reason) => {
                self.surprises.push(format!("the feed ended with {code:?} {reason}: {}", status.message()));
            }
        }
    }
}
