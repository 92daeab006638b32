//! Notes in an event what the rules of its terms ask about the credited affiliate and the customer. Neither has a history, so the values at
//! the time of the first credit count for ever. Only terms that ask for them load the rows.

use std::sync::Arc;

use super::context::Context;
use super::sales_tally;
use crate::domain::affiliate::Affiliate;
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AffiliateId, LeadId};
use crate::domain::lead::Lead;
use crate::domain::noted::NotedFacts;
use crate::domain::pricing::{CommissionRule, Compare, ConditionField};
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::sales_tally::SalesTally;

/// An event with what the terms of a credit ask for. `None` if they ask for nothing that it does not have.
pub(super) fn with_noted(
    context: &mut Context<'_>,
    event: &Conversion,
    (credit, terms): (&Credit, &Terms),
) -> Result<Option<Conversion>, Refusal> {
    if !terms.rules.looks_at_noted() {
        return Ok(None);
    }
    // Another credit of the same event may have noted something since.
    let stored = context.set.conversion(context.account_id, event.id)?.order.noted.clone();
    let mut event = event.clone();
    event.order.noted = stored;
    let enrollment_id = credit.enrollment_id;
    let mut noted = event.order.noted(enrollment_id).cloned().unwrap_or_else(|| NotedFacts::none(enrollment_id));
    let rules = terms.rules.commission_rules.iter().filter(|rule| !rule.is_for_clicks());
    let mut asked: Vec<_> = rules.flat_map(CommissionRule::noted_comparisons).collect();
    asked.retain(|compare| noted.get(&compare.field.noted_as(&compare.key)).is_none());
    for compare in asked {
        let about =
            About { lead_id: event.lead_id, affiliate_id: credit.affiliate_id, credited: Some((credit, terms)) };
        let value = value_of(context, &about, compare)?;
        noted.keep(compare.field.noted_as(&compare.key), &value);
    }
    event.order.note(noted);
    Ok(Some(event))
}

/// An event with what the terms of a credit ask for, which it keeps. `None` if they ask for nothing.
pub(super) fn keep(
    context: &mut Context<'_>,
    event: &Conversion,
    (credit, terms): (&Credit, &Terms),
) -> Result<Option<Conversion>, Refusal> {
    let Some(noted) = with_noted(context, event, (credit, terms))? else { return Ok(None) };
    let mut stored = context.set.conversion(context.account_id, event.id)?.as_ref().clone();
    if stored.order.noted != noted.order.noted {
        stored.order.noted.clone_from(&noted.order.noted);
        context.put(stored);
    }
    Ok(Some(noted))
}

/// What the rules for clicks ask about the affiliate. A click is never judged again, so nobody keeps it. `None` if they ask for nothing.
pub(super) fn of_click(
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    terms: &Terms,
) -> Result<Option<NotedFacts>, Refusal> {
    let rules = terms.rules.commission_rules.iter().filter(|rule| rule.is_for_clicks());
    let mut noted = None;
    for compare in rules.flat_map(CommissionRule::noted_comparisons) {
        let about = About { lead_id: None, affiliate_id: enrollment.affiliate_id, credited: None };
        let value = value_of(context, &about, compare)?;
        let noted = noted.get_or_insert_with(|| NotedFacts::none(enrollment.id));
        noted.keep(compare.field.noted_as(&compare.key), &value);
    }
    Ok(noted)
}

/// Whom a value is about.
struct About<'event> {
    lead_id: Option<LeadId>,
    affiliate_id: AffiliateId,
    /// The credit of an event, with its terms. A click has none, and asks for no sales.
    credited: Option<(&'event Credit, &'event Terms)>,
}

fn value_of(context: &mut Context<'_>, about: &About<'_>, compare: &Compare) -> Result<String, Refusal> {
    Ok(match compare.field {
        ConditionField::AffiliateCountry => {
            affiliate(context, about.affiliate_id)?.profile.address.country_code.clone()
        }
        ConditionField::AffiliateGroup => {
            affiliate(context, about.affiliate_id)?.group_id.map(|id| id.to_string()).unwrap_or_default()
        }
        ConditionField::LeadMetadata => {
            let lead = lead(context, about.lead_id)?;
            lead.and_then(|lead| lead.details.metadata.get(&compare.key).cloned()).unwrap_or_default()
        }
        ConditionField::CustomerCountry => {
            let lead = lead(context, about.lead_id)?;
            lead.map(|lead| lead.details.country_code.clone()).unwrap_or_default()
        }
        ConditionField::AffiliateSaleCount => sold(context, about)?.map_or(0, |tally| tally.sale_count).to_string(),
        ConditionField::AffiliateSalesAmount => sold(context, about)?.map_or(0, |tally| tally.amount_minor).to_string(),
        _ => String::new(),
    })
}

/// What the affiliate has sold before.
fn sold(context: &mut Context<'_>, about: &About<'_>) -> Result<Option<SalesTally>, Refusal> {
    match about.credited {
        Some((credit, terms)) => sales_tally::of_all_time(context, credit, terms),
        None => Ok(None),
    }
}

fn affiliate(context: &mut Context<'_>, id: AffiliateId) -> Result<Arc<Affiliate>, Refusal> {
    let key = (context.account_id, id);
    context.set.wanted().row::<Affiliate>(key);
    context.set.existing::<Affiliate>(&key).cloned()
}

/// The customer of an event: the lead that stays, if it was merged.
pub(super) fn lead(context: &mut Context<'_>, id: Option<LeadId>) -> Result<Option<Arc<Lead>>, Refusal> {
    let Some(mut id) = id else { return Ok(None) };
    // A lead that was merged names the one that stays, which may have been merged since.
    for _ in 0..MERGES_MAX {
        let key = (context.account_id, id);
        context.set.wanted().row::<Lead>(key);
        let lead = context.set.find::<Lead>(&key)?.cloned();
        match lead.as_ref().and_then(|lead| lead.merged_into) {
            Some(into) => id = into,
            None => return Ok(lead),
        }
    }
    Ok(None)
}

const MERGES_MAX: usize = 100;
