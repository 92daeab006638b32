//! The rule that creates a lead by hand. It is no event, so it makes no conversion.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::referrer::{self, Referrer};
use crate::domain::id::AccountId;
use crate::domain::lead::{Customer, Lead, LeadSelector, LeadState};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::{customer, timeline};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Create a lead.
#[derive(Debug, Clone)]
pub struct CreateLead {
    /// The identifiers.
    pub customer: Customer,
    /// The first name; may be empty.
    pub first_name: String,
    /// The last name; may be empty.
    pub last_name: String,
    /// The state.
    pub state: LeadState,
    /// The plan; may be empty.
    pub plan: String,
    /// When the customer first bought.
    pub first_sale_at: Option<Time>,
    /// The merchant's own data.
    pub metadata: BTreeMap<String, String>,
    /// Who referred the lead. `None`: the lead is not bound.
    pub referrer: Option<Referrer>,
    /// When the lead was referred and bound; `None` for now.
    pub referred_at: Option<Time>,
}

impl Rule for CreateLead {
    type Answer = Arc<Lead>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.customer(account, &self.customer);
        needs.unmatched_sales(account, &self.customer);
        if let Some(referrer) = &self.referrer {
            referrer.needs(account, needs);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        for selector in self.customer.selectors() {
            if let Some(other) = context.set.find_lead(context.account_id, &selector)? {
                return Err(taken(&selector, other));
            }
        }
        let mut lead = customer::new_lead(context, &self.customer, self.state);
        lead.first_name.clone_from(&self.first_name);
        lead.last_name.clone_from(&self.last_name);
        lead.plan.clone_from(&self.plan);
        lead.first_sale_at = self.first_sale_at;
        lead.details.metadata.clone_from(&self.metadata);
        if let Some(referrer) = &self.referrer {
            let enrollment = referrer.enrollment(context)?;
            let referred_at = self.referred_at.unwrap_or(context.now);
            referrer::bind(context, &mut lead, enrollment, referred_at, referred_at, "")?;
        }
        let made = customer::put_touched(context, lead, None);
        let mut lead = made.as_ref().clone();
        timeline::match_to_lead(context, &mut lead)?;
        Ok(customer::put_touched(context, lead, Some(&made)))
    }
}

/// The refusal of an identifier that another lead has.
pub(super) fn taken(selector: &LeadSelector, other: &Lead) -> Refusal {
    let field = match selector {
        LeadSelector::Email(_) => Field::Email,
        LeadSelector::ExternalId(_) | LeadSelector::Id(_) => Field::ExternalId,
    };
    let (value, resource_id) = (selector.to_string(), other.id.to_string());
    Refusal::AlreadyExists { field, value, resource: Resource::Lead, resource_id }
}
