//! Watches the files of an open SQLite database. When one of them is removed, moved or replaced, the process still has the old
//! file open, and what it writes there is lost. So it takes no more writes, and says why.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::super::super::StoreError;
use super::file::{FileLock, SqliteFiles, identity};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// Whether the files of the database are still its files.
#[derive(Debug, Default)]
pub(in crate::store) struct FileFault(OnceLock<String>);

impl FileFault {
    /// What happened to the files. `None` as long as all is well. It never becomes well again, because what was written in
    /// between may be lost.
    pub(in crate::store) fn text(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}

/// Ends the watch when it is dropped.
pub(in super::super) struct Watch {
    _stop: mpsc::Sender<()>,
}

/// A file with the numbers that it must keep.
struct Place {
    path: PathBuf,
    identity: (u64, u64),
}

impl Watch {
    /// Begins to watch. Every file of the database is there, because a connection has it open.
    pub(in super::super) fn start(
        files: &SqliteFiles,
        lock: &FileLock,
        file_fault: Arc<FileFault>,
    ) -> Result<Self, StoreError> {
        let failed = |path: &PathBuf, error: &std::io::Error| {
            StoreError::Refused(format!("cannot watch {}: {error}", path.display()))
        };
        let locked = lock.file.metadata().map_err(|error| failed(&lock.path, &error))?;
        let mut places = vec![Place { path: lock.path.clone(), identity: identity(&locked) }];
        for path in [files.named.clone(), files.log(), files.index()] {
            let found = std::fs::metadata(&path).map_err(|error| failed(&path, &error))?;
            places.push(Place { path, identity: identity(&found) });
        }
        let (stop, stopped) = mpsc::channel();
        let watch = move || {
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if let Some(fault) = places.iter().find_map(Place::fault) {
                    tracing::error!(
                        fault,
                        "the files of the database are not those that the server opened. It takes no more writes, because \
                         they would be lost. Put back what was there (docs/backup.md), then restart the server"
                    );
                    let _ = file_fault.0.set(fault);
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("headwater-files".to_owned());
        thread.spawn(watch).map_err(|error| StoreError::Refused(format!("cannot start a thread: {error}")))?;
        Ok(Self { _stop: stop })
    }
}

impl Place {
    fn fault(&self) -> Option<String> {
        let path = self.path.display();
        match std::fs::metadata(&self.path) {
            Ok(found) if identity(&found) == self.identity => None,
            Ok(_) => Some(format!("{path} was replaced by another file")),
            Err(error) if error.kind() == ErrorKind::NotFound => Some(format!("{path} was removed or moved")),
            // The file may be there. Writes to it show what is wrong.
            Err(_) => None,
        }
    }
}
