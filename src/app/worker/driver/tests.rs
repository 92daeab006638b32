//! Tests of the driver with a scripted worker, on a clock that moves only while every task waits.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;

use tokio::time::{Instant, sleep};
use tracing::subscriber::DefaultGuard;

use super::*;
use crate::app::worker::clock_watch::SETTLE_TIME;
use crate::clock::ManualClock;
use crate::domain::time::Time;

const INTERVAL: Duration = Duration::from_secs(60);

/// The milliseconds from a run to the next regular one.
const REGULAR: RangeInclusive<u128> = 54_000..=66_001;

/// One run of a scripted worker.
enum Step {
    Done(u64),
    Fail(Failure),
    FailIfStopping(Failure),
    Panic,
}

/// When runs began, and what the next ones do.
struct Script {
    begun: Mutex<Vec<Instant>>,
    steps: Mutex<VecDeque<Step>>,
}

impl Script {
    fn runs(&self) -> usize {
        lock(&self.begun).len()
    }

    /// The milliseconds from each run to the next.
    fn pauses(&self) -> Vec<u128> {
        lock(&self.begun).windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect()
    }
}

/// A worker that takes this long for each run, and has nothing to do once the script has ended.
struct Scripted(Arc<Script>, Duration);

impl Worker for Scripted {
    const NAME: &'static str = "scripted";

    async fn run(&self, run: &mut Run) -> Result<(), Failure> {
        lock(&self.0.begun).push(clock::monotonic_now());
        sleep(self.1).await;
        let step = lock(&self.0.steps).pop_front();
        match step.unwrap_or(Step::Done(0)) {
            Step::Done(count) => run.count("things done", count),
            Step::FailIfStopping(failure) if !run.is_stopping() => panic!("{failure}: nobody said stop"),
            Step::Fail(failure) | Step::FailIfStopping(failure) => return Err(failure),
            Step::Panic => panic!("as the script says"),
        }
        Ok(())
    }
}

/// The log's lines, as JSON.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Each line as its level, its message and those of the named fields that it has.
    fn told(&self, fields: &[&str]) -> Vec<String> {
        let text = String::from_utf8(lock(&self.0).clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let told = lines.map(|line| {
            let known = fields.iter().filter(|name| !line["fields"][**name].is_null());
            let known: Vec<String> = known.map(|name| format!(" {name}={}", line["fields"][*name])).collect();
            let (level, message) = (line["level"].as_str().unwrap(), line["fields"]["message"].as_str().unwrap());
            format!("{level} {message}{}", known.concat())
        });
        told.collect()
    }
}

/// A started worker with everything that a test reads.
struct Stage {
    workers: Workers,
    script: Arc<Script>,
    clock: ManualClock,
    lines: Lines,
    /// Every test has its own log. If a test without a log reached a log line first, `tracing` would disable that line for all
    /// tests.
    _logging: DefaultGuard,
}

impl Stage {
    fn new(run_takes: Duration, steps: impl IntoIterator<Item = Step>) -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let clock = ManualClock::new(Time::from_micros(0));
        let workers = Workers::new(Arc::new(clock.clone()), None, CancellationToken::new());
        let steps = Mutex::new(steps.into_iter().collect());
        let script = Arc::new(Script { begun: Mutex::default(), steps });
        workers.start(Scripted(Arc::clone(&script), run_takes), INTERVAL);
        Self { workers, script, clock, lines, _logging: logging }
    }

    fn status(&self) -> WorkerStatus {
        self.workers.statuses().remove(0)
    }

    /// Waits until this many runs have begun.
    async fn runs(&self, count: usize) {
        while self.script.runs() < count {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

fn no_answer() -> Failure {
    Failure::TryAgain("no answer".to_owned())
}

#[tokio::test(start_paused = true)]
async fn workers_wait_while_the_clock_is_doubted() {
    let stage = Stage::new(Duration::ZERO, [Step::Done(1)]);
    stage.runs(1).await;
    stage.clock.jump(2 * 3_600 * 1_000_000);
    sleep(3 * INTERVAL).await;
    assert_eq!(stage.script.runs(), 1, "a worker ran although the clock had jumped");
    assert!(stage.workers.wake(Scripted::NAME));
    sleep(INTERVAL).await;
    assert_eq!(stage.script.runs(), 1, "a worker that is woken does not wait");
    let told = stage.lines.told(&["wait_seconds"]);
    let expected = "WARN the clock jumped ahead by 2 hours, so the workers wait; set it right if it is wrong, or start \
                    the server again if it is right wait_seconds=600";
    assert_eq!(told.iter().filter(|line| line.starts_with("WARN")).collect::<Vec<_>>(), [expected]);
    stage.clock.pass(SETTLE_TIME);
    stage.runs(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_runs_at_once_and_then_at_its_interval() {
    let stage = Stage::new(Duration::ZERO, []);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(stage.script.runs(), 1);
    sleep(20 * INTERVAL).await;
    let pauses = stage.script.pauses();
    assert!((18..=22).contains(&pauses.len()), "{pauses:?}");
    assert!(pauses.iter().all(|pause| REGULAR.contains(pause)), "{pauses:?}");
    assert!(pauses.windows(2).any(|pair| pair[0] != pair[1]), "without jitter: {pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_starts_a_run_at_once_or_after_the_one_that_goes_on() {
    let stage = Stage::new(Duration::from_secs(5), []);
    sleep(Duration::from_secs(6)).await;
    assert!(stage.workers.wake("scripted"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(stage.script.runs(), 2);
    // Woken twice during a run: one more run covers both.
    assert!(stage.workers.wake("scripted") && stage.workers.wake("scripted"));
    sleep(Duration::from_secs(20)).await;
    assert_eq!(stage.script.pauses(), [6_000, 5_000]);
    assert!(!stage.workers.wake("another"));
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_does_not_wait_for_the_end_of_a_backoff() {
    let stage = Stage::new(Duration::ZERO, (0..6).map(|_| Step::Fail(no_answer())));
    stage.runs(6).await;
    stage.workers.wake("scripted");
    sleep(Duration::from_millis(1)).await;
    assert_eq!((stage.script.runs(), stage.status().failures_in_a_row), (7, 0));
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_the_run_that_goes_on_and_is_the_end() {
    let stage = Stage::new(Duration::from_secs(10), [Step::Done(7)]);
    sleep(Duration::from_secs(4)).await;
    assert!(stage.status().is_running);
    let asked_at = clock::monotonic_now();
    stage.workers.stop().await;
    assert_eq!(asked_at.elapsed().as_secs(), 6);
    assert_eq!(stage.status().last_result.unwrap().counts.to_string(), "things done: 7");
    stage.workers.wake("scripted");
    sleep(10 * INTERVAL).await;
    assert_eq!(stage.script.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_the_next_run() {
    let stage = Stage::new(Duration::ZERO, []);
    sleep(Duration::from_secs(1)).await;
    let asked_at = clock::monotonic_now();
    stage.workers.stop().await;
    assert_eq!(asked_at.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_long_run_is_told_of_the_stop_and_a_failure_because_of_it_is_not_logged() {
    let stage = Stage::new(Duration::from_secs(10), [Step::Fail(no_answer()), Step::FailIfStopping(no_answer())]);
    stage.runs(2).await;
    sleep(Duration::from_secs(4)).await;
    stage.workers.stop().await;
    let status = stage.status();
    assert_eq!((status.runs, status.failures_in_a_row), (2, 2));
    assert_eq!(status.last_result.unwrap().failure, Some(no_answer()));
    let told = stage.lines.told(&["worker", "failures_in_a_row", "runs"]);
    assert_eq!(
        told,
        [
            r#"INFO a worker started worker="scripted""#,
            r#"WARN a worker failed and will try again worker="scripted" failures_in_a_row=1"#,
            r#"INFO a worker stopped worker="scripted" runs=2"#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_does_not_end_is_cut_when_the_wait_for_it_ends() {
    let stage = Stage::new(Duration::from_secs(1_000), [Step::Done(1)]);
    sleep(Duration::from_secs(1)).await;
    assert!(tokio::time::timeout(Duration::from_secs(5), stage.workers.stop()).await.is_err());
    sleep(Duration::from_secs(2_000)).await;
    let status = stage.status();
    assert_eq!((status.runs, status.last_ended_at), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_failed_try_is_repeated_soon_and_then_less_and_less_often() {
    let stage = Stage::new(Duration::ZERO, (0..9).map(|_| Step::Fail(no_answer())));
    stage.runs(9).await;
    for (pause, seconds) in stage.script.pauses().into_iter().zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        assert!((seconds * 750..=seconds * 1_250 + 1).contains(&pause), "{pause} ms in place of {seconds} s");
    }
    assert_eq!(stage.status().failures_in_a_row, 9);
    // A success starts the count anew.
    stage.runs(11).await;
    assert_eq!(stage.status().failures_in_a_row, 0);
    assert!(REGULAR.contains(&stage.script.pauses()[9]), "{:?}", stage.script.pauses());
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_a_retry_cannot_fix_waits_for_its_regular_time() {
    let given_up = Failure::GiveUp("refused".to_owned());
    let person = Failure::AskPerson("a broken row".to_owned());
    let steps = [Step::Fail(given_up.clone()), Step::Fail(person.clone()), Step::Panic];
    let stage = Stage::new(Duration::ZERO, steps);
    let mut failures = Vec::new();
    for runs in 1..=4 {
        stage.runs(runs).await;
        failures.push(stage.status().last_result.unwrap().failure);
    }
    let panicked = Failure::AskPerson("it panicked".to_owned());
    assert_eq!(failures, [Some(given_up), Some(person), Some(panicked), None]);
    let pauses = stage.script.pauses();
    assert!(pauses.iter().all(|pause| REGULAR.contains(pause)), "{pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_of_the_latest_run() {
    let stage = Stage::new(Duration::from_secs(5), [Step::Done(3), Step::Fail(no_answer())]);
    assert_eq!(stage.status(), WorkerStatus::new("scripted"));
    stage.clock.set(Time::from_micros(1));
    sleep(Duration::from_secs(1)).await;
    let running = stage.status();
    assert_eq!((running.is_running, running.last_begun_at), (true, Some(Time::from_micros(1))));
    assert_eq!((running.last_ended_at, running.runs), (None, 0));
    stage.clock.set(Time::from_micros(2));
    sleep(Duration::from_secs(5)).await;
    let mut counts = Counts::default();
    counts.add("things done", 3);
    let result = RunResult { counts, duration: Duration::from_secs(5), failure: None };
    let expected = WorkerStatus {
        name: "scripted",
        is_running: false,
        last_begun_at: Some(Time::from_micros(1)),
        last_ended_at: Some(Time::from_micros(2)),
        last_result: Some(result),
        runs: 1,
        failures_in_a_row: 0,
    };
    assert_eq!(stage.status(), expected);
    stage.workers.wake("scripted");
    sleep(Duration::from_millis(5_500)).await;
    let failed = stage.status();
    assert_eq!((failed.runs, failed.failures_in_a_row), (2, 1));
    assert_eq!(failed.last_result.unwrap().failure, Some(no_answer()));
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_what_was_done_and_what_failed_how_often() {
    let fails = [no_answer(), no_answer(), Failure::AskPerson("a broken row".to_owned())].map(Step::Fail);
    let steps = [Step::Done(0)].into_iter().chain(fails).chain([Step::Done(3)]);
    let stage = Stage::new(Duration::from_secs(1), steps);
    stage.runs(6).await;
    stage.workers.stop().await;
    let fields = ["worker", "done", "duration_ms", "cause", "failures_in_a_row", "failures", "runs"];
    assert_eq!(
        stage.lines.told(&fields),
        [
            r#"INFO a worker started worker="scripted""#,
            r#"WARN a worker failed and will try again worker="scripted" cause="no answer" failures_in_a_row=1"#,
            r#"WARN a worker failed and will try again worker="scripted" cause="no answer" failures_in_a_row=2"#,
            r#"ERROR a worker failed and needs a person worker="scripted" cause="a broken row" failures_in_a_row=3"#,
            r#"INFO a worker did what was due worker="scripted" done="things done: 3" duration_ms=1000"#,
            r#"INFO a worker works again worker="scripted" failures=3"#,
            r#"INFO a worker stopped worker="scripted" runs=6"#,
        ]
    );
    let next_runs = stage.lines.told(&["next_run_in_ms"]);
    assert_eq!(next_runs.iter().filter(|line| line.contains("next_run_in_ms")).count(), 3, "{next_runs:?}");
}
