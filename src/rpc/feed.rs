//! The feed on the wire: WatchConversions and ListConversionEvents, the same events in the same order with the same cursors.
//!
//! Here are the places where readers start, and who may open a stream; what an open stream sends is in `feed_reader.rs`.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::event::{self, Start};
use super::feed_batch::Batch;
use super::feed_message::{ListConversionEventsResponse, WatchConversionsResponse};
use super::feed_reader::{Beginning, Reader};
use crate::app::App;
use crate::app::cursor::CursorError;
use crate::app::feed::{Follower, Page};
use crate::auth::{Authenticator, Principal};
use crate::clock;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::ledger::AccountHead;
use crate::error::{CallName, Error};
use crate::pb;

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
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchConversionsResponse, Status>> + Send>>;

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
    pub async fn watch(
        &self,
        principal: &Principal,
        name: &CallName,
        request: pb::WatchConversionsRequest,
    ) -> Result<WatchStream, Error> {
        let wanted = event::parse_watch(&request)?;
        let slot = self.open_slot(principal.key_id)?;
        let account_id = principal.account_id;
        // Followed before the head is read, so that nothing committed in between goes unnoticed.
        let follower = self.app.feed().follow(account_id).reading_ahead();
        let head = self.app.feed().head(account_id).await?;
        let position = self.place(account_id, &head, &wanted.start).await?;
        let reader = Reader::new(Beginning {
            app: Arc::clone(&self.app),
            authenticator: Arc::clone(&self.authenticator),
            principal: principal.clone(),
            wanted,
            follower,
            position,
            head,
            draining: self.draining.clone(),
            limits: self.limits.clone(),
            slot,
        });
        let messages = stream::unfold(reader, |mut reader| async move {
            let message = reader.next().await?;
            Some((message, reader))
        });
        let name = name.clone();
        Ok(Box::pin(messages.map(move |message| message.map_err(|error| error.into_status(&name)))))
    }

    /// ListConversionEvents.
    ///
    /// # Errors
    /// Wrong fields, a cursor that cannot be served.
    pub async fn list(
        &self,
        principal: &Principal,
        request: pb::ListConversionEventsRequest,
    ) -> Result<ListConversionEventsResponse, Error> {
        let wanted = event::parse_list(&request)?;
        // A call that waits is a stream in all but name.
        let _slot = (!wanted.max_wait.is_zero()).then(|| self.open_slot(principal.key_id)).transpose()?;
        let account_id = principal.account_id;
        let mut follower = self.app.feed().follow(account_id);
        let head = self.app.feed().head(account_id).await?;
        let mut position = self.place(account_id, &head, &wanted.start).await?;
        let give_up_at = clock::monotonic_now() + wanted.max_wait;
        let mut batch = Batch::new(wanted.page_events_max, i64::MAX);
        loop {
            follower.known();
            let page = read(&self.app, &mut follower, account_id, position).await?;
            for segment in &page {
                if batch.is_done() || segment.first_sequence() > position + 1 {
                    break;
                }
                batch.take(self.app.feed(), &wanted.filter, segment, &mut position);
            }
            let is_over = clock::monotonic_now() >= give_up_at || self.draining.is_cancelled();
            let is_enough = if batch.events > 0 {
                // Without a filter a page is full where there is enough; with one the rest may be far.
                batch.is_done() || position >= head.event_sequence || !wanted.filter.is_empty()
            } else {
                // Nothing passed the filter so far. The cursor has moved on, so that the next call does too.
                is_over
            };
            if is_enough {
                break;
            }
            if page.is_empty() {
                tokio::select! {
                    () = follower.changed() => {}
                    () = tokio::time::sleep_until(give_up_at) => {}
                    () = self.draining.cancelled() => {}
                }
            }
        }
        let head = self.app.feed().head(account_id).await?;
        if batch.events == 0 {
            check_kept(&self.app, &head, position)?;
        }
        Ok(ListConversionEventsResponse {
            events: batch.entries,
            next_cursor: self.cursor(account_id, position),
            head_cursor: self.cursor(account_id, head.event_sequence),
            earliest_cursor: self.cursor(account_id, head.pruned_sequence),
        })
    }

    fn cursor(&self, account_id: AccountId, sequence: i64) -> String {
        self.app.feed().cursors().encode(account_id, sequence)
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
            Start::After(text) => self.app.feed().cursors().decode(account_id, text).map_err(|error| match error {
                CursorError::Malformed => Error::CursorMalformed,
                CursorError::Foreign => Error::CursorForeign,
            })?,
        };
        if position > head.event_sequence {
            return Err(Error::CursorAheadOfHead);
        }
        check_kept(&self.app, head, position)?;
        Ok(position)
    }
}

/// A place among the open streams of a key; given back when dropped.
pub(super) struct Slot {
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
pub(super) async fn read(
    app: &App,
    follower: &mut Follower,
    account_id: AccountId,
    position: i64,
) -> Result<Page, Error> {
    failpoint!(BeforeFeedRead);
    let page = app.feed().after(follower, position).await?;
    if page.first().is_some_and(|segment| segment.first_sequence() > position + 1) {
        let head = app.feed().head(account_id).await?;
        return Err(expired(app, &head));
    }
    Ok(page)
}

/// Whether everything after a place is still kept. Where all of it is gone, an empty page does not show it.
pub(super) fn check_kept(app: &App, head: &AccountHead, position: i64) -> Result<(), Error> {
    if position < head.pruned_sequence { Err(expired(app, head)) } else { Ok(()) }
}

fn expired(app: &App, head: &AccountHead) -> Error {
    Error::CursorExpired { earliest_cursor: app.feed().cursors().encode(head.account_id, head.pruned_sequence) }
}
