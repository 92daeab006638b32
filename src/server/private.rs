//! Recognises files with keys that every user of the machine can read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The right of users who are neither the owner nor in the group of the file. The group may read, because orchestrators give
/// mounted keys to a group.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Whether the file exists and everybody can read it.
pub(super) fn is_public(path: &Path) -> bool {
    // Whoever uses the file reports that it cannot be read.
    std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & READABLE_BY_OTHERS != 0)
}
