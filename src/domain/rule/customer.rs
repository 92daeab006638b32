//! The changes that events make to a customer's lead: names, a binding, a time of change. Knows no command.

use std::sync::Arc;

use super::context::Context;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::LeadId;
use crate::domain::lead::{Binding, Customer, Lead, LeadSelector, LeadState};
use crate::domain::refusal::Refusal;
use crate::domain::time::Time;

pub(super) fn new_lead(context: &mut Context<'_>, customer: &Customer, state: LeadState) -> Lead {
    Lead {
        id: LeadId::new(context.ids),
        account_id: context.account_id,
        email: customer.email.clone(),
        uid: customer.uid.clone(),
        first_name: String::new(),
        last_name: String::new(),
        state,
        binding: None,
        plan: String::new(),
        mrr: None,
        customer_since: None,
        created_at: context.now,
        updated_at: context.now,
    }
}

pub(super) fn binding(enrollment: &Enrollment, bound_at: Time) -> Binding {
    Binding {
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        program_id: enrollment.program_id,
        bound_at,
    }
}

/// Adds a request's names to a lead. A name that the lead already has stays, because only UpdateLead may change it.
pub(super) fn add_names(
    context: &Context<'_>,
    lead: &mut Lead,
    customer: &Customer,
    first_name: &str,
    last_name: &str,
) -> Result<(), Refusal> {
    if !first_name.is_empty() {
        first_name.clone_into(&mut lead.first_name);
    }
    if !last_name.is_empty() {
        last_name.clone_into(&mut lead.last_name);
    }
    if lead.uid.is_none() && is_free(context, customer.uid.clone().map(LeadSelector::Uid))? {
        lead.uid.clone_from(&customer.uid);
    }
    if lead.email.is_none() && is_free(context, customer.email.clone().map(LeadSelector::Email))? {
        lead.email.clone_from(&customer.email);
    }
    Ok(())
}

fn is_free(context: &Context<'_>, selector: Option<LeadSelector>) -> Result<bool, Refusal> {
    match selector {
        Some(selector) => Ok(context.set.find_lead(context.account_id, &selector)?.is_none()),
        None => Ok(false),
    }
}

/// Writes a lead with a new time of change. An unchanged lead is not written: most customers who buy again are unchanged.
pub(super) fn put_touched(context: &mut Context<'_>, lead: Lead, before: Option<&Lead>) -> Arc<Lead> {
    let lead = if before == Some(&lead) { lead } else { Lead { updated_at: context.now, ..lead } };
    context.put(lead)
}
