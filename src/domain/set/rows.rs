//! The rows of one kind in the working set, each with the write that it needs. Knows no kind.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use hashbrown::HashMap;

use super::kind::Kind;
use super::undo::Undo;

/// The write that a row needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// No write: the database has the same row.
    Loaded,
    /// Insert it.
    New,
    /// Update it.
    Changed,
    /// Delete it.
    Removed,
}

/// A row as it is and as the database has it. `None` if there is none.
pub(super) type Versions<'row, K> = (Option<&'row Arc<K>>, Option<&'row Arc<K>>);

/// A row as the commands have left it.
#[derive(Debug)]
struct Entry<K> {
    row: Arc<K>,
    mark: Mark,
    /// The row as the database has it. `None` for a new row.
    loaded: Option<Arc<K>>,
}

impl<K> Entry<K> {
    /// The row as it is and as the database has it.
    fn versions(&self) -> Versions<'_, K> {
        ((self.mark != Mark::Removed).then_some(&self.row), self.loaded.as_ref())
    }
}

// Not derived, because a derived one would ask for rows that can be cloned.
impl<K> Clone for Entry<K> {
    fn clone(&self) -> Self {
        Self { row: Arc::clone(&self.row), mark: self.mark, loaded: self.loaded.clone() }
    }
}

/// The result of looking up a key: the row, or none if there is no such row.
type Slot<K> = Option<Entry<K>>;

/// The rows of one kind, by key. A key without an entry was never looked up.
pub struct Rows<K: Kind> {
    slots: HashMap<K::Key, Slot<K>>,
    /// The journal: the slots as they were before the command in progress changed them, in order of the changes. The slot is
    /// `None` for a key that had none.
    before: Vec<(K::Key, Option<Slot<K>>)>,
    is_complete: bool,
}

impl<K: Kind> Default for Rows<K> {
    fn default() -> Self {
        Self { slots: HashMap::new(), before: Vec::new(), is_complete: false }
    }
}

/// Prints the entries in order, so that equal sets print the same text. Does not print the journal.
impl<K: Kind> fmt::Debug for Rows<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.slots.iter().collect::<BTreeMap<_, _>>()).finish()
    }
}

impl<K: Kind> Rows<K> {
    /// The row with this key; `Some(None)` when there is none, `None` when it was never looked up.
    pub fn find(&self, key: &K::Key) -> Option<Option<&Arc<K>>> {
        match self.slots.get(key) {
            Some(Some(entry)) => Some((entry.mark != Mark::Removed).then_some(&entry.row)),
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
        self.slots.values().flatten().filter(|entry| entry.mark != Mark::Removed).map(|entry| &entry.row)
    }

    /// Whether a row with this key was entered or written, even if it was removed later.
    pub(super) fn has_met(&self, key: &K::Key) -> bool {
        self.slots.get(key).is_some_and(Option::is_some)
    }

    /// Marks the key as looked up. It is absent, unless a row is there already.
    pub fn insert_absent(&mut self, key: K::Key) {
        self.slots.entry(key).or_insert(None);
    }

    /// Puts in a row that was read from the database.
    pub fn load(&mut self, row: Arc<K>) {
        self.slots.insert(row.key(), Some(Entry { loaded: Some(Arc::clone(&row)), row, mark: Mark::Loaded }));
    }

    /// Puts in a row that a command has written.
    pub(super) fn put(&mut self, row: Arc<K>) {
        let key = row.key();
        let (mark, loaded) = match self.slots.get(&key) {
            // There is nothing to write, for example when a customer buys again.
            Some(Some(known)) if known.mark == Mark::Loaded && known.row == row => return,
            Some(Some(known)) if known.mark != Mark::New => (Mark::Changed, known.loaded.clone()),
            _ => (Mark::New, None),
        };
        let before = self.slots.insert(key.clone(), Some(Entry { row, mark, loaded }));
        self.before.push((key, before));
    }

    /// Takes a row out. A row that the same batch inserted leaves no trace.
    pub(super) fn remove(&mut self, key: &K::Key) -> Option<Arc<K>> {
        let slot = self.slots.get_mut(key)?;
        let before = slot.clone()?;
        match before.mark {
            Mark::Removed => return None,
            Mark::New => *slot = None,
            Mark::Loaded | Mark::Changed => *slot = Some(Entry { mark: Mark::Removed, ..before.clone() }),
        }
        let row = Arc::clone(&before.row);
        self.before.push((key.clone(), Some(Some(before))));
        Some(row)
    }

    /// Whether a command has made the row, so that the database does not have it yet.
    pub(super) fn is_new(&self, key: &K::Key) -> bool {
        matches!(self.slots.get(key), Some(Some(entry)) if entry.mark == Mark::New)
    }

    fn marked(&self, wanted: Mark) -> impl Iterator<Item = &Entry<K>> {
        let slots = self.slots.iter().filter_map(|(key, slot)| Some((key, slot.as_ref()?)));
        let mut entries: Vec<_> = slots.filter(|(_, entry)| entry.mark == wanted).collect();
        // The rows are sorted by key, so that two server instances lock them in the same order.
        entries.sort_unstable_by_key(|(key, _)| *key);
        entries.into_iter().map(|(_, entry)| entry)
    }

    /// The keys of rows to insert, update or delete, in no order.
    pub(super) fn written_keys(&self) -> impl Iterator<Item = &K::Key> {
        self.slots
            .iter()
            .filter(|(_, slot)| matches!(slot, Some(entry) if entry.mark != Mark::Loaded))
            .map(|(key, _)| key)
    }

    /// Rows to insert, in key order.
    pub fn inserted(&self) -> Vec<&Arc<K>> {
        self.marked(Mark::New).map(|entry| &entry.row).collect()
    }

    /// Rows to update, in key order.
    pub fn updated(&self) -> Vec<&Arc<K>> {
        self.marked(Mark::Changed).map(|entry| &entry.row).collect()
    }

    /// Rows to insert and to update, each with the row as the database has it. `None` for a row to insert.
    pub fn written(&self) -> impl Iterator<Item = (&Arc<K>, Option<&Arc<K>>)> {
        self.marked(Mark::New).chain(self.marked(Mark::Changed)).map(|entry| (&entry.row, entry.loaded.as_ref()))
    }

    /// All rows, each as it is and as the database has it, in no order.
    pub(super) fn versions(&self) -> impl Iterator<Item = Versions<'_, K>> {
        self.slots.values().flatten().map(Entry::versions)
    }

    /// The rows to insert, update or delete, each as it is and as the database has it, in no order.
    pub(super) fn written_versions(&self) -> impl Iterator<Item = Versions<'_, K>> {
        self.slots.values().flatten().filter(|entry| entry.mark != Mark::Loaded).map(Entry::versions)
    }

    /// The row with this key as it is and as the database has it. `None` if it was never looked up, or there is no such row.
    pub(super) fn versions_of(&self, key: &K::Key) -> Option<Versions<'_, K>> {
        self.slots.get(key)?.as_ref().map(Entry::versions)
    }

    /// Rows to delete, in key order.
    pub fn removed(&self) -> Vec<&Arc<K>> {
        self.marked(Mark::Removed).map(|entry| &entry.row).collect()
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::AccountId;

    #[derive(Debug, Clone, PartialEq)]
    struct Named(AccountId, &'static str);

    impl Kind for Named {
        type Key = AccountId;

        const NAME: &'static str = "named";

        fn key(&self) -> AccountId {
            self.0
        }
    }

    fn key(number: u128) -> AccountId {
        AccountId::from_uuid(Uuid::from_u128(number))
    }

    fn row(number: u128, name: &'static str) -> Arc<Named> {
        Arc::new(Named(key(number), name))
    }

    fn names(rows: Vec<&Arc<Named>>) -> Vec<&'static str> {
        rows.into_iter().map(|row| row.1).collect()
    }

    /// The names of rows to insert, to update and to delete.
    fn written(rows: &Rows<Named>) -> [Vec<&'static str>; 3] {
        [names(rows.inserted()), names(rows.updated()), names(rows.removed())]
    }

    #[test]
    fn rows_are_written_as_they_are_left_and_as_the_database_knows_them() {
        let mut rows = Rows::default();
        (1..=5).for_each(|number| rows.load(row(number, "loaded")));
        rows.insert_absent(key(6));
        rows.put(row(1, "loaded"));
        rows.put(row(2, "changed"));
        rows.put(row(2, "changed again"));
        rows.remove(&key(3));
        rows.remove(&key(4));
        rows.put(row(4, "back"));
        rows.put(row(6, "new"));
        rows.put(row(7, "new, never looked up"));
        rows.put(row(8, "came"));
        rows.remove(&key(8));
        assert_eq!(
            written(&rows),
            [vec!["new", "new, never looked up"], vec!["changed again", "back"], vec!["loaded"]]
        );
        assert_eq!([rows.find(&key(3)), rows.find(&key(8)), rows.find(&key(9))], [Some(None), Some(None), None]);
        assert_eq!(rows.iter().count(), 6);
        assert_eq!(rows.remove(&key(3)), None, "it is removed already");
        assert_eq!(rows.remove(&key(9)), None);
    }

    #[test]
    fn rolled_back_rows_are_as_before() {
        let mut rows = Rows::default();
        (1..=4).for_each(|number| rows.load(row(number, "loaded")));
        rows.insert_absent(key(5));
        // These are changes of earlier commands of the batch.
        rows.put(row(2, "changed"));
        rows.remove(&key(3));
        rows.put(row(6, "new"));
        rows.keep();
        let (before, written_before) = (format!("{rows:?}"), written(&rows));

        for number in 1..=7 {
            rows.put(row(number, "refused"));
            rows.put(row(number, "refused again"));
            rows.remove(&key(number));
            rows.put(row(number, "and again"));
        }
        assert_eq!(names(rows.inserted()), ["and again"; 3]);
        rows.roll_back();
        assert_eq!((format!("{rows:?}"), written(&rows)), (before.clone(), written_before));
        assert_eq!([rows.find(&key(5)), rows.find(&key(7))], [Some(None), None]);

        // A roll-back clears the journal, so that nothing is rolled back twice.
        rows.put(row(7, "kept"));
        rows.keep();
        rows.roll_back();
        assert_eq!(names(rows.inserted()), ["new", "kept"]);
        assert_ne!(format!("{rows:?}"), before);
    }
}
