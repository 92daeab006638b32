//! A copy of a SQLite database beside a server that runs. Knows no table.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::sqlite::file::{SqliteFiles, cannot_write, folder_of};
use super::sqlite::header::mark_copy;
use super::{WAIT, refuse};

/// Copies the database as it is at one moment. The server may go on writing, because the copy reads from a snapshot. It does not
/// take the lock of the file, because it writes nothing to it.
///
/// The copy gets its name when it is complete and on disk, so that a file of that name is never half a copy. Returns its size.
pub(in crate::store) fn copy(url: &str, to: &Path) -> Result<u64, StoreError> {
    let from = SqliteFiles::of(url)?;
    if !from.main.is_file() {
        return refuse(format!("there is no database {}", from.named.display()));
    }
    if to.exists() {
        return refuse(format!("{} exists; a backup replaces no file", to.display()));
    }
    // A server that runs has made sure that its files belong together.
    if from.try_lock_quietly().is_ok() {
        from.refuse_misfit()?;
    }
    let partial = with_ending(to, ".partial");
    let written = write(&from, &partial).and_then(|size| {
        let named = std::fs::rename(&partial, to).and_then(|()| sync_folder(to));
        named.map(|()| size).or_else(|error| refuse(cannot_write(to, &error)))
    });
    if written.is_err() {
        // A failed copy is of no use, and the next one must be able to write.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn write(from: &SqliteFiles, partial: &Path) -> Result<u64, StoreError> {
    let Some(name) = partial.to_str() else { return refuse("the name of the file is no text") };
    // The content is that of the database, so nobody else may read it either. The file of an earlier, killed copy is replaced.
    let file = make_private_file(partial).or_else(|error| refuse(cannot_write(partial, &error)))?;
    let is_in_use = from.is_in_use();
    // Not read-only, because such a connection would leave a log behind if it is the last one.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let vacuum = || {
        let connection = Connection::open_with_flags(&from.main, flags)?;
        connection.busy_timeout(WAIT)?;
        // The log of a server that was killed stays where it is.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, is_in_use)?;
        connection.execute("VACUUM INTO ?1", [name])?;
        connection.close().map_err(|(_, error)| error)?;
        let copy = Connection::open_with_flags(partial, flags)?;
        mark_copy(&copy)?;
        copy.close().map_err(|(_, error)| error)
    };
    vacuum().map_err(|error| {
        StoreError::Refused(format!(
            "cannot copy {} to {}: {error}. Is there room on the disk of the copy, and is the database whole \
             (`headwater check`)?",
            from.named.display(),
            partial.display()
        ))
    })?;
    // SQLite does not wait for the disk here.
    let size = file.sync_all().and_then(|()| file.metadata()).map(|found| found.len());
    size.or_else(|error| refuse(cannot_write(partial, &error)))
}

/// An empty file that only its owner can read. Replaces a file of that name.
pub(super) fn make_private_file(path: &Path) -> std::io::Result<File> {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The name is in the same folder, so that the file can be renamed.
pub(super) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Makes the new name of a file survive a power failure.
pub(super) fn sync_folder(file: &Path) -> std::io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}
