//! The feed on the wire: WatchConversions and ListConversionEvents, the same events in the same order with the same cursors.
//!
//! A stream reads pages of the event table after its place and sleeps until there is more. It holds at most two messages that the
//! reader has not taken; a reader that takes none for the stall limit is ended with the cursor to resume from.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use prost::Message;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::event::{self, Start};
use crate::app::App;
use crate::app::cursor::{self, CursorError};
use crate::auth::layer::Caller;
use crate::auth::{Authenticator, Principal};
use crate::clock;
use crate::domain::event::{EventFilter, EventHeader};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb;
use crate::store::event::Segment;

/// How many events are read from the table at once.
const READ_EVENTS_MAX: u64 = 2_000;

/// So many events ahead of a reader that had caught up, and it is told that it fell behind.
const FAR_BEHIND_EVENTS: i64 = 500;

/// How many filtered-out events may pass without a word to the reader.
const SILENT_EVENTS_MAX: i64 = 2_000;

/// How large a message gets: well below the 4 MiB that clients take by default.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How many messages may wait for the reader.
const MESSAGES_WAITING_MAX: usize = 2;

/// How long to wait before connecting again after a stream that grew too old; after a stopping server a little longer.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);
const RECONNECT_AFTER_SHUTDOWN: Duration = Duration::from_secs(1);

/// The limits of streams.
#[derive(Debug, Clone)]
pub struct FeedLimits {
    /// How many streams one key may have open.
    pub streams_per_key_max: usize,
    /// How old a stream gets, give or take 10 %.
    pub stream_age: Duration,
    /// How long to wait for a reader that takes nothing.
    pub stall: Duration,
    /// How long events are kept; none for ever. Told to readers.
    pub retention: Option<Duration>,
}

/// What a stream of WatchConversions is.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::WatchConversionsResponse, Status>> + Send>>;

/// All feed streams of this server.
pub struct FeedStreams {
    app: Arc<App>,
    authenticator: Arc<Authenticator>,
    limits: FeedLimits,
    draining: CancellationToken,
    open: Arc<Mutex<HashMap<ApiKeyId, usize>>>,
}

impl FeedStreams {
    /// Streams of this app. Cancelling `draining` ends them all with `draining` and OK.
    pub fn new(
        app: Arc<App>,
        authenticator: Arc<Authenticator>,
        limits: FeedLimits,
        draining: CancellationToken,
    ) -> Self {
        Self { app, authenticator, limits, draining, open: Arc::default() }
    }

    /// WatchConversions.
    ///
    /// # Errors
    /// Wrong fields, a cursor that cannot be served, too many streams.
    pub async fn watch(&self, caller: &Caller, request: pb::WatchConversionsRequest) -> Result<WatchStream, Error> {
        let wanted = event::parse_watch(&request)?;
        let slot = self.open_slot(caller.principal.key_id)?;
        let account_id = caller.principal.account_id;
        // Subscribed before the head is read, so that nothing committed in between goes unnoticed.
        let news = self.app.feed().subscribe(account_id);
        let head = self.app.feed().head(account_id).await?;
        let position = self.place(account_id, &head, &wanted.start).await?;
        let (messages, receiver) = mpsc::channel(MESSAGES_WAITING_MAX);
        let (last_word, ending) = oneshot::channel();
        let mut reader = Reader {
            app: Arc::clone(&self.app),
            authenticator: Arc::clone(&self.authenticator),
            principal: caller.principal.clone(),
            account_id,
            filter: wanted.filter,
            batch_events_max: wanted.batch_events_max,
            heartbeat_interval: wanted.heartbeat_interval,
            stall: self.limits.stall,
            draining: self.draining.clone(),
            end_at: clock::monotonic_now() + clock::jitter(self.limits.stream_age, 10),
            news,
            position,
            handed_over: position,
            is_caught_up: false,
            silent_events: 0,
            heartbeat_at: clock::monotonic_now() + wanted.heartbeat_interval,
            messages,
        };
        let opened = reader.opened(&head, self.limits.retention);
        let request_id = Arc::clone(&caller.request_id);
        tokio::spawn(async move {
            let result = reader.run(opened).await;
            // Dropped before the last word: what waits is delivered first.
            drop(reader);
            if let Err(End::Failed(error)) = result {
                let _ = last_word.send(error.into_status(&request_id));
            }
        });
        let failure = stream::once(ending).filter_map(|status| std::future::ready(status.ok().map(Err)));
        let stream = ReceiverStream::new(receiver).map(Ok).chain(failure);
        // The place is the stream's, not the task's: what a reader does not take stays in memory after the task has given up.
        Ok(Box::pin(stream.inspect(move |_| _ = &slot)))
    }

    /// ListConversionEvents.
    ///
    /// # Errors
    /// Wrong fields, a cursor that cannot be served.
    pub async fn list(
        &self,
        caller: &Caller,
        request: pb::ListConversionEventsRequest,
    ) -> Result<pb::ListConversionEventsResponse, Error> {
        let wanted = event::parse_list(&request)?;
        // A call that waits is a stream in all but name.
        let _slot = (!wanted.max_wait.is_zero()).then(|| self.open_slot(caller.principal.key_id)).transpose()?;
        let account_id = caller.principal.account_id;
        let mut news = self.app.feed().subscribe(account_id);
        let head = self.app.feed().head(account_id).await?;
        let mut position = self.place(account_id, &head, &wanted.start).await?;
        let give_up_at = clock::monotonic_now() + wanted.max_wait;
        let mut events = Vec::new();
        while events.is_empty() {
            news.mark_unchanged();
            let page = read(&self.app, account_id, position, wanted.page_events_max).await?;
            let is_at_head = page.is_empty();
            let mut bytes = 0;
            for (sequence, header, body, committed_at) in events_after(&page, position) {
                if wanted.filter.lets_through(header) {
                    let rendered = event::render(body, sequence, committed_at, self.cursor(account_id, sequence))?;
                    bytes += rendered.encoded_len();
                    let is_full = events.len() as u64 >= wanted.page_events_max || bytes > MESSAGE_BYTES_MAX;
                    if is_full && !events.is_empty() {
                        break;
                    }
                    events.push(rendered);
                }
                position = sequence;
            }
            let is_over = clock::monotonic_now() >= give_up_at || self.draining.is_cancelled();
            if !events.is_empty() || (is_at_head && is_over) {
                break;
            }
            if is_at_head {
                tokio::select! {
                    _ = news.changed() => {}
                    () = tokio::time::sleep_until(give_up_at) => {}
                    () = self.draining.cancelled() => {}
                }
            } else if is_over {
                // Nothing passed the filter so far; the cursor has moved on, so the next call does too.
                break;
            }
        }
        let head = self.app.feed().head(account_id).await?;
        if events.is_empty() {
            check_kept(&self.app, &head, position)?;
        }
        Ok(pb::ListConversionEventsResponse {
            events,
            next_cursor: self.cursor(account_id, position),
            head_cursor: self.cursor(account_id, head.event_sequence),
            earliest_cursor: self.cursor(account_id, head.pruned_sequence),
        })
    }

    fn cursor(&self, account_id: AccountId, sequence: i64) -> String {
        cursor::encode(&self.app.store().identity, account_id, sequence)
    }

    fn open_slot(&self, key_id: ApiKeyId) -> Result<Slot, Error> {
        let limit = self.limits.streams_per_key_max;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key_id).or_insert(0);
        if *count >= limit {
            return Err(Error::TooManyStreams { limit });
        }
        *count += 1;
        Ok(Slot { key_id, open: Arc::clone(&self.open) })
    }

    /// The sequence after which to start.
    async fn place(&self, account_id: AccountId, head: &AccountHead, start: &Start) -> Result<i64, Error> {
        let position = match start {
            Start::Beginning => head.pruned_sequence,
            Start::Latest => head.event_sequence,
            Start::Time(time) => self.app.feed().sequence_before(account_id, *time).await?.max(head.pruned_sequence),
            Start::After(text) => {
                cursor::decode(&self.app.store().identity, account_id, text).map_err(|error| match error {
                    CursorError::Malformed => Error::CursorMalformed,
                    CursorError::Foreign => Error::CursorForeign,
                })?
            }
        };
        if position > head.event_sequence {
            return Err(Error::CursorAheadOfHead);
        }
        check_kept(&self.app, head, position)?;
        Ok(position)
    }
}

/// A place among the open streams of a key; given back when dropped.
struct Slot {
    key_id: ApiKeyId,
    open: Arc<Mutex<HashMap<ApiKeyId, usize>>>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.key_id) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.key_id);
            }
        }
    }
}

/// The next segments after a place. An event that is not the next one was preceded by others that are no longer kept: that is
/// told, never jumped over.
async fn read(app: &App, account_id: AccountId, position: i64, events_max: u64) -> Result<Vec<Segment>, Error> {
    failpoint!(BeforeFeedRead);
    let page = app.feed().read(account_id, position, events_max).await?;
    if page.first().is_some_and(|segment| segment.first_sequence > position + 1) {
        let head = app.feed().head(account_id).await?;
        return Err(expired(app, &head));
    }
    Ok(page)
}

/// Of a page, the events after a place.
fn events_after(page: &[Segment], position: i64) -> impl Iterator<Item = (i64, &EventHeader, &[u8], Time)> {
    let events = page.iter().flat_map(|segment| {
        segment.events().map(|(sequence, header, body)| (sequence, header, body, segment.committed_at))
    });
    events.skip_while(move |(sequence, ..)| *sequence <= position)
}

/// Whether everything after a place is still kept. Where all of it is gone, an empty page does not show it.
fn check_kept(app: &App, head: &AccountHead, position: i64) -> Result<(), Error> {
    if position < head.pruned_sequence { Err(expired(app, head)) } else { Ok(()) }
}

fn expired(app: &App, head: &AccountHead) -> Error {
    Error::CursorExpired {
        earliest_cursor: cursor::encode(&app.store().identity, head.account_id, head.pruned_sequence),
    }
}

/// Why a stream ends, other than well.
enum End {
    /// The reader has gone.
    Gone,
    /// A fault, told to the reader.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One open stream.
struct Reader {
    app: Arc<App>,
    authenticator: Arc<Authenticator>,
    principal: Principal,
    account_id: AccountId,
    filter: EventFilter,
    batch_events_max: usize,
    heartbeat_interval: Duration,
    stall: Duration,
    draining: CancellationToken,
    end_at: Instant,
    news: watch::Receiver<i64>,
    /// The sequence of the last event that was sent or filtered out.
    position: i64,
    /// The sequence that the last message that was handed over reaches to.
    handed_over: i64,
    is_caught_up: bool,
    /// How many events were filtered out since the last message.
    silent_events: i64,
    /// When the reader must hear something at the latest.
    heartbeat_at: Instant,
    messages: mpsc::Sender<pb::WatchConversionsResponse>,
}

type Kind = pb::watch_conversions_response::Message;

impl Reader {
    fn opened(&self, head: &AccountHead, retention: Option<Duration>) -> Kind {
        Kind::Opened(pb::Opened {
            earliest_cursor: self.cursor_at(head.pruned_sequence),
            head_cursor: self.cursor_at(head.event_sequence),
            heartbeat_interval: event::duration(self.heartbeat_interval),
            retention: retention.and_then(event::duration),
            feed_id: self.app.store().identity.database_id.simple().to_string(),
        })
    }

    async fn run(&mut self, opened: Kind) -> Result<(), End> {
        self.send(opened).await?;
        let mut recheck_at = clock::monotonic_now() + self.heartbeat_interval;
        loop {
            if let Some(reason) = self.drain_reason() {
                return self.drain(reason).await;
            }
            if clock::monotonic_now() >= recheck_at {
                // A key that was revoked must not go on reading, however busy the stream is.
                self.authenticator.recheck(&self.principal).await?;
                recheck_at = clock::monotonic_now() + self.heartbeat_interval;
            }
            if clock::monotonic_now() >= self.heartbeat_at || self.silent_events >= SILENT_EVENTS_MAX {
                self.heartbeat().await?;
            }
            self.news.mark_unchanged();
            let page = read(&self.app, self.account_id, self.position, READ_EVENTS_MAX).await.map_err(End::Failed)?;
            if page.is_empty() {
                if !self.is_caught_up {
                    // Asked for its check alone.
                    self.lag().await?;
                    self.is_caught_up = true;
                    self.send(Kind::CaughtUp(pb::CaughtUp {})).await?;
                }
                self.wait().await?;
                continue;
            }
            let reach = page.last().map_or(self.position, |segment| segment.last_sequence);
            if self.is_caught_up && reach - self.position >= FAR_BEHIND_EVENTS {
                self.is_caught_up = false;
                let lag_event_count = self.lag().await?;
                self.send(Kind::FellBehind(pb::FellBehind { lag_event_count })).await?;
            }
            self.deliver(&page).await?;
        }
    }

    /// Sends what passes the filter, in messages of bounded length.
    async fn deliver(&mut self, page: &[Segment]) -> Result<(), End> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (sequence, header, body, committed_at) in events_after(page, self.position) {
            if self.filter.lets_through(header) {
                let rendered = event::render(body, sequence, committed_at, self.cursor_at(sequence))?;
                let length = rendered.encoded_len();
                if !batch.is_empty() && (batch.len() >= self.batch_events_max || bytes + length > MESSAGE_BYTES_MAX) {
                    self.send(Kind::Batch(pb::EventBatch { events: std::mem::take(&mut batch) })).await?;
                    bytes = 0;
                }
                bytes += length;
                batch.push(rendered);
            } else {
                self.silent_events += 1;
            }
            self.position = sequence;
        }
        if !batch.is_empty() {
            self.send(Kind::Batch(pb::EventBatch { events: batch })).await?;
        }
        Ok(())
    }

    /// Sleeps until there is something to do.
    async fn wait(&mut self) -> Result<(), End> {
        tokio::select! {
            _ = self.news.changed() => Ok(()),
            () = tokio::time::sleep_until(self.heartbeat_at.min(self.end_at)) => Ok(()),
            () = self.draining.cancelled() => Ok(()),
            () = self.messages.closed() => Err(End::Gone),
        }
    }

    /// Says that the stream is alive.
    async fn heartbeat(&mut self) -> Result<(), End> {
        let lag_event_count = self.lag().await?;
        let server_time = Some(event::timestamp(self.app.clock().now()));
        self.send(Kind::Heartbeat(pb::Heartbeat { server_time, lag_event_count })).await
    }

    /// How many events lie ahead, all of which are still kept.
    async fn lag(&self) -> Result<i64, End> {
        let head = self.app.feed().head(self.account_id).await?;
        check_kept(&self.app, &head, self.position).map_err(End::Failed)?;
        Ok(head.event_sequence - self.position)
    }

    fn drain_reason(&self) -> Option<pb::DrainReason> {
        if self.draining.is_cancelled() {
            return Some(pb::DrainReason::Shutdown);
        }
        (clock::monotonic_now() >= self.end_at).then_some(pb::DrainReason::MaxAge)
    }

    async fn drain(&mut self, reason: pb::DrainReason) -> Result<(), End> {
        let wait = match reason {
            pb::DrainReason::Shutdown => RECONNECT_AFTER_SHUTDOWN,
            pb::DrainReason::MaxAge | pb::DrainReason::Unspecified => RECONNECT_AFTER,
        };
        let reconnect_after = event::duration(clock::jitter(wait, 50));
        self.send(Kind::Draining(pb::Draining { reason: reason.into(), reconnect_after })).await
    }

    /// Hands a message to the reader, who then holds everything up to the current place.
    async fn send(&mut self, message: Kind) -> Result<(), End> {
        failpoint!(BeforeFeedSend);
        let message = pb::WatchConversionsResponse { cursor: self.cursor_at(self.position), message: Some(message) };
        match tokio::time::timeout(self.stall, self.messages.send(message)).await {
            Ok(Ok(())) => {
                self.handed_over = self.position;
                self.silent_events = 0;
                self.heartbeat_at = clock::monotonic_now() + self.heartbeat_interval;
                Ok(())
            }
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Failed(Error::SlowConsumer { last_cursor: self.cursor_at(self.handed_over) })),
        }
    }

    fn cursor_at(&self, sequence: i64) -> String {
        cursor::encode(&self.app.store().identity, self.account_id, sequence)
    }
}
