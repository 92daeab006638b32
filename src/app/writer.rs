//! The one write path. A single task takes whatever commands are waiting, loads what they need, decides each, saves, commits once,
//! and then answers. No timer: while one batch commits, the next gathers.
//!
//! A refused command leaves no trace and spoils no neighbour. A batch that the database refuses is rolled back and re-run command
//! by command: after a conflict with another server instance, and so that one account's broken row is felt by nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::Instant;

use super::feed::Feed;
use super::needs;
use super::{Answer, SubmitError};
use crate::clock::{self, Clock, RandomIds};
use crate::domain::command::{Command, Envelope};
use crate::domain::decide;
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::refusal::Refusal;
use crate::domain::time::Time;
use crate::domain::working_set::{Needs, WorkingSet};
use crate::store::event::EncodeBody;
use crate::store::{self, Store, StoreError};

/// How often a batch of one is tried when it conflicts with another server instance.
const TRIES_MAX: u32 = 5;

/// The longest that a transaction may take before it is given up, so that a stuck database does not block all writes for ever.
const TRANSACTION_SECONDS_MAX: u64 = 20;

/// The longest that upkeep may take at a time: everybody's writes wait behind it, and it can be done later.
const UPKEEP_SECONDS_MAX: u64 = 5;

/// What a command comes to.
pub(super) type Reply = Result<Answer, SubmitError>;

/// What arrived in one call.
pub(super) struct Job {
    pub(super) work: Work,
    /// Drop the job unworked after this.
    pub(super) deadline: Option<Instant>,
    /// Its room in the queue, given back when the job is dropped.
    pub(super) room: OwnedSemaphorePermit,
}

/// What a job wants done, and who is to be told.
pub(super) enum Work {
    /// Commands, each with its own answer.
    Commands(Vec<Envelope>, oneshot::Sender<Vec<Reply>>),
    /// Remove old rows.
    Upkeep(Upkeep, oneshot::Sender<Result<u64, SubmitError>>),
}

/// Old rows to remove, at most so many. It is told how many there were.
#[derive(Debug, Clone, Copy)]
pub(super) enum Upkeep {
    /// Request ids that have expired.
    ForgetRequests(u64),
    /// Segments of events of an account that were committed before a time.
    PruneEvents(AccountId, Time, u64),
}

impl Work {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Commands(envelopes, _) => envelopes.len(),
            Self::Upkeep(..) => 1,
        }
    }
}

/// The task's own things.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) feed: Arc<Feed>,
    pub(super) batch_commands_max: usize,
    pub(super) encode_event: EncodeBody,
    /// The latest commit time that was given out.
    pub(super) last_commit_micros: AtomicI64,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) async fn run(self, mut queue: mpsc::UnboundedReceiver<Job>) {
        while let Some(first) = queue.recv().await {
            let mut size = first.work.size();
            let mut jobs = vec![first];
            while size < self.batch_commands_max
                && let Ok(job) = queue.try_recv()
            {
                size += job.work.size();
                jobs.push(job);
            }
            self.work_off(jobs).await;
        }
    }

    async fn work_off(&self, jobs: Vec<Job>) {
        let now = clock::monotonic_now();
        let mut waiting = Vec::new();
        let mut envelopes = Vec::new();
        for job in jobs {
            // That a caller has gone, and the answer cannot be delivered, is no fault.
            match job.work {
                Work::Commands(commands, reply) if job.deadline.is_some_and(|deadline| deadline <= now) => {
                    let _ = reply.send(vec![Err(SubmitError::DeadlineExceeded); commands.len()]);
                }
                Work::Commands(commands, reply) => {
                    waiting.push((commands.len(), reply, job.room));
                    envelopes.extend(commands);
                }
                Work::Upkeep(upkeep, reply) => {
                    let _ = reply.send(self.keep_up(upkeep).await.map_err(SubmitError::from));
                }
            }
        }
        if envelopes.is_empty() {
            return;
        }
        let mut replies = self.carry_out(&envelopes).await.into_iter();
        for (count, reply, _room) in waiting {
            let _ = reply.send(replies.by_ref().take(count).collect());
        }
    }

    /// Carries out all commands in one transaction, or in several where one names what an earlier one made known, or one by one
    /// when the database refuses that.
    async fn carry_out(&self, envelopes: &[Envelope]) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(envelopes.len());
        while replies.len() < envelopes.len() {
            let rest = &envelopes[replies.len()..];
            match self.attempt(rest).await {
                Ok(done) => replies.extend(done),
                // Not again: it may have been committed, and the next attempt would wait as long.
                Err(error @ StoreError::Unavailable) => replies.resize(envelopes.len(), Err(error.into())),
                Err(error) => {
                    tracing::debug!(commands = rest.len(), %error, "batch was refused, re-running one by one");
                    for envelope in rest {
                        replies.push(self.carry_out_one(envelope).await);
                    }
                }
            }
        }
        replies
    }

    async fn carry_out_one(&self, envelope: &Envelope) -> Reply {
        for attempt in 1..=TRIES_MAX {
            match self.attempt(std::slice::from_ref(envelope)).await {
                Ok(mut replies) => {
                    return replies.pop().unwrap_or_else(|| Err(SubmitError::Internal("no reply".to_owned())));
                }
                Err(StoreError::Conflict) => {
                    let pause = Duration::from_millis(5 * u64::from(attempt));
                    tokio::time::sleep(clock::jitter(pause, 50)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(tries = TRIES_MAX, "a command conflicted every time");
        Err(SubmitError::Unavailable)
    }

    async fn attempt(&self, envelopes: &[Envelope]) -> Result<Vec<Reply>, StoreError> {
        let limit = Duration::from_secs(TRANSACTION_SECONDS_MAX);
        // Dropping the transaction rolls it back.
        tokio::time::timeout(limit, self.transact(envelopes)).await.unwrap_or(Err(StoreError::Unavailable))
    }

    /// Carries out the commands, the first at least, and replies to those that it came to.
    async fn transact(&self, envelopes: &[Envelope]) -> Result<Vec<Reply>, StoreError> {
        let mut wanted = Needs::default();
        for envelope in envelopes {
            needs::add(&mut wanted, envelope);
        }
        failpoint!(BeforeBegin);
        let transaction = self.store.begin().await?;
        failpoint!(BeforeLock);
        // The lock on its head is the account's write lock: what is loaded after it stays true until the commit.
        let mut heads = store::save::lock_heads(&transaction, &accounts_to_lock(envelopes)).await?;
        let before = sequences(&heads);
        let mut set = WorkingSet::default();
        failpoint!(BeforeLoad);
        store::load::load(&transaction, &wanted, &mut set).await?;
        failpoint!(BeforeDecide);

        let now = self.clock.now();
        let mut ids = RandomIds;
        let mut replies: Vec<Reply> = Vec::with_capacity(envelopes.len());
        for envelope in envelopes {
            let decision = decide(&mut set, envelope, now, &mut ids);
            // It names something by a name that an earlier one gave, so that nobody knew what to load. The next transaction does.
            if !replies.is_empty() && matches!(decision, Err(Refusal::NotLoaded(_))) {
                break;
            }
            let answer = decision.map(|decision| Answer { outcome: decision.outcome, replayed: decision.replayed });
            replies.push(answer.map_err(SubmitError::from));
        }

        failpoint!(BeforeSave);
        store::save::save(&transaction, &set, &mut heads, self.commit_time(now), self.encode_event).await?;
        transaction.commit().await?;
        failpoint!(BeforePublish);
        for (account_id, head) in &heads {
            if before.get(account_id).copied().unwrap_or(0) < head.event_sequence {
                self.feed.publish(*account_id, head.event_sequence);
            }
        }
        failpoint!(AfterPublish);
        Ok(replies)
    }

    /// The time of a commit: now, but never earlier than that of the commit before, wherever the clock was set meanwhile.
    fn commit_time(&self, now: Time) -> Time {
        let before = self.last_commit_micros.fetch_max(now.micros(), Ordering::Relaxed);
        Time::from_micros(before.max(now.micros()))
    }

    async fn keep_up(&self, upkeep: Upkeep) -> Result<u64, StoreError> {
        let limit = Duration::from_secs(UPKEEP_SECONDS_MAX);
        tokio::time::timeout(limit, self.remove(upkeep)).await.unwrap_or(Err(StoreError::Unavailable))
    }

    async fn remove(&self, upkeep: Upkeep) -> Result<u64, StoreError> {
        let transaction = self.store.begin().await?;
        let count = match upkeep {
            Upkeep::ForgetRequests(limit) => store::request::forget(&transaction, self.clock.now(), limit).await?,
            Upkeep::PruneEvents(account_id, before, limit) => {
                let mut heads = store::save::lock_heads(&transaction, &BTreeSet::from([account_id])).await?;
                match heads.get_mut(&account_id) {
                    Some(head) => store::event::prune(&transaction, head, before, limit).await?,
                    None => 0,
                }
            }
        };
        failpoint!(AfterRemoval);
        transaction.commit().await?;
        Ok(count)
    }
}

/// Clicks make no event and no entry, so they need no lock: an account that only records clicks in this batch waits for nobody.
fn accounts_to_lock(envelopes: &[Envelope]) -> BTreeSet<AccountId> {
    envelopes
        .iter()
        .filter(|envelope| !matches!(envelope.command, Command::RecordClick(_)))
        .map(|envelope| envelope.account_id)
        .collect()
}

fn sequences(heads: &BTreeMap<AccountId, AccountHead>) -> BTreeMap<AccountId, i64> {
    heads.iter().map(|(account_id, head)| (*account_id, head.event_sequence)).collect()
}
