//! The changes that events make to a customer's lead: identifiers, binding, time of change. Knows no command.

use std::sync::Arc;

use super::context::Context;
use crate::domain::attribution::AttributionSource;
use crate::domain::conversion::{Conversion, Credit, Credits, Way};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::LeadId;
use crate::domain::lead::{Binding, Customer, Lead, LeadDetails, LeadSelector, LeadState, UnmatchedSale};
use crate::domain::refusal::Refusal;
use crate::domain::time::Time;

pub(super) fn new_lead(context: &mut Context<'_>, customer: &Customer, state: LeadState) -> Lead {
    Lead {
        id: LeadId::new(context.ids),
        account_id: context.account_id,
        email: customer.email.clone(),
        email_as_sent: customer.email_as_sent.clone(),
        external_id: customer.external_id.clone(),
        first_name: String::new(),
        last_name: String::new(),
        state,
        binding: None,
        plan: String::new(),
        mrr: None,
        first_sale_at: None,
        created_at: context.now,
        updated_at: context.now,
        merged_into: None,
        deleted_at: None,
        details: LeadDetails { country_code: customer.country_code.clone(), ..LeadDetails::default() },
    }
}

/// The credit of an enrollment.
pub(super) fn credit(
    enrollment: &Enrollment,
    terms_version: i32,
    source: AttributionSource,
    way: Way,
    share_ppm: i32,
) -> Credit {
    let Way { link_id, sub_id } = way;
    Credit {
        affiliate_id: enrollment.affiliate_id,
        enrollment_id: enrollment.id,
        program_id: enrollment.program_id,
        terms_version,
        source,
        share_ppm,
        link_id,
        sub_id,
    }
}

pub(super) fn binding(credits: Credits, bound_at: Time, referred_at: Time) -> Binding {
    Binding { credits, bound_at, referred_at }
}

/// Adds a request's identifiers, names and country to a lead. Identifiers that the lead already has stay, because a request with another
/// one may be about another customer.
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
    if !customer.country_code.is_empty() {
        lead.details.country_code.clone_from(&customer.country_code);
    }
    if lead.external_id.is_none() && is_free(context, customer.external_id.clone().map(LeadSelector::ExternalId))? {
        lead.external_id.clone_from(&customer.external_id);
    }
    if lead.email.is_none() && is_free(context, customer.email.clone().map(LeadSelector::Email))? {
        lead.email.clone_from(&customer.email);
        lead.email_as_sent.clone_from(&customer.email_as_sent);
    }
    Ok(())
}

/// Whether a request gives a lead an identifier that it did not have. Sales that nobody referred may then turn out to be its own.
pub(super) fn adds_identifier(context: &Context<'_>, lead: &Lead, customer: &Customer) -> Result<bool, Refusal> {
    let external_id = customer.external_id.clone().filter(|_| lead.external_id.is_none());
    let email = customer.email.clone().filter(|_| lead.email.is_none());
    Ok(is_free(context, external_id.map(LeadSelector::ExternalId))?
        || is_free(context, email.map(LeadSelector::Email))?)
}

fn is_free(context: &Context<'_>, selector: Option<LeadSelector>) -> Result<bool, Refusal> {
    match selector {
        Some(selector) => Ok(context.set.find_lead(context.account_id, &selector)?.is_none()),
        None => Ok(false),
    }
}

/// Writes a changed lead with a new time of change, and adds its event. An unchanged lead is not written; the leads of most
/// customers who buy again are unchanged. If only what nobody is shown differs, the lead is written without an event.
pub(super) fn put_touched(context: &mut Context<'_>, lead: Lead, before: Option<&Arc<Lead>>) -> Arc<Lead> {
    match before {
        Some(before) if **before == lead => Arc::clone(before),
        Some(before) if lead.with_unshown_of(before) == **before => context.put(lead),
        Some(before) => put_told(context, EventKind::LeadUpdated, lead, Some(before)),
        None => put_told(context, EventKind::LeadCreated, lead, None),
    }
}

/// Writes a lead with a new time of change, and adds an event of this kind.
pub(super) fn put_told(context: &mut Context<'_>, kind: EventKind, lead: Lead, before: Option<&Lead>) -> Arc<Lead> {
    let lead = context.put(Lead { updated_at: context.now, ..lead });
    context.tell_moved(kind, EventImage::Lead(Arc::clone(&lead)), before.map_or(&[], Lead::credits));
    lead
}

/// The list entry of a sale that nobody referred, under the identifiers of its customer's request. If the lead has none of these, because
/// it was found by a former one, the entry has the lead's own.
pub(super) fn unmatched(sale: &Conversion, customer: &Customer, lead: Option<&Lead>) -> UnmatchedSale {
    let own = lead.map(Lead::selectors).unwrap_or_default();
    let lead = lead.filter(|_| !customer.selectors().iter().any(|name| own.contains(name)));
    let (email, external_id) = match lead {
        Some(lead) => (&lead.email, &lead.external_id),
        None => (&customer.email, &customer.external_id),
    };
    UnmatchedSale {
        account_id: sale.account_id,
        conversion_id: sale.id,
        email: email.clone(),
        external_id: external_id.clone(),
        occurred_at: sale.occurred_at,
    }
}

/// Puts the sales of a lead that nobody referred under the identifiers of the lead that it becomes: the same lead after a change, or the
/// one that it is merged into.
pub(super) fn move_unmatched(context: &mut Context<'_>, from: &Lead, to: &Lead) -> Result<(), Refusal> {
    let sales = context.set.unmatched_sales_of(from.account_id, Some(from), &Customer::default())?;
    let sales: Vec<Arc<Conversion>> = sales.into_iter().cloned().collect();
    for sale in sales {
        let entry = context.set.existing::<UnmatchedSale>(&(sale.account_id, sale.id))?;
        let entry = entry.as_ref().clone();
        context.put(UnmatchedSale { email: to.email.clone(), external_id: to.external_id.clone(), ..entry });
        if from.id == to.id || sale.lead_id != Some(from.id) {
            continue;
        }
        let moved = context.put(Conversion {
            lead_id: Some(to.id),
            as_recorded: Some(Box::new(sale.as_recorded())),
            version: sale.version.saturating_add(1),
            ..sale.as_ref().clone()
        });
        if moved.is_told {
            let image = context.set.image(moved.account_id, moved.id)?;
            context.tell_conversion(EventKind::ConversionUpdated, moved.occurred_at, image);
        }
    }
    Ok(())
}
