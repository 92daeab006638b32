//! Look-ups of conversions: sales by their lead, and refunds by the sale that they wait for.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use super::{TIMELINE_LENGTH_MAX, VISITOR_CONVERSIONS_MAX};
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind, WaitingRefund};
use crate::domain::id::{AccountId, ClickId, ConversionId, LeadId};
use crate::domain::lead::{Customer, Lead};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Conversion {
    type Key = (AccountId, ConversionId);

    const NAME: &'static str = "conversion";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(_before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let Some(after) = after else { return };
        if let Some(lead_id) = after.lead_id {
            names.timelines.add_to_whole((after.account_id, lead_id), after.id);
            if after.kind == ConversionKind::Sale {
                names.latest_sales.add_to_whole((after.account_id, lead_id), after.id);
            }
        }
        if let Some(tid) = after.tid {
            names.conversions_of_visitor.add_to_whole((after.account_id, tid), after.id);
        }
    }

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after) {
            names.rewards_of.insert_absent(new.key());
        }
    }
}

impl Named for Conversion {
    const RESOURCE: Resource = Resource::Conversion;
}

impl Key for (AccountId, String, ConversionId) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for WaitingRefund {
    type Key = (AccountId, String, ConversionId);

    const NAME: &'static str = "waiting refund";

    fn key(&self) -> Self::Key {
        (self.account_id, self.sale_event_id.clone(), self.conversion_id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        match (before, after) {
            (_, Some(row)) => {
                names.waiting_refunds.add((row.account_id, row.sale_event_id.clone()), row.conversion_id);
            }
            (Some(row), None) => {
                names.waiting_refunds.remove((row.account_id, row.sale_event_id.clone()), row.conversion_id);
            }
            (None, None) => {}
        }
    }
}

impl WorkingSet {
    /// Marks the lists of these leads and visitors as looked up, after their rows were loaded. They then have the rows that earlier
    /// commands of the batch wrote too. These lists are not kept for every conversion, because hardly any command reads them.
    pub fn complete_lists(
        &mut self,
        timelines: &BTreeSet<(AccountId, LeadId)>,
        latest_sales: &BTreeSet<(AccountId, LeadId)>,
        visitors: &BTreeSet<(AccountId, ClickId)>,
    ) {
        if timelines.is_empty() && latest_sales.is_empty() && visitors.is_empty() {
            return;
        }
        timelines.iter().for_each(|lead| self.names.timelines.insert_absent(*lead));
        latest_sales.iter().for_each(|lead| self.names.latest_sales.insert_absent(*lead));
        visitors.iter().for_each(|visitor| self.names.conversions_of_visitor.insert_absent(*visitor));
        for conversion in self.conversions.iter() {
            Conversion::index(None, Some(conversion), &mut self.names);
        }
    }

    /// A conversion that another row refers to. It must exist.
    pub fn conversion(&self, account_id: AccountId, id: ConversionId) -> Result<&Arc<Conversion>, Refusal> {
        self.existing(&(account_id, id))
    }

    fn earliest_first(&self, account_id: AccountId, ids: &[ConversionId]) -> Result<Vec<&Arc<Conversion>>, Refusal> {
        let mut rows = ids.iter().map(|id| self.conversion(account_id, *id)).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|row| (row.occurred_at, row.id));
        Ok(rows)
    }

    /// A customer's sales that nobody referred, earliest first. They are found by all identifiers of the lead, if there is one,
    /// and of the request. A sale that belongs to another lead is left out, even if its request had one of these identifiers.
    pub fn unmatched_sales_of(
        &self,
        account_id: AccountId,
        lead: Option<&Lead>,
        customer: &Customer,
    ) -> Result<Vec<&Arc<Conversion>>, Refusal> {
        let names = lead.map(Lead::selectors).unwrap_or_default().into_iter().chain(customer.selectors());
        let mut ids = BTreeSet::new();
        for name in names {
            ids.extend(known(self.names.unmatched_sales.get(&(account_id, name)), "unmatched sales")?);
        }
        let mut sales = self.earliest_first(account_id, &ids.into_iter().collect::<Vec<_>>())?;
        sales.retain(|sale| sale.lead_id.is_none() || sale.lead_id == lead.map(|lead| lead.id));
        Ok(sales)
    }

    /// The conversions of a lead, earliest first, and whether these are all.
    pub fn timeline_of(
        &self,
        account_id: AccountId,
        lead_id: LeadId,
    ) -> Result<(Vec<&Arc<Conversion>>, bool), Refusal> {
        let ids = known(self.names.timelines.get(&(account_id, lead_id)), "conversions of a lead")?;
        let mut rows = self.earliest_first(account_id, ids)?;
        // A sale that nobody referred may have moved to the lead that its own was merged into.
        rows.retain(|row| row.lead_id == Some(lead_id));
        Ok((rows, (ids.len() as u64) < TIMELINE_LENGTH_MAX))
    }

    /// The sign-ups and sales whose requests had this tracking id, earliest first, and whether these are all.
    pub fn conversions_of_visitor(
        &self,
        account_id: AccountId,
        tid: ClickId,
    ) -> Result<(Vec<&Arc<Conversion>>, bool), Refusal> {
        let ids = known(self.names.conversions_of_visitor.get(&(account_id, tid)), "conversions of a visitor")?;
        Ok((self.earliest_first(account_id, ids)?, (ids.len() as u64) < VISITOR_CONVERSIONS_MAX))
    }

    /// The latest sales of a lead and of those that were merged into it, earliest first of each.
    pub fn latest_sales_of(&self, lead: &Lead) -> Result<Vec<&Arc<Conversion>>, Refusal> {
        let mut sales = Vec::new();
        for lead_id in [lead.id].iter().chain(&lead.details.merged_ids) {
            let ids = known(self.names.latest_sales.get(&(lead.account_id, *lead_id)), "latest sales")?;
            let mut rows = self.earliest_first(lead.account_id, ids)?;
            rows.retain(|row| row.lead_id == Some(*lead_id));
            sales.append(&mut rows);
        }
        Ok(sales)
    }

    /// The refunds that wait for a sale with this event_id, earliest first.
    pub fn refunds_waiting_for(
        &self,
        account_id: AccountId,
        sale_event_id: &str,
    ) -> Result<Vec<&Arc<Conversion>>, Refusal> {
        let key = (account_id, sale_event_id.to_owned());
        let ids = known(self.names.waiting_refunds.get(&key), "waiting refunds")?;
        self.earliest_first(account_id, ids)
    }

    /// A conversion with its rewards, as they are in the set.
    pub fn image(&self, account_id: AccountId, id: ConversionId) -> Result<ConversionImage, Refusal> {
        let conversion = Arc::clone(self.conversion(account_id, id)?);
        let rewards = self.rewards_of(account_id, id)?.into_iter().cloned().collect();
        Ok(ConversionImage { conversion, rewards })
    }
}
