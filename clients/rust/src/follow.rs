//! Following the feed over every end of a stream.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Status, Streaming};

use crate::call::delay_after;
use crate::client::KeyedChannel;
use crate::error::Error;
use crate::pb;
use crate::pb::feed_service_client::FeedServiceClient;
use crate::pb::tracking_service_client::TrackingServiceClient;

/// The server's default, and what the watchdog assumes until the stream says what it uses.
const DEFAULT_HEARTBEAT_DELAY: Duration = Duration::from_secs(15);
/// How many heartbeats a stream may miss before it counts as dead.
const SILENT_HEARTBEATS: u32 = 3;
const LONGEST_RECONNECT_DELAY: Duration = Duration::from_secs(10);
/// The server counts a longer heartbeat delay as this one.
const LONGEST_HEARTBEAT_DELAY: Duration = Duration::from_secs(60);

/// What to follow.
pub struct FollowOptions {
    start: pb::FeedStart,
    filter: Option<pb::EventFilter>,
    is_conversions_only: bool,
    heartbeat_delay: Option<Duration>,
    max_batch_size: i32,
    on_reconnect: Option<OnReconnect>,
}

/// Is told the error that ended the stream, or `None` if the server ended it in an orderly way, and the delay before the reconnect.
type OnReconnect = Box<dyn Fn(Option<&Error>, Duration) + Send + Sync>;

impl FollowOptions {
    /// Starts after a stored cursor. An empty cursor, that of a reader that has stored none yet, starts at the beginning.
    pub fn resume(cursor: impl Into<String>) -> Self {
        let cursor = cursor.into();
        if cursor.is_empty() {
            return Self::from_place(pb::feed_start::Place::Position(pb::FeedPosition::Beginning.into()));
        }
        Self::from_place(pb::feed_start::Place::AfterCursor(cursor))
    }

    /// Starts after the newest event.
    pub fn from_latest() -> Self {
        Self::from_place(pb::feed_start::Place::Position(pb::FeedPosition::Latest.into()))
    }

    /// Starts before the first event that was committed at this time or later.
    pub fn from_time(commit_time: std::time::SystemTime) -> Self {
        Self::from_place(pb::feed_start::Place::CommitTime(commit_time.into()))
    }

    fn from_place(place: pb::feed_start::Place) -> Self {
        Self {
            start: pb::FeedStart { place: Some(place) },
            filter: None,
            is_conversions_only: false,
            heartbeat_delay: None,
            max_batch_size: 0,
            on_reconnect: None,
        }
    }

    /// Delivers only the events that pass the filter. It may change from one follower to the next, because cursors do not depend on
    /// it.
    #[must_use]
    pub fn filter(mut self, filter: pb::EventFilter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Follows `TrackingService.WatchConversions` in place of `FeedService.WatchEvents`: the events about conversions alone.
    #[must_use]
    pub fn conversions_only(mut self) -> Self {
        self.is_conversions_only = true;
        self
    }

    /// How long the stream may be silent before the server sends a heartbeat, 5 to 60 seconds. Default: 15 seconds. The follower
    /// reconnects after three times this delay without a message.
    #[must_use]
    pub fn heartbeat_delay(mut self, delay: Duration) -> Self {
        self.heartbeat_delay = Some(delay.min(LONGEST_HEARTBEAT_DELAY));
        self
    }

    /// The largest number of events in a delivery, up to 1,000. Default: 100.
    #[must_use]
    pub fn max_batch_size(mut self, size: u32) -> Self {
        self.max_batch_size = i32::try_from(size).unwrap_or(i32::MAX);
        self
    }

    /// Calls this before each reconnect, with the error that ended the stream and the delay until the reconnect. The error is `None`
    /// if the server ended the stream in an orderly way. Meant for logs and metrics.
    #[must_use]
    pub fn on_reconnect(mut self, call: impl Fn(Option<&Error>, Duration) + Send + Sync + 'static) -> Self {
        self.on_reconnect = Some(Box::new(call));
        self
    }
}

/// What a message of the feed brings.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Delivery {
    /// The next events, in order. There are none if the message only moves the cursor, as a heartbeat may.
    pub events: Vec<pb::Event>,
    /// The place after these events. Store it in the transaction that stores the effects of the events. Then a crash neither loses
    /// nor repeats an event. Start again with [`FollowOptions::resume`].
    pub cursor: String,
    /// True in the delivery that says that the reader has reached the newest event.
    pub is_caught_up: bool,
}

/// Follows the feed. See [`Client::follow`](crate::Client::follow).
pub struct Follower {
    channel: KeyedChannel,
    options: FollowOptions,
    phase: Phase,
    /// When the last message came, or when the stream was opened.
    alive_at: Instant,
    /// The cursor of the last delivery.
    cursor: String,
    /// How long the stream may be silent.
    silence_limit: Duration,
    /// The streams in a row that brought no message.
    failures: u32,
    /// What the server named when it drained the stream.
    drain_delay: Option<Duration>,
}

/// Where a follower is. It is kept between two calls of `next`, so that a caller that gives up waiting loses no progress.
enum Phase {
    /// Waits until it may open a stream.
    Waiting(Instant),
    Opening(Pin<Box<dyn Future<Output = Result<Stream, Status>> + Send>>),
    Reading(Box<Stream>),
}

impl Follower {
    pub(crate) fn new(channel: KeyedChannel, options: FollowOptions) -> Self {
        let heartbeat_delay = options.heartbeat_delay.unwrap_or_default().max(DEFAULT_HEARTBEAT_DELAY);
        Self {
            channel,
            options,
            phase: Phase::Waiting(Instant::now()),
            alive_at: Instant::now(),
            cursor: String::new(),
            silence_limit: heartbeat_delay * SILENT_HEARTBEATS,
            failures: 0,
            drain_delay: None,
        }
    }

    /// Waits for the next delivery. If the stream ends, it reconnects after the last delivery, with a growing, random delay or the
    /// delay that the server named. One follower neither loses nor repeats an event. Its future may be dropped, for example by
    /// `tokio::select!`, without losing a delivery. A caller that takes longer between two calls than the server's limit, 30 seconds by
    /// default, costs a reconnect. While the server cannot be reached it waits, and only [`FollowOptions::on_reconnect`] tells.
    ///
    /// # Errors
    /// The server's reason says that a reconnect cannot help: the key was refused, the request is wrong, or the server cannot
    /// continue after the cursor. With `CURSOR_EXPIRED`, events were missed. Decide how to make up for them before you start again.
    pub async fn next(&mut self) -> Result<Delivery, Error> {
        loop {
            let message = match self.receive().await {
                Ok(Some(message)) => message,
                Ok(None) => {
                    self.schedule(None);
                    continue;
                }
                Err(error) if is_final(&error) => {
                    self.pause(Some(&error));
                    return Err(error);
                }
                Err(error) => {
                    self.schedule(Some(&error));
                    continue;
                }
            };
            if let Some(delivery) = self.take(message) {
                return Ok(delivery);
            }
        }
    }

    /// The next message of the stream, which it opens first if there is none.
    async fn receive(&mut self) -> Result<Option<Message>, Error> {
        let limit = self.silence_limit;
        loop {
            match &mut self.phase {
                Phase::Waiting(until) => {
                    sleep_until(*until).await;
                    self.phase = Phase::Opening(Box::pin(Stream::open(self.channel.clone(), &self.options)));
                }
                Phase::Opening(opening) => {
                    let stream = timeout_at(self.alive_at + limit, opening)
                        .await
                        .map_err(|_| Error::silence(limit, "opening the stream"))??;
                    self.phase = Phase::Reading(Box::new(stream));
                }
                Phase::Reading(stream) => {
                    // A message that arrived while the caller was busy is taken, even if the time is over.
                    let message = timeout_at(self.alive_at + limit, stream.message())
                        .await
                        .map_err(|_| Error::silence(limit, "reading the stream"))??;
                    self.alive_at = Instant::now();
                    return Ok(message);
                }
            }
            self.alive_at = Instant::now();
        }
    }

    /// Keeps what the message says, and makes a delivery of it unless it has nothing new.
    fn take(&mut self, message: Message) -> Option<Delivery> {
        let Message { cursor, content } = message;
        if !matches!(content, Content::Opened(_)) {
            self.failures = 0; // A stream that only opens is no success, or a fault after that would be tried without end.
        }
        let mut delivery = Delivery { events: Vec::new(), cursor, is_caught_up: false };
        match content {
            Content::Opened(opened) => {
                let delay = opened.heartbeat_delay.and_then(|delay| Duration::try_from(delay).ok()).unwrap_or_default();
                if !delay.is_zero() {
                    self.silence_limit = delay.min(LONGEST_HEARTBEAT_DELAY) * SILENT_HEARTBEATS;
                }
            }
            Content::Batch(batch) => delivery.events = batch.events,
            Content::CaughtUp => delivery.is_caught_up = true,
            Content::Draining(draining) => {
                self.drain_delay = draining.reconnect_delay.and_then(|delay| Duration::try_from(delay).ok());
            }
            Content::Other => {}
        }
        if delivery.cursor.is_empty() {
            delivery.cursor.clone_from(&self.cursor); // The server always sets it. Resuming from an empty one would start anew.
        }
        if delivery.events.is_empty() && !delivery.is_caught_up && delivery.cursor == self.cursor {
            return None;
        }
        if !delivery.cursor.is_empty() {
            self.cursor.clone_from(&delivery.cursor);
            self.options.start =
                pb::FeedStart { place: Some(pb::feed_start::Place::AfterCursor(delivery.cursor.clone())) };
        }
        Some(delivery)
    }

    /// Ends the stream, and announces the next one.
    fn schedule(&mut self, end: Option<&Error>) {
        let delay = self.pause(end);
        if let Some(call) = &self.options.on_reconnect {
            call(end, delay);
        }
    }

    /// Ends the stream and chooses the time of the next one.
    fn pause(&mut self, end: Option<&Error>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let server_delay = end.and_then(Error::retry_delay).max(self.drain_delay.take());
        let delay = delay_after(self.failures, server_delay, LONGEST_RECONNECT_DELAY);
        self.phase = Phase::Waiting(Instant::now() + delay);
        delay
    }
}

impl std::fmt::Debug for FollowOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("FollowOptions")
            .field("start", &self.start)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Follower").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Whether a reconnect cannot help. Only the server's reason says so. A code alone may come from something in between, such as a
/// proxy that restarts.
fn is_final(error: &Error) -> bool {
    use pb::ErrorReason::{
        CursorAheadOfHead, CursorExpired, CursorForeign, CursorMalformed, CursorOfAnotherHistory, InvalidFields,
        KeyInvalid, KeyKindNotAllowed, KeyMissing, MethodUnknown,
    };
    matches!(
        error.reason(),
        KeyMissing
            | KeyInvalid
            | KeyKindNotAllowed
            | InvalidFields
            | MethodUnknown
            | CursorMalformed
            | CursorForeign
            | CursorExpired
            | CursorAheadOfHead
            | CursorOfAnotherHistory
    )
}

/// Either stream of the API.
enum Stream {
    Events(Streaming<pb::WatchEventsResponse>),
    Conversions(Streaming<pb::WatchConversionsResponse>),
}

/// A message of either stream.
struct Message {
    cursor: String,
    content: Content,
}

enum Content {
    Opened(pb::Opened),
    Batch(pb::EventBatch),
    CaughtUp,
    Draining(pb::Draining),
    /// Heartbeats and what is newer than this client: only the cursor counts.
    Other,
}

macro_rules! message_from {
    ($response:ident, $module:ident) => {
        impl From<pb::$response> for Message {
            fn from(message: pb::$response) -> Self {
                use pb::$module::Content as Sent;
                let content = match message.content {
                    Some(Sent::Opened(opened)) => Content::Opened(opened),
                    Some(Sent::Batch(batch)) => Content::Batch(batch),
                    Some(Sent::CaughtUp(_)) => Content::CaughtUp,
                    Some(Sent::Draining(draining)) => Content::Draining(draining),
                    Some(Sent::Heartbeat(_) | Sent::FellBehind(_)) | None => Content::Other,
                };
                Self { cursor: message.cursor, content }
            }
        }
    };
}

message_from!(WatchEventsResponse, watch_events_response);
message_from!(WatchConversionsResponse, watch_conversions_response);

impl Stream {
    fn open(
        channel: KeyedChannel,
        options: &FollowOptions,
    ) -> impl Future<Output = Result<Self, Status>> + Send + use<> {
        let start = Some(options.start.clone());
        let filter = options.filter.clone();
        let heartbeat_delay = options.heartbeat_delay.and_then(|delay| delay.try_into().ok());
        let max_batch_size = options.max_batch_size;
        let is_conversions_only = options.is_conversions_only;
        async move {
            if is_conversions_only {
                let request = pb::WatchConversionsRequest { start, filter, heartbeat_delay, max_batch_size };
                let answer = TrackingServiceClient::new(channel).watch_conversions(Request::new(request)).await?;
                return Ok(Self::Conversions(answer.into_inner()));
            }
            let request = pb::WatchEventsRequest { start, filter, heartbeat_delay, max_batch_size };
            let answer = FeedServiceClient::new(channel).watch_events(Request::new(request)).await?;
            Ok(Self::Events(answer.into_inner()))
        }
    }

    async fn message(&mut self) -> Result<Option<Message>, Status> {
        Ok(match self {
            Self::Events(stream) => stream.message().await?.map(Message::from),
            Self::Conversions(stream) => stream.message().await?.map(Message::from),
        })
    }
}
