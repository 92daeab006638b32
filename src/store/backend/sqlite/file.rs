//! The files of a SQLite database: their names and modes, the lock that keeps other processes out, and the refusal of files that
//! do not belong together. Opens no connection and knows no table.

use std::ffi::OsStr;
use std::fs::{File, Metadata, Permissions, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sea_orm::sqlx::sqlite::SqliteConnectOptions;
use uuid::Uuid;

use super::super::super::StoreError;
use super::super::refuse;
use super::header::Header;
use super::log::Log;

/// Only the owner may read and write.
const PRIVATE: u32 = 0o600;

/// The files of one database.
#[derive(Debug, Clone)]
pub(in super::super) struct SqliteFiles {
    /// As the URL names it, perhaps through a symbolic link.
    pub(in super::super) named: PathBuf,
    /// The database itself, without symbolic links. SQLite puts its log beside this file.
    pub(in super::super) main: PathBuf,
}

/// The lock of a database. The system releases it however the process ends.
pub(in super::super) struct FileLock {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

/// Why files must not be opened together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Misfit {
    /// There is a log and no database.
    LogAlone,
    /// The log belongs to another database, or to another time of this one.
    ForeignLog,
    /// A server has used the database and its log is gone.
    LogLost,
}

impl SqliteFiles {
    pub(in super::super) fn of(url: &str) -> Result<Self, StoreError> {
        if url.contains(":memory:") || url.contains("mode=memory") {
            return refuse(
                "a database in memory would lose everything; name a file, such as sqlite://headwater.sqlite",
            );
        }
        let parsed = SqliteConnectOptions::from_str(url)
            .map_err(|error| StoreError::Refused(format!("the database URL is wrong: {error}")))?;
        Self::at(parsed.get_filename())
    }

    /// The database with this name. A link is followed even if it leads nowhere yet, because SQLite follows it too.
    pub(in super::super) fn at(named: &Path) -> Result<Self, StoreError> {
        let followed = std::fs::read_link(named).map(|target| match named.parent() {
            Some(folder) => folder.join(target),
            None => target,
        });
        let last = followed.unwrap_or_else(|_| named.to_owned());
        let main = match std::fs::canonicalize(named) {
            Ok(main) => main,
            // It does not exist yet, but its folder must.
            Err(_) => match std::fs::canonicalize(folder_of(&last)) {
                Ok(folder) => folder.join(last.file_name().unwrap_or(OsStr::new(""))),
                Err(_) => last,
            },
        };
        Ok(Self { named: named.to_owned(), main })
    }

    /// A file beside the database.
    pub(in super::super) fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.main.as_os_str().to_owned();
        path.push(ending);
        path.into()
    }

    pub(in super::super) fn log(&self) -> PathBuf {
        self.beside("-wal")
    }

    /// The index of the log, which SQLite makes anew when it is missing.
    pub(in super::super) fn index(&self) -> PathBuf {
        self.beside("-shm")
    }

    fn lock_path(&self) -> PathBuf {
        self.beside(".lock")
    }

    /// Whether the database is missing or empty. SQLite makes a database of an empty file too.
    pub(in super::super) fn is_missing(&self) -> bool {
        match std::fs::metadata(&self.main) {
            Ok(found) => found.len() == 0,
            Err(error) => error.kind() == ErrorKind::NotFound,
        }
    }

    /// Locks the database for as long as the result exists.
    pub(in super::super) fn lock(&self) -> Result<FileLock, StoreError> {
        let path = self.lock_path();
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(PRIVATE)
            .open(&path)
            .map_err(|error| cannot_lock(&path, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(FileLock { file, path }),
            Err(TryLockError::WouldBlock) => refuse(format!(
                "another process has {} open; stop it first, or use PostgreSQL to run several servers on one database",
                self.named.display()
            )),
            Err(TryLockError::Error(error)) => Err(cannot_lock(&path, &error)),
        }
    }

    /// The lock, if no process holds it and it can be taken without making a file. `None` in the second place: no server has ever
    /// locked the database.
    pub(in super::super) fn try_lock_quietly(&self) -> Result<Option<FileLock>, InUse> {
        let path = self.lock_path();
        match File::options().read(true).open(&path) {
            Ok(file) if file.try_lock().is_ok() => Ok(Some(FileLock { file, path })),
            Ok(_) => Err(InUse),
            Err(_) => Ok(None),
        }
    }

    /// Refuses what a server must not open. Must be called before a connection is open, because closing a file drops the locks
    /// that SQLite holds on it.
    pub(in super::super) fn check(&self, lock: &FileLock) -> Result<(), StoreError> {
        if let Ok(found) = std::fs::metadata(&self.main)
            && found.nlink() > 1
        {
            return refuse(format!(
                "{} has {} names (hard links). Two servers that open it by different names would destroy it. Remove the \
                 other names; `find -samefile` lists them",
                self.main.display(),
                found.nlink()
            ));
        }
        self.refuse_misfit()?;
        if self.is_missing() && lock.names_a_database() {
            return refuse(format!(
                "there is no database {main}, but {lock} says that there was one. Perhaps its volume is not mounted, or it \
                 was moved: correct this, or put a backup in its place with `headwater restore --from FILE`. To begin with a \
                 new database, remove {lock}",
                main = self.main.display(),
                lock = lock.path.display()
            ));
        }
        Ok(())
    }

    /// Whether the files belong together.
    pub(in super::super) fn misfit(&self) -> Result<Option<Misfit>, StoreError> {
        let header = Header::read(&self.main).map_err(|error| cannot_read(&self.main, &error))?;
        let log = Log::read(&self.log()).map_err(|error| cannot_read(&self.log(), &error))?;
        Ok(misfit(header.as_ref(), log.as_ref()))
    }

    /// Refuses files that do not belong together.
    pub(in super::super) fn refuse_misfit(&self) -> Result<(), StoreError> {
        self.misfit()?.map_or(Ok(()), |misfit| refuse(self.explain(misfit)))
    }

    /// Whether a server runs on the database, or was killed.
    pub(in super::super) fn is_in_use(&self) -> bool {
        matches!(Header::read(&self.main), Ok(Some(header)) if header.is_in_use())
    }

    /// Whether the log has commits, which a reader must not pass over.
    pub(in super::super) fn has_commits_in_log(&self) -> Result<bool, StoreError> {
        let log = Log::read(&self.log()).map_err(|error| cannot_read(&self.log(), &error))?;
        Ok(log.is_some_and(|log| log.has_commits))
    }

    fn explain(&self, misfit: Misfit) -> String {
        let (main, log) = (self.main.display(), self.log());
        let log = log.display();
        match misfit {
            Misfit::LogAlone => format!(
                "there is no database {main}, but its log {log} has commits. Put the database back beside it, or put a \
                 backup in its place with `headwater restore --from FILE`, which moves the log away"
            ),
            Misfit::ForeignLog => format!(
                "the log {log} does not belong to {main}: one of them was copied or restored without the other, and together \
                 they would make a damaged database. Nothing was changed. To use the database without this log, run \
                 `headwater restore --from {main}`, which moves the log away and keeps it"
            ),
            Misfit::LogLost => format!(
                "the log {log} of {main} is missing: the database was copied while a server used it, or the log was removed. \
                 Its newest commits may be lost. Put the log back, or restore a backup (docs/backup.md). To use the database \
                 as it is, run `headwater restore --from {main}`, which checks it first"
            ),
        }
    }

    /// Makes an empty file that only its owner can read, if there is none. SQLite gives its other files the same mode.
    pub(in super::super) fn make_privately(&self) -> Result<(), StoreError> {
        match File::options().create_new(true).write(true).mode(PRIVATE).open(&self.main) {
            Ok(_) => Ok(()),
            // SQLite's own error would not say which file it is about.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let opened = File::options().read(true).write(true).open(&self.main);
                opened.map(drop).or_else(|error| refuse(cannot_write(&self.main, &error)))
            }
            Err(error) => refuse(cannot_write(&self.main, &error)),
        }
    }

    /// What to do about a database that cannot be opened.
    pub(in super::super) fn explain_open(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable => StoreError::Refused(format!(
                "cannot open {main} and its log. The user of the server must be able to make files in the folder {folder}, and no \
                 other program may hold the database",
                main = self.main.display(),
                folder = folder_of(&self.main).display()
            )),
            error => error,
        }
    }

    /// Takes the rights of other users away from files of before.
    pub(in super::super) fn make_private(&self) {
        for path in [self.main.clone(), self.log(), self.index(), self.lock_path()] {
            let Ok(found) = std::fs::metadata(&path) else { continue };
            if found.mode() & 0o077 == 0 {
                continue;
            }
            match std::fs::set_permissions(&path, Permissions::from_mode(found.mode() & 0o700)) {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "other users could read this file; now only its owner can");
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "other users can read this file; make it private with chmod 600");
                }
            }
        }
    }
}

/// Another process holds the lock.
#[derive(Debug)]
pub(in super::super) struct InUse;

impl FileLock {
    /// Notes which database this is the lock of, so that a later start does not take a missing database for a new one.
    pub(in super::super) fn name_database(&self, database_id: Uuid) -> std::io::Result<()> {
        let text = format!("database {database_id}\n");
        if std::fs::read(&self.path)? == text.as_bytes() {
            return Ok(());
        }
        self.file.set_len(0)?;
        (&self.file).write_all(text.as_bytes())
    }

    fn names_a_database(&self) -> bool {
        self.file.metadata().is_ok_and(|found| found.len() > 0)
    }
}

/// See [`SqliteFiles::misfit`]. `None`: there is no database, or no log.
fn misfit(header: Option<&Header>, log: Option<&Log>) -> Option<Misfit> {
    let frames = log.filter(|log| log.has_commits);
    let Some(header) = header else { return frames.map(|_| Misfit::LogAlone) };
    // A file in this form never has a log of its own. It is a copy that SQLite made.
    if !header.has_log {
        return frames.map(|_| Misfit::ForeignLog);
    }
    let Some(frames) = frames else { return (header.is_in_use() && log.is_none()).then_some(Misfit::LogLost) };
    let of_log = frames.marks.unwrap_or(header.marks);
    let is_same = of_log.run.unsigned_abs() == header.marks.run.unsigned_abs();
    // A crash came between the commit of a new mark and its copy into the database. Such a log has nothing but the mark.
    let is_next = of_log.before.unsigned_abs() == header.marks.run.unsigned_abs() && frames.has_only_marks;
    // After a clean end the first commit of the next run is its mark, so a log without one is of an earlier time.
    let begins_a_run = header.is_in_use() || header.marks.run == 0 || frames.marks.is_some();
    (!((is_same || is_next) && begins_a_run)).then_some(Misfit::ForeignLog)
}

/// The folder of a file.
pub(in super::super) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The device and the number of a file. Two names with the same numbers are one file.
pub(super) fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

fn cannot_lock(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Refused(format!(
        "cannot open {}: {error}; its folder must be there and be writable{}",
        path.display(),
        remedy(error)
    ))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Refused(format!("cannot read {}: {error}{}", path.display(), remedy(error)))
}

/// A text that says what to do about a file that cannot be written.
pub(in super::super) fn cannot_write(path: &Path, error: &std::io::Error) -> String {
    format!("cannot write {}: {error}{}", path.display(), remedy(error))
}

fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => ". Make room on this disk",
        ErrorKind::ReadOnlyFilesystem => ". Mount the file system so that it can be written",
        ErrorKind::PermissionDenied => ". Give the user of the server the right to it, with chown or chmod",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::super::header::Marks;
    use super::*;

    fn database(has_log: bool, run: i32) -> Header {
        Header { has_log, marks: Marks { run, before: 0 } }
    }

    fn log(run: i32, before: i32, has_only_marks: bool) -> Log {
        Log { has_commits: true, marks: Some(Marks { run, before }), has_only_marks }
    }

    #[test]
    fn a_log_is_taken_only_with_its_own_database() {
        let without_mark = Log { has_commits: true, marks: None, has_only_marks: false };
        let empty = Log { has_commits: false, marks: None, has_only_marks: true };
        let in_use = database(true, 5);
        let closed = database(true, -5);
        let copied = database(false, -5);
        let never_marked = database(true, 0);
        for (name, header, log, expected) in [
            ("nothing", None, None, None),
            ("a first start that failed", None, Some(&empty), None),
            ("a lost database", None, Some(&without_mark), Some(Misfit::LogAlone)),
            ("a killed server", Some(&in_use), Some(&log(5, 4, false)), None),
            ("killed while it closed", Some(&in_use), Some(&log(-5, 4, false)), None),
            ("killed after a checkpoint", Some(&in_use), Some(&without_mark), None),
            ("killed at once", Some(&in_use), Some(&empty), None),
            ("killed at the next start", Some(&in_use), Some(&log(6, 5, true)), None),
            ("killed at a start after a clean end", Some(&closed), Some(&log(6, 5, true)), None),
            ("killed at a migration", Some(&closed), Some(&log(-5, 4, false)), None),
            ("killed at the first migration", Some(&never_marked), Some(&log(0, 0, false)), None),
            ("a clean end", Some(&closed), None, None),
            ("a backup", Some(&copied), None, None),
            ("a copy without its log", Some(&in_use), None, Some(Misfit::LogLost)),
            ("a backup beside an old log", Some(&copied), Some(&log(-5, 4, false)), Some(Misfit::ForeignLog)),
            ("a copy of before beside a log", Some(&closed), Some(&log(6, 5, false)), Some(Misfit::ForeignLog)),
            ("the same without a mark", Some(&closed), Some(&without_mark), Some(Misfit::ForeignLog)),
            ("a log of another run", Some(&in_use), Some(&log(7, 6, true)), Some(Misfit::ForeignLog)),
            ("a log of an older run", Some(&in_use), Some(&log(4, 3, false)), Some(Misfit::ForeignLog)),
        ] {
            assert_eq!(misfit(header, log), expected, "{name}");
        }
    }
}
