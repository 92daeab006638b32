//! The commands that wait for a writer, and the choice of those that make the next batch. Accounts take turns, so that one with
//! thousands of waiting commands delays another one's by the batch in progress and a share of the next one. An account's own
//! commands keep their order. Knows no rule and no database.
//!
//! While only one account has commands, a batch takes its calls whole, up to `batch_commands_max`. While several have, or had a
//! moment ago, each turn takes a few commands, a long call is spread over several batches, and a batch ends early once only one
//! account has commands left. Each command is answered on its own, so a call need not be one transaction.

use std::collections::VecDeque;
use std::time::Duration;
use std::vec;

use hashbrown::HashMap;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::SubmitError;
use super::suspects::Suspects;
use super::writer::{Reply, Upkeep};
use crate::domain::id::AccountId;
use crate::domain::rule::Envelope;
use crate::shares::Share;
use crate::turns::Turns;

/// How much of an account's work a turn takes, in the unit of [`Envelope::weight`]: little, so that many accounts find a place in
/// each batch.
const TURN_WEIGHT: usize = 16;

/// How much a batch takes from an account once no other one has commands left, while others may come at any time. It commits in
/// about the time in which an idle server answers.
const REST_WEIGHT_MAX: usize = 128;

/// How much of a suspect account's work a batch takes while other accounts have commands. Each command may cost a transaction or
/// two.
const SUSPECT_WEIGHT_MAX: usize = 4;

/// How long batches stay short after one with commands of another account. A caller that waits for each answer has nothing in the
/// queue most of the time.
const SHARED_FOR: Duration = Duration::from_secs(1);

/// The work of one call.
pub(super) struct Job {
    pub(super) work: Work,
    /// Commands that have not begun by this time are not carried out.
    pub(super) deadline: Option<Instant>,
    /// Its share of the queue's room, given back when the job is dropped.
    pub(super) room: Share<AccountId>,
}

/// The work of a job, with the channel for the reply.
pub(super) enum Work {
    /// Commands, each with its own answer.
    Commands(vec::IntoIter<Envelope>, oneshot::Sender<Vec<Reply>>),
    /// Remove old rows.
    Upkeep(Upkeep, oneshot::Sender<Result<u64, SubmitError>>),
}

impl Work {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Commands(envelopes, _) => envelopes.len(),
            Self::Upkeep(..) => 1,
        }
    }

    /// The account that determines the lane, and whose turn it is. An account uses one lane only, so that its commands never wait
    /// for each other's locks.
    pub(super) fn account_id(&self) -> AccountId {
        match self {
            Self::Commands(envelopes, _) => {
                envelopes.as_slice().first().map_or(AccountId::SERVER, |envelope| envelope.account_id)
            }
            Self::Upkeep(Upkeep::PruneEvents(account_id, ..), _) => *account_id,
            Self::Upkeep(_, _) => AccountId::SERVER,
        }
    }
}

/// A job in the queue.
struct Waiting {
    job: Job,
    /// Whether its first commands were taken already.
    is_split: bool,
}

/// The end of a job: the caller that gets the replies to all of its commands.
struct End {
    reply: oneshot::Sender<Vec<Reply>>,
    is_split: bool,
    _room: Share<AccountId>,
}

/// Consecutive commands of a job.
pub(super) struct Part {
    account_id: AccountId,
    count: usize,
    /// How many further commands of the job are not carried out, because its deadline has passed.
    late_count: usize,
    /// `None` when the job stays in the queue with further commands.
    end: Option<End>,
}

/// Commands that are carried out together, if the database takes them.
#[derive(Default)]
pub(super) struct Lot {
    pub(super) envelopes: Vec<Envelope>,
    pub(super) parts: Vec<Part>,
}

/// An upkeep, the channel for its reply, and its share of the queue's room.
pub(super) type WaitingUpkeep = (Upkeep, oneshot::Sender<Result<u64, SubmitError>>, Share<AccountId>);

/// The work that a writer does next.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) upkeeps: Vec<WaitingUpkeep>,
    pub(super) together: Lot,
    /// The commands of suspect accounts. They run after the others.
    pub(super) apart: Lot,
    weight: usize,
}

/// See the head of the file.
pub(super) struct Queue {
    arrivals: mpsc::UnboundedReceiver<Job>,
    turns: Turns<AccountId, Waiting>,
    batch_commands_max: usize,
    /// An account of the last batch.
    last: Option<AccountId>,
    /// Until when batches are short even if only one account has commands.
    shared_until: Option<Instant>,
    /// The replies to the first commands of jobs that are still in the queue. An account has one such job at most.
    unfinished: HashMap<AccountId, Vec<Reply>>,
}

impl Queue {
    pub(super) fn new(arrivals: mpsc::UnboundedReceiver<Job>, batch_commands_max: usize) -> Self {
        let (turns, unfinished) = (Turns::default(), HashMap::new());
        Self { arrivals, turns, batch_commands_max, last: None, shared_until: None, unfinished }
    }

    /// Waits until there is work. False once the queue is closed and empty.
    pub(super) async fn has_work(&mut self) -> bool {
        if self.turns.owners() == 0 {
            let Some(job) = self.arrivals.recv().await else { return false };
            self.push(job);
        }
        while let Ok(job) = self.arrivals.try_recv() {
            self.push(job);
        }
        true
    }

    fn push(&mut self, job: Job) {
        self.turns.push(job.work.account_id(), Waiting { job, is_split: false });
    }

    /// Takes the next batch.
    pub(super) fn take(&mut self, suspects: &Suspects, now: Instant) -> Batch {
        let mut batch = Batch::default();
        let is_shared = self.turns.owners() > 1 || self.shared_until.is_some_and(|until| now < until);
        let (mut first, mut is_mixed) = (None, false);
        let (mut rest_weight, mut idle_turns) = (0, 0);
        while batch.weight < self.batch_commands_max && idle_turns < self.turns.owners() {
            let is_rest = is_shared && self.turns.owners() == 1;
            if is_rest && rest_weight >= REST_WEIGHT_MAX {
                break;
            }
            let (batch, batch_commands_max) = (&mut batch, self.batch_commands_max);
            let weight = self.turns.take_turn(|account_id, jobs| {
                is_mixed |= *first.get_or_insert(account_id) != account_id;
                let is_suspect = suspects.has_account(account_id, now);
                let weight_max = match (is_shared, is_suspect) {
                    (false, _) => batch_commands_max,
                    (true, false) => TURN_WEIGHT,
                    (true, true) => SUSPECT_WEIGHT_MAX,
                };
                Turn { batch, account_id, weight_max, may_split: is_shared, is_suspect, now }.take(jobs)
            });
            let weight = weight.unwrap_or_default();
            idle_turns = if weight == 0 { idle_turns + 1 } else { 0 };
            rest_weight += if is_rest { weight } else { 0 };
        }
        if is_mixed || (self.last.is_some() && self.last != first) {
            self.shared_until = Some(now + SHARED_FOR);
        }
        self.last = first;
        batch
    }

    /// Takes the replies to commands of a batch, and answers the jobs that have no further ones.
    pub(super) fn answer(&mut self, parts: Vec<Part>, replies: Vec<Reply>) {
        let mut replies = replies.into_iter();
        for Part { account_id, count, late_count, end } in parts {
            let of_part = replies.by_ref().take(count);
            let Some(End { reply, is_split, .. }) = end else {
                self.unfinished.entry(account_id).or_default().extend(of_part);
                continue;
            };
            let mut all = if is_split { self.unfinished.remove(&account_id).unwrap_or_default() } else { Vec::new() };
            all.extend(of_part);
            all.extend(std::iter::repeat_n(Err(SubmitError::DeadlineExceeded), late_count));
            // Sending a reply fails when its caller has gone. This is no fault.
            let _ = reply.send(all);
        }
    }
}

/// One account's turn.
struct Turn<'take> {
    batch: &'take mut Batch,
    account_id: AccountId,
    weight_max: usize,
    /// Whether a job may be spread over several batches.
    may_split: bool,
    is_suspect: bool,
    now: Instant,
}

impl Turn<'_> {
    /// Takes the account's next commands. Returns their weight, which is 0 if the account has had its part of this batch.
    fn take(self, jobs: &mut VecDeque<Waiting>) -> usize {
        let Self { batch, account_id, weight_max, may_split, is_suspect, now } = self;
        let lot = if is_suspect { &mut batch.apart } else { &mut batch.together };
        if is_suspect && may_split && lot.parts.iter().any(|part| part.account_id == account_id) {
            return 0;
        }
        let mut weight = 0;
        while weight < weight_max
            && let Some(Waiting { job, is_split }) = jobs.pop_front()
        {
            let Job { work, deadline, room } = job;
            let (mut commands, reply) = match work {
                Work::Commands(commands, reply) => (commands, reply),
                Work::Upkeep(upkeep, reply) => {
                    batch.upkeeps.push((upkeep, reply, room));
                    weight += 1;
                    continue;
                }
            };
            let mut part = Part { account_id, count: 0, late_count: 0, end: None };
            if deadline.is_some_and(|deadline| deadline <= now) {
                part.late_count = commands.by_ref().count();
                // Also work, so that a turn that only finds late jobs is not taken for the last one.
                weight += 1;
            }
            while (weight < weight_max || !may_split)
                && let Some(command) = commands.next()
            {
                weight += command.weight();
                part.count += 1;
                lot.envelopes.push(command);
            }
            if commands.len() == 0 {
                part.end = Some(End { reply, is_split, _room: room });
            } else {
                let job = Job { work: Work::Commands(commands, reply), deadline, room };
                jobs.push_front(Waiting { job, is_split: true });
            }
            lot.parts.push(part);
        }
        batch.weight += weight;
        weight
    }
}

#[cfg(test)]
mod tests;
