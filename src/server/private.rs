//! Refuses files with keys that every user of the machine can read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::ServerError;

/// The right of users who are neither the owner nor in the group of the file. The group may read, because orchestrators give
/// mounted keys to a group.
const READABLE_BY_OTHERS: u32 = 0o004;

/// An error if the file exists and everybody can read it.
pub(super) fn refuse_public(path: &Path) -> Result<(), ServerError> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() && found.mode() & READABLE_BY_OTHERS != 0 => {
            Err(ServerError::PublicKeyFile { path: path.to_owned() })
        }
        // Whoever uses the file reports that it cannot be read.
        _ => Ok(()),
    }
}
