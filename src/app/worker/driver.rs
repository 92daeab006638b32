//! Runs each worker at its interval and when it is woken, until it is stopped. Knows no particular worker, nor what one does.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::join_all;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::clock_watch::ClockWatch;
use super::report::{Counts, Failure, RunResult, WorkerStatus};
use crate::clock::{self, Clock};
use crate::domain::time::Time;

/// By how many percent the time between two runs varies, so that several servers do not all run their workers at the same moment.
const INTERVAL_JITTER_PERCENT: u32 = 10;

/// How long a worker waits after its first failure. The wait doubles with each further one, up to the worker's interval.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// By how many percent that wait varies.
const BACKOFF_JITTER_PERCENT: u32 = 25;

/// A worker reads the state and does the work that is due. It takes no input: the clock or a signal only starts a run. A restart
/// therefore loses nothing, and several servers may run the same worker at once.
pub(super) trait Worker: Send + Sync + 'static {
    /// Its name, in the log and in its status.
    const NAME: &'static str;

    /// Does the work that is due. A stop waits for the current run, so a long one checks [`Run::is_stopping`] between
    /// transactions.
    fn run(&self, run: &mut Run) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// One run of a worker.
pub(super) struct Run {
    stop: CancellationToken,
    /// A detached run does not watch the clock.
    watch: Option<Arc<ClockWatch>>,
    counts: Counts,
}

impl Run {
    /// A run without a driver, which nothing stops.
    pub(super) fn detached() -> Self {
        Self { stop: CancellationToken::new(), watch: None, counts: Counts::default() }
    }

    /// The sum of all counts.
    pub(super) fn total(&self) -> u64 {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Counts work that was done, such as 3 `rewards approved`.
    pub(super) fn count(&mut self, thing: &'static str, count: u64) {
        self.counts.add(thing, count);
    }

    /// Whether to end the run now, because the server stops or the clock jumped. A later run does the rest.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping().is_stopping()
    }

    /// The same for parts of the run that go on beside each other.
    pub(super) fn stopping(&self) -> Stopping {
        Stopping { stop: self.stop.clone(), watch: self.watch.clone() }
    }
}

/// Says to the parts of a run that go on beside each other whether to end. See [`Run::is_stopping`].
#[derive(Clone)]
pub(super) struct Stopping {
    stop: CancellationToken,
    watch: Option<Arc<ClockWatch>>,
}

impl Stopping {
    /// Whether to end now.
    pub(super) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled() || self.watch.as_ref().is_some_and(|watch| watch.doubt().is_some())
    }
}

/// The workers that were started.
pub(in crate::app) struct Workers {
    clock: Arc<dyn Clock>,
    watch: Arc<ClockWatch>,
    stop: CancellationToken,
    started: Mutex<Vec<Started>>,
}

struct Started {
    shared: Arc<Shared>,
    /// The caller that waits for the worker's end takes it. If that caller stops waiting, the task is aborted.
    task: Option<AbortOnDropHandle<()>>,
}

/// State shared by a running worker and its callers.
struct Shared {
    wake: Notify,
    status: Mutex<WorkerStatus>,
}

impl Workers {
    /// No worker yet. All of them end when `stop` is cancelled. They wait while the clock cannot be believed, also because it is
    /// far from the newest commit.
    pub(in crate::app) fn new(clock: Arc<dyn Clock>, newest_commit: Option<Time>, stop: CancellationToken) -> Self {
        let watch = Arc::new(ClockWatch::new(Arc::clone(&clock), newest_commit));
        Self { clock, watch, stop, started: Mutex::default() }
    }

    /// Starts a worker. It runs at once, and then at this interval.
    pub(super) fn start<W: Worker>(&self, worker: W, interval: Duration) {
        let shared = Arc::new(Shared { wake: Notify::new(), status: Mutex::new(WorkerStatus::new(W::NAME)) });
        let driver = Driver {
            worker,
            interval,
            shared: Arc::clone(&shared),
            clock: Arc::clone(&self.clock),
            watch: Arc::clone(&self.watch),
            stop: self.stop.clone(),
        };
        let task = Some(AbortOnDropHandle::new(tokio::spawn(driver.drive())));
        lock(&self.started).push(Started { shared, task });
    }

    /// Makes a worker run at once, or again after its current run. False if no worker of this name was started.
    pub(in crate::app) fn wake(&self, name: &str) -> bool {
        let started = lock(&self.started);
        let named = started.iter().find(|started| lock(&started.shared.status).name == name);
        named.inspect(|started| started.shared.wake.notify_one()).is_some()
    }

    /// Each worker as it is now.
    pub(in crate::app) fn statuses(&self) -> Vec<WorkerStatus> {
        lock(&self.started).iter().map(|started| lock(&started.shared.status).clone()).collect()
    }

    /// Stops all workers and waits for their current runs. If the wait is dropped, runs that have not ended are aborted.
    pub(in crate::app) async fn stop(&self) {
        self.stop.cancel();
        let tasks: Vec<_> = lock(&self.started).iter_mut().filter_map(|started| started.task.take()).collect();
        join_all(tasks).await;
    }
}

/// A worker with the state to run it.
struct Driver<W> {
    worker: W,
    interval: Duration,
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
    watch: Arc<ClockWatch>,
    stop: CancellationToken,
}

impl<W: Worker> Driver<W> {
    async fn drive(self) {
        tracing::info!(worker = W::NAME, interval_ms = millis(self.interval), "a worker started");
        while !self.stop.is_cancelled() {
            let pause = match self.watch.doubt() {
                None => self.run().await,
                Some(wait) => wait.min(self.interval),
            };
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = self.shared.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        tracing::info!(worker = W::NAME, runs = lock(&self.shared.status).runs, "a worker stopped");
    }

    /// Runs the worker once, and returns how long to wait for the next run.
    async fn run(&self) -> Duration {
        let begun = clock::monotonic_now();
        {
            let mut status = lock(&self.shared.status);
            status.is_running = true;
            status.last_begun_at = Some(self.clock.now());
        }
        let mut run = Run { stop: self.stop.clone(), watch: Some(Arc::clone(&self.watch)), counts: Counts::default() };
        // A panic must not end the worker.
        let result = AssertUnwindSafe(self.worker.run(&mut run)).catch_unwind().await;
        let failure = result.unwrap_or_else(|_| Err(Failure::AskPerson("it panicked".to_owned()))).err();
        let is_stopping = run.is_stopping();
        let result = RunResult { counts: run.counts, duration: begun.elapsed(), failure };
        let (before, failed_now) = self.note(&result);
        let pause = match &result.failure {
            Some(Failure::TryAgain(_) | Failure::Outage(_)) => {
                clock::jitter(backoff(self.interval, failed_now), BACKOFF_JITTER_PERCENT).min(self.interval)
            }
            _ => clock::jitter(self.interval, INTERVAL_JITTER_PERCENT),
        };
        log_work(W::NAME, &result);
        // During a stop, a failure that a retry may fix is not logged, because the queue may be closed already and there is no
        // next run.
        if !(is_stopping && matches!(result.failure, Some(Failure::TryAgain(_) | Failure::Outage(_)))) {
            log_failure(W::NAME, &result, &before, pause);
        }
        pause
    }

    /// Records the outcome in the status. Returns how many runs in a row had failed before it and the last of these failures, and how
    /// many have failed now.
    fn note(&self, result: &RunResult) -> (Before, u32) {
        let mut status = lock(&self.shared.status);
        let before = Before {
            failures: status.failures_in_a_row,
            was_outage: matches!(&status.last_result, Some(RunResult { failure: Some(Failure::Outage(_)), .. })),
        };
        status.is_running = false;
        status.last_ended_at = Some(self.clock.now());
        status.last_result = Some(result.clone());
        status.runs += 1;
        status.failures_in_a_row = if result.failure.is_some() { before.failures.saturating_add(1) } else { 0 };
        (before, status.failures_in_a_row)
    }
}

/// The runs before a run.
struct Before {
    /// How many failed in a row.
    failures: u32,
    /// Whether the last one failed because of an outage of the database.
    was_outage: bool,
}

/// How long to wait after this many failures in a row. Never longer than the worker's interval.
fn backoff(interval: Duration, failures_in_a_row: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures_in_a_row.saturating_sub(1));
    BACKOFF_FIRST.saturating_mul(factor).min(interval)
}

/// Logs a run's work. A run that found nothing to do is not logged.
fn log_work(worker: &str, RunResult { counts, duration, .. }: &RunResult) {
    if !counts.is_empty() {
        tracing::info!(worker, done = %counts, duration_ms = millis(*duration), "a worker did what was due");
    }
}

/// Logs that a run failed, or that one succeeded after others failed. Not during an outage of the database, which has its own lines.
fn log_failure(worker: &str, RunResult { failure, .. }: &RunResult, before: &Before, pause: Duration) {
    let failed_before = before.failures;
    let (failures_in_a_row, next_run_in_ms) = (failed_before.saturating_add(1), millis(pause));
    match failure {
        None if failed_before > 0 && !before.was_outage => {
            tracing::info!(worker, failures = failed_before, "a worker works again");
        }
        None => {}
        Some(Failure::Outage(cause)) => {
            tracing::debug!(worker, cause, failures_in_a_row, next_run_in_ms, "a worker waits for the database");
        }
        Some(Failure::TryAgain(cause)) => {
            tracing::warn!(worker, cause, failures_in_a_row, next_run_in_ms, "a worker failed and will try again");
        }
        Some(Failure::GiveUp(cause)) => {
            tracing::warn!(worker, cause, failures_in_a_row, next_run_in_ms, "a worker failed and gave up");
        }
        Some(Failure::AskPerson(cause)) => {
            tracing::error!(worker, cause, failures_in_a_row, next_run_in_ms, "a worker failed and needs a person");
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
