//! A kind of row, as the working set knows it. Each kind has a file here that says how its rows are found.

use std::fmt::Debug;
use std::hash::Hash;

use super::names::Names;
use crate::domain::id::{AccountId, TypedId};
use crate::domain::refusal::Resource;

/// A kind of row.
pub trait Kind: Debug + PartialEq + Sized {
    /// The primary key.
    type Key: Key;

    /// The kind's name, for errors.
    const NAME: &'static str;

    /// Whether rows change seldom and every sale reads them. Such rows are cached between batches, and each change of one raises
    /// the version of the account's catalogue.
    const IN_CATALOGUE: bool = false;

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// Updates the indexes when a row enters the set, changes or leaves it. `before` is `None` for a row that enters the set.
    /// `after` is `None` for a row that leaves it.
    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let _ = (before, after, names);
    }

    /// Updates the counts. Also marks the lists of a new row as complete, because the database has nothing in them yet. Called
    /// for changes by commands, not for loads.
    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let _ = (before, after, names);
    }
}

/// A kind that requests can name. If such a row is missing, the caller is at fault.
pub trait Named: Kind {
    /// The kind in the refusal of a missing row.
    const RESOURCE: Resource;
}

/// A primary key, which always begins with the account.
pub trait Key: Debug + Clone + Eq + Hash + Ord {
    /// The account that the row belongs to.
    fn account_id(&self) -> AccountId;
}

impl Key for AccountId {
    fn account_id(&self) -> AccountId {
        *self
    }
}

impl<I: TypedId + Debug + Clone + Eq + Hash + Ord> Key for (AccountId, I) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}
