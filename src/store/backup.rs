//! Copies of the database: making one, putting one back, and opening a database to check it. Knows no rule and no row.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::backend::lane::Lanes;
pub use super::backend::restore::Restored;
use super::backend::{self, inspect, postgres, restore};
use super::{Store, StoreError, Watched};
use crate::gate::Gate;
use crate::outage::Outage;

/// Copies the SQLite database of this URL to a file that does not exist yet. A server may have the database open and go on
/// writing. On PostgreSQL, checks a dump, or says how to make it. Returns the size of the file.
///
/// # Errors
/// [`StoreError::Refused`] with what to do.
pub fn back_up(url: &str, to: &Path) -> Result<u64, StoreError> {
    if is_sqlite(url) { backend::backup::copy(url, to) } else { postgres::tools::check_backup(url, to) }
}

/// Checks the copy and puts it in the place of the SQLite database of this URL, which no server may have open. The files of before
/// get names with the moment. On PostgreSQL, checks the dump and the database, and says how to restore it.
///
/// # Errors
/// [`StoreError::Refused`] with what to do. On PostgreSQL always, because this does not restore it.
pub async fn put_back(url: &str, from: &Path, moment: &str) -> Result<Restored, StoreError> {
    if is_sqlite(url) {
        return restore::put_back(url, from, moment);
    }
    Err(postgres::tools::explain_restore(url, from).await?)
}

/// A database that was opened to check it.
pub struct Inspection {
    /// A store that reads. Its writes are refused.
    pub store: Store,
    /// What differs from what a server expects of the files and the schema, in words.
    pub differences: Vec<String>,
}

/// Opens the database for reading, also beside a running server, and checks its files and its schema. Changes nothing.
///
/// # Errors
/// [`StoreError::Refused`] when it is no database that this program can read; else [`StoreError`].
pub async fn inspect(url: &str) -> Result<Inspection, StoreError> {
    let inspect::Inspected { read, identity, held, differences } = inspect::open(url).await?;
    let outage = Arc::new(Outage::default());
    let [read, keys] = [read.clone(), read].map(|connection| Watched::new(connection, Arc::clone(&outage)));
    let store = Store {
        read,
        // Nobody looks up a key, and one reader needs no second turn.
        keys,
        gate: Gate::new(1),
        long_gate: Gate::new(1),
        lanes: Lanes::none(),
        outage,
        identity,
        held: Mutex::new(held),
        file_fault: Arc::default(),
    };
    Ok(Inspection { store, differences })
}

fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}
