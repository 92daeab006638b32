//! One open stream of events: chooses the next message. The transport asks for each message, so a message is built only when the
//! one before was taken. One page is read ahead. A stalled reader holds at most two pages.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::batch::{self, Batch};
use super::event::{self, WantedStream};
use super::message::{Entries, Kind, WatchResponse};
use super::place;
use super::slot::{FeedLimits, Slot};
use crate::app::App;
use crate::app::feed::{FeedSegment, Follower};
use crate::auth::{Authenticator, Principal};
use crate::clock;
use crate::domain::event::{EventFilter, FeedPlace};
use crate::error::Error;
use crate::pb::{self, watch_events_response::Content as Word};
use crate::rpc::call::Weight;

/// A reader that had caught up gets a `FellBehind` message when it is this many events behind.
const FAR_BEHIND_EVENTS: i64 = 500;

/// The maximum number of filtered-out events without a message to the reader.
const SILENT_EVENTS_MAX: i64 = 2_000;

/// How long the reader should wait before it reconnects after its stream grew too old. It waits a little longer when the server
/// is stopping.
const RECONNECT_AFTER: Duration = Duration::from_millis(100);
const RECONNECT_AFTER_SHUTDOWN: Duration = Duration::from_secs(1);

/// The initial state of a stream.
pub(super) struct Beginning {
    pub(super) app: Arc<App>,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) principal: Principal,
    pub(super) wanted: WantedStream,
    pub(super) follower: Follower,
    /// The place to start from, and both ends of the feed.
    pub(super) position: FeedPlace,
    pub(super) earliest: FeedPlace,
    pub(super) head: FeedPlace,
    /// Cancelled when the stream must end.
    pub(super) draining: CancellationToken,
    pub(super) limits: FeedLimits,
    pub(super) slot: Slot,
    pub(super) weight: Weight,
}

/// See the head of the file.
pub(super) struct Reader {
    app: Arc<App>,
    authenticator: Arc<Authenticator>,
    principal: Principal,
    filter: EventFilter,
    batch_events_max: i64,
    heartbeat_delay: Duration,
    stall: Duration,
    draining: CancellationToken,
    end_at: Instant,
    follower: Follower,
    /// The first message. `None` once it was sent.
    opened: Option<Word>,
    /// Segments that were read and not sent yet.
    page: VecDeque<Arc<FeedSegment>>,
    /// The place after the last event that was sent or filtered out.
    position: FeedPlace,
    /// When the last message was handed over, and the place that it reached.
    handed_over: (Option<Instant>, FeedPlace),
    is_caught_up: bool,
    is_over: bool,
    /// How many events were filtered out since the last message.
    silent_events: i64,
    /// When the next message is due at the latest.
    heartbeat_at: Instant,
    /// The stream's slot among the streams of its key. It is held as long as the reader exists.
    slot: Slot,
    weight: Weight,
}

impl Reader {
    pub(super) fn new(beginning: Beginning) -> Self {
        let Beginning {
            app,
            authenticator,
            principal,
            wanted,
            follower,
            position,
            earliest,
            head,
            draining,
            limits,
            slot,
            weight,
        } = beginning;
        let now = clock::monotonic_now();
        let cursor = |place| app.feed().cursors().encode(principal.account_id, place);
        let opened = Word::Opened(pb::Opened {
            earliest_cursor: cursor(earliest),
            head_cursor: cursor(head),
            heartbeat_delay: event::duration(wanted.heartbeat_delay),
            retention: limits.retention.and_then(event::duration),
            feed_id: app.store().identity.database_id.simple().to_string(),
        });
        Self {
            app,
            authenticator,
            principal,
            filter: wanted.filter,
            batch_events_max: wanted.batch_events_max,
            heartbeat_delay: wanted.heartbeat_delay,
            stall: limits.stall,
            draining,
            end_at: now + clock::jitter(limits.stream_age, 10),
            follower,
            opened: Some(opened),
            page: VecDeque::new(),
            position,
            handed_over: (None, position),
            is_caught_up: false,
            is_over: false,
            silent_events: 0,
            heartbeat_at: now + wanted.heartbeat_delay,
            slot,
            weight,
        }
    }

    /// The next message, or the error that ends the stream. `None` once the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Result<WatchResponse, Error>> {
        if self.is_over {
            return None;
        }
        let result = self.next_message().await;
        self.is_over |= result.is_err();
        Some(result)
    }

    async fn next_message(&mut self) -> Result<WatchResponse, Error> {
        if let (Some(time), place) = self.handed_over
            && clock::monotonic_now() - time > self.stall
        {
            return Err(Error::SlowConsumer { last_cursor: self.cursor_at(place) });
        }
        let kind = match self.opened.take() {
            Some(opened) => Kind::Word(opened),
            None => self.next_kind().await?,
        };
        failpoint!(BeforeFeedSend);
        let now = clock::monotonic_now();
        self.handed_over = (Some(now), self.position);
        self.silent_events = 0;
        self.heartbeat_at = now + self.heartbeat_delay;
        // With this message, the reader has everything up to the current position.
        Ok(WatchResponse { cursor: self.cursor_at(self.position), kind: Some(kind) })
    }

    async fn next_kind(&mut self) -> Result<Kind, Error> {
        loop {
            let now = clock::monotonic_now();
            if let Some(reason) = self.drain_reason(now) {
                self.is_over = true;
                return Ok(draining(reason));
            }
            // The key is checked before every message, because a busy stream never waits and a revoked key must not go on reading.
            // No message is built of events that were read after the check.
            self.authenticator.check(&self.principal).await?;
            if now >= self.heartbeat_at || self.silent_events >= SILENT_EVENTS_MAX {
                return self.heartbeat().await;
            }
            if !self.page.is_empty() {
                self.weight.works_on(batch::event_count(&self.page)).await;
                match self.batch() {
                    Some(batch) => return Ok(Kind::Batch(batch)),
                    None => continue,
                }
            }
            self.weight.reads();
            if let Some(word) = self.look().await? {
                return Ok(Kind::Word(word));
            }
        }
    }

    /// Reads the next page, or waits for more events. Returns a message about the reader's position, if one is due.
    async fn look(&mut self) -> Result<Option<Word>, Error> {
        if self.follower.known() <= self.position.sequence && self.is_caught_up {
            self.wait().await;
            return Ok(None);
        }
        let page =
            place::read(&self.app, &mut self.follower, self.principal.account_id, self.position.sequence).await?;
        if page.iter().any(|segment| segment.changes(self.principal.key_id)) {
            // The key was revoked or changed on some server. This ends the stream at once, although this server may still have the key cached.
            self.authenticator.recheck(&self.principal).await?;
        }
        let Some(last) = page.last() else {
            // The call is only for its check of the place.
            self.lag().await?;
            if self.is_caught_up {
                self.wait().await;
                return Ok(None);
            }
            self.is_caught_up = true;
            return Ok(Some(Word::CaughtUp(pb::CaughtUp {})));
        };
        let is_far_behind = last.last_sequence() - self.position.sequence >= FAR_BEHIND_EVENTS;
        self.page = page.into();
        if self.is_caught_up && is_far_behind {
            self.is_caught_up = false;
            let lag_event_count = self.lag().await?;
            return Ok(Some(Word::FellBehind(pb::FellBehind { lag_event_count })));
        }
        Ok(None)
    }

    /// The events that were read and pass the filter. `None` if there are none.
    fn batch(&mut self) -> Option<Entries> {
        let bytes_max = batch::message_bytes_max(self.slot.open_count());
        let mut batch = Batch::new(self.batch_events_max, SILENT_EVENTS_MAX - self.silent_events, bytes_max);
        while let Some(segment) = self.page.front() {
            if segment.first_sequence() > self.position.sequence + 1 {
                // There is a gap. The next look finds the reason.
                self.page.clear();
                break;
            }
            batch.take(self.app.feed(), &self.filter, segment, &mut self.position);
            if self.position.sequence == segment.last_sequence() {
                self.page.pop_front();
            }
            if batch.is_done() {
                break;
            }
        }
        self.silent_events += batch.skipped;
        (batch.events > 0).then_some(batch.entries)
    }

    /// Sleeps until the next event, the next heartbeat, the end of the key or the end of the stream.
    async fn wait(&mut self) {
        let until = self.heartbeat_at.min(self.end_at);
        let until = self.authenticator.expires_at(&self.principal).map_or(until, |expiry| expiry.min(until));
        tokio::select! {
            () = self.follower.changed() => {}
            () = tokio::time::sleep_until(until) => {}
            () = self.draining.cancelled() => {}
        }
    }

    /// A message to show that the stream is alive.
    async fn heartbeat(&mut self) -> Result<Kind, Error> {
        let lag_event_count = self.lag().await?;
        let server_time = Some(event::timestamp(self.app.clock().now()));
        Ok(Kind::Word(Word::Heartbeat(pb::Heartbeat { server_time, lag_event_count })))
    }

    /// The number of events ahead of the reader. Fails if any of them is no longer kept, or if the database was replaced by a
    /// backup while the stream is open.
    async fn lag(&self) -> Result<i64, Error> {
        let head = self.app.feed().head(self.principal.account_id).await?;
        place::check(&self.app, &head, self.position).await?;
        Ok(head.event_sequence - self.position.sequence)
    }

    fn drain_reason(&self, now: Instant) -> Option<pb::DrainReason> {
        if self.draining.is_cancelled() {
            return Some(pb::DrainReason::Shutdown);
        }
        (now >= self.end_at).then_some(pb::DrainReason::MaxAge)
    }

    fn cursor_at(&self, place: FeedPlace) -> String {
        self.app.feed().cursors().encode(self.principal.account_id, place)
    }
}

fn draining(reason: pb::DrainReason) -> Kind {
    let wait = match reason {
        pb::DrainReason::Shutdown => RECONNECT_AFTER_SHUTDOWN,
        pb::DrainReason::MaxAge | pb::DrainReason::Unspecified => RECONNECT_AFTER,
    };
    let reconnect_delay = event::duration(clock::jitter(wait, 50));
    Kind::Word(Word::Draining(pb::Draining { reason: reason.into(), reconnect_delay }))
}
