//! The one write path. A task takes all waiting commands, loads the rows they need, decides each, saves, commits once, and then
//! answers. No timer delays a batch: while one batch commits, the next one collects. Each lane of the store has one such task,
//! and all commands of an account take the same lane.
//!
//! A refused command changes nothing and does not affect the others. If the database refuses a batch, the batch is rolled back
//! and both of its halves are run, and so on down to a single command. Commands that conflict with another server instance then
//! succeed, and an account's broken row fails only the commands of that account. One such command among n takes about 2 log n
//! transactions. It is remembered with its account (`suspects.rs`), and the account's commands run after those of the others.

mod counting;

use std::collections::BTreeSet;
use std::io;
use std::iter;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use hashbrown::HashMap;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::feed::Feed;
use super::folding::{self, Folding};
use super::key_uses::LastUse;
use super::queue::{Batch, Lot, Queue, SHARED_FOR};
use super::suspects::Suspects;
use super::{Answer, SubmitError};
use crate::clock::{self, Clock, RandomIds};
use crate::domain::decide;
use crate::domain::id::AccountId;
use crate::domain::ledger::AccountHead;
use crate::domain::mail::Mail;
use crate::domain::refusal::Refusal;
use crate::domain::rule::{Envelope, add_needs, further_needs};
use crate::domain::set::Needs;
use crate::domain::set::WorkingSet;
use crate::domain::time::Time;
use crate::outage::Access;
use crate::sampled::Sampled;
use crate::store::event::EncodeBody;
use crate::store::sealed::Resealed;
use crate::store::set::catalogue::Catalogues;
use crate::store::{self, Store, StoreError};
pub(super) use counting::Counting;

/// How many times a single command is tried when it conflicts with another server instance.
const TRIES_MAX: u32 = 5;

/// How many times more rows are loaded for one command. A click that is told late needs the most: the visitor's first clicks, the
/// customers, their conversions, what these refer to, and level by level the affiliates who were uplines once and their enrollments.
const FURTHER_LOADS_MAX: u32 = 30;

/// The longest that a transaction may take before it is abandoned, so that a stuck database does not block all writes for ever.
const TRANSACTION_SECONDS_MAX: u64 = 20;

/// The longest that one upkeep may take. It is short, because all writes of the lane wait behind it and it can be done later.
const UPKEEP_SECONDS_MAX: u64 = 5;

/// The number of commands after which the database first analyzes its tables, and the factor by which that number grows each
/// time. Without statistics a new database would read all rows of an account to find one.
pub(super) const STATISTICS_FIRST_COMMANDS: usize = 200;
const STATISTICS_GROWTH: usize = 4;

static FOLD_FAILED: Sampled =
    Sampled::new(|failures, error| tracing::warn!(failures, error, "the lists of an account could not be folded"));

/// The reply to a command.
pub(super) type Reply = Result<Answer, SubmitError>;

/// How many transactions the writers have begun. Clones count together.
#[derive(Debug, Clone, Default)]
pub(super) struct Transactions(Arc<AtomicU64>);

impl Transactions {
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Work that is no business of an account. The reply is the number of rows.
#[derive(Debug, Clone)]
pub(super) enum Upkeep {
    /// Removes request ids that have expired, at most this many.
    ForgetRequests(u64),
    /// Removes files of payouts that were kept long enough, at most this many.
    ForgetPayoutFiles(u64),
    /// Removes segments of events of an account that were committed before a time, at most this many.
    PruneEvents(AccountId, Time, u64),
    /// Writes when keys were last used.
    NoteKeyUses(Arc<[LastUse]>),
    /// Begins a try of a mail, which is due at this time again. The count is 0 if another server has begun it.
    BeginMail(Arc<Mail>, Time),
    /// Writes a mail that no rule has caused.
    PostMail(Arc<Mail>),
    /// Deletes a mail that was sent or given up.
    RemoveMail(Arc<Mail>),
    /// Writes this content, to see whether a write works.
    TryWrite(Arc<[u8]>),
    /// Replaces sealed bytes by those of another key.
    Reseal(Arc<[Resealed]>),
    /// Removes a part of what former names have left in the index of names. The number is 0 when nothing is left.
    TidySearch,
}

/// The state of a writer task.
pub(super) struct Writer {
    pub(super) store: Arc<Store>,
    /// The lane of the store that it works in.
    pub(super) lane: usize,
    /// The shared runtime, for everything else.
    pub(super) main: runtime::Handle,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) feed: Arc<Feed>,
    pub(super) transactions: Transactions,
    pub(super) encode_event: EncodeBody,
    /// Rows cached between batches.
    pub(super) catalogues: Catalogues,
    pub(super) suspects: Suspects,
    pub(super) folding: Folding,
    pub(super) counting: Counting,
    /// Until when folds and the database's pauses are kept short, because a light account is at work beside a busy one.
    pub(super) short_until: Option<Instant>,
    /// How many commands were carried out, and at which number the database analyzes its tables next.
    pub(super) commands_since_start: usize,
    pub(super) statistics_at_commands: usize,
}

impl Writer {
    /// Runs on a thread of its own until the queue is closed and empty. On the shared runtime each database reply would queue
    /// behind the calls being served. The receiver ends when the writer ends, even when the writer panics.
    ///
    /// # Errors
    /// When the system cannot make another thread.
    pub(super) fn start(self, queue: Queue) -> io::Result<oneshot::Receiver<()>> {
        let (ended, end) = oneshot::channel();
        thread::Builder::new().name(format!("writer-{}", self.lane)).spawn(move || {
            match runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(self.run(queue)),
                Err(error) => tracing::error!(%error, "a writer cannot start"),
            }
            // The send fails when nobody waits for it, which is no fault.
            let _ = ended.send(());
        })?;
        Ok(end)
    }

    async fn run(mut self, mut queue: Queue) {
        while self.waits_for_work(&mut queue).await {
            let now = clock::monotonic_now();
            let Batch { upkeeps, together, apart, is_short, .. } = queue.take(&self.suspects, now);
            self.keep_pauses_short(is_short, now).await;
            for (upkeep, reply, _room) in upkeeps {
                // Sending a reply fails when its caller has gone. This is no fault.
                let _ = reply.send(self.keep_up(upkeep).await.map_err(SubmitError::from));
            }
            let Lot { envelopes, parts } = together;
            let replies = self.carry_out(&envelopes, iter::once(0..envelopes.len()).collect()).await;
            queue.answer(parts, replies);
            let Lot { envelopes, parts } = apart;
            let replies = self.carry_out(&envelopes, self.ranges_apart(&envelopes)).await;
            queue.answer(parts, replies);
            self.fold_lists(store::lists::is_due).await;
            self.fold_figures().await;
        }
        self.store.rest(self.lane).await;
    }

    /// Tells the store when a light account begins to share it with a busy one, and when that was a moment ago.
    async fn keep_pauses_short(&mut self, is_short: bool, now: Instant) {
        let were_short = self.short_until.is_some();
        if is_short {
            self.short_until = Some(now + SHARED_FOR);
        } else {
            self.short_until = self.short_until.filter(|until| now < *until);
        }
        let are_short = self.short_until.is_some();
        if are_short != were_short {
            self.store.keep_pauses_short(self.lane, are_short).await;
        }
    }

    /// Waits until there is work. Folds short tails while there is none. False once the queue is closed and empty.
    async fn waits_for_work(&mut self, queue: &mut Queue) -> bool {
        while self.folding.has_short_tails() {
            match tokio::time::timeout(folding::REST, queue.has_work()).await {
                Ok(has_work) => return has_work,
                Err(_) => {
                    self.folding.note_rest();
                    self.fold_lists(store::lists::is_due_at_rest).await;
                }
            }
        }
        queue.has_work().await
    }

    /// Divides the commands of suspect accounts: each account's run without those of the others, and a command that the database
    /// refused before runs alone.
    fn ranges_apart(&self, envelopes: &[Envelope]) -> Vec<Range<usize>> {
        let now = clock::monotonic_now();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut may_continue = false;
        for (place, envelope) in envelopes.iter().enumerate() {
            let is_suspect = self.suspects.has_command(envelope, now);
            let is_of_last = place > 0 && envelopes[place - 1].account_id == envelope.account_id;
            match ranges.last_mut() {
                Some(range) if may_continue && is_of_last && !is_suspect => range.end = place + 1,
                _ => ranges.push(place..place + 1),
            }
            may_continue = !is_suspect;
        }
        ranges
    }

    /// Carries out all commands, those of each range in one transaction. There are several transactions if a command uses a name
    /// that an earlier one made, or if the database refuses a range.
    async fn carry_out(&mut self, envelopes: &[Envelope], ranges: Vec<Range<usize>>) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(envelopes.len());
        let places = places_in_accounts(envelopes);
        // The next range is the last one.
        let mut waiting = ranges;
        waiting.reverse();
        while let Some(range) = waiting.pop() {
            let (commands, places) = (&envelopes[range.clone()], &places[range.clone()]);
            let result = match commands {
                [] => continue,
                [command] => self.carry_out_one(command, places).await,
                _ => self.attempt(commands, places).await,
            };
            match result {
                Ok(done) => {
                    let rest = range.start + done.len()..range.end;
                    replies.extend(done);
                    waiting.push(rest);
                }
                // No retry: the range may have been committed, and a retry would wait as long or fail as well.
                Err(error @ (StoreError::Unavailable | StoreError::DiskFull | StoreError::ReadOnly)) => {
                    replies.resize(envelopes.len(), Err(error.into()));
                    break;
                }
                Err(error) if commands.len() == 1 => replies.push(Err(error.into())),
                Err(error) => {
                    tracing::debug!(commands = commands.len(), %error, "a batch was refused, running its halves");
                    let middle = range.start + commands.len() / 2;
                    waiting.push(middle..range.end);
                    waiting.push(range.start..middle);
                }
            }
        }
        replies
    }

    async fn carry_out_one(&mut self, envelope: &Envelope, places: &[i64]) -> Result<Vec<Reply>, StoreError> {
        for attempt in 1..=TRIES_MAX {
            match self.attempt(std::slice::from_ref(envelope), places).await {
                Err(StoreError::Conflict) => {
                    let pause = Duration::from_millis(5 * u64::from(attempt));
                    tokio::time::sleep(clock::jitter(pause, 50)).await;
                }
                Err(error @ (StoreError::Unexpected(_) | StoreError::Inconsistent { .. })) => {
                    self.suspects.note(envelope, clock::monotonic_now());
                    return Err(error);
                }
                result => return result,
            }
        }
        tracing::warn!(tries = TRIES_MAX, "a command conflicted every time");
        Err(StoreError::Conflict)
    }

    async fn attempt(&mut self, envelopes: &[Envelope], places: &[i64]) -> Result<Vec<Reply>, StoreError> {
        let limit = Duration::from_secs(TRANSACTION_SECONDS_MAX);
        // Dropping the transaction rolls it back.
        tokio::time::timeout(limit, self.transact(envelopes, places)).await.unwrap_or_else(|_| Err(self.gave_up()))
    }

    /// The error of a transaction that took too long. It was no error of a statement, so it is noted here.
    fn gave_up(&self) -> StoreError {
        let error = StoreError::Unavailable;
        self.store.outage().failed(Access::Write, &error.to_string(), "a transaction took too long and was abandoned");
        error
    }

    /// Carries out commands, at least the first. `places` has the place of each in its account. Returns a reply for each that was
    /// decided.
    async fn transact(&mut self, envelopes: &[Envelope], places: &[i64]) -> Result<Vec<Reply>, StoreError> {
        let mut wanted = Needs::default();
        for envelope in envelopes {
            add_needs(&mut wanted, envelope);
        }
        self.transactions.0.fetch_add(1, Ordering::Relaxed);
        failpoint!(BeforeBegin);
        let transaction = self.store.begin_in(self.lane).await?;
        failpoint!(BeforeLock);
        // The lock on the head is the account's write lock, so rows that are loaded after it do not change until the commit.
        let (mut locked, others) = accounts_of(envelopes);
        let mut unlocked = store::account_head::heads_of(&transaction, &others).await?;
        // Clicks of these accounts may earn.
        unlocked.retain(|account_id, head| head.click_terms_count == 0 || !locked.insert(*account_id));
        let mut heads = store::account_head::lock_heads(&transaction, &locked).await?;
        self.catalogues.renew(&heads);
        self.catalogues.renew(&unlocked);
        let mut set = WorkingSet::default();
        heads.values().for_each(|head| set.balances.load_posted(head.account_id, head.posted_minor));
        failpoint!(BeforeLoad);
        store::set::load(&transaction, wanted, &mut self.catalogues, &mut set).await?;
        if let Some(further) = further_needs(&set, envelopes) {
            store::set::load(&transaction, further, &mut self.catalogues, &mut set).await?;
        }
        failpoint!(BeforeDecide);

        let mut ids = RandomIds;
        let mut replies: Vec<Reply> = Vec::with_capacity(envelopes.len());
        let begun_at = self.clock.now();
        for (envelope, place) in envelopes.iter().zip(places) {
            // Each command of an account has a time of its own, so that a change and an event of one batch are in order for ever.
            let now = begun_at.plus_micros(*place);
            let mut decision = decide(&mut set, envelope, now, &mut ids);
            // A command that turned out to need more rows is decided again with them.
            for _ in 0..FURTHER_LOADS_MAX {
                let is_short_of_rows = matches!(decision, Err(Refusal::NotLoaded(_)));
                let Some(wanted) = is_short_of_rows.then(|| set.take_wanted()).flatten() else { break };
                store::set::load(&transaction, wanted, &mut self.catalogues, &mut set).await?;
                decision = decide(&mut set, envelope, now, &mut ids);
            }
            // Another server has made the account's first terms that pay for clicks just now. The next try finds them in its head.
            if set.lacks_lock() {
                return Err(StoreError::Conflict);
            }
            // The command uses a name that an earlier one made, so its rows were not loaded. The next transaction loads them.
            if !replies.is_empty() && matches!(decision, Err(Refusal::NotLoaded(_))) {
                break;
            }
            let answer = decision.map(|decision| Answer { outcome: decision.outcome, replayed: decision.replayed });
            replies.push(answer.map_err(SubmitError::from));
        }

        failpoint!(BeforeSave);
        let saved = store::set::save(&transaction, &set, &mut heads, begun_at, self.encode_event).await?;
        for account_id in set.accounts_with_changed_catalogue() {
            self.catalogues.forget(account_id);
        }
        transaction.commit().await?;
        heads.values().for_each(|head| self.note_tail(head));
        self.counting.note(saved.figure_row_count);
        self.renew_statistics(envelopes.len());
        failpoint!(BeforePublish);
        self.feed.publish(saved.segments);
        failpoint!(AfterPublish);
        Ok(replies)
    }

    /// Makes the database analyze its tables again once the number of commands since this server started has grown several times
    /// over.
    fn renew_statistics(&mut self, commands: usize) {
        self.commands_since_start += commands;
        if self.commands_since_start < self.statistics_at_commands {
            return;
        }
        self.statistics_at_commands = self.commands_since_start * STATISTICS_GROWTH;
        let store = Arc::clone(&self.store);
        // The task uses a read connection, which must belong to the shared runtime and not to this thread.
        self.main.spawn(async move {
            if let Err(error) = store.renew_statistics().await
                && !error.is_outage()
            {
                tracing::warn!(%error, "could not renew the database's statistics");
            }
        });
    }

    /// Notes whether the account's tail is to be folded.
    fn note_tail(&mut self, head: &AccountHead) {
        if store::lists::is_due(head) {
            self.folding.note(head.account_id);
        } else if store::lists::is_due_at_rest(head) {
            self.folding.note_short_tail(head.account_id);
        }
    }

    /// Folds the lists of a few accounts whose tails are noted and due. A tail that is not folded costs only time, so a failure is only
    /// logged.
    async fn fold_lists(&mut self, is_due: fn(&AccountHead) -> bool) {
        let end = clock::monotonic_now() + Duration::from_secs(UPKEEP_SECONDS_MAX);
        for _ in 0..folding::ACCOUNTS_MAX {
            let Some(account_id) = self.folding.take(clock::monotonic_now()) else { break };
            // Many light accounts need no short folds: these cost each of them more time than a long one.
            let entries_max = self.folding.entries_max(self.short_until.is_some());
            let folded = tokio::time::timeout_at(end, self.fold(account_id, is_due, entries_max)).await;
            // A fold that takes too long is no sign of an outage, because it may be the fold that is large.
            let Err(error) = folded.unwrap_or(Err(StoreError::Unavailable)) else {
                self.folding.succeeded();
                continue;
            };
            let rest = self.folding.failed(account_id, clock::monotonic_now());
            FOLD_FAILED.note(&format!("{error}; account {}, next try in {rest:?}", account_id.uuid()));
            break;
        }
    }

    async fn fold(
        &mut self,
        account_id: AccountId,
        is_due: fn(&AccountHead) -> bool,
        entries_max: i64,
    ) -> Result<(), StoreError> {
        let transaction = self.store.begin_in(self.lane).await?;
        // If another server writes for the account at this moment, the next batch of the account notes it again.
        let Some(mut head) = store::account_head::try_lock(&transaction, account_id).await? else { return Ok(()) };
        // Another server may have folded meanwhile.
        if !is_due(&head) {
            return Ok(());
        }
        store::lists::fold(&transaction, &mut head, entries_max).await?;
        transaction.commit().await?;
        failpoint!(AfterFold);
        self.note_tail(&head);
        Ok(())
    }

    async fn keep_up(&self, upkeep: Upkeep) -> Result<u64, StoreError> {
        let limit = Duration::from_secs(UPKEEP_SECONDS_MAX);
        tokio::time::timeout(limit, self.carry_out_upkeep(upkeep)).await.unwrap_or_else(|_| Err(self.gave_up()))
    }

    async fn carry_out_upkeep(&self, upkeep: Upkeep) -> Result<u64, StoreError> {
        let transaction = self.store.begin_in(self.lane).await?;
        let count = match upkeep {
            Upkeep::ForgetRequests(limit) => store::request::forget(&transaction, self.clock.now(), limit).await?,
            Upkeep::ForgetPayoutFiles(limit) => {
                store::payout_export::forget_files(&transaction, self.clock.now(), limit).await?
            }
            Upkeep::PruneEvents(account_id, before, limit) => {
                let mut heads = store::account_head::lock_heads(&transaction, &BTreeSet::from([account_id])).await?;
                match heads.get_mut(&account_id) {
                    Some(head) => store::event::prune(&transaction, head, before, limit).await?,
                    None => 0,
                }
            }
            Upkeep::NoteKeyUses(uses) => store::account::note_uses(&transaction, &uses).await?,
            Upkeep::BeginMail(mail, next) => store::mail::begin_try(&transaction, &mail, next).await?,
            Upkeep::PostMail(mail) => store::mail::post(&transaction, &mail).await?,
            Upkeep::RemoveMail(mail) => store::mail::remove(&transaction, &mail).await?,
            Upkeep::TryWrite(content) => store::write_trial::write(&transaction, content.to_vec()).await?,
            Upkeep::Reseal(resealed) => store::sealed::replace(&transaction, &resealed).await?,
            Upkeep::TidySearch => store::search::tidy(&transaction).await?,
        };
        failpoint!(AfterRemoval);
        transaction.commit().await?;
        Ok(count)
    }
}

/// How many earlier commands of the batch each command's account has.
fn places_in_accounts(envelopes: &[Envelope]) -> Vec<i64> {
    let mut counts: HashMap<AccountId, i64> = HashMap::new();
    let place = |envelope: &Envelope| {
        let count = counts.entry(envelope.account_id).or_default();
        *count += 1;
        *count - 1
    };
    envelopes.iter().map(place).collect()
}

/// The accounts whose heads must be locked, and the others.
fn accounts_of(envelopes: &[Envelope]) -> (BTreeSet<AccountId>, BTreeSet<AccountId>) {
    let (locked, others): (Vec<_>, Vec<_>) = envelopes.iter().partition(|envelope| envelope.command.locks_account());
    let locked: BTreeSet<_> = locked.into_iter().map(|envelope| envelope.account_id).collect();
    let others = others.into_iter().map(|envelope| envelope.account_id).filter(|id| !locked.contains(id)).collect();
    (locked, others)
}
