//! The rule that changes a lead. A former identifier is kept in a row of its own, so that it still finds the lead and costs the other
//! leads nothing: see docs/adr/0022.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::create::taken;
use crate::domain::id::{AccountId, LeadId};
use crate::domain::lead::{Customer, FORMER_IDENTIFIERS_MAX, Lead, LeadSelector, LeadState};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::{customer, timeline};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Change a lead. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateLead {
    /// The lead to change.
    pub lead: LeadSelector,
    /// The email address, normalized, and as it was written. `Some(None)`: the lead has none any more.
    pub email: Option<Option<(String, String)>>,
    /// The merchant's own id. `Some(None)`: the lead has none any more.
    pub external_id: Option<Option<String>>,
    /// The first name.
    pub first_name: Option<String>,
    /// The last name.
    pub last_name: Option<String>,
    /// The state.
    pub state: Option<LeadState>,
    /// The plan.
    pub plan: Option<String>,
    /// When the customer first bought.
    pub first_sale_at: Option<Option<Time>>,
    /// The merchant's own data.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The country. Empty: it is not known.
    pub country_code: Option<String>,
}

impl Rule for UpdateLead {
    type Answer = Arc<Lead>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.lead(account, self.lead.clone());
        needs.names.unmatched_sales.insert((account, self.lead.clone()));
        let new = self.new_identifiers();
        needs.customer(account, &new);
        needs.unmatched_sales(account, &new);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let known = Arc::clone(context.set.lead(context.account_id, &self.lead)?);
        let mut lead = known.as_ref().clone();
        self.set_values(&mut lead);
        if lead.selectors() == known.selectors() {
            return Ok(customer::put_touched(context, lead, Some(&known)));
        }
        if lead.selectors().is_empty() {
            let problem = "is the last identifier of the lead; keep it, or set external_id or email".to_owned();
            let field = if known.email.is_some() { Field::Email } else { Field::ExternalId };
            return Err(Refusal::InvalidField { field, problem });
        }
        for selector in lead.selectors() {
            take(context, &mut lead, &selector)?;
        }
        let former = former_row(context, &known, &mut lead)?;
        customer::move_unmatched(context, &known, &lead)?;
        // With another identifier, sales that nobody referred may turn out to be the lead's.
        let lead = if lead.binding.is_some() {
            timeline::judge_again(context, lead, Some(&known), None)?
        } else {
            customer::put_touched(context, lead, Some(&known))
        };
        if let Some(former) = former {
            context.put(former);
        }
        Ok(lead)
    }
}

impl UpdateLead {
    fn new_identifiers(&self) -> Customer {
        Customer {
            external_id: self.external_id.clone().flatten(),
            email: self.email.clone().flatten().map(|(email, _)| email),
            ..Customer::default()
        }
    }

    fn set_values(&self, lead: &mut Lead) {
        if let Some(email) = &self.email {
            let (email, as_sent) = email.clone().unzip();
            lead.email = email;
            lead.email_as_sent = as_sent.unwrap_or_default();
        }
        if let Some(external_id) = &self.external_id {
            lead.external_id.clone_from(external_id);
        }
        if let Some(first_name) = &self.first_name {
            lead.first_name.clone_from(first_name);
        }
        if let Some(last_name) = &self.last_name {
            lead.last_name.clone_from(last_name);
        }
        lead.state = self.state.unwrap_or(lead.state);
        if let Some(plan) = &self.plan {
            lead.plan.clone_from(plan);
        }
        lead.first_sale_at = self.first_sale_at.unwrap_or(lead.first_sale_at);
        if let Some(metadata) = &self.metadata {
            lead.details.metadata.clone_from(metadata);
        }
        if let Some(country_code) = &self.country_code {
            lead.details.country_code.clone_from(country_code);
        }
    }
}

/// Makes sure that a lead may have an identifier. If it is one of its former ones, its row gives it up.
fn take(context: &mut Context<'_>, lead: &mut Lead, selector: &LeadSelector) -> Result<(), Refusal> {
    let Some(row) = context.set.find_lead_row(context.account_id, selector)?.cloned() else { return Ok(()) };
    if row.id == lead.id {
        return Ok(());
    }
    if row.merged_into != Some(lead.id) {
        let owner = context.set.find_lead(context.account_id, selector)?.unwrap_or(&row);
        return Err(taken(selector, owner));
    }
    let mut left = row.as_ref().clone();
    match selector {
        LeadSelector::Email(_) => left.email = None,
        LeadSelector::ExternalId(_) => left.external_id = None,
        LeadSelector::Id(_) => {}
    }
    if left.selectors().is_empty() && lead.details.former_ids.contains(&row.id) {
        context.set.remove::<Lead>(&(row.account_id, row.id));
        lead.details.former_ids.retain(|id| *id != row.id);
    } else {
        context.put(left);
    }
    Ok(())
}

/// The row that keeps the identifiers that a lead gives up.
fn former_row(context: &mut Context<'_>, before: &Lead, lead: &mut Lead) -> Result<Option<Lead>, Refusal> {
    let former = Customer {
        external_id: before.external_id.clone().filter(|_| before.external_id != lead.external_id),
        email: before.email.clone().filter(|_| before.email != lead.email),
        ..Customer::default()
    };
    if former.is_unnamed() {
        return Ok(None);
    }
    check_limit(lead.details.alias_ids().count() + 1)?;
    let row = Lead { merged_into: Some(lead.id), ..customer::new_lead(context, &former, before.state) };
    lead.details.former_ids.push(row.id);
    Ok(Some(row))
}

/// Checks how many rows find a lead besides its own.
pub(super) fn check_limit(alias_count: usize) -> Result<(), Refusal> {
    let limit = FORMER_IDENTIFIERS_MAX;
    if alias_count > limit { Err(Refusal::LeadIdentifierLimit { limit }) } else { Ok(()) }
}

/// The rows that find a lead besides its own.
pub(super) fn alias_rows(context: &mut Context<'_>, lead: &Lead) -> Result<Vec<Arc<Lead>>, Refusal> {
    let keys: Vec<(AccountId, LeadId)> = lead.details.alias_ids().map(|id| (lead.account_id, id)).collect();
    keys.iter().for_each(|key| context.set.wanted().row::<Lead>(*key));
    keys.iter().map(|key| context.set.existing::<Lead>(key).cloned()).collect()
}
