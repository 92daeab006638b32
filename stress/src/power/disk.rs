//! The contents of the disk after a power failure: the files as of their last syncs, and their names as of the last sync of the
//! folder. Any part of later writes may be there. Knows nothing of the files' contents.

use std::collections::{BTreeMap, HashMap};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::trace::{Call, Step};

/// The unit that a disk writes atomically.
const SECTOR_BYTES: usize = 512;

/// A change of a file's content.
#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate { length: u64 },
}

/// A file's content.
#[derive(Debug, Default)]
struct Content {
    /// As of its last sync.
    synced: Vec<u8>,
    /// Changes since.
    pending: Vec<Change>,
}

/// The disk below one folder.
#[derive(Debug)]
pub(super) struct Disk {
    folder: PathBuf,
    contents: Vec<Content>,
    /// Indexes in `contents` by name, as programs see them.
    names: BTreeMap<PathBuf, usize>,
    /// The names as of the last sync of the folder.
    synced_names: BTreeMap<PathBuf, usize>,
    /// For each file, the number of pending changes when the current sync began.
    under_way: HashMap<PathBuf, usize>,
    /// The names when the current sync of the folder began.
    names_under_way: BTreeMap<PathBuf, usize>,
}

impl Disk {
    /// A disk with the present contents of the folder.
    pub(super) fn with_all_of(folder: &Path) -> anyhow::Result<Self> {
        let mut disk = Self {
            folder: folder.to_owned(),
            contents: Vec::new(),
            names: BTreeMap::new(),
            synced_names: BTreeMap::new(),
            under_way: HashMap::new(),
            names_under_way: BTreeMap::new(),
        };
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            disk.names.insert(path.clone(), disk.contents.len());
            disk.contents.push(Content { synced: std::fs::read(&path)?, pending: Vec::new() });
        }
        disk.synced_names = disk.names.clone();
        Ok(disk)
    }

    /// Applies a step. Files outside the folder are ignored.
    pub(super) fn apply(&mut self, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Began(Call::Sync { path }) if *path == self.folder => self.names_under_way = self.names.clone(),
            Step::Ended(Call::Sync { path }) if *path == self.folder => {
                self.synced_names = self.names_under_way.clone();
            }
            Step::Began(Call::Sync { path }) if self.holds(path) => {
                let pending = self.content(path)?.pending.len();
                self.under_way.insert(path.clone(), pending);
            }
            Step::Ended(Call::Sync { path }) if self.holds(path) => {
                let count = self.under_way.remove(path).unwrap_or_default();
                let content = self.content(path)?;
                for change in content.pending.drain(..count.min(content.pending.len())) {
                    make(&mut content.synced, &change)?;
                }
            }
            Step::Ended(Call::Write { path, offset, bytes }) if self.holds(path) => {
                let change = Change::Write { offset: *offset, bytes: bytes.clone() };
                self.content(path)?.pending.push(change);
            }
            Step::Ended(Call::Truncate { path, length }) if self.holds(path) => {
                self.content(path)?.pending.push(Change::Truncate { length: *length });
            }
            Step::Ended(Call::Open { path, creates, truncates }) if self.holds(path) => {
                if *creates && !self.names.contains_key(path) {
                    self.names.insert(path.clone(), self.contents.len());
                    self.contents.push(Content::default());
                } else if *truncates {
                    self.content(path)?.pending.push(Change::Truncate { length: 0 });
                }
            }
            Step::Began(Call::Allocate { path }) if self.holds(path) => {
                bail!("room was allocated for {}, and what that leaves is not known here", path.display())
            }
            Step::Ended(Call::Remove { path }) if self.holds(path) => {
                self.names.remove(path);
            }
            Step::Ended(Call::Rename { from, to }) if self.holds(from) => {
                if let Some(content) = self.names.remove(from) {
                    self.names.insert(to.clone(), content);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether it is a file of the folder. What is in a folder inside it, such as that for mail, is no part of the database.
    fn holds(&self, path: &Path) -> bool {
        path.parent() == Some(&self.folder) && !path.is_dir()
    }

    fn content(&mut self, path: &Path) -> anyhow::Result<&mut Content> {
        let place = self.names.get(path).with_context(|| format!("{} was never made", path.display()))?;
        self.contents.get_mut(*place).context("a file without content")
    }

    /// Writes to a folder what a power failure now would leave: everything synced and, with `more`, a random part of the rest,
    /// with torn sectors. Returns how many changes were lost, whole or in part.
    pub(super) fn leave(&self, folder: &Path, mut more: Option<&mut fastrand::Rng>) -> anyhow::Result<usize> {
        let mut lost = 0;
        for (path, place) in &self.synced_names {
            let content = self.contents.get(*place).context("a file without content")?;
            let mut bytes = content.synced.clone();
            lost += content.pending.len();
            if let Some(random) = more.as_deref_mut() {
                for change in content.pending.iter().filter_map(|change| part(change, random)) {
                    make(&mut bytes, &change)?;
                }
            }
            let path = folder.join(path.file_name().context("a file without a name")?);
            std::fs::write(&path, bytes)?;
            // A server refuses to start if others can read its key.
            std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
        }
        Ok(lost)
    }
}

fn make(bytes: &mut Vec<u8>, change: &Change) -> anyhow::Result<()> {
    match change {
        Change::Truncate { length } => bytes.resize(usize::try_from(*length)?, 0),
        Change::Write { offset, bytes: new } => {
            let from = usize::try_from(*offset)?;
            let to = from + new.len();
            if bytes.len() < to {
                bytes.resize(to, 0);
            }
            bytes[from..to].copy_from_slice(new);
        }
    }
    Ok(())
}

/// A random part of a change: all of it, nothing, or its sectors up to a random one.
fn part(change: &Change, random: &mut fastrand::Rng) -> Option<Change> {
    match (random.usize(0..3), change) {
        (0, _) => None,
        (1, Change::Write { offset, bytes }) => {
            let sectors = random.usize(0..=bytes.len().div_ceil(SECTOR_BYTES));
            let length = bytes.len().min(sectors * SECTOR_BYTES);
            Some(Change::Write { offset: *offset, bytes: bytes.get(..length)?.to_vec() })
        }
        _ => Some(change.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_written_before_a_sync_began_is_kept() {
        let (folder, left) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("old"), "....").unwrap();
        let mut disk = Disk::with_all_of(folder.path()).unwrap();
        let old = folder.path().join("old");
        let write = |offset, text: &str| {
            Step::Ended(Call::Write { path: old.clone(), offset, bytes: text.as_bytes().to_vec() })
        };
        let sync = Call::Sync { path: old.clone() };
        let new = Call::Open { path: folder.path().join("new"), creates: true, truncates: false };
        for step in [
            write(0, "a"),
            Step::Began(sync.clone()),
            write(1, "b"),
            Step::Ended(sync),
            write(2, "c"),
            Step::Ended(new),
        ] {
            disk.apply(&step).unwrap();
        }
        assert_eq!(disk.leave(left.path(), None).unwrap(), 2);
        assert_eq!(std::fs::read_to_string(left.path().join("old")).unwrap(), "a...");
        assert!(!left.path().join("new").exists(), "its folder was not synced");
        let names = Call::Sync { path: folder.path().to_owned() };
        disk.apply(&Step::Began(names.clone())).unwrap();
        disk.apply(&Step::Ended(names)).unwrap();
        disk.leave(left.path(), None).unwrap();
        assert!(left.path().join("new").exists());
    }
}
