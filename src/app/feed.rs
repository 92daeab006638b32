//! The feed, read side: segments after a place, and a wake-up when there are more.
//!
//! Table `event_segment` is the truth; a wake-up only says "look". What this instance commits is kept in memory for those who follow
//! and wakes them at once; what other instances commit is noticed by a short poll of the heads that somebody watches. Readers who
//! need the same page wait for one read of it, and for streams the page after it is read while it is sent. A slow reader costs
//! nothing here but that page, and loses nothing.

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
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::time::Time;
use crate::store::event::{EncodeBody, Segment};
use crate::store::{self, Store, StoreError};
use cache::FeedCache;
pub use segment::{FeedSegment, WriteEntry};

/// About how many events a page has.
const PAGE_EVENTS_MAX: i64 = 1_000;

/// What the segments in memory come to at most: together, and of one account for those at the head and those behind each.
const CACHE_BYTES_MAX: usize = 64 << 20;
const CACHE_BYTES_MAX_EACH: usize = 4 << 20;

/// How events look to those who read them. Nothing of it is known here: the server hands it over.
#[derive(Debug, Clone, Copy)]
pub struct EventForm {
    /// Writes the body of an event, once, when it is committed.
    pub encode_body: EncodeBody,
    /// Writes the event in its place, once for all who follow.
    pub write_entry: WriteEntry,
}

/// Segments that follow each other.
pub type Page = Vec<Arc<FeedSegment>>;

/// A read that several wait for.
type SharedRead = Shared<BoxFuture<'static, Result<Page, StoreError>>>;

/// The feed of an account that somebody follows.
struct Followed {
    account_id: AccountId,
    /// The newest sequence that is known to be committed; 0 at first.
    head: watch::Sender<i64>,
    cache: Mutex<FeedCache>,
    /// Reads under way, by the place that they are for.
    reads: Mutex<HashMap<i64, SharedRead>>,
}

/// Follows the feed of an account.
pub struct Follower {
    followed: Arc<Followed>,
    news: watch::Receiver<i64>,
    /// Whether it will want the page after the one that it gets.
    reads_ahead: bool,
    /// The read of that page, and the place that it is for.
    ahead: Option<(i64, SharedRead)>,
}

impl Follower {
    /// Has the page after the one that it gets read meanwhile: for one who takes page after page.
    pub fn reading_ahead(self) -> Self {
        Self { reads_ahead: true, ..self }
    }

    /// The newest sequence that is known to be committed, a hint: 0 at first. What comes after this call ends [`Self::changed`].
    pub fn known(&mut self) -> i64 {
        *self.news.borrow_and_update()
    }

    /// Waits until more is known than the last [`Self::known`] said.
    pub async fn changed(&mut self) {
        // The sender is in `followed`, so that it does not end before this does.
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

    /// The cursors of this database.
    pub fn cursors(&self) -> &Cursors {
        &self.cursors
    }

    /// Says what was committed.
    pub(super) fn publish(&self, segments: Vec<Segment>) {
        let accounts = lock(&self.accounts);
        let bytes_max = cache_bytes_max(accounts.len());
        for segment in segments {
            if let Some(followed) = accounts.get(&segment.account_id) {
                let sequence = segment.last_sequence;
                // First what there is, then the word that it is there.
                lock(&followed.cache).insert(&FeedSegment::new(segment), bytes_max);
                followed.notice(sequence);
            }
        }
    }

    /// Follows an account.
    pub fn follow(&self, account_id: AccountId) -> Follower {
        let mut accounts = lock(&self.accounts);
        let followed = accounts.entry(account_id).or_insert_with(|| {
            let head = watch::Sender::new(0);
            Arc::new(Followed { account_id, head, cache: Mutex::default(), reads: Mutex::default() })
        });
        Follower { followed: Arc::clone(followed), news: followed.head.subscribe(), reads_ahead: false, ahead: None }
    }

    /// The account's newest numbers. Those who follow it know them from then on.
    ///
    /// # Errors
    /// As the store's.
    pub async fn head(&self, account_id: AccountId) -> Result<AccountHead, StoreError> {
        let head = store::account_head::head(&*self.store, account_id).await?;
        if let Some(followed) = lock(&self.accounts).get(&account_id) {
            followed.notice(head.event_sequence);
        }
        Ok(head)
    }

    /// The segments from the one with the event after a sequence on; where that event is not kept any more, from the first one that
    /// is. Empty when there is none.
    ///
    /// # Errors
    /// As the store's.
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
            // As old as the read: perhaps of a connection that was lost since. One that begins now says how it is now.
            Err(_) if !is_new => self.read_together(followed, position).0.await?,
            page => page?,
        };
        if page.is_empty() && *follower.news.borrow() > position {
            // That read began before there was something.
            return read(&self.store, followed.account_id, position).await;
        }
        Ok(page)
    }

    /// Begins to read the page that follows the one which goes out now, for a stream and where there is one.
    fn read_ahead(&self, follower: &mut Follower, last: i64) {
        let is_wanted = follower.reads_ahead && *follower.news.borrow() > last;
        if is_wanted && lock(&follower.followed.cache).after(last, 1).is_empty() {
            follower.ahead = Some((last, self.read_together(&follower.followed, last).0));
        }
    }

    /// The read of what comes after a place for all who stand there, and whether it begins with this.
    fn read_together(&self, followed: &Arc<Followed>, position: i64) -> (SharedRead, bool) {
        let mut reads = lock(&followed.reads);
        let is_new = !reads.contains_key(&position);
        let read = reads.entry(position).or_insert_with(|| self.begin_read(followed, position).boxed().shared());
        (read.clone(), is_new)
    }

    /// A task of its own: it ends, and gives its connection back, whoever has gone.
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

    /// Of a segment, the entries of these events, as they go out.
    pub fn entries(&self, segment: &FeedSegment, from_sequence: i64, to_sequence: i64) -> Bytes {
        segment.entries(&self.cursors, self.write_entry, from_sequence, to_sequence)
    }

    /// The sequence before the first event that was committed at this time or later.
    ///
    /// # Errors
    /// As the store's.
    pub async fn sequence_before(&self, account_id: AccountId, time: Time) -> Result<i64, StoreError> {
        store::event::first_sequence_at(&self.store, account_id, time).await
    }

    /// Polls the heads that are watched, for what other instances commit and as a backstop for a wake-up that was missed.
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
                Err(error) => tracing::warn!(%error, "could not poll the feed's heads"),
            }
        }
    }

    /// The accounts that somebody follows; forgets the others.
    fn watched(&self) -> Vec<AccountId> {
        let mut accounts = lock(&self.accounts);
        accounts.retain(|_, followed| followed.head.receiver_count() > 0);
        accounts.keys().copied().collect()
    }
}

impl Followed {
    /// Wakes those who follow if this is more than they know.
    fn notice(&self, sequence: i64) {
        self.head.send_if_modified(|known| {
            let is_news = *known < sequence;
            *known = sequence.max(*known);
            is_news
        });
    }
}

async fn read(store: &Store, account_id: AccountId, position: i64) -> Result<Page, StoreError> {
    let segments = store::event::read(store, account_id, position, PAGE_EVENTS_MAX.unsigned_abs()).await?;
    Ok(segments.into_iter().map(FeedSegment::new).collect())
}

/// How much of one account is kept in memory when so many are followed.
fn cache_bytes_max(accounts: usize) -> usize {
    (CACHE_BYTES_MAX / (2 * accounts.max(1))).min(CACHE_BYTES_MAX_EACH)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
