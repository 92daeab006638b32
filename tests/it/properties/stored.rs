//! Plays the same steps against the rules alone, and against the rules on a store, batch by batch. The answers must be equal, and
//! the rows, entries and events at the end must be equal too. This shows that a batch loads all it needs and saves all it
//! changed, and that batching does not change any result.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use headwater::app::feed::EventForm;
use headwater::app::worker::reseal_secrets::Keys;
use headwater::app::worker::send_payouts::NoConnections;
use headwater::app::{App, AppOptions, Providers, SubmitError, verify};
use headwater::clock::ManualClock;
use headwater::domain::Decision;
use headwater::domain::conversion::ConversionSelector;
use headwater::domain::id::{AccountId, AffiliateId};
use headwater::domain::ledger::{Balance, BalanceKey, Posting};
use headwater::domain::outcome::Outcome;
use headwater::domain::program::ProgramWithTerms;
use headwater::domain::refusal::Refusal;
use headwater::domain::rule::Envelope;
use headwater::domain::time::Time;
use headwater::mail::{Post, PostOptions};
use headwater::store::form::Kept;
use headwater::store::ledger::as_of;
use headwater::store::list::Walk;
use headwater::store::{self, Identity, Store, StoreOptions};
use proptest::prop_assert_eq;
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::book::{Book, Earned};
use super::config;
use super::rules::{Rules, START, account_id_of, register};
use super::step::{Call, Moment, moments};
use crate::support::database::TestDatabase;
use crate::support::store::options;

/// A limit that no number of rows reaches.
const ALL: u64 = 10_000;

/// Renames ids in the order of their first appearance, so that texts of two worlds can be compared.
#[derive(Default)]
struct Names(HashMap<Uuid, usize>);

impl Names {
    fn rewrite(&mut self, text: &str) -> String {
        let (mut rewritten, mut rest) = (String::new(), text);
        while let Some(first) = rest.chars().next() {
            let id = [36, 32].into_iter().find_map(|length| Some((length, Uuid::parse_str(rest.get(..length)?).ok()?)));
            let length = match id {
                Some((length, uuid)) => {
                    let next = self.0.len();
                    rewritten.push_str(&format!("#{}", self.0.entry(uuid).or_insert(next)));
                    length
                }
                None => {
                    rewritten.push(first);
                    first.len_utf8()
                }
            };
            rest = &rest[length..];
        }
        rewritten
    }

    fn all(&mut self, lines: Vec<String>) -> Vec<String> {
        lines.iter().map(|line| self.rewrite(line)).collect()
    }
}

fn lines<T: std::fmt::Debug>(rows: impl IntoIterator<Item = T>) -> Vec<String> {
    rows.into_iter().map(|row| format!("{row:?}")).collect()
}

fn sorted<T, K: Ord>(rows: impl Iterator<Item = T>, key: impl Fn(&T) -> K) -> Vec<T> {
    let mut rows: Vec<T> = rows.collect();
    rows.sort_by_key(key);
    rows
}

fn answer_text(result: &Result<(Outcome, bool), Refusal>) -> String {
    match result {
        // Answers are compared in the form that is stored for repeated requests, which omits secrets.
        Ok((outcome, replayed)) => format!("{replayed} {}", outcome.to_text().unwrap()),
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// The rules on a store.
struct Stored {
    app: Arc<App>,
    clock: ManualClock,
    /// Each case uses an account of its own.
    cases: AtomicU32,
}

impl Stored {
    async fn start(database: &TestDatabase) -> Self {
        let new_identity = Identity { database_id: Uuid::from_u128(1), secret: [1; 32] };
        let options = StoreOptions { new_identity, ..options(database) };
        let store = Arc::new(Store::open(&options).await.unwrap());
        let clock = ManualClock::new(START);
        let never = Duration::from_secs(1_000_000);
        let options = AppOptions {
            queue_commands_max: 1_000,
            batch_commands_max: 100,
            feed_poll_interval: never,
            upkeep_interval: never,
            newest_commit: None,
            event_retention_days: None,
            post: post(),
            providers: Providers(Arc::new(NoConnections)),
            keys: Keys::default(),
            // Event bodies are readable, so that they can be compared.
            event_form: EventForm {
                encode_body: |event, out| out.extend(format!("{event:?}").as_bytes()),
                write_entry: |body, _, _, _, out| out.extend(body),
            },
        };
        let (app, _) = App::start(store, Arc::new(clock.clone()), &options).unwrap();
        // The upkeep runs now and not while cases are played.
        app.approve_due_rewards().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        Self { app, clock, cases: AtomicU32::new(0) }
    }

    async fn submit(&self, envelopes: Vec<Envelope>) -> Vec<Result<(Outcome, bool), Refusal>> {
        if envelopes.is_empty() {
            return Vec::new();
        }
        let replies = self.app.submit_batch(envelopes, None).await.unwrap();
        let answer = |reply| match reply {
            Ok(headwater::app::Answer { outcome, replayed }) => Ok((outcome, replayed)),
            Err(SubmitError::Refused(refusal)) => Err(refusal),
            Err(other) => panic!("{other}"),
        };
        replies.into_iter().map(answer).collect()
    }

    async fn envelope(&self, book: &Book, account_id: AccountId, call: &Call, rules: &Rules) -> Option<Envelope> {
        let mut earned: Earned = BTreeMap::new();
        for (kind, event_id) in Book::rewards_wanted(call) {
            let event = ConversionSelector::recorded_event(kind, &event_id);
            let image = store::conversion::find(self.app.store(), account_id, &event).await.unwrap();
            let ids = image.into_iter().flat_map(|image| image.rewards).map(|reward| reward.id).collect();
            earned.insert((kind, event_id), ids);
        }
        book.envelope(call, rules.now, &earned)
    }

    async fn play(&self, moments: &[Moment]) -> Result<(), TestCaseError> {
        let case = self.cases.fetch_add(1, Ordering::SeqCst);
        self.clock.set(START);
        let registration = register(&format!("owner-{case}"));
        let mut rules = Rules::with(&registration);
        let account_id = account_id_of(&self.submit(vec![registration]).await.remove(0).unwrap().0);
        let mut book = Book::new(account_id);
        let (mut names, mut stored_names) = (Names::default(), Names::default());
        // The balances after each moment, by the time of its last commit.
        let mut read = BTreeMap::new();
        for moment in moments {
            rules.wait(moment.hours_later);
            self.clock.set(rules.now);
            let (mut calls, mut envelopes, mut stored_envelopes) = (Vec::new(), Vec::new(), Vec::new());
            for call in &moment.calls {
                let envelope = rules.envelope(call);
                let stored_envelope = self.envelope(&book, account_id, call, &rules).await;
                prop_assert_eq!(envelope.is_some(), stored_envelope.is_some());
                calls.extend(envelope.is_some().then_some(call));
                envelopes.extend(envelope);
                stored_envelopes.extend(stored_envelope);
            }
            let stored_answers = self.submit(stored_envelopes).await;
            let begun_at = rules.now;
            for ((call, envelope), stored_answer) in calls.iter().zip(&envelopes).zip(&stored_answers) {
                let answer = rules.decide(envelope).map(|Decision { outcome, replayed }| (outcome, replayed));
                prop_assert_eq!(
                    stored_names.rewrite(&answer_text(stored_answer)),
                    names.rewrite(&answer_text(&answer)),
                    "on the store and by the rules alone: {:?}",
                    call
                );
                if let (Ok((outcome, _)), Ok((stored_outcome, _))) = (&answer, stored_answer) {
                    rules.book.learn(call, outcome);
                    book.learn(call, stored_outcome);
                }
                // Each command of a batch has a time of its own.
                rules.now = rules.now.plus_micros(1);
            }
            rules.now = begun_at;
            let committed_at = store::account_head::head(self.app.store(), account_id).await.unwrap().committed_at;
            read.insert(committed_at, store::ledger::all_balances(self.app.store(), account_id).await.unwrap());
        }
        compare_as_of(self.app.store(), account_id, read).await?;
        let (stored, alone) = (stored_state(self.app.store(), account_id).await, state(&rules));
        for (stored, alone) in stored_names.all(stored).iter().zip(&names.all(alone)) {
            prop_assert_eq!(stored, alone, "on the store and by the rules alone, in the end");
        }
        let report = verify::verify(self.app.store(), account_id).await.unwrap();
        prop_assert_eq!(report.differences, Vec::<String>::new());
        Ok(())
    }
}

/// Balances as of a time are those that were read then.
async fn compare_as_of(
    store: &Store,
    account_id: AccountId,
    read: BTreeMap<Time, Vec<(BalanceKey, Balance)>>,
) -> Result<(), TestCaseError> {
    let head = store::account_head::head(store, account_id).await.unwrap();
    let all = store::ledger::all_balances(store, account_id).await.unwrap();
    let affiliates: BTreeSet<AffiliateId> = all.iter().map(|(key, _)| key.affiliate_id).collect();
    let affiliates: Vec<AffiliateId> = affiliates.into_iter().collect();
    for (time, then) in read {
        let sequence = as_of::sequence_at(store, &head, time).await.unwrap();
        let found = as_of::balances_at(store, account_id, &affiliates, sequence).await.unwrap();
        prop_assert_eq!(found, BTreeMap::from_iter(then), "as of {:?}", time);
    }
    Ok(())
}

/// All rows of an account, in an order that does not depend on ids. Each kind ends with a count.
async fn stored_state(store: &Store, account_id: AccountId) -> Vec<String> {
    let segments = store::event::read(store, account_id, 0, ALL).await.unwrap();
    let events = segments.iter().flat_map(store::event::Segment::events);
    let events = events.map(|(_, _, body)| String::from_utf8(body.to_vec()).unwrap());
    let entries = store::ledger::list(store, account_id, None, Walk::first(ALL)).await.unwrap();
    let kinds = [
        lines(store::program::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap().rows),
        lines(store::affiliate::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap().rows),
        lines(store::enrollment::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap().rows),
        lines(store::link::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap()),
        lines(store::coupon::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap().rows),
        lines(store::lead::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap().rows),
        lines(store::conversion::list(store, account_id, &Default::default(), Walk::first(ALL)).await.unwrap().rows),
        events.collect(),
        // An entry has the time of its commit, which the rules alone do not know.
        lines(entries.iter().map(|entry| Posting { posted_at: START, ..entry.posting.clone() })),
        lines(store::ledger::all_balances(store, account_id).await.unwrap()),
    ];
    counted(kinds)
}

fn state(rules: &Rules) -> Vec<String> {
    let set = &rules.set;
    let account = rules.account_id;
    let programs = sorted(set.programs.iter(), |row| row.id).into_iter().map(|program| {
        let terms = Arc::clone(set.terms(program, program.terms_version).unwrap());
        ProgramWithTerms { program: Arc::clone(program), terms }
    });
    let mut balances: BTreeMap<BalanceKey, Balance> = BTreeMap::new();
    for posting in &set.postings {
        balances.entry(posting.balance_key()).or_default().post(posting).unwrap();
    }
    let conversions = sorted(set.conversions.iter(), |row| row.id);
    let kinds = [
        lines(programs),
        lines(sorted(set.affiliates.iter(), |row| row.id)),
        lines(sorted(set.enrollments.iter(), |row| row.id)),
        lines(sorted(set.links.iter(), |row| row.id)),
        lines(sorted(set.coupons.iter(), |row| row.id)),
        lines(sorted(set.leads.iter(), |row| row.id)),
        lines(conversions.into_iter().map(|row| set.image(account, row.id).unwrap())),
        lines(&set.events),
        lines(set.postings.iter().map(|posting| Posting { posted_at: START, ..posting.clone() })),
        lines(balances),
    ];
    counted(kinds)
}

fn counted(kinds: [Vec<String>; 10]) -> Vec<String> {
    kinds
        .into_iter()
        .flat_map(|lines| {
            let count = format!("{} rows", lines.len());
            lines.into_iter().chain([count])
        })
        .collect()
}

db_test!(stored_batches_match_the_pure_rules, |database: TestDatabase| async move {
    let stored = Stored::start(&database).await;
    let handle = Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(proptest::test_runner::Config { max_shrink_iters: 300, ..config(12) });
        let result = runner.run(&moments(1..=12, 8), |moments| handle.block_on(stored.play(&moments)));
        assert!(result.is_ok(), "{}", result.unwrap_err());
    });
});

/// A way of mail that is not used.
fn post() -> Arc<Post> {
    let options =
        PostOptions { from: "headwater@localhost".to_owned(), smtp_url: None, spool_dir: std::env::temp_dir() };
    Arc::new(Post::new(&options).unwrap())
}
