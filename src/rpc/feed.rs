//! The feed on the wire: WatchEvents, WatchConversions and ReadEvents. All three have the same order and the same cursors.
//!
//! This file answers the calls. `place.rs` finds the start position of a reader, and `reader.rs` makes the messages of an open
//! stream.

mod batch;
pub mod event;
pub mod message;
mod place;
mod reader;
mod slot;

use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::call::Call;
use crate::app::App;
use crate::auth::{Authenticator, Principal};
use crate::clock;
use crate::domain::event::FeedPlace;
use crate::domain::id::AccountId;
use crate::error::Error;
use crate::pb;
use batch::Batch;
use event::WantedStream;
use message::{ReadEventsResponse, WatchResponse};
use reader::{Beginning, Reader};
pub use slot::FeedLimits;
use slot::{Slot, Slots};

/// Up to how many open streams read a page ahead.
const READING_AHEAD_MAX: usize = 64;

/// An open stream of events.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchResponse, Status>> + Send>>;

/// All open feed streams of this server.
pub struct FeedStreams {
    app: Arc<App>,
    authenticator: Arc<Authenticator>,
    limits: FeedLimits,
    draining: CancellationToken,
    slots: Slots,
}

impl FeedStreams {
    /// The streams of this app. Cancelling `draining` ends them all with a `draining` message and status OK.
    pub fn new(
        app: Arc<App>,
        authenticator: Arc<Authenticator>,
        limits: FeedLimits,
        draining: CancellationToken,
    ) -> Self {
        let slots = Slots::new(limits.streams_max);
        Self { app, authenticator, limits, draining, slots }
    }

    /// Is cancelled when the server stops. Every open stream ends then.
    pub(in crate::rpc) fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Opens the stream of a WatchEvents call.
    ///
    /// # Errors
    /// Invalid fields, a cursor that cannot be served, or too many streams.
    pub(in crate::rpc) async fn watch(
        &self,
        call: &Call,
        request: pb::WatchEventsRequest,
    ) -> Result<WatchStream, Error> {
        self.open(call, event::parse_watch(&request)?).await
    }

    /// Opens the stream of a WatchConversions call.
    ///
    /// # Errors
    /// As [`Self::watch`].
    pub(in crate::rpc) async fn watch_conversions(
        &self,
        call: &Call,
        request: pb::WatchConversionsRequest,
    ) -> Result<WatchStream, Error> {
        self.open(call, event::parse_watch_conversions(&request)?).await
    }

    async fn open(&self, call: &Call, wanted: WantedStream) -> Result<WatchStream, Error> {
        let Call { principal, name, .. } = call;
        let slot = self.open_slot(principal)?;
        let account_id = principal.account_id;
        // Follow before reading the head. Otherwise an event committed in between would go unnoticed.
        let follower = self.app.feed().follow(account_id);
        // Of many streams, each holds one page only.
        let follower = if slot.open_count() <= READING_AHEAD_MAX { follower.reading_ahead() } else { follower };
        let head = self.app.feed().head(account_id).await?;
        let position = place::find(&self.app, account_id, &head, &wanted.start).await?;
        let head_place = place::of_head(&self.app, &head, position).await?;
        let reader = Reader::new(Beginning {
            app: Arc::clone(&self.app),
            authenticator: Arc::clone(&self.authenticator),
            principal: principal.clone(),
            wanted,
            follower,
            position,
            earliest: head.earliest(),
            head: head_place,
            draining: self.draining.clone(),
            limits: self.limits.clone(),
            slot,
            weight: call.weight(),
        });
        let messages = stream::unfold(reader, |mut reader| async move {
            let message = reader.next().await?;
            Some((message, reader))
        });
        let name = name.clone();
        Ok(Box::pin(messages.map(move |message| message.map_err(|error| error.into_status(&name)))))
    }

    /// Answers a ReadEvents call.
    ///
    /// # Errors
    /// Invalid fields, a cursor that cannot be served, or, for a call that waits, too many streams.
    pub(in crate::rpc) async fn list(
        &self,
        call: &Call,
        request: pb::ReadEventsRequest,
    ) -> Result<ReadEventsResponse, Error> {
        let Call { principal, sent_deadline, .. } = call;
        let wanted = event::parse_read(&request)?;
        let weight = call.weight();
        // A waiting call counts as a stream.
        let _slot = (!wanted.max_wait.is_zero()).then(|| self.open_slot(principal)).transpose()?;
        let account_id = principal.account_id;
        let mut follower = self.app.feed().follow(account_id);
        let head = self.app.feed().head(account_id).await?;
        let mut position = place::find(&self.app, account_id, &head, &wanted.start).await?;
        // At its deadline, the caller gets an empty page with a cursor and not an error.
        let longest = clock::monotonic_now() + wanted.max_wait;
        let give_up_at = sent_deadline.map_or(longest, |sent| sent.wait_end().min(longest));
        let mut batch = Batch::new(wanted.page_events_max, i64::MAX, batch::message_bytes_max(1));
        loop {
            follower.known();
            let page = place::read(&self.app, &mut follower, account_id, position.sequence).await?;
            // The key may have been revoked or have expired while the call waited.
            match page.iter().any(|segment| segment.changes(principal.key_id)) {
                true => self.authenticator.recheck(principal).await?,
                false => self.authenticator.check(principal).await?,
            }
            weight.works_on(batch::event_count(&page)).await;
            for segment in &page {
                if batch.is_done() || segment.first_sequence() > position.sequence + 1 {
                    break;
                }
                batch.take(self.app.feed(), &wanted.filter, segment, &mut position);
            }
            weight.reads();
            let is_over = clock::monotonic_now() >= give_up_at || self.draining.is_cancelled();
            let is_enough = if batch.events > 0 {
                // Without a filter, the page continues until it is full or at the head. With a filter, a page with any event is
                // sent, because the next match may be far away.
                batch.is_done() || position.sequence >= head.event_sequence || !wanted.filter.is_empty()
            } else {
                // No event has passed the filter so far. At the end of the wait, the empty page has a cursor, and the next call
                // continues there.
                is_over
            };
            if is_enough {
                break;
            }
            if page.is_empty() {
                call.only_waits();
                let expiry = self.authenticator.expires_at(principal);
                let until = expiry.map_or(give_up_at, |expiry| expiry.min(give_up_at));
                tokio::select! {
                    () = follower.changed() => {}
                    () = tokio::time::sleep_until(until) => {}
                    () = self.draining.cancelled() => {}
                }
            }
        }
        let head = self.app.feed().head(account_id).await?;
        if batch.events == 0 {
            place::check_kept(&self.app, &head, position.sequence)?;
        }
        let head_place = place::of_head(&self.app, &head, position).await?;
        Ok(ReadEventsResponse {
            events: batch.entries,
            next_cursor: self.cursor(account_id, position),
            head_cursor: self.cursor(account_id, head_place),
            earliest_cursor: self.cursor(account_id, head.earliest()),
        })
    }

    fn open_slot(&self, principal: &Principal) -> Result<Slot, Error> {
        self.slots.take(principal, self.limits.streams_per_key_max)
    }

    fn cursor(&self, account_id: AccountId, place: FeedPlace) -> String {
        self.app.feed().cursors().encode(account_id, place)
    }
}
