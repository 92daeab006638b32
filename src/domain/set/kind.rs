//! A kind of row, as the working set sees it. Each kind says in its own file here how it is found.

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

    /// Whether rows change seldom and are read by every sale. Such rows are cached between batches, and each change of one raises
    /// the version of the account's catalogue.
    const IN_CATALOGUE: bool = false;

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// Updates the indexes when a row enters the set or changes. `before` is none for a row that was not in the set, `after` for
    /// one that leaves it.
    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let _ = (before, after, names);
    }

    /// Updates the counts, and the lists that a new row begins. Only changes by commands call it; loads do not.
    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let _ = (before, after, names);
    }
}

/// A kind that requests can name. A missing row is the caller's fault.
pub trait Named: Kind {
    /// The kind's name in the refusal of a missing row.
    const RESOURCE: Resource;
}

/// A primary key. All begin with the account.
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
