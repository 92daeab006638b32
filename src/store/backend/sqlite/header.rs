//! The marks of a SQLite database, and the header of its file that has them.
//!
//! SQLite applies any log (`-wal`) that it finds beside a database, and reads any database without its log. Both damage or lose
//! data without a message if the files do not belong together. So each run of a server marks the database with a random number in
//! the header field `user_version`, and with the number of the run before in `application_id`. The number is negative after a
//! clean end, when there is no log. The log of a run has the mark of the run, and `file.rs` compares it with that of the database.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::super::WAIT;

/// The length of the header of a database, and the places of its fields. All numbers are big-endian. See the page "Database File
/// Format" of SQLite.
const LENGTH: usize = 100;
const MAGIC: &[u8] = b"SQLite format 3\0";
const READ_VERSION: usize = 19;
pub(super) const USER_VERSION: usize = 60;
pub(super) const APPLICATION_ID: usize = 68;

/// The marks of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    /// The mark of the current run. Negative after its clean end. 0 before the first run.
    pub(super) run: i32,
    /// The mark of the run before, without a sign.
    pub(super) before: i32,
}

impl Marks {
    /// The marks in the first page of a database, in the file or in the log.
    pub(super) fn of_page(page: &[u8]) -> Option<Self> {
        Some(Self { run: number(page, USER_VERSION)?, before: number(page, APPLICATION_ID)? })
    }
}

/// What the header of the file says, without the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    /// Whether the file is in the form of a database that has a log.
    pub(super) has_log: bool,
    pub(super) marks: Marks,
}

impl Header {
    /// `None`: the file does not exist or is empty.
    pub(super) fn read(path: &Path) -> std::io::Result<Option<Self>> {
        let mut bytes = Vec::with_capacity(LENGTH);
        match File::open(path) {
            Ok(file) => file.take(LENGTH as u64).read_to_end(&mut bytes)?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if bytes.is_empty() {
            return Ok(None);
        }
        let header = || {
            let marks = Marks::of_page(&bytes)?;
            Some(Self { has_log: *bytes.get(READ_VERSION)? == 2, marks })
        };
        let known = bytes.starts_with(MAGIC).then(header).flatten();
        known.map(Some).ok_or_else(|| std::io::Error::other("it is no SQLite database"))
    }

    /// Whether a server runs on it, or was killed.
    pub(super) fn is_in_use(&self) -> bool {
        self.marks.run > 0
    }
}

/// The big-endian number at this place.
pub(super) fn number(bytes: &[u8], place: usize) -> Option<i32> {
    let four = bytes.get(place..place.checked_add(4)?)?;
    Some(i32::from_be_bytes(four.try_into().ok()?))
}

/// Marks the database for a new run. If another program reads it just now, the old mark stays, because the log cannot be emptied.
pub(super) fn begin_run(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    let begun = begin_run_at_once(connection);
    connection.busy_timeout(WAIT)?;
    begun
}

fn begin_run_at_once(connection: &Connection) -> rusqlite::Result<()> {
    let old = Marks { run: read(connection, "user_version")?, before: read(connection, "application_id")? };
    let kept = Marks { run: old.run.saturating_abs(), ..old };
    if !empty_log(connection)? {
        return write(connection, kept);
    }
    let run = connection.query_row("SELECT 1 + abs(random() % 2147483646)", [], |row| row.get(0))?;
    write(connection, Marks { run, before: kept.run })?;
    // From now on the database itself says that it has a log.
    if empty_log(connection)? { Ok(()) } else { write(connection, kept) }
}

/// Marks a clean end. The log may be removed after this.
pub(super) fn end_run(connection: &Connection) -> rusqlite::Result<()> {
    let run: i32 = read(connection, "user_version")?;
    if run > 0 { connection.pragma_update(None, "user_version", -run) } else { Ok(()) }
}

/// Gives a copy a mark of its own, so that no log of the original fits it.
pub(in super::super) fn mark_copy(connection: &Connection) -> rusqlite::Result<()> {
    let run: i32 = connection.query_row("SELECT -1 - abs(random() % 2147483646)", [], |row| row.get(0))?;
    write(connection, Marks { run, before: 0 })
}

/// Writes the log into the database. False if another program reads or writes just now.
fn empty_log(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).map(|busy| busy == 0)
}

fn read(connection: &Connection, name: &str) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn write(connection: &Connection, marks: Marks) -> rusqlite::Result<()> {
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; PRAGMA application_id = {}; PRAGMA user_version = {}; COMMIT",
        marks.before, marks.run
    ))
}
