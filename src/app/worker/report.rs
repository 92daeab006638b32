//! The outcome of a worker's run, and the status that can be read from outside. Knows no worker.

use std::fmt;
use std::time::Duration;

use crate::app::SubmitError;
use crate::domain::time::Time;
use crate::store::StoreError;

/// Why a run failed, which decides when the next one is. The texts are for the log only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A retry may succeed. The first comes soon, later ones less and less often.
    #[error("{0}")]
    TryAgain(String),
    /// The database does not answer, which has its own lines in the log. Retried like [`Self::TryAgain`].
    #[error("{0}")]
    Outage(String),
    /// A retry would fail in the same way, and nobody has to act. The next run is at its regular time.
    #[error("{0}")]
    GiveUp(String),
    /// Somebody has to act, so the failure is logged as an error. The next run is at its regular time.
    #[error("{0}")]
    AskPerson(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::Conflict => Self::TryAgain(text),
            StoreError::Unavailable | StoreError::DiskFull | StoreError::ReadOnly => Self::Outage(text),
            StoreError::Inconsistent { .. } | StoreError::Unexpected(_) | StoreError::Refused(_) | StoreError::New => {
                Self::AskPerson(text)
            }
        }
    }
}

impl From<SubmitError> for Failure {
    fn from(error: SubmitError) -> Self {
        let text = error.to_string();
        match error {
            SubmitError::Overloaded { .. } | SubmitError::DeadlineExceeded => Self::TryAgain(text),
            SubmitError::Unavailable => Self::Outage(text),
            // A worker submits only commands that the rules allow, so a refusal is a fault of ours.
            SubmitError::Refused(_) | SubmitError::Internal(_) => Self::AskPerson(text),
        }
    }
}

/// How many of each thing a run did. Zero counts are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(Vec<(&'static str, u64)>);

impl Counts {
    /// Adds to the count of a thing, such as `rewards approved`.
    pub(super) fn add(&mut self, thing: &'static str, count: u64) {
        if count == 0 {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == thing) {
            Some((_, sum)) => *sum += count,
            None => self.0.push((thing, count)),
        }
    }

    /// Each thing with its count, in the order in which they were first done.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().copied()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (thing, count)) in self.iter().enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(formatter, "{separator}{thing}: {count}")?;
        }
        Ok(())
    }
}

/// The outcome of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunResult {
    /// The work that it did, including work before a failure.
    pub counts: Counts,
    /// How long it took.
    pub duration: Duration,
    /// Why it failed; none if it did not.
    pub failure: Option<Failure>,
}

/// A worker, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its name.
    pub name: &'static str,
    /// Whether a run is going on.
    pub is_running: bool,
    /// When the latest run began.
    pub last_begun_at: Option<Time>,
    /// When the latest finished run ended.
    pub last_ended_at: Option<Time>,
    /// The outcome of that run.
    pub last_result: Option<RunResult>,
    /// How many runs have ended since the server started.
    pub runs: u64,
    /// How many runs in a row have failed, up to the latest one.
    pub failures_in_a_row: u32,
}

impl WorkerStatus {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            is_running: false,
            last_begun_at: None,
            last_ended_at: None,
            last_result: None,
            runs: 0,
            failures_in_a_row: 0,
        }
    }
}
