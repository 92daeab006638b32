//! Loads and saves the rows of batches, and serves the reads of the API. Knows no rule of the business and nothing of the wire.
//! Only `backend.rs` and its folder know which database it is.

use std::sync::{Arc, Mutex, PoisonError};

use sea_orm::{ConnectionTrait, DatabaseTransaction, EntityTrait};
use uuid::Uuid;

pub mod account;
pub mod account_head;
pub mod affiliate;
pub mod affiliate_group;
pub mod audit;
mod backend;
pub mod backup;
pub mod billing_profile;
pub mod bounty;
pub mod click;
pub mod conversion;
pub mod counts;
pub mod coupon;
mod credits;
pub mod enrollment;
#[expect(missing_docs, reason = "columns are named after the fields of the domain, which are documented")]
pub mod entity;
pub mod event;
pub mod explanation;
pub mod form;
pub mod fraud_note;
pub mod fraud_replay;
pub mod item;
pub mod ladder_tally;
pub mod lead;
pub mod ledger;
pub mod lines;
pub mod link;
pub mod list;
pub mod lists;
pub mod mail;
pub mod metadata;
pub mod offer;
pub mod payee;
pub mod payout;
pub mod payout_attempt;
pub mod payout_connection;
pub mod payout_document;
pub mod payout_export;
pub mod payout_method;
pub mod payout_reconciliation;
pub mod payout_run;
pub mod payout_schedule;
pub mod program;
pub mod program_mrr;
pub mod request;
pub mod reward;
mod row;
pub mod sale_counts;
pub mod sales_tally;
pub mod sealed;
pub mod search;
mod segment;
pub mod set;
pub mod simulation;
pub mod statistic;
pub mod submission;
pub mod submission_counts;
pub mod tally;
pub mod tax_profile;
pub mod write_trial;
pub mod yearly_total;

pub use backend::SchemaColumn;
use backend::lane::{Lanes, WriteConnection};
use backend::table::Reads;
use backend::watched;
pub use backend::watched::Watched;

use crate::domain::id::AccountId;
use crate::gate::{Gate, Place};
use crate::outage::{Access, Outage};
use crate::sampled::Sampled;

/// Errors of the store. Texts are for the log and the operator, never for a caller of the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another writer came first. Nothing was changed, and a retry from the start may succeed.
    #[error("another writer came first")]
    Conflict,
    /// The database does not answer. A commit may or may not have happened.
    #[error("the database does not answer; is it running, and does no other program hold its lock?")]
    Unavailable,
    /// The disk of the database is full. Nothing was changed.
    #[error("the disk of the database is full; make room on it")]
    DiskFull,
    /// The database takes no writes. Nothing was changed.
    #[error("the database is read-only; mount its file system so that it can be written, or name the primary server")]
    ReadOnly,
    /// A row has content that no version of this program has written.
    #[error("a row of {table} does not make sense: {row}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The UUID that names the row.
        row: Uuid,
    },
    /// The database is new, although [`StoreOptions::may_be_new`] says that it must not be. Nothing was changed.
    #[error("the database is new")]
    New,
    /// The store may not be opened; the text says what to do.
    #[error("{0}")]
    Refused(String),
    /// A bug of ours or of the database.
    #[error("unexpected: {0}")]
    Unexpected(String),
}

static COMMIT_FAILED: Sampled = Sampled::new(|failures, error| tracing::warn!(failures, error, "a commit failed"));

/// The identity of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// Part of every cursor, so that a cursor of another database is recognised.
    pub database_id: Uuid,
    /// The key for hashes of requests and for page tokens.
    pub secret: [u8; 32],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Identity").field("database_id", &self.database_id).finish_non_exhaustive()
    }
}

/// How to open the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite://FILE` or `postgres://...`. A missing SQLite file is created.
    pub url: String,
    /// The most connections that reads use at a time, at least 1. Key look-ups have further ones.
    pub read_connections_max: u32,
    /// How much is written to the log of SQLite until it is copied into the file, in MiB. A row that is written often in between is
    /// copied once.
    pub sqlite_checkpoint_mib: u32,
    /// The identity that a new database gets.
    pub new_identity: Identity,
    /// Whether a database without a schema may be used. If not, opening it is [`StoreError::New`].
    pub may_be_new: bool,
}

/// An open database.
pub struct Store {
    read: Watched,
    /// For key look-ups alone.
    keys: Watched,
    /// Shares the read connections among accounts.
    gate: Gate<AccountId>,
    long_gate: Gate<AccountId>,
    lanes: Lanes,
    outage: Arc<Outage>,
    /// The identity of the database.
    pub identity: Identity,
    /// Held while the store is open: keeps other processes from a SQLite file.
    held: Mutex<Option<backend::Held>>,
    /// Whether the files of a SQLite database are still its files.
    file_fault: Arc<backend::FileFault>,
}

/// A transaction that may write. Dropped without [`WriteTransaction::commit`], it is rolled back.
pub struct WriteTransaction(WriteConnection);

impl WriteTransaction {
    fn connection(&self) -> &WriteConnection {
        &self.0
    }

    /// Commits.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when nothing was committed, [`StoreError::Unavailable`] when it may or may not have been
    /// committed.
    pub async fn commit(self) -> Result<(), StoreError> {
        failpoint!(BeforeCommit);
        self.0.commit().await.map_err(|error| match error.into() {
            StoreError::Conflict => StoreError::Conflict,
            error if error.is_outage() => StoreError::Unavailable,
            error => {
                COMMIT_FAILED.note(&error.to_string());
                StoreError::Unavailable
            }
        })?;
        failpoint!(AfterCommit);
        Ok(())
    }
}

/// An account's turn to read, see [`Store::read_turn`].
#[derive(Debug)]
pub struct ReadTurn {
    _place: Place<AccountId>,
}

/// See [`Store::long_read`].
#[derive(Debug)]
pub struct LongRead {
    _place: Place<AccountId>,
}

/// The database as it was at one moment. Later writes do not change it.
pub struct Snapshot(DatabaseTransaction);

/// A source to read from: the [`Store`] as it is at each read, or a [`Snapshot`].
pub trait Source: Sync {
    /// The connection that runs the statements.
    #[expect(private_bounds, reason = "only the store reads rows")]
    type Connection: ConnectionTrait + Reads;

    /// The connection that runs the statements.
    fn connection(&self) -> &Self::Connection;
}

impl Source for Store {
    type Connection = Watched;

    fn connection(&self) -> &Watched {
        &self.read
    }
}

impl Source for Snapshot {
    type Connection = DatabaseTransaction;

    fn connection(&self) -> &DatabaseTransaction {
        &self.0
    }
}

impl StoreError {
    /// Whether it shows an outage of the database: most other calls fail in the same way, and will work again when the database does.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable | Self::DiskFull | Self::ReadOnly)
    }
}

impl Store {
    fn read(&self) -> &Watched {
        &self.read
    }

    /// Connects, refuses a database that could lose confirmed writes, migrates the schema, and reads or creates the identity.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the database may not be used; else [`StoreError`].
    pub async fn open(options: &StoreOptions) -> Result<Self, StoreError> {
        let backend::Opened { read, keys, lanes, outage, identity, held, file_fault } = backend::open(options).await?;
        let gate = Gate::new(options.read_connections_max.max(1).into());
        // An account alone gets as many of them as there are processors.
        let long_gate = Gate::new(std::thread::available_parallelism().map_or(2, |count| count.get() as u64) + 1);
        Ok(Self { read, keys, gate, long_gate, lanes, outage, identity, held: Mutex::new(held), file_fault })
    }

    /// Begins a transaction that may write, in any lane that is free.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin(&self) -> Result<WriteTransaction, StoreError> {
        self.lanes.begin_in_any().await.map(WriteTransaction)
    }

    /// Begins a transaction that may write, in the lane of this number.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_in(&self, lane: usize) -> Result<WriteTransaction, StoreError> {
        self.lanes.begin(lane).await.map(WriteTransaction)
    }

    /// Divides the work that a lane does by itself into short or into long parts. A commit waits for such a part. Long ones cost less in
    /// all.
    pub async fn keep_pauses_short(&self, lane: usize, are_short: bool) {
        self.lanes.keep_pauses_short(lane, are_short).await;
    }

    /// Releases the resources that belong to the thread of a lane's writer. The thread calls it at its end.
    pub async fn rest(&self, lane: usize) {
        self.lanes.rest(lane).await;
    }

    /// Waits for the account's turn to read. Whoever reads for an account holds the result meanwhile. There are as many turns at
    /// once as read connections, and an account never has all of them. One who holds a turn must not wait for another one.
    pub async fn read_turn(&self, account_id: AccountId) -> ReadTurn {
        ReadTurn { _place: self.gate.enter(account_id).await }
    }

    /// How many reads of an account wait for a turn.
    pub fn reads_waiting(&self, account_id: AccountId) -> usize {
        self.gate.waiting(account_id)
    }

    /// Waits until an account that has its turn may read many rows. Fewer such reads run at once, because each keeps a processor busy
    /// for milliseconds. One who holds this waits for no turn.
    pub async fn long_read(&self, account_id: AccountId) -> LongRead {
        LongRead { _place: self.long_gate.enter(account_id).await }
    }

    /// Takes a snapshot to read from. It occupies one read connection until it is dropped.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        backend::begin_snapshot(&self.read).await.map(Snapshot)
    }

    /// Reads a row that is always there, to see whether the database answers. [`Store::outage`] knows the result.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn try_read(&self) -> Result<(), StoreError> {
        if self.file_fault.text().is_some() {
            return Err(StoreError::Unavailable);
        }
        let result = entity::store_identity::Entity::find().one(self.read.inner()).await;
        watched::note(&self.outage, Access::Read, &result);
        result?;
        Ok(())
    }

    /// Whether the database works, and since when it does not.
    pub fn outage(&self) -> &Outage {
        &self.outage
    }

    /// Makes PostgreSQL analyze its tables, so that its planner chooses the fastest plan. PostgreSQL itself does so only
    /// once a minute. SQLite needs no statistics, because it plans by the indexes alone.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn renew_statistics(&self) -> Result<(), StoreError> {
        backend::renew_statistics(self.read.inner(), &set::growing_tables()).await
    }

    /// How many writers can work concurrently.
    pub fn lanes(&self) -> usize {
        backend::lanes(self.read.inner())
    }

    /// Whether other processes may write too, so that new events must be polled for.
    pub fn wants_polling(&self) -> bool {
        backend::is_shared(self.read.inner())
    }

    /// Waits for open transactions, closes every connection, and unlocks a SQLite file.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn close(&self) -> Result<(), StoreError> {
        failpoint!(BeforeClose);
        // The writer closes last. SQLite copies its log into the file when the last connection closes, and only the writer may
        // write.
        self.keys.inner().close_by_ref().await?;
        self.read.inner().close_by_ref().await?;
        failpoint!(BetweenCloses);
        self.lanes.close().await?;
        failpoint!(AfterClose);
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }

    /// Every column of the database as it is, for the comparison with the entities.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn schema_columns(&self) -> Result<Vec<SchemaColumn>, StoreError> {
        backend::schema_columns(self.read.inner()).await
    }

    /// The schema as text, with one statement or column per line, in a stable order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn schema_text(&self) -> Result<String, StoreError> {
        backend::schema_text(self.read.inner()).await
    }
}
