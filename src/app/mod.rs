//! Runs the domain: a write is submitted here as a command and answered after its commit, and the feed is read here. Knows when
//! to commit, but nothing of the wire, of SQL, or of the content of a rule.

pub mod check;
pub mod cursor;
pub mod feed;
mod folding;
pub mod fraud_replay;
pub mod key_uses;
mod outage_watch;
mod queue;
pub mod registration;
pub mod simulation;
mod suspects;
pub mod verify;
pub mod worker;
mod writer;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::id::AccountId;
use crate::domain::outcome::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::rule::Envelope;
use crate::domain::time::Time;
use crate::mail::Post;
use crate::outage::Access;
use crate::shares::{Share, Shares};
use crate::store::set::catalogue::Catalogues;
use crate::store::{Store, StoreError};
use feed::{EventForm, Feed};
use folding::Folding;
use key_uses::KeyUses;
use queue::{Job, Queue, Work};
use registration::Mailed;
use suspects::Suspects;
pub use worker::approve_due::UpkeepError;
use worker::reseal_secrets::Keys;
use worker::send_payouts::ProviderSource;
use worker::{WorkerStatus, Workers};
use writer::{Counting, Reply, STATISTICS_FIRST_COMMANDS, Transactions, Upkeep, Writer};

/// The answer to a command that was carried out, either now or when its key was first used.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The result.
    pub outcome: Outcome,
    /// Whether it repeats an earlier answer under the same key. If so, nothing was done now.
    pub replayed: bool,
}

/// Why a command was not carried out. The command changed nothing, unless the error is [`SubmitError::Unavailable`]. In that case
/// it may have been carried out, and a repeat with the same key is safe.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// A rule refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The queue is full, or the account has its share of it.
    #[error("the server has as much waiting as it takes")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The caller's deadline passed before the work began.
    #[error("the deadline passed before the work began")]
    DeadlineExceeded,
    /// The database did not answer, or the server is stopping.
    #[error("the database did not answer, or the server is stopping")]
    Unavailable,
    /// A bug of ours. The text is for the log only.
    #[error("{0}")]
    Internal(String),
}

impl From<StoreError> for SubmitError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict | StoreError::Unavailable | StoreError::DiskFull | StoreError::ReadOnly => {
                Self::Unavailable
            }
            StoreError::Inconsistent { .. } | StoreError::Unexpected(_) | StoreError::Refused(_) | StoreError::New => {
                Self::Internal(error.to_string())
            }
        }
    }
}

/// The providers that payouts are sent to.
#[derive(Clone)]
pub struct Providers(pub Arc<dyn ProviderSource>);

/// Prints nothing, because providers have credentials.
impl fmt::Debug for Providers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("_")
    }
}

/// Options of the app.
#[derive(Debug, Clone)]
pub struct AppOptions {
    /// How many commands may wait, with a share for each account; more are refused at once.
    pub queue_commands_max: usize,
    /// The most commands in one transaction, unless a single call has more and no other account has commands.
    pub batch_commands_max: usize,
    /// How often the heads of watched feeds are polled.
    pub feed_poll_interval: Duration,
    /// How often due rewards are approved and old rows removed.
    pub upkeep_interval: Duration,
    /// The newest commit of any account when the server starts, see [`store::account_head::newest_commit`].
    pub newest_commit: Option<Time>,
    /// For how many days events are kept; none for ever.
    pub event_retention_days: Option<i32>,
    /// The encoding of events for readers of the feed.
    pub event_form: EventForm,
    /// The way of mail.
    pub post: Arc<Post>,
    /// The providers that payouts are sent to.
    pub providers: Providers,
    /// The keys that seal what must not be readable in the database.
    pub keys: Keys,
}

/// How long a caller that was refused for a full queue should wait: a few batches.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// How many steps of tidying the index of names one call takes. A million names take about a hundred.
const TIDYING_STEPS_MAX: u32 = 10_000;

/// How many calls that read much may run at once.
const HEAVY_CALLS_MAX: u64 = 2;

/// How long a caller should wait that was refused for a heavy call.
const RETRY_HEAVY_AFTER: Duration = Duration::from_secs(2);

/// The one way to the store for everything that changes it.
pub struct App {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    feed: Arc<Feed>,
    /// One queue per lane. Empty once the app is closed.
    queues: Mutex<Vec<mpsc::UnboundedSender<Job>>>,
    room: Shares<AccountId>,
    /// The calls that read much. The share of an account is one, because of two a second one would be more than its share.
    heavy: Shares<AccountId>,
    transactions: Transactions,
    key_uses: Arc<KeyUses>,
    /// The addresses that got mail lately because somebody wants to register.
    mailed: Mailed,
    workers: Workers,
    stop: CancellationToken,
}

impl App {
    /// Starts the workers, and a writer for each lane of the store. The task of the returned handle ends when the writers end.
    /// The writers end once the app is closed. If they end earlier, this is a fault, and the server must stop.
    ///
    /// # Errors
    /// When the system has no thread for a writer.
    pub fn start(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        options: &AppOptions,
    ) -> io::Result<(Arc<Self>, JoinHandle<()>)> {
        let feed = Arc::new(Feed::new(Arc::clone(&store), options.event_form.write_entry));
        let (mut queues, mut writers) = (Vec::new(), Vec::new());
        let transactions = Transactions::default();
        for lane in 0..store.lanes() {
            let (sender, receiver) = mpsc::unbounded_channel();
            let writer = Writer {
                store: Arc::clone(&store),
                lane,
                main: Handle::current(),
                clock: Arc::clone(&clock),
                feed: Arc::clone(&feed),
                transactions: transactions.clone(),
                encode_event: options.event_form.encode_body,
                catalogues: Catalogues::default(),
                suspects: Suspects::default(),
                folding: Folding::default(),
                counting: Counting::default(),
                short_until: None,
                commands_since_start: 0,
                statistics_at_commands: STATISTICS_FIRST_COMMANDS,
            };
            queues.push(sender);
            writers.push(writer.start(Queue::new(receiver, options.batch_commands_max))?);
        }
        // One writer that ends early is enough to end the handle.
        let handle = tokio::spawn(async { _ = futures::future::try_join_all(writers).await });
        let stop = CancellationToken::new();
        let app = Arc::new(Self {
            store,
            workers: Workers::new(Arc::clone(&clock), options.newest_commit, stop.child_token()),
            clock,
            feed: Arc::clone(&feed),
            queues: Mutex::new(queues),
            room: Shares::new(options.queue_commands_max as u64),
            heavy: Shares::new(HEAVY_CALLS_MAX),
            transactions,
            key_uses: Arc::default(),
            mailed: Mailed::new(),
            stop,
        });
        tokio::spawn(feed.poll(options.feed_poll_interval, app.stop.clone()));
        tokio::spawn(outage_watch::watch(Arc::clone(&app), app.stop.clone()));
        worker::start(&app, options);
        Ok((app, handle))
    }

    /// Refuses further commands. Each writer ends when the waiting commands are done, and the workers end too.
    pub fn close(&self) {
        self.stop.cancel();
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Carries out one command and answers after its commit.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn submit(&self, envelope: Envelope, deadline: Option<Instant>) -> Result<Answer, SubmitError> {
        let mut replies = self.submit_batch(vec![envelope], deadline).await?;
        replies.pop().unwrap_or_else(|| Err(SubmitError::Internal("no reply".to_owned())))
    }

    /// Carries out several commands of one account in order, each with its own answer, and answers after the commit of the last
    /// one. They may be committed in several transactions.
    ///
    /// # Errors
    /// [`SubmitError`] when none of them was decided.
    pub async fn submit_batch(
        &self,
        envelopes: Vec<Envelope>,
        deadline: Option<Instant>,
    ) -> Result<Vec<Reply>, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let replies = self.enqueue(Work::Commands(envelopes.into_iter(), reply), deadline, answer).await?;
        if replies.iter().any(|reply| matches!(reply, Err(SubmitError::Unavailable))) {
            self.store.outage().count_failed_calls(Access::Write, 1);
        }
        Ok(replies)
    }

    async fn enqueue<A>(
        &self,
        work: Work,
        deadline: Option<Instant>,
        answer: oneshot::Receiver<A>,
    ) -> Result<A, SubmitError> {
        failpoint!(BeforeQueue);
        let account_id = work.account_id();
        let room = self.room.take(account_id, work.size() as u64);
        let room = room.ok_or(SubmitError::Overloaded { retry_after: RETRY_AFTER })?;
        {
            let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
            let lane = account_id.uuid().as_u128() % (queues.len().max(1) as u128);
            let queue = usize::try_from(lane).ok().and_then(|lane| queues.get(lane)).ok_or(SubmitError::Unavailable)?;
            queue.send(Job { work, deadline, room }).map_err(|_| SubmitError::Unavailable)?;
        }
        // The writer dropped the reply, which it does only when the server ends. The commands that it had taken may or may not be
        // committed.
        let answer = answer.await.map_err(|_| SubmitError::Unavailable)?;
        failpoint!(BeforeAnswer);
        Ok(answer)
    }

    async fn keep_up(&self, upkeep: Upkeep) -> Result<u64, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Upkeep(upkeep, reply), None, answer).await?
    }

    /// Removes what former names have left in the index of names, in several transactions, and in the statistics of PostgreSQL, which
    /// have values of rows.
    ///
    /// # Errors
    /// See [`SubmitError`].
    pub async fn tidy_search(&self) -> Result<(), SubmitError> {
        for _ in 0..TIDYING_STEPS_MAX {
            if self.keep_up(Upkeep::TidySearch).await? == 0 {
                return Ok(self.store.renew_statistics().await?);
            }
        }
        // Names are written faster than they are tidied.
        Err(SubmitError::Overloaded { retry_after: RETRY_AFTER })
    }

    /// Begins a call that reads much, such as VerifyLedger. It runs until the result is dropped. An account may have one such call
    /// at a time, and the server two.
    ///
    /// # Errors
    /// [`SubmitError::Overloaded`] when one runs for the account, or two run for others.
    pub fn begin_heavy(&self, account_id: AccountId) -> Result<Share<AccountId>, SubmitError> {
        self.heavy.take(account_id, 1).ok_or(SubmitError::Overloaded { retry_after: RETRY_HEAVY_AFTER })
    }

    /// Approves every reward whose hold period is over, and returns how many.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub async fn approve_due_rewards(&self) -> Result<usize, UpkeepError> {
        worker::approve_due::approve_now(self).await
    }

    /// Creates the payout runs that schedules have planned up to now, and returns how many schedules were due.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub async fn run_due_schedules(&self) -> Result<u64, UpkeepError> {
        worker::run_schedules::run_now(self).await
    }

    /// Creates the payouts of all unfinished payout runs, and returns how many.
    ///
    /// # Errors
    /// See [`UpkeepError`].
    pub async fn create_payouts_of_runs(&self) -> Result<u64, UpkeepError> {
        worker::create_payouts::create_now(self).await
    }

    /// Makes the worker run that creates the payouts of payout runs.
    pub fn wake_payout_runs(&self) {
        self.wake_worker(worker::create_payouts::NAME);
    }

    /// Makes the worker run that compares payouts with the payments at their providers.
    pub fn wake_reconciliations(&self) {
        self.wake_worker(worker::reconcile_payouts::NAME);
    }

    /// Makes the worker run that sends payouts.
    pub fn wake_payouts(&self) {
        self.wake_worker(worker::send_payouts::NAME);
    }

    /// Makes a worker run at once, or again after its current run. False if no worker has this name.
    pub fn wake_worker(&self, name: &str) -> bool {
        self.workers.wake(name)
    }

    /// Each worker as it is now.
    pub fn worker_statuses(&self) -> Vec<WorkerStatus> {
        self.workers.statuses()
    }

    /// Stops the workers and waits for their current runs. Call it before [`Self::close`], which refuses the last commands of
    /// those runs.
    pub async fn stop_workers(&self) {
        self.workers.stop().await;
        if let Err(error) = worker::note_key_uses::note_rest(self).await {
            tracing::debug!(%error, "the last uses of keys are lost");
        }
    }

    /// When API keys were last used.
    pub fn key_uses(&self) -> &Arc<KeyUses> {
        &self.key_uses
    }

    /// How many transactions the writers have begun for commands since the start.
    pub fn transaction_count(&self) -> u64 {
        self.transactions.count()
    }

    /// The store, to read from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store, for what outlives a call.
    pub fn shared_store(&self) -> Arc<Store> {
        Arc::clone(&self.store)
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// The feed.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// The keyed hash of a request's content: HMAC-SHA256 over the method and the message as we encode it. The hash needs a key,
    /// because it is kept for ever and the content could be guessed from a plain hash.
    pub fn content_hash(&self, method: &str, message: &[u8]) -> [u8; 32] {
        // HMAC takes a key of any length, so this cannot fail.
        let Ok(mut hmac) = Hmac::<Sha256>::new_from_slice(&self.store.identity.secret) else { return [0; 32] };
        hmac.update(b"request");
        hmac.update(method.as_bytes());
        hmac.update(&[0]);
        hmac.update(message);
        hmac.finalize().into_bytes().into()
    }
}
