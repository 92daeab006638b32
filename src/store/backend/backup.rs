//! A copy of a SQLite database beside a server that runs. Knows no table.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use super::super::StoreError;
use super::{WAIT, refuse, sqlite};

/// Copies the database as it is at one moment. The server may go on writing, because the copy reads from a snapshot. It does not
/// take the lock of the file, because it writes nothing to it.
///
/// The copy gets its name when it is complete and on disk, so that a file of that name is never half a copy. Returns its size.
pub(in crate::store) fn copy(url: &str, to: &Path) -> Result<u64, StoreError> {
    if !url.starts_with("sqlite:") {
        return refuse("only SQLite is backed up by this command; use pg_dump for PostgreSQL (docs/backup.md)");
    }
    let from = sqlite::file_name(url)?;
    if !from.is_file() {
        return refuse(format!("there is no database {}", from.display()));
    }
    if to.exists() {
        return refuse(format!("{} exists; a backup replaces no file", to.display()));
    }
    let partial = partial_name(to);
    let written = write(&from, &partial).and_then(|size| {
        std::fs::rename(&partial, to).and_then(|()| sync_folder(to)).map(|()| size).map_err(|error| cannot(to, &error))
    });
    if written.is_err() {
        // A failed copy is of no use, and the next one must be able to write.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

fn write(from: &Path, partial: &Path) -> Result<u64, StoreError> {
    let Some(name) = partial.to_str() else { return refuse("the name of the file is no text") };
    // The content is that of the database, so nobody else may read it either. The file of an earlier, killed copy is emptied.
    let file = File::create(partial).map_err(|error| cannot(partial, &error))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(|error| cannot(partial, &error))?;
    // Not read-only, because such a connection would leave a journal behind if it is the last one.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let vacuum = || {
        let connection = Connection::open_with_flags(from, flags)?;
        connection.busy_timeout(WAIT)?;
        connection.execute("VACUUM INTO ?1", [name])?;
        connection.close().map_err(|(_, error)| error)
    };
    vacuum().map_err(|error| StoreError::Refused(format!("cannot copy {}: {error}", from.display())))?;
    // SQLite does not wait for the disk here.
    file.sync_all().and_then(|()| file.metadata()).map(|found| found.len()).map_err(|error| cannot(partial, &error))
}

/// The name is in the same folder, so that the copy can be renamed.
fn partial_name(to: &Path) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    name.push(".partial");
    name.into()
}

/// Makes the new name of a file survive a power failure.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn cannot(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Refused(format!("cannot write {}: {error}", path.display()))
}
