//! An outage of the database: when it began, whether it lasts, and its lines of the log. There is one line when it begins, one a
//! minute while it lasts, and one when it has ended, however many calls fail. Knows no database; it is told what works and what
//! fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::clock;

/// How often a lasting outage is logged.
const LINE_INTERVAL: Duration = Duration::from_secs(60);

/// An outage has ended once nothing has failed for this long. A database that fails now and then has one long outage, not many.
const SETTLED: Duration = Duration::from_secs(3);

/// How long connections that were open during a failure are doubted after it.
pub const DOUBTED: Duration = Duration::from_secs(15);

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It reads.
    Read,
    /// It writes, or belongs to a transaction that writes.
    Write,
}

/// The state of a database. Shared by everything that uses it.
#[derive(Debug, Default)]
pub struct Outage {
    /// Whether the access fails, to keep the lock off the path of a database that works.
    is_read_failing: AtomicBool,
    is_write_failing: AtomicBool,
    /// Whether the newest failure is less than [`DOUBTED`] ago, as of the last tick.
    has_failed_lately: AtomicBool,
    last_failure_at: Mutex<Option<Instant>>,
    current: Mutex<Option<Current>>,
}

/// The outage in progress.
#[derive(Debug)]
struct Current {
    begun_at: Instant,
    last_failure_at: Instant,
    last_line_at: Instant,
    /// When the database last began to work again.
    worked_at: Option<Instant>,
    /// The newest failure.
    problem: String,
    cause: String,
    reads: Side,
    writes: Side,
}

/// Reads or writes.
#[derive(Debug, Default)]
struct Side {
    /// When they began to fail. `None`: the last one worked.
    failing_since: Option<Instant>,
    failed_calls: u64,
}

impl Current {
    fn side(&mut self, access: Access) -> &mut Side {
        match access {
            Access::Read => &mut self.reads,
            Access::Write => &mut self.writes,
        }
    }
}

impl Outage {
    /// Notes that the database worked. For a write: that something was written.
    pub fn worked(&self, access: Access) {
        if !self.flag(access).load(Ordering::Relaxed) {
            return;
        }
        let mut current = self.current();
        self.flag(access).store(false, Ordering::Relaxed);
        if let Some(current) = current.as_mut() {
            current.side(access).failing_since = None;
            current.worked_at = Some(clock::monotonic_now());
        }
    }

    /// Notes that the database failed: the kind of problem, and the database's own words.
    pub fn failed(&self, access: Access, problem: &str, cause: &str) {
        let now = clock::monotonic_now();
        let mut current = self.current();
        let is_new = current.is_none();
        let outage = current.get_or_insert_with(|| Current {
            begun_at: now,
            last_failure_at: now,
            last_line_at: now,
            worked_at: None,
            problem: String::new(),
            cause: String::new(),
            reads: Side::default(),
            writes: Side::default(),
        });
        outage.last_failure_at = now;
        outage.side(access).failing_since.get_or_insert(now);
        self.flag(access).store(true, Ordering::Relaxed);
        *locked(&self.last_failure_at) = Some(now);
        self.has_failed_lately.store(true, Ordering::Relaxed);
        for (kept, text) in [(&mut outage.problem, problem), (&mut outage.cause, cause)] {
            kept.clear();
            kept.push_str(text);
        }
        // The lock is released first, because writing a line can take long.
        drop(current);
        if is_new {
            tracing::warn!(?access, problem, cause, "an outage of the database begins");
        }
    }

    /// Counts calls that failed because of the outage, for its lines.
    pub fn count_failed_calls(&self, access: Access, calls: u64) {
        if let Some(current) = self.current().as_mut() {
            current.side(access).failed_calls += calls;
        }
    }

    /// Whether this access fails at the moment.
    pub fn is_failing(&self, access: Access) -> bool {
        self.flag(access).load(Ordering::Relaxed)
    }

    /// Whether something failed less than [`DOUBTED`] ago. An idle connection may then have been lost without anybody noticing.
    pub fn has_failed_lately(&self) -> bool {
        self.has_failed_lately.load(Ordering::Relaxed)
    }

    /// Since when reads or writes have failed without one that worked. `None` while both work.
    pub fn failing_since(&self) -> Option<Instant> {
        let current = self.current();
        let current = current.as_ref()?;
        current.reads.failing_since.into_iter().chain(current.writes.failing_since).min()
    }

    /// Writes the lines that are due. To be called about once a second.
    pub fn tick(&self) {
        let now = clock::monotonic_now();
        if self.has_failed_lately() {
            let last_failure_at = locked(&self.last_failure_at);
            let is_long_ago = last_failure_at.is_none_or(|at| now.duration_since(at) >= DOUBTED);
            self.has_failed_lately.store(!is_long_ago, Ordering::Relaxed);
        }
        let mut current = self.current();
        let Some(outage) = current.as_mut() else { return };
        let (failed_reads, failed_writes) = (outage.reads.failed_calls, outage.writes.failed_calls);
        let is_failing = outage.reads.failing_since.is_some() || outage.writes.failing_since.is_some();
        if !is_failing && now.duration_since(outage.last_failure_at) >= SETTLED {
            let ended_at = outage.worked_at.unwrap_or(now);
            let lasted_seconds = ended_at.duration_since(outage.begun_at).as_secs();
            *current = None;
            drop(current);
            tracing::warn!(lasted_seconds, failed_reads, failed_writes, "the outage of the database has ended");
        } else if now.duration_since(outage.last_line_at) >= LINE_INTERVAL {
            outage.last_line_at = now;
            let lasted_seconds = now.duration_since(outage.begun_at).as_secs();
            let (problem, cause) = (outage.problem.clone(), outage.cause.clone());
            drop(current);
            tracing::warn!(
                lasted_seconds,
                failed_reads,
                failed_writes,
                problem,
                cause,
                "the outage of the database lasts"
            );
        }
    }

    fn flag(&self, access: Access) -> &AtomicBool {
        match access {
            Access::Read => &self.is_read_failing,
            Access::Write => &self.is_write_failing,
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Current>> {
        locked(&self.current)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    /// The lines of the log.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn taken(&self) -> Vec<serde_json::Value> {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap());
            let fields = |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["fields"].clone();
            String::from_utf8(bytes).unwrap().lines().map(fields).collect()
        }
    }

    /// Lets this many seconds pass, with a tick each, and one failure each if it fails.
    async fn pass(outage: &Outage, seconds: u64, is_failing: bool) {
        for _ in 0..seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            if is_failing {
                outage.failed(Access::Write, "the disk of the database is full", "code 13");
                outage.count_failed_calls(Access::Write, 10);
            }
            outage.tick();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_a_line_at_its_begin_one_a_minute_and_one_at_its_end() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(log);
        let outage = Outage::default();
        pass(&outage, 5, false).await;
        outage.worked(Access::Write);
        assert_eq!(lines.taken(), Vec::<serde_json::Value>::new());

        pass(&outage, 130, true).await;
        let taken = lines.taken();
        let messages: Vec<&str> = taken.iter().map(|line| line["message"].as_str().unwrap()).collect();
        let lasts = "the outage of the database lasts";
        assert_eq!(messages, ["an outage of the database begins", lasts, lasts]);
        assert_eq!(taken[0]["problem"], "the disk of the database is full");
        assert_eq!((&taken[2]["cause"], &taken[2]["lasted_seconds"]), (&"code 13".into(), &120.into()));
        assert!(outage.failing_since().is_some() && outage.is_failing(Access::Write));

        // A database that works for a moment has not settled.
        outage.worked(Access::Write);
        assert!(outage.failing_since().is_none() && !outage.is_failing(Access::Write));
        pass(&outage, 2, false).await;
        pass(&outage, 1, true).await;
        assert_eq!(lines.taken(), Vec::<serde_json::Value>::new());
        outage.worked(Access::Write);
        pass(&outage, 10, false).await;
        let taken = lines.taken();
        assert_eq!(taken.len(), 1, "{taken:?}");
        assert_eq!(taken[0]["message"], "the outage of the database has ended");
        assert_eq!((&taken[0]["failed_writes"], &taken[0]["failed_reads"]), (&1_310.into(), &0.into()));
        assert_eq!(taken[0]["lasted_seconds"], 132);
    }

    #[tokio::test(start_paused = true)]
    async fn writes_that_work_end_no_outage_of_reads() {
        let outage = Outage::default();
        outage.failed(Access::Read, "the database does not answer", "gone");
        tokio::time::advance(Duration::from_secs(1)).await;
        outage.failed(Access::Write, "the database does not answer", "gone");
        let begun_at = outage.failing_since();
        outage.worked(Access::Write);
        assert_eq!(outage.failing_since(), begun_at);
        outage.worked(Access::Read);
        assert_eq!(outage.failing_since(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_are_doubted_for_a_while_after_a_failure() {
        let outage = Outage::default();
        assert!(!outage.has_failed_lately());
        pass(&outage, 1, true).await;
        outage.worked(Access::Write);
        pass(&outage, DOUBTED.as_secs() - 1, false).await;
        assert!(outage.has_failed_lately());
        pass(&outage, 1, false).await;
        assert!(!outage.has_failed_lately());
    }
}
