//! Look-ups of clicks by the visitor's tracking id.

use std::sync::Arc;

use super::kind::{Key, Kind};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::click::Click;
use crate::domain::id::{AccountId, ClickId};
use crate::domain::refusal::Refusal;

/// The key of the table: account, tracking id and id. The clicks of one visitor are therefore adjacent.
impl Key for (AccountId, ClickId, ClickId) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for Click {
    type Key = (AccountId, ClickId, ClickId);

    const NAME: &'static str = "click";

    fn key(&self) -> Self::Key {
        (self.account_id, self.tid, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after) {
            names.clicks_of.add((new.account_id, new.tid), new.id);
        }
    }

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        // The list of a new visitor is complete, because the visitor's first click is new.
        if let (None, Some(new)) = (before, after)
            && new.tid == new.id
        {
            names.clicks_of.insert_absent((new.account_id, new.tid));
            names.conversions_of_visitor.insert_absent((new.account_id, new.tid));
        }
    }
}

impl WorkingSet {
    /// The visitor's clicks, earliest first.
    pub fn clicks_of(&self, account_id: AccountId, tid: ClickId) -> Result<Vec<&Arc<Click>>, Refusal> {
        let ids = known(self.names.clicks_of.get(&(account_id, tid)), "clicks")?;
        let mut clicks: Vec<_> = ids.iter().filter_map(|id| self.clicks.get(&(account_id, tid, *id))).collect();
        clicks.sort_by_key(|click| (click.occurred_at, click.id));
        Ok(clicks)
    }
}
