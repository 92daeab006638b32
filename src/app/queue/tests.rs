//! The choice of batches, without a database. A command is known by its key, and its reply names it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::clock;
use crate::domain::id::RewardId;
use crate::domain::request::Fingerprint;
use crate::domain::rule::ApproveRewards;
use crate::shares::Shares;

const BATCH_COMMANDS_MAX: usize = 512;

fn account(number: u128) -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(number))
}

fn command(account_id: AccountId, key: usize, weight: usize) -> Envelope {
    let ids = (0..weight as u128).map(|number| RewardId::from_uuid(Uuid::from_u128(number))).collect();
    let fingerprint =
        Fingerprint { scope: "test".to_owned(), key: key.to_string(), content_hash: [0; 32], is_kept_for_ever: false };
    Envelope {
        account_id,
        fingerprint: Some(fingerprint),
        actor: None,
        command: ApproveRewards { ids, skip_others: false }.into(),
    }
}

fn key(envelope: &Envelope) -> usize {
    envelope.fingerprint.as_ref().unwrap().key.parse().unwrap()
}

/// A queue with its callers.
struct Bench {
    queue: Queue,
    room: Shares<AccountId>,
    suspects: Suspects,
    now: Instant,
    /// Whether the last batch was short.
    is_short: bool,
    /// How many commands each account has submitted.
    submitted: BTreeMap<AccountId, usize>,
    /// Each account's keys in the order in which they were taken.
    taken: BTreeMap<AccountId, Vec<usize>>,
    /// Each call: its keys, and its replies.
    calls: Vec<(Vec<usize>, oneshot::Receiver<Vec<Reply>>)>,
}

impl Bench {
    fn new() -> Self {
        let (_, arrivals) = mpsc::unbounded_channel();
        Self {
            queue: Queue::new(arrivals, BATCH_COMMANDS_MAX),
            room: Shares::new(1_000_000),
            suspects: Suspects::default(),
            now: clock::monotonic_now(),
            is_short: false,
            submitted: BTreeMap::new(),
            taken: BTreeMap::new(),
            calls: Vec::new(),
        }
    }

    fn submit(&mut self, account_id: AccountId, count: usize) {
        self.submit_with(account_id, count, 1, None);
    }

    fn submit_with(&mut self, account_id: AccountId, count: usize, weight: usize, deadline: Option<Instant>) {
        let first = self.submitted.entry(account_id).or_default();
        let keys: Vec<usize> = (*first..*first + count).collect();
        *first += count;
        let commands: Vec<_> = keys.iter().map(|key| command(account_id, *key, weight)).collect();
        let (reply, answer) = oneshot::channel();
        let room = self.room.take(account_id, count as u64).unwrap();
        self.queue.push(Job { work: Work::Commands(commands.into_iter(), reply), deadline, room });
        self.calls.push((keys, answer));
    }

    /// Takes a batch and answers it. Returns the number of commands of each account, and that of commands apart.
    fn batch(&mut self) -> (BTreeMap<AccountId, usize>, usize) {
        let Batch { together, apart, is_short, .. } = self.queue.take(&self.suspects, self.now);
        self.is_short = is_short;
        let mut counts = BTreeMap::new();
        let count_apart = apart.envelopes.len();
        for Lot { envelopes, parts } in [together, apart] {
            let mut replies = Vec::new();
            for envelope in &envelopes {
                *counts.entry(envelope.account_id).or_default() += 1;
                self.taken.entry(envelope.account_id).or_default().push(key(envelope));
                replies.push(Err(SubmitError::Internal(key(envelope).to_string())));
            }
            self.queue.answer(parts, replies);
        }
        (counts, count_apart)
    }

    /// Takes batches until nothing is waiting, and checks that every call got the replies to its commands in order.
    fn finish(mut self) {
        while self.queue.turns.owners() > 0 {
            self.batch();
        }
        for (account_id, keys) in &self.taken {
            assert!(keys.is_sorted(), "{account_id}: {keys:?}");
        }
        for (keys, mut answer) in self.calls {
            let replies = answer.try_recv().unwrap();
            let named: Vec<usize> = replies
                .into_iter()
                .map(|reply| match reply {
                    Err(SubmitError::Internal(key)) => key.parse().unwrap(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(named, keys);
        }
        let left = self.room.left();
        assert_eq!((left, self.queue.unfinished.len()), (1_000_000, 0));
    }
}

#[test]
fn the_calls_of_a_lone_account_are_taken_whole() {
    let (mut bench, alone) = (Bench::new(), account(1));
    (0..3).for_each(|_| bench.submit(alone, 1_000));
    (0..600).for_each(|_| bench.submit(alone, 1));
    let sizes: Vec<usize> = (0..5).map(|_| bench.batch().0[&alone]).collect();
    assert_eq!(sizes, [1_000, 1_000, 1_000, 512, 88]);
    bench.finish();
}

#[test]
fn a_single_command_finds_a_place_in_the_next_batch_which_is_short() {
    let (mut bench, hog, victim) = (Bench::new(), account(1), account(2));
    (0..4).for_each(|_| bench.submit(hog, 1_000));
    bench.submit(victim, 1);
    let (counts, _) = bench.batch();
    assert_eq!(counts[&victim], 1);
    assert_eq!(counts[&hog], SHORT_WEIGHT_MAX);
    // The victim is not in the queue now, but it may come back at any time.
    for _ in 0..5 {
        assert_eq!(bench.batch().0[&hog], SHORT_WEIGHT_MAX);
    }
    bench.now += SHARED_FOR;
    let (counts, _) = bench.batch();
    assert!(counts[&hog] >= BATCH_COMMANDS_MAX, "nobody else is at work: {counts:?}");
    bench.finish();
}

#[test]
fn a_command_that_comes_later_is_not_behind_what_waited_before() {
    let (mut bench, hog, victim) = (Bench::new(), account(1), account(2));
    (0..4).for_each(|_| bench.submit(hog, 1_000));
    bench.batch();
    bench.submit(victim, 1);
    assert_eq!(bench.batch().0[&victim], 1);
    bench.finish();
}

#[test]
fn busy_accounts_take_turns_with_whole_calls() {
    let mut bench = Bench::new();
    (1..=8).for_each(|number| bench.submit(account(number), 500));
    for number in [1, 3, 5, 7] {
        assert_eq!(bench.batch().0, BTreeMap::from([(account(number), 500), (account(number + 1), 500)]));
        (0..2).for_each(|_| bench.submit(account(number), 500));
    }
    for number in [1, 3, 5, 7] {
        assert_eq!(bench.batch().0, BTreeMap::from([(account(number), 1_000)]));
    }
    bench.finish();
}

#[test]
fn busy_accounts_take_turns_beside_a_light_one_too() {
    let (mut bench, light) = (Bench::new(), account(9));
    (1..=8).for_each(|number| bench.submit(account(number), 1_000));
    for number in (1..=8).chain(1..=8) {
        bench.submit(light, 3);
        assert_eq!(bench.batch().0, BTreeMap::from([(light, 3), (account(number), SHORT_WEIGHT_MAX)]));
        assert!(bench.is_short);
    }
    bench.finish();
}

#[test]
fn batches_of_one_account_are_not_short() {
    for count in [3, 1_000] {
        let mut bench = Bench::new();
        for _ in 0..3 {
            bench.submit(account(1), count);
            bench.batch();
            assert!(!bench.is_short);
        }
        bench.finish();
    }
}

#[test]
fn many_light_accounts_leave_a_part_to_a_busy_one() {
    let (mut bench, hog) = (Bench::new(), account(1_000));
    bench.submit(hog, 1_000);
    (0..600).for_each(|number| bench.submit(account(number), 2));
    assert_eq!(bench.batch().0[&hog], SHORT_WEIGHT_MAX);
    bench.finish();
}

#[test]
fn an_account_with_few_commands_at_times_does_not_shorten_its_own_batches() {
    let (mut bench, alone) = (Bench::new(), account(1));
    for _ in 0..4 {
        bench.submit(alone, 2);
        assert_eq!(bench.batch().0[&alone], 2);
        bench.submit(alone, 1_000);
        assert_eq!(bench.batch().0[&alone], 1_000);
    }
    bench.finish();
}

#[test]
fn accounts_that_found_no_place_are_first_in_the_next_batch() {
    let mut bench = Bench::new();
    (0..600).for_each(|number| bench.submit(account(number), 2));
    let (first, _) = bench.batch();
    let (second, _) = bench.batch();
    assert_eq!((first.len(), second.len()), (256, 256));
    assert!(first.keys().all(|account_id| !second.contains_key(account_id)));
    bench.finish();
}

#[test]
fn heavy_commands_make_a_batch_of_few() {
    let (mut bench, hog, victim) = (Bench::new(), account(1), account(2));
    (0..20).for_each(|_| bench.submit_with(hog, 1, 300, None));
    assert_eq!(bench.batch().0[&hog], 2);
    bench.submit(victim, 1);
    let (counts, _) = bench.batch();
    assert!(counts[&victim] == 1 && counts[&hog] <= 2, "{counts:?}");
    bench.finish();
}

#[test]
fn commands_past_their_deadline_are_answered_and_not_taken() {
    let (mut bench, hog, victim) = (Bench::new(), account(1), account(2));
    let deadline = bench.now + Duration::from_secs(1);
    bench.submit_with(hog, 1_000, 1, Some(deadline));
    bench.submit(victim, 1);
    let begun = bench.batch().0[&hog];
    bench.now = deadline;
    bench.submit_with(hog, 10, 1, Some(deadline));
    assert_eq!(bench.batch().0.len(), 0);
    for (place, begun) in [(0, begun), (2, 0)] {
        let (keys, answer) = &mut bench.calls[place];
        let replies = answer.try_recv().unwrap();
        let late = replies.iter().filter(|reply| matches!(reply, Err(SubmitError::DeadlineExceeded))).count();
        assert_eq!((replies.len(), late), (keys.len(), keys.len() - begun));
        assert!(replies[begun..].iter().all(|reply| matches!(reply, Err(SubmitError::DeadlineExceeded))));
    }
}

#[test]
fn a_suspect_account_runs_apart_and_gets_little_while_others_wait() {
    let (mut bench, suspect, other) = (Bench::new(), account(1), account(2));
    bench.suspects.note(&command(suspect, 0, 1), bench.now);
    bench.submit(suspect, 1_000);
    bench.submit(other, 600);
    let (counts, apart) = bench.batch();
    assert_eq!((counts[&suspect], apart), (SUSPECT_WEIGHT_MAX, SUSPECT_WEIGHT_MAX));
    assert!(counts[&other] >= SHORT_WEIGHT_MAX, "{counts:?}");
    bench.finish();
}

proptest! {
    /// Whatever comes when: each command is taken once, those of an account in their order, and each call gets its own replies.
    #[test]
    fn calls_get_the_replies_to_their_commands(
        steps in proptest::collection::vec((0_u128..5, prop_oneof![Just(1_usize), 1_usize..300, Just(1_000)], 0_usize..3), 1..40),
        suspect in 0_u128..8,
    ) {
        let mut bench = Bench::new();
        bench.suspects.note(&command(account(suspect), 0, 1), bench.now);
        for (number, count, batches) in steps {
            bench.submit(account(number), count);
            for _ in 0..batches {
                bench.batch();
                bench.now += Duration::from_millis(400);
            }
        }
        bench.finish();
    }
}
