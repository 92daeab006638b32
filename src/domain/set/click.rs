//! Look-ups of clicks by the visitor's tracking id.

use std::sync::Arc;

use super::kind::{Key, Kind};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::calendar::Day;
use crate::domain::click::{Click, CountedClick, FirstClick};
use crate::domain::id::{AccountId, AffiliateId, ClickId, ProgramId};
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
            names.first_clicks_of.insert_absent((new.account_id, new.tid));
        }
    }
}

/// The key of the first clicks: account, tracking id, program and day.
impl Key for (AccountId, ClickId, ProgramId, i32) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for FirstClick {
    type Key = (AccountId, ClickId, ProgramId, i32);

    const NAME: &'static str = "first click";

    fn key(&self) -> Self::Key {
        (self.account_id, self.tid, self.program_id, self.day)
    }
}

/// The key of the clicks that count: account, tracking id, affiliate and day.
impl Key for (AccountId, ClickId, AffiliateId, Day) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for CountedClick {
    type Key = (AccountId, ClickId, AffiliateId, Day);

    const NAME: &'static str = "counted click";

    fn key(&self) -> Self::Key {
        (self.account_id, self.tid, self.affiliate_id, self.day)
    }
}

impl WorkingSet {
    /// Whether another click of a visitor counts for the affiliate on a day. If it was not looked up, it is wanted. A new visitor has none.
    pub fn has_counted(&mut self, click: &Click, day: Day) -> Result<bool, Refusal> {
        let key = (click.account_id, click.tid, click.affiliate_id, day);
        match self.counted_clicks.find(&key) {
            Some(found) => Ok(found.is_some()),
            None if click.tid == click.id => Ok(false),
            None => {
                self.wanted().row::<CountedClick>(key);
                Err(Refusal::NotLoaded(CountedClick::NAME))
            }
        }
    }

    /// The first click of a visitor in a program on one day, if it is kept.
    pub fn first_click(&self, click: &Click) -> Result<Option<&Arc<FirstClick>>, Refusal> {
        known(self.names.first_clicks_of.get(&(click.account_id, click.tid)).map(|_| ()), "first clicks")?;
        Ok(self.first_clicks.get(&click.as_first().key()))
    }

    /// The visitor's clicks, earliest first.
    pub fn clicks_of(&self, account_id: AccountId, tid: ClickId) -> Result<Vec<&Arc<Click>>, Refusal> {
        let ids = known(self.names.clicks_of.get(&(account_id, tid)), "clicks")?;
        let mut clicks: Vec<_> = ids.iter().filter_map(|id| self.clicks.get(&(account_id, tid, *id))).collect();
        clicks.sort_by_key(|click| (click.occurred_at, click.id));
        Ok(clicks)
    }
}
