//! Look-ups of leads by each of their identifiers, and of the sales that wait for their lead.

use std::sync::Arc;

use super::kind::Kind;
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::id::{AccountId, ConversionId, LeadId};
use crate::domain::lead::{Customer, Lead, LeadSelector, UnmatchedSale};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Lead {
    type Key = (AccountId, LeadId);

    const NAME: &'static str = "lead";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        // Most changes leave the identifiers as they are.
        if let (Some(before), Some(after)) = (before, after)
            && (&before.external_id, &before.email) == (&after.external_id, &after.email)
        {
            return;
        }
        for (row, id) in [(before, None), (after, after.map(|row| row.id))] {
            let Some(row) = row else { continue };
            for name in row.selectors().into_iter().chain([LeadSelector::Id(row.id)]) {
                names.leads.insert((row.account_id, name), id);
            }
        }
    }

    fn changed(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        if let (None, Some(new)) = (before, after) {
            names.latest_sales.insert_absent(new.key());
            names.timelines.insert_absent(new.key());
        }
    }
}

impl Kind for UnmatchedSale {
    type Key = (AccountId, ConversionId);

    const NAME: &'static str = "unmatched sale";

    fn key(&self) -> Self::Key {
        (self.account_id, self.conversion_id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let present = after.map(Self::selectors).unwrap_or_default();
        if let Some(gone) = before {
            for name in gone.selectors().into_iter().filter(|name| !present.contains(name)) {
                names.unmatched_sales.remove((gone.account_id, name), gone.conversion_id);
            }
        }
        if let Some(row) = after {
            for name in present {
                names.unmatched_sales.add((row.account_id, name), row.conversion_id);
            }
        }
    }
}

impl WorkingSet {
    /// The lead with this identifier, present or former. A lead that was merged gives the one that it was merged into.
    pub fn find_lead(&self, account_id: AccountId, selector: &LeadSelector) -> Result<Option<&Arc<Lead>>, Refusal> {
        let Some(row) = self.find_lead_row(account_id, selector)? else { return Ok(None) };
        let lead = match row.merged_into {
            Some(id) => self.existing::<Lead>(&(account_id, id))?,
            None => row,
        };
        Ok(Some(lead).filter(|lead| lead.deleted_at.is_none()))
    }

    /// The lead with this identifier. A request names it, so a missing one is refused.
    pub fn lead(&self, account_id: AccountId, selector: &LeadSelector) -> Result<&Arc<Lead>, Refusal> {
        self.find_lead(account_id, selector)?.ok_or_else(|| Refusal::not_found(Resource::Lead, selector))
    }

    /// The row that has this identifier. It may keep a former identifier of another lead.
    pub fn find_lead_row(&self, account_id: AccountId, selector: &LeadSelector) -> Result<Option<&Arc<Lead>>, Refusal> {
        let id = known(self.names.leads.get(&(account_id, selector.clone())), "lead by name")?;
        id.map(|id| self.existing::<Lead>(&(account_id, id))).transpose()
    }

    /// The lead with this identifier, if its row is in the set.
    pub fn loaded_lead(&self, account_id: AccountId, selector: &LeadSelector) -> Option<&Arc<Lead>> {
        self.find_lead(account_id, selector).ok().flatten()
    }

    /// Another lead that a request names too: the email address is that of another lead than the external_id.
    pub fn find_other(&self, account_id: AccountId, customer: &Customer) -> Result<Option<&Arc<Lead>>, Refusal> {
        let (Some(_), Some(email)) = (&customer.external_id, &customer.email) else { return Ok(None) };
        let lead = self.find_customer(account_id, customer)?.map(|lead| lead.id);
        let other = self.find_lead(account_id, &LeadSelector::Email(email.clone()))?;
        Ok(other.filter(|other| Some(other.id) != lead))
    }

    /// The lead that a request names: found by external_id, or else by email address.
    pub fn find_customer(&self, account_id: AccountId, customer: &Customer) -> Result<Option<&Arc<Lead>>, Refusal> {
        for selector in customer.selectors() {
            if let Some(lead) = self.find_lead(account_id, &selector)? {
                return Ok(Some(lead));
            }
        }
        Ok(None)
    }
}
