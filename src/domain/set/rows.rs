//! The rows of one kind in the working set, with what must be written of them. Knows no kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use super::kind::Kind;
use super::undo::Undo;

/// What must be done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Nothing: it is as the database has it.
    Loaded,
    /// Insert it.
    New,
    /// Update it.
    Changed,
    /// Delete it.
    Removed,
}

/// A key that was looked up: the row, or none where there is none.
type Slot<K> = Option<(Arc<K>, Mark)>;

/// The rows of one kind, by key. A key without an entry was never looked up.
pub struct Rows<K: Kind> {
    slots: HashMap<K::Key, Slot<K>>,
    /// The slots before the command in progress changed them, the latest change last; none for a key without an entry.
    before: Vec<(K::Key, Option<Slot<K>>)>,
    is_complete: bool,
}

impl<K: Kind> Default for Rows<K> {
    fn default() -> Self {
        Self { slots: HashMap::new(), before: Vec::new(), is_complete: false }
    }
}

/// The entries in order, so that equal sets look alike; no journal.
impl<K: Kind> fmt::Debug for Rows<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.slots.iter().collect::<BTreeMap<_, _>>()).finish()
    }
}

impl<K: Kind> Rows<K> {
    /// The row with this key; `Some(None)` when there is none, `None` when it was never looked up.
    pub fn find(&self, key: &K::Key) -> Option<Option<&Arc<K>>> {
        match self.slots.get(key) {
            Some(Some((row, mark))) => Some((*mark != Mark::Removed).then_some(row)),
            Some(None) => Some(None),
            None => self.is_complete.then_some(None),
        }
    }

    /// The row with this key, if it is in the set.
    pub fn get(&self, key: &K::Key) -> Option<&Arc<K>> {
        self.find(key).flatten()
    }

    /// All rows, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<K>> {
        self.slots.values().flatten().filter(|(_, mark)| *mark != Mark::Removed).map(|(row, _)| row)
    }

    /// Says that the key was looked up; nothing has it, unless a row is there already.
    pub fn insert_absent(&mut self, key: K::Key) {
        self.slots.entry(key).or_insert(None);
    }

    /// Puts a row in as the database has it.
    pub fn load(&mut self, row: Arc<K>) {
        self.slots.insert(row.key(), Some((row, Mark::Loaded)));
    }

    /// Puts a row in as a command leaves it.
    pub(super) fn put(&mut self, row: Arc<K>) {
        let key = row.key();
        let mark = match self.slots.get(&key) {
            // Nothing to write: for example a customer who buys again.
            Some(Some((known, Mark::Loaded))) if *known == row => return,
            Some(Some((_, Mark::Loaded | Mark::Changed | Mark::Removed))) => Mark::Changed,
            Some(Some((_, Mark::New)) | None) | None => Mark::New,
        };
        let before = self.slots.insert(key.clone(), Some((row, mark)));
        self.before.push((key, before));
    }

    /// Takes a row out. One that the batch itself put in was never there.
    pub(super) fn remove(&mut self, key: &K::Key) -> Option<Arc<K>> {
        let slot = self.slots.get_mut(key)?;
        let (row, mark) = slot.clone()?;
        match mark {
            Mark::Removed => return None,
            Mark::New => *slot = None,
            Mark::Loaded | Mark::Changed => *slot = Some((Arc::clone(&row), Mark::Removed)),
        }
        self.before.push((key.clone(), Some(Some((Arc::clone(&row), mark)))));
        Some(row)
    }

    fn marked(&self, wanted: Mark) -> Vec<&Arc<K>> {
        let slots = self.slots.iter().filter_map(|(key, slot)| Some((key, slot.as_ref()?)));
        let mut rows: Vec<_> =
            slots.filter(|(_, (_, mark))| *mark == wanted).map(|(key, (row, _))| (key, row)).collect();
        // Key order, so that two server instances lock rows in the same order.
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.into_iter().map(|(_, row)| row).collect()
    }

    /// The keys of rows to insert, update or delete, in no order.
    pub(super) fn written_keys(&self) -> impl Iterator<Item = &K::Key> {
        self.slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Some((_, mark)) if *mark != Mark::Loaded))
            .map(|(key, _)| key)
    }

    /// Rows to insert, in key order.
    pub fn inserted(&self) -> Vec<&Arc<K>> {
        self.marked(Mark::New)
    }

    /// Rows to update, in key order.
    pub fn updated(&self) -> Vec<&Arc<K>> {
        self.marked(Mark::Changed)
    }

    /// Rows to delete, in key order.
    pub fn removed(&self) -> Vec<&Arc<K>> {
        self.marked(Mark::Removed)
    }
}

impl<K: Kind> Undo for Rows<K> {
    fn keep(&mut self) {
        self.before.clear();
    }

    fn roll_back(&mut self) {
        while let Some((key, before)) = self.before.pop() {
            match before {
                Some(slot) => self.slots.insert(key, slot),
                None => self.slots.remove(&key),
            };
        }
    }

    fn complete(&mut self) {
        self.is_complete = true;
    }
}
