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

    /// Whether rows change seldom and are read by every sale: then they are remembered between batches, and each change of one
    /// raises the version of the account's catalogue.
    const IN_CATALOGUE: bool = false;

    /// The row's key.
    fn key(&self) -> Self::Key;

    /// Keeps the names true when a row comes into the set or changes: from the row before, if there was one, to the row after, if
    /// there is one.
    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let _ = (before, after, names);
    }

    /// Keeps true what a command alone moves, and a load does not: counts, and the lists that a new row begins.
    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let _ = (before, after, names);
    }
}

/// A kind that requests name: one that is missing is the caller's fault.
pub trait Named: Kind {
    /// What it is called when it is missing.
    const RESOURCE: Resource;
}

/// A primary key. All begin with the account.
pub trait Key: Debug + Clone + Eq + Hash + Ord {
    /// Whose row it is.
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
