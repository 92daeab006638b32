//! Puts a copy of a SQLite database in the place of the database. Deletes nothing. Knows only the tables that every database of
//! Headwater has.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::backup::{make_private_file, sync_folder, with_ending};
use super::sqlite::file::{Misfit, SqliteFiles, cannot_write};
use super::sqlite::header::mark_copy;
use super::{WAIT, check_versions, refuse};

/// How many findings of SQLite's own check are shown.
const FINDINGS_SHOWN: usize = 3;

/// What a restore did.
#[derive(Debug)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The new names of the files that were there before.
    pub moved: Vec<PathBuf>,
    /// What the operator must know about the copy.
    pub notes: Vec<String>,
}

/// Checks the copy and puts it in the place of the database that the URL names. The files of before get names with the moment.
pub(in crate::store) fn put_back(url: &str, from: &Path, moment: &str) -> Result<Restored, StoreError> {
    let target = SqliteFiles::of(url)?;
    let source = SqliteFiles::at(from)?;
    if !source.main.is_file() {
        return refuse(format!("there is no file {}", from.display()));
    }
    let _lock = target.lock()?;
    let is_itself = source.main == target.main;
    if !is_itself && source.try_lock_quietly().is_err() {
        return refuse(format!(
            "a server has {} open, so a plain copy of it would be damaged. Make one with `headwater backup`",
            from.display()
        ));
    }
    let misfit = source.misfit()?;
    let partial = SqliteFiles { named: from.to_owned(), main: with_ending(&target.main, ".restore.partial") };
    let copied = copy(&source, &partial, misfit != Some(Misfit::ForeignLog));
    let finished = copied.and_then(|()| finish(&partial)).and_then(|size| {
        let moved = move_away(&target, moment)?;
        let named = std::fs::rename(&partial.main, &target.main).and_then(|()| sync_folder(&target.main));
        named.or_else(|error| refuse(cannot_write(&target.main, &error)))?;
        Ok((size, moved))
    });
    if finished.is_err() {
        for path in [partial.main.clone(), partial.log(), partial.index()] {
            let _ = std::fs::remove_file(path);
        }
    }
    let (size, moved) = finished?;
    let notes = misfit.map(|misfit| note(misfit, &source)).into_iter().collect();
    Ok(Restored { database: target.named, size, moved, notes })
}

fn note(misfit: Misfit, source: &SqliteFiles) -> String {
    let log = source.log();
    let log = log.display();
    match misfit {
        Misfit::ForeignLog | Misfit::LogAlone => format!("{log} does not belong to the copy and was left out"),
        Misfit::LogLost => {
            format!("the copy was in use, and {log} is missing: the newest commits before the copy may not be in it")
        }
    }
}

/// Copies the file, and its own log if there is one.
fn copy(source: &SqliteFiles, partial: &SqliteFiles, with_log: bool) -> Result<(), StoreError> {
    let mut pairs = vec![(source.main.clone(), partial.main.clone())];
    // What a killed restore has left must not be taken for the copy's.
    for path in [partial.log(), partial.index(), partial.beside("-journal")] {
        let _ = std::fs::remove_file(path);
    }
    if with_log && source.log().is_file() {
        pairs.push((source.log(), partial.log()));
    }
    for (from, to) in pairs {
        let copied = File::open(&from).and_then(|mut from| std::io::copy(&mut from, &mut make_private_file(&to)?));
        copied.or_else(|error| refuse(format!("{} (from {})", cannot_write(&to, &error), from.display())))?;
    }
    Ok(())
}

/// Makes one whole file of the copy, checks it and writes it to the disk. Returns its size.
fn finish(partial: &SqliteFiles) -> Result<u64, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let whole = || {
        let connection = Connection::open_with_flags(&partial.main, flags)?;
        connection.busy_timeout(WAIT)?;
        // Without a log of its own, the file shows that an old log beside it does not belong to it.
        connection.pragma_update(None, "journal_mode", "DELETE")?;
        let findings = findings(&connection)?;
        let versions = versions(&connection);
        mark_copy(&connection)?;
        connection.close().map_err(|(_, error)| error)?;
        Ok((findings, versions))
    };
    let named = partial.named.display();
    let damaged =
        |error: rusqlite::Error| StoreError::Refused(format!("{named} cannot be read: {error}. Nothing was changed"));
    let (findings, versions) = whole().map_err(damaged)?;
    if !findings.is_empty() {
        return refuse(format!(
            "{named} is damaged: {}. Nothing was changed. Use another backup",
            findings.into_iter().take(FINDINGS_SHOWN).collect::<Vec<_>>().join("; ")
        ));
    }
    match versions {
        Ok(versions) if !versions.is_empty() => check_versions(&versions)?,
        _ => return refuse(format!("{named} is no database of Headwater. Nothing was changed")),
    }
    let synced = File::open(&partial.main).and_then(|file| file.sync_all().and_then(|()| file.metadata()));
    synced.map(|found| found.len()).or_else(|error| refuse(cannot_write(&partial.main, &error)))
}

/// What SQLite's own check finds in the pages, the indexes and the constraints.
fn findings(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(10)")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut findings: Vec<String> = rows.collect::<rusqlite::Result<_>>()?;
    findings.retain(|finding| finding != "ok");
    Ok(findings)
}

/// The migrations that the database had, if it has an identity too.
fn versions(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.query_row("SELECT database_id FROM store_identity", [], |_| Ok(()))?;
    let mut statement = connection.prepare("SELECT version FROM seaql_migrations ORDER BY version")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Gives the files of before other names. The log comes first: if the machine stops in between, the database that is left says
/// that its log is missing.
fn move_away(target: &SqliteFiles, moment: &str) -> Result<Vec<PathBuf>, StoreError> {
    let mut moved = Vec::new();
    let aside = free_name(&target.main, moment);
    for ending in ["-wal", "-shm", "-journal", ""] {
        let from = with_ending(&target.main, ending);
        let to = with_ending(&aside, ending);
        match std::fs::rename(&from, &to) {
            Ok(()) => moved.push(to),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return refuse(cannot_write(&to, &error)),
        }
    }
    sync_folder(&target.main).or_else(|error| refuse(cannot_write(&target.main, &error)))?;
    Ok(moved)
}

/// A name that no file has yet, also not with an ending.
fn free_name(main: &Path, moment: &str) -> PathBuf {
    let is_free = |name: &Path| ["-wal", "-shm", "-journal", ""].iter().all(|end| !with_ending(name, end).exists());
    let first = with_ending(main, &format!(".before-restore-{moment}"));
    let others = (2..).map(|number| with_ending(&first, &format!("-{number}")));
    std::iter::once(first.clone()).chain(others).find(|name| is_free(name)).unwrap_or(first)
}
