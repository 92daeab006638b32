//! The rule that deletes a lead. Its row stays without personal data, because the conversions that it has are judged by its bindings
//! when an earlier event is told.

use std::sync::Arc;

use super::update::alias_rows;
use crate::domain::event::EventKind;
use crate::domain::id::AccountId;
use crate::domain::lead::{Customer, Lead, LeadSelector, UnmatchedSale};
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::customer;
use crate::domain::rule::suspicion;
use crate::domain::set::Needs;

/// Delete a lead.
#[derive(Debug, Clone)]
pub struct DeleteLead {
    /// The lead to delete.
    pub lead: LeadSelector,
}

impl Rule for DeleteLead {
    type Answer = Arc<Lead>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.lead(account, self.lead.clone());
        needs.names.unmatched_sales.insert((account, self.lead.clone()));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let known = Arc::clone(context.set.lead(context.account_id, &self.lead)?);
        let aliases = alias_rows(context, &known)?;
        let sales = context.set.unmatched_sales_of(context.account_id, Some(&known), &Customer::default())?;
        let sales: Vec<_> = sales.into_iter().map(|sale| (sale.account_id, sale.id)).collect();
        sales.iter().for_each(|key| context.set.remove::<UnmatchedSale>(key));
        suspicion::forget(context, &known)?;
        for alias in &aliases {
            suspicion::forget(context, alias)?;
        }
        for alias in aliases {
            if known.details.former_ids.contains(&alias.id) {
                context.set.remove::<Lead>(&(alias.account_id, alias.id));
            } else {
                context.put(Lead { deleted_at: Some(context.now), ..alias.without_personal_data() });
            }
        }
        let mut lead = Lead { deleted_at: Some(context.now), ..known.without_personal_data() };
        lead.details.former_ids.clear();
        Ok(customer::put_told(context, EventKind::LeadDeleted, lead, Some(&known)))
    }
}
