//! The commands that wait for a writer, and the choice of those that make the next batch. An account with thousands of waiting
//! commands delays another one's by the batch in progress and a short part of the next one. An account's own commands keep their
//! order. Knows no rule and no database.
//!
//! A batch begins with the commands of the light accounts, which have few waiting. Then the others take turns, with whole calls
//! until the batch is full. While a light account is at work, they get a short part of each batch only, and a long call is spread
//! over several batches. Each command is answered on its own, so a call need not be one transaction.

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

/// An account with no more than this waiting is light. It is in the unit of [`Envelope::weight`].
const LIGHT_WEIGHT_MAX: usize = 64;

/// How much a batch takes from the accounts that are not light while another one is. It commits in about the time in which an idle
/// server answers.
const SHORT_WEIGHT_MAX: usize = 64;

/// How much of a suspect account's work a batch takes while other accounts have commands. Each command may cost a transaction or
/// two.
const SUSPECT_WEIGHT_MAX: usize = 4;

/// How long batches stay short after commands of a light account. A caller that waits for each answer has nothing in the queue most
/// of the time.
pub(super) const SHARED_FOR: Duration = Duration::from_secs(1);

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

impl Lot {
    fn has(&self, account_id: AccountId) -> bool {
        self.parts.iter().any(|part| part.account_id == account_id)
    }
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
    /// Whether an account got less than it could have, because a light account is at work.
    pub(super) is_short: bool,
    weight: usize,
}

/// See the head of the file.
pub(super) struct Queue {
    arrivals: mpsc::UnboundedReceiver<Job>,
    turns: Turns<AccountId, Waiting>,
    batch_commands_max: usize,
    light: LightAccounts,
    /// The replies to the first commands of jobs that are still in the queue. An account has one such job at most.
    unfinished: HashMap<AccountId, Vec<Reply>>,
}

impl Queue {
    pub(super) fn new(arrivals: mpsc::UnboundedReceiver<Job>, batch_commands_max: usize) -> Self {
        let (turns, light, unfinished) = (Turns::default(), LightAccounts::default(), HashMap::new());
        Self { arrivals, turns, batch_commands_max, light, unfinished }
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
        self.take_light(&mut batch, suspects, now);
        self.take_rest(&mut batch, suspects, now);
        batch
    }

    /// Takes what the light accounts have waiting, and a little of the suspect ones.
    fn take_light(&mut self, batch: &mut Batch, suspects: &Suspects, now: Instant) {
        let owners = self.turns.owners();
        for _ in 0..owners {
            if batch.weight >= self.batch_commands_max {
                return;
            }
            let light = &mut self.light;
            self.turns.take_turn(|account_id, jobs| {
                let turn = |weight_max, is_suspect| Turn { account_id, weight_max, may_split: true, is_suspect, now };
                if suspects.has_account(account_id, now) {
                    if owners > 1 || light.has_other(account_id, now) {
                        turn(SUSPECT_WEIGHT_MAX, true).take(jobs, batch);
                    }
                } else if is_light(jobs) {
                    // The rest of a call that was split is no sign of a light account.
                    if jobs.front().is_some_and(|waiting| !waiting.is_split) {
                        light.note(account_id, now);
                    }
                    turn(usize::MAX, false).take(jobs, batch);
                }
            });
        }
    }

    /// Takes from the other accounts in turn.
    fn take_rest(&mut self, batch: &mut Batch, suspects: &Suspects, now: Instant) {
        let before = batch.weight;
        let mut weight_max = self.batch_commands_max.saturating_sub(before).max(SHORT_WEIGHT_MAX);
        let mut idle_turns = 0;
        while idle_turns < self.turns.owners() && batch.weight - before < weight_max {
            let light = &self.light;
            let weight = self.turns.take_turn(|account_id, jobs| {
                let is_suspect = suspects.has_account(account_id, now);
                let is_short = light.has_other(account_id, now);
                let has_had_its_part = is_suspect && (is_short || batch.apart.has(account_id));
                // A light account that found no place is the first one next time.
                if has_had_its_part || (!is_suspect && is_light(jobs)) {
                    return 0;
                }
                if is_short {
                    weight_max = weight_max.min(SHORT_WEIGHT_MAX);
                    batch.is_short = true;
                }
                let weight_max = weight_max.saturating_sub(batch.weight - before);
                Turn { account_id, weight_max, may_split: is_short, is_suspect, now }.take(jobs, batch)
            });
            idle_turns = if weight.unwrap_or_default() == 0 { idle_turns + 1 } else { 0 };
        }
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

/// Whether an account has little waiting.
fn is_light(jobs: &VecDeque<Waiting>) -> bool {
    let mut weight = 0;
    jobs.iter().all(|Waiting { job, .. }| {
        weight += match &job.work {
            Work::Commands(commands, _) if commands.len() > LIGHT_WEIGHT_MAX => commands.len(),
            Work::Commands(commands, _) => commands.as_slice().iter().map(Envelope::weight).sum(),
            Work::Upkeep(..) => 1,
        };
        weight <= LIGHT_WEIGHT_MAX
    })
}

/// The light accounts of the last moments. Two are remembered, so that an account that is light at times can tell itself from the
/// others.
#[derive(Default)]
struct LightAccounts {
    last: Option<(AccountId, Instant)>,
    before: Option<(AccountId, Instant)>,
}

impl LightAccounts {
    fn note(&mut self, account_id: AccountId, now: Instant) {
        if self.last.is_none_or(|(last, _)| last != account_id) {
            self.before = self.last;
        }
        self.last = Some((account_id, now));
    }

    /// Whether an account other than this one was light a moment ago.
    fn has_other(&self, account_id: AccountId, now: Instant) -> bool {
        let mut noted = [self.last, self.before].into_iter().flatten();
        noted.any(|(other, noted_at)| other != account_id && now.duration_since(noted_at) < SHARED_FOR)
    }
}

/// One account's turn.
struct Turn {
    account_id: AccountId,
    weight_max: usize,
    /// Whether a job may be spread over several batches.
    may_split: bool,
    is_suspect: bool,
    now: Instant,
}

impl Turn {
    /// Takes the account's next commands. Returns their weight.
    fn take(self, jobs: &mut VecDeque<Waiting>, batch: &mut Batch) -> usize {
        let Self { account_id, weight_max, may_split, is_suspect, now } = self;
        let lot = if is_suspect { &mut batch.apart } else { &mut batch.together };
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
