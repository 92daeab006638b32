//! The read side of the feed: segments after a sequence, and a wake-up when there are more.
//!
//! The table `event_segment` is the source of truth. A wake-up only tells followers to read again. Commits of this instance are
//! cached in memory and wake followers at once. A short poll of the heads of followed accounts finds commits of other instances.
//! Readers that need the same page share one read of it. A stream reads the next page while the current one is sent. A slow
//! reader costs the server only the memory of that page, and it loses no event.

mod cache;
mod segment;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::cursor::Cursors;
use crate::domain::event::FeedPlace;
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;
use crate::sampled::Sampled;
use crate::store::event::{EncodeBody, Segment};
use crate::store::{self, Store, StoreError};
use cache::FeedCache;
pub use segment::{FeedSegment, WriteEntry};

/// About the number of events in a page.
const PAGE_EVENTS_MAX: i64 = 1_000;

/// The maximum size of all cached segments. Each account has a cache of two parts: one for its newest segments, and one for the
/// segments of lagging readers. `EACH` is the maximum size of one part.
const CACHE_BYTES_MAX: usize = 64 << 20;
const CACHE_BYTES_MAX_EACH: usize = 4 << 20;

/// The encoding of events for readers. The server passes it in, because this layer knows nothing of the wire.
#[derive(Debug, Clone, Copy)]
pub struct EventForm {
    /// Writes an event's body, once, when the event is committed.
    pub encode_body: EncodeBody,
    /// Writes an event's entry, once for all followers.
    pub write_entry: WriteEntry,
}

/// A poll comes several times a second.
static POLL_FAILED: Sampled =
    Sampled::new(|failures, error| tracing::warn!(failures, error, "could not poll the feed's heads"));

/// Consecutive segments.
pub type Page = Vec<Arc<FeedSegment>>;

/// A read shared by several readers.
type SharedRead = Shared<BoxFuture<'static, Result<Page, StoreError>>>;

/// An account's feed with followers.
struct Followed {
    account_id: AccountId,
    /// The newest sequence known to be committed; 0 until one is known.
    head: watch::Sender<i64>,
    cache: Mutex<FeedCache>,
    /// The reads in progress, by the sequence after which they start.
    reads: Mutex<HashMap<i64, SharedRead>>,
}

/// Follows the feed of an account.
pub struct Follower {
    followed: Arc<Followed>,
    news: watch::Receiver<i64>,
    /// Whether the next page is read ahead.
    reads_ahead: bool,
    /// The page being read ahead, and the sequence after which it starts.
    ahead: Option<(i64, SharedRead)>,
}

impl Follower {
    /// Makes this follower read the next page ahead. Readers that take page after page use it.
    pub fn reading_ahead(self) -> Self {
        Self { reads_ahead: true, ..self }
    }

    /// The newest sequence known to be committed. It is only a hint, and is 0 at first. [`Self::changed`] returns when there is a
    /// newer one.
    pub fn known(&mut self) -> i64 {
        *self.news.borrow_and_update()
    }

    /// Waits until the newest known sequence is higher than the one that [`Self::known`] last returned.
    pub async fn changed(&mut self) {
        // The channel cannot close before this call ends, because `followed` holds the sender.
        let _ = self.news.changed().await;
    }
}

/// See the head of the file.
pub struct Feed {
    store: Arc<Store>,
    cursors: Cursors,
    write_entry: WriteEntry,
    accounts: Mutex<HashMap<AccountId, Arc<Followed>>>,
}

impl Feed {
    pub(super) fn new(store: Arc<Store>, write_entry: WriteEntry) -> Self {
        let cursors = Cursors::new(&store.identity);
        Self { store, cursors, write_entry, accounts: Mutex::default() }
    }

    /// The encoder and decoder of this database's cursors.
    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// Caches committed segments and wakes the followers of their accounts.
    pub(super) fn publish(&self, segments: Vec<Segment>) {
        let accounts = lock(&self.accounts);
        let bytes_max = cache_bytes_max(accounts.len());
        for segment in segments {
            if let Some(followed) = accounts.get(&segment.account_id) {
                let sequence = segment.last_sequence;
                // The cache comes first, so that a woken follower finds the segment.
                lock(&followed.cache).insert(&FeedSegment::new(segment), bytes_max);
                followed.notice(sequence);
            }
        }
    }

    /// Follows an account's feed.
    pub fn follow(&self, account_id: AccountId) -> Follower {
        let mut accounts = lock(&self.accounts);
        let followed = accounts.entry(account_id).or_insert_with(|| {
            let head = watch::Sender::new(0);
            Arc::new(Followed { account_id, head, cache: Mutex::default(), reads: Mutex::default() })
        });
        Follower { followed: Arc::clone(followed), news: followed.head.subscribe(), reads_ahead: false, ahead: None }
    }

    /// The account's newest numbers. Also wakes followers that have not seen them.
    ///
    /// # Errors
    /// The store's errors.
    pub async fn head(&self, account_id: AccountId) -> Result<AccountHead, StoreError> {
        let head = {
            let _turn = self.store.read_turn(account_id).await;
            store::account_head::head(&*self.store, account_id).await?
        };
        if let Some(followed) = lock(&self.accounts).get(&account_id) {
            followed.notice(head.event_sequence);
        }
        Ok(head)
    }

    /// Consecutive segments. The first one contains the event after `position`. If that event is no longer kept, the first one is
    /// the oldest kept segment. The page is empty when there is no such segment.
    ///
    /// # Errors
    /// The store's errors.
    pub async fn after(&self, follower: &mut Follower, position: i64) -> Result<Page, StoreError> {
        let ahead = follower.ahead.take().filter(|(place, _)| *place == position);
        let mut page = lock(&follower.followed.cache).after(position, PAGE_EVENTS_MAX);
        if page.is_empty() {
            page = self.read_after(follower, ahead, position).await?;
        }
        if let Some(last) = page.last().map(|segment| segment.last_sequence()) {
            self.read_ahead(follower, last);
        }
        Ok(page)
    }

    async fn read_after(
        &self,
        follower: &Follower,
        ahead: Option<(i64, SharedRead)>,
        position: i64,
    ) -> Result<Page, StoreError> {
        let followed = &follower.followed;
        let (shared, is_new) = match ahead {
            Some((_, shared)) => (shared, false),
            None => self.read_together(followed, position),
        };
        let page = match shared.await {
            // The shared read may have failed on a connection that was lost before this call. A new read shows the state of the
            // database now.
            Err(_) if !is_new => self.read_together(followed, position).0.await?,
            page => page?,
        };
        if page.is_empty() && *follower.news.borrow() > position {
            // The shared read began before the event was committed.
            return read(&self.store, followed.account_id, position).await;
        }
        Ok(page)
    }

    /// Starts to read the page after the one being sent, if this is a stream and there is such a page.
    fn read_ahead(&self, follower: &mut Follower, last: i64) {
        let is_wanted = follower.reads_ahead && *follower.news.borrow() > last;
        if is_wanted && lock(&follower.followed.cache).after(last, 1).is_empty() {
            follower.ahead = Some((last, self.read_together(&follower.followed, last).0));
        }
    }

    /// The shared read of the page after a sequence, and whether this call started the read.
    fn read_together(&self, followed: &Arc<Followed>, position: i64) -> (SharedRead, bool) {
        let mut reads = lock(&followed.reads);
        let is_new = !reads.contains_key(&position);
        let read = reads.entry(position).or_insert_with(|| self.begin_read(followed, position).boxed().shared());
        (read.clone(), is_new)
    }

    /// Starts a read in its own task. The read therefore ends and returns its connection even when its readers have gone.
    fn begin_read(
        &self,
        followed: &Arc<Followed>,
        position: i64,
    ) -> impl Future<Output = Result<Page, StoreError>> + use<> {
        let (store, followed) = (Arc::clone(&self.store), Arc::clone(followed));
        let bytes_max = cache_bytes_max(lock(&self.accounts).len());
        let task = tokio::spawn(async move {
            let page = read(&store, followed.account_id, position).await;
            if let Ok(page) = &page {
                let mut cache = lock(&followed.cache);
                page.iter().for_each(|segment| cache.insert(segment, bytes_max));
            }
            lock(&followed.reads).remove(&position);
            page
        });
        task.map(|page| page.unwrap_or_else(|error| Err(StoreError::Unexpected(error.to_string()))))
    }

    /// The encoded entries of a range of a segment's events.
    pub fn entries(&self, segment: &FeedSegment, from_sequence: i64, to_sequence: i64) -> Bytes {
        segment.entries(&self.cursors, self.write_entry, from_sequence, to_sequence)
    }

    /// The sequence before the first event that was committed at or after this time.
    ///
    /// # Errors
    /// The store's errors.
    pub async fn sequence_before(&self, account_id: AccountId, time: Time) -> Result<i64, StoreError> {
        let _turn = self.store.read_turn(account_id).await;
        store::event::first_sequence_at(&self.store, account_id, time).await
    }

    /// The place after the event with this sequence, from the database and not from the cache. `None` if the feed has neither the
    /// event nor the events after it.
    ///
    /// # Errors
    /// The store's errors.
    pub async fn place(&self, account_id: AccountId, sequence: i64) -> Result<Option<FeedPlace>, StoreError> {
        let turn = self.store.read_turn(account_id).await;
        if let Some(place) = store::event::place(&self.store, account_id, sequence).await? {
            return Ok(Some(place));
        }
        drop(turn);
        // The head has the place of the newest pruned event. It is read after the row was not found, so that a worker that prunes
        // between the two reads does no harm.
        let earliest = self.head(account_id).await?.earliest();
        Ok((earliest.sequence == sequence).then_some(earliest))
    }

    /// Polls the heads of followed accounts. Finds commits of other instances, and is a backstop for missed wake-ups.
    pub(super) async fn poll(self: Arc<Self>, interval: Duration, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(interval) => {}
            }
            let watched = self.watched();
            if watched.is_empty() {
                continue;
            }
            match store::account_head::heads(&self.store, &watched).await {
                Ok(heads) => {
                    let accounts = lock(&self.accounts);
                    for (account_id, sequence) in heads {
                        accounts.get(&account_id).into_iter().for_each(|followed| followed.notice(sequence));
                    }
                }
                // The outage of the database has its own lines.
                Err(error) if error.is_outage() => {}
                Err(error) => POLL_FAILED.note(&error.to_string()),
            }
        }
    }

    /// The accounts that have followers. Forgets the others.
    fn watched(&self) -> Vec<AccountId> {
        let mut accounts = lock(&self.accounts);
        accounts.retain(|_, followed| followed.head.receiver_count() > 0);
        accounts.keys().copied().collect()
    }
}

impl Followed {
    /// Wakes the followers if the sequence is newer than the newest known one.
    fn notice(&self, sequence: i64) {
        self.head.send_if_modified(|known| {
            let is_news = *known < sequence;
            *known = sequence.max(*known);
            is_news
        });
    }
}

async fn read(store: &Store, account_id: AccountId, position: i64) -> Result<Page, StoreError> {
    let _turn = store.read_turn(account_id).await;
    let _long = store.long_read(account_id).await;
    let segments = store::event::read(store, account_id, position, PAGE_EVENTS_MAX.unsigned_abs()).await?;
    Ok(segments.into_iter().map(FeedSegment::new).collect())
}

/// The maximum size of each of the two parts of an account's cache when this many accounts are followed.
fn cache_bytes_max(accounts: usize) -> usize {
    (CACHE_BYTES_MAX / (2 * accounts.max(1))).min(CACHE_BYTES_MAX_EACH)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
