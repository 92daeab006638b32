//! Using the domain: every write is submitted here as a command and answered after its commit; the feed is read here.
//! Knows when to commit; knows nothing of the wire, of SQL, or of what a rule says.

use std::time::Duration;

use crate::domain::command::Outcome;
use crate::domain::refusal::Refusal;

/// The answer to a command that was carried out, now or before.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it did.
    pub outcome: Outcome,
    /// Whether it was done before under the same key, and not again now.
    pub replayed: bool,
}

/// Why a command was not carried out. Nothing was changed, except perhaps for [`SubmitError::Unavailable`], where a repeat with
/// the same key is safe.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SubmitError {
    /// A rule said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// As much is waiting as the queue takes.
    #[error("the server has as much waiting as it takes")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// The caller's deadline passed before the work began.
    #[error("the deadline passed before the work began")]
    DeadlineExceeded,
    /// The database did not answer, or the server is stopping.
    #[error("the database did not answer, or the server is stopping")]
    Unavailable,
    /// A fault of ours; the text is for the log alone.
    #[error("{0}")]
    Internal(String),
}
