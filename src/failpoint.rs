//! Places where a test makes the server fail. `failpoint!(BeforeCommit)` marks a place where a crash, an error or a long pause
//! must lose nothing. Compiled only with the feature `failpoints`, which the tests switch on; any other build contains none of
//! it.
//!
//! The variable FAILPOINTS configures a process at its start, in the language of the crate `fail`:
//! `BeforeCommit=20*off->2*return(error)->return(abort)` lets 20 commits pass, fails two, and then aborts the process.

/// Marks a [`Point`], in an async function that returns a `StoreError`.
#[cfg(feature = "failpoints")]
macro_rules! failpoint {
    ($point:ident) => {
        $crate::failpoint::reach($crate::failpoint::Point::$point).await?
    };
}

/// Expands to nothing, in a build that is not for tests.
#[cfg(not(feature = "failpoints"))]
macro_rules! failpoint {
    ($point:ident) => {};
}

#[cfg(feature = "failpoints")]
pub(crate) use armed::reach;
#[cfg(feature = "failpoints")]
pub use armed::{Point, arm};

#[cfg(feature = "failpoints")]
mod armed {
    use std::time::Duration;

    use crate::store::StoreError;

    /// The length of a pause. It is longer than any work that does not wait for a timer.
    const PAUSE: Duration = Duration::from_millis(300);

    macro_rules! points {
        ($($(#[$doc:meta])* $name:ident,)*) => {
            /// Every place that can be made to fail. `tests/it/failpoints.rs` has a case for each.
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum Point {
                $($(#[$doc])* $name,)*
            }

            impl Point {
                /// All of them.
                pub const ALL: &'static [Self] = &[$(Self::$name,)*];

                /// Its name in FAILPOINTS.
                pub const fn name(self) -> &'static str {
                    match self { $(Self::$name => stringify!($name),)* }
                }
            }
        };
    }

    points! {
        /// A call's commands are about to be queued.
        BeforeQueue,
        /// A batch is about to begin its transaction.
        BeforeBegin,
        /// The transaction has begun; the heads are about to be locked.
        BeforeLock,
        /// The heads are locked; the rows that the batch needs are about to be read.
        BeforeLoad,
        /// All is read; the commands are about to be decided.
        BeforeDecide,
        /// All is decided; nothing is written yet.
        BeforeSave,
        /// A statement that writes is about to be sent. SQLite has one such statement per table, and each of them reaches this
        /// point.
        BeforeStatement,
        /// All is written; a transaction is about to be committed, including that of an upkeep.
        BeforeCommit,
        /// A transaction is committed, and no caller or reader knows yet.
        AfterCommit,
        /// A batch is committed; the readers of the feed are about to be woken.
        BeforePublish,
        /// The readers are woken; no caller has an answer.
        AfterPublish,
        /// The writer has answered; the caller is about to get the answer.
        BeforeAnswer,
        /// A page of events is about to be read for a reader of the feed.
        BeforeFeedRead,
        /// A message is about to be handed to a reader of the feed.
        BeforeFeedSend,
        /// The upkeep knows the due rewards of an account and is about to approve them.
        BeforeApproval,
        /// A step of a payout has begun; the provider is about to be called.
        BeforePayoutCall,
        /// The provider was called; the result is not recorded.
        AfterPayoutCall,
        /// The upkeep is about to remove one lot of old rows.
        BeforeRemoval,
        /// Old rows are removed; the removal is not committed.
        AfterRemoval,
        /// Entries of the tail are in their lists; the tail still has them, and nothing is committed.
        InFold,
        /// The figures of the tail are in its blocks; the tail still has them, and nothing is committed.
        InStatisticFold,
        /// A fold is committed; the writer has not gone on.
        AfterFold,
        /// The schema is about to be brought up to date.
        BeforeMigration,
        /// The tables are there; the database has no identity yet.
        BeforeIdentity,
        /// The migration is about to be committed.
        BeforeMigrationCommit,
        /// The migration is committed; nothing was served.
        AfterMigrationCommit,
        /// The first operator key is in its file and not yet in the database.
        BeforeOperatorKey,
        /// The database is about to be closed.
        BeforeClose,
        /// The readers' connections are closed, the writer's are not.
        BetweenCloses,
        /// Every connection is closed; a SQLite file is still locked.
        AfterClose,
    }

    /// Applies the variable FAILPOINTS until the result is dropped.
    pub fn arm() -> fail::FailScenario<'static> {
        fail::FailScenario::setup()
    }

    /// Does what is configured for this point; nothing by default.
    pub(crate) async fn reach(point: Point) -> Result<(), StoreError> {
        let Some(action) = action_at(point) else { return Ok(()) };
        tracing::warn!(point = point.name(), action, "a failpoint acts");
        match action.as_str() {
            "abort" => std::process::abort(),
            "pause" => {
                tokio::time::sleep(PAUSE).await;
                Ok(())
            }
            "conflict" => Err(StoreError::Conflict),
            "error" => Err(StoreError::Unavailable),
            // Any other text, such as `fault`, is an unexpected error.
            other => Err(StoreError::Unexpected(other.to_owned())),
        }
    }

    fn action_at(point: Point) -> Option<String> {
        fail::fail_point!(point.name(), |action: Option<String>| action);
        None
    }
}
