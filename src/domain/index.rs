//! Look-ups of the working set by other names than the id: what was looked for is told from what was not.

use std::hash::Hash;

use hashbrown::{HashMap, HashSet};

/// A look-up of the one thing that has a name: known to be there, known to be absent, or not looked for.
#[derive(Debug)]
pub struct Index<K, V> {
    found: HashMap<K, Option<V>>,
}

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self { found: HashMap::new() }
    }
}

impl<K: Eq + Hash, V: Clone> Index<K, V> {
    /// What was found; `Some(None)` when nothing was, `None` when it was not looked for.
    pub fn get(&self, key: &K) -> Option<Option<V>> {
        self.found.get(key).cloned()
    }

    /// Says that the key was looked for; `None` when nothing has it.
    pub fn insert(&mut self, key: K, value: Option<V>) {
        self.found.insert(key, value);
    }

    /// Says that the key was looked for, and nothing has it unless something was found already.
    pub fn insert_absent(&mut self, key: K) {
        self.found.entry(key).or_insert(None);
    }
}

/// A look-up of all that hangs on a key. One that was met on the way does not make the list whole.
#[derive(Debug)]
pub struct Lists<K, V> {
    met: HashMap<K, Vec<V>>,
    whole: HashSet<K>,
}

impl<K, V> Default for Lists<K, V> {
    fn default() -> Self {
        Self { met: HashMap::new(), whole: HashSet::new() }
    }
}

impl<K: Eq + Hash, V: Clone + PartialEq> Lists<K, V> {
    /// All that hang on the key; none when they were not looked for.
    pub fn get(&self, key: &K) -> Option<Vec<V>> {
        self.whole.contains(key).then(|| self.met(key))
    }

    /// Those that were met.
    pub(super) fn met(&self, key: &K) -> Vec<V> {
        self.met.get(key).cloned().unwrap_or_default()
    }

    /// Says that the key was looked for, and nothing hangs on it but what was met.
    pub fn insert_absent(&mut self, key: K) {
        self.whole.insert(key);
    }

    pub(super) fn add(&mut self, key: K, value: V) {
        let met = self.met.entry(key).or_default();
        if !met.contains(&value) {
            met.push(value);
        }
    }

    pub(super) fn remove(&mut self, key: &K, value: &V) {
        if let Some(met) = self.met.get_mut(key) {
            met.retain(|other| other != value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_met_on_the_way_is_not_all_there_is() {
        let mut lists = Lists::default();
        lists.add("sales of a lead", 1);
        assert_eq!(lists.get(&"sales of a lead"), None);
        lists.insert_absent("sales of a lead");
        assert_eq!(lists.get(&"sales of a lead"), Some(vec![1]));
        lists.add("sales of a lead", 2);
        lists.remove(&"sales of a lead", &1);
        assert_eq!(lists.get(&"sales of a lead"), Some(vec![2]));
    }
}
