//! Recording a sale: who referred it, what it earns, and what was waiting for it.

use std::collections::BTreeSet;

use super::attribution::{self, Attribution, AttributionSource, Candidate, CandidateResult};
use super::command::Outcome;
use super::commission;
use super::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, RecordSale, SaleOutcome,
};
use super::decide::Context;
use super::enrollment::Enrollment;
use super::event::EventType;
use super::id::ConversionId;
use super::lead::{self, Customer, Lead, LeadSelector, LeadState, UnmatchedSale};
use super::money::Money;
use super::program::applicable_terms;
use super::refund::{self, SaleInHand};
use super::refusal::Refusal;
use super::reward::Reward;
use super::time::Time;
use super::working_set::Changes;

pub(super) fn record(context: &mut Context<'_>, command: &RecordSale) -> Result<(Outcome, Changes), Refusal> {
    let occurred_at = command.occurred_at.unwrap_or(context.now);
    let known_lead = lead::find_customer(context, &command.customer)?.cloned();
    let attribution =
        attribution::attribute(context.set, context.account_id, known_lead.as_ref(), &command.referral, occurred_at)?;
    let mut sale = new_sale(context, command, occurred_at);
    sale.lead_id = known_lead.as_ref().map(|lead| lead.id);
    let mut changes = Changes::default();

    let rewards = match attribution.winner {
        Some((source, enrollment)) => {
            // A binding in another program makes nobody a customer of this one.
            let bound_at = known_lead
                .as_ref()
                .and_then(|lead| lead.binding)
                .filter(|binding| binding.program_id == enrollment.program_id)
                .map(|binding| binding.bound_at);
            if let Some(lead) = referred_lead(context, command, known_lead, enrollment, occurred_at)? {
                sale.lead_id = Some(lead.id);
                changes.leads.push(lead);
            }
            sale.candidates = attribution.candidates;
            credit(context, &mut sale, source, enrollment, bound_at, EventType::SaleRecorded, &mut changes)?
        }
        None => {
            leave_unmatched(context, command, known_lead, attribution, &mut sale, &mut changes)?;
            Vec::new()
        }
    };
    let outcome = SaleOutcome {
        conversion_id: sale.id,
        lead_id: sale.lead_id,
        credit: sale.credit,
        rewards: rewards.iter().map(Reward::summary).collect(),
    };
    refund::apply_waiting(context, SaleInHand::new(sale, rewards), &mut changes)?;
    Ok((Outcome::Sale(outcome), changes))
}

fn new_sale(context: &mut Context<'_>, command: &RecordSale, occurred_at: Time) -> Conversion {
    Conversion {
        id: ConversionId::new(context.ids),
        account_id: context.account_id,
        kind: ConversionKind::Sale,
        event_id: command.event_id.clone(),
        outcome: ConversionOutcome::NotReferred,
        amount: Some(command.amount),
        refunded_minor: 0,
        sale_id: None,
        sale_event_id: String::new(),
        lead_id: None,
        credit: None,
        channel: command.channel,
        order: command.order.clone(),
        candidates: Vec::new(),
        occurred_at,
        created_at: context.now,
        version: 1,
    }
}

/// The customer of a referred sale: known or new, bound to the enrollment unless bound before, and now active. None for a sale
/// without a customer.
fn referred_lead(
    context: &mut Context<'_>,
    command: &RecordSale,
    known: Option<Lead>,
    enrollment: &Enrollment,
    occurred_at: Time,
) -> Result<Option<Lead>, Refusal> {
    if known.is_none() && command.customer.is_unnamed() {
        return Ok(None);
    }
    let before = known.clone();
    let mut lead = known.unwrap_or_else(|| lead::new_lead(context, &command.customer, LeadState::Active));
    lead.binding.get_or_insert(lead::binding(enrollment, occurred_at));
    has_bought(context, command, &mut lead, occurred_at)?;
    Ok(Some(lead::touched(context, lead, before.as_ref())))
}

fn has_bought(context: &Context<'_>, command: &RecordSale, lead: &mut Lead, occurred_at: Time) -> Result<(), Refusal> {
    lead::add_names(context, lead, &command.customer, &command.first_name, &command.last_name)?;
    lead.state = LeadState::Active;
    lead.customer_since = Some(lead.customer_since.map_or(occurred_at, |since| since.min(occurred_at)));
    if !command.order.plan.is_empty() {
        lead.plan.clone_from(&command.order.plan);
    }
    if command.mrr.is_some() {
        lead.mrr = command.mrr;
    }
    Ok(())
}

/// Credits a sale to an enrollment: pins the terms, earns the reward, tells the feed.
fn credit(
    context: &mut Context<'_>,
    sale: &mut Conversion,
    source: AttributionSource,
    enrollment: &Enrollment,
    bound_at: Option<Time>,
    event_type: EventType,
    changes: &mut Changes,
) -> Result<Vec<Reward>, Refusal> {
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    let terms = applicable_terms(context.set, program, sale.occurred_at, bound_at)?;
    let credit = Credit {
        affiliate_id: enrollment.affiliate_id,
        enrollment_id: enrollment.id,
        program_id: enrollment.program_id,
        terms_version: terms.version,
        source,
    };
    sale.outcome = ConversionOutcome::Attributed;
    sale.credit = Some(credit);
    let rewards = match sale.left() {
        // What was refunded before the sale was priced earns nothing.
        Some(base) if base.amount_minor > 0 => {
            commission::earn(context, sale, base, enrollment, credit, &terms, changes)?.into_iter().collect()
        }
        _ => Vec::new(),
    };
    changes.conversions.push(sale.clone());
    let image = ConversionImage { conversion: sale.clone(), rewards: rewards.clone() };
    changes.events.push(context.conversion_event(event_type, sale.occurred_at, image));
    Ok(rewards)
}

/// Keeps a sale that nobody referred, so that it can be explained, and priced if its lead arrives in time.
fn leave_unmatched(
    context: &Context<'_>,
    command: &RecordSale,
    known_lead: Option<Lead>,
    attribution: Attribution<'_>,
    sale: &mut Conversion,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    sale.candidates = attribution.candidates;
    changes.conversions.push(sale.clone());
    if !command.customer.is_unnamed() {
        changes.unmatched_sales.push(UnmatchedSale {
            account_id: context.account_id,
            conversion_id: sale.id,
            email: command.customer.email.clone(),
            uid: command.customer.uid.clone(),
            occurred_at: sale.occurred_at,
        });
    }
    if let Some(before) = known_lead {
        let mut lead = before.clone();
        has_bought(context, command, &mut lead, sale.occurred_at)?;
        changes.leads.push(lead::touched(context, lead, Some(&before)));
    }
    Ok(())
}

/// The sales that nobody referred of a customer, by all the names of the lead, if there is one, and those of the request. What was
/// bought by another lead is not the customer's, though both may have been named.
pub(super) fn unmatched_sales_of<'set>(
    context: &Context<'set>,
    lead: Option<&Lead>,
    customer: &Customer,
) -> Result<Vec<&'set Conversion>, Refusal> {
    let names: BTreeSet<LeadSelector> =
        lead.map(Lead::selectors).unwrap_or_default().into_iter().chain(customer.selectors()).collect();
    let mut sales: Vec<&Conversion> = Vec::new();
    for name in names {
        for sale in context.set.unmatched_sales_of(context.account_id, &name)? {
            let is_anothers = sale.lead_id.is_some() && sale.lead_id != lead.map(|lead| lead.id);
            if !is_anothers && !sales.iter().any(|other| other.id == sale.id) {
                sales.push(sale);
            }
        }
    }
    sales.sort_by_key(|sale| (sale.occurred_at, sale.id));
    Ok(sales)
}

/// Prices the sales of a lead that nobody had referred when they were recorded, now that the lead is bound: those inside the
/// attribution window before `bound_at`.
pub(super) fn match_to_lead(
    context: &mut Context<'_>,
    lead: &mut Lead,
    enrollment: &Enrollment,
    bound_at: Time,
    changes: &mut Changes,
) -> Result<(), Refusal> {
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    let window_days = attribution::window_days(context.set, program, bound_at)?;
    let sales: Vec<Conversion> =
        unmatched_sales_of(context, Some(lead), &Customer::default())?.into_iter().cloned().collect();
    if lead.plan.is_empty() {
        let plans = sales.iter().rev().map(|sale| &sale.order.plan);
        lead.plan = plans.into_iter().find(|plan| !plan.is_empty()).cloned().unwrap_or_default();
    }
    for mut sale in sales {
        if sale.occurred_at.plus_days(window_days) < bound_at {
            continue;
        }
        sale.lead_id = Some(lead.id);
        sale.version += 1;
        sale.candidates.insert(
            0,
            Candidate {
                source: AttributionSource::LeadBinding,
                reference: lead.id.to_string(),
                affiliate_id: Some(enrollment.affiliate_id),
                enrollment_id: Some(enrollment.id),
                result: CandidateResult::Won,
            },
        );
        changes.matched_sales.push((context.account_id, sale.id));
        lead.state = LeadState::Active;
        lead.customer_since = Some(lead.customer_since.map_or(sale.occurred_at, |since| since.min(sale.occurred_at)));
        let source = AttributionSource::LeadBinding;
        credit(context, &mut sale, source, enrollment, None, EventType::SaleAttributed, changes)?;
    }
    Ok(())
}

impl Conversion {
    /// What is left of a sale after its refunds; none for other kinds.
    pub fn left(&self) -> Option<Money> {
        let amount = self.amount?;
        Some(Money::new(amount.amount_minor - self.refunded_minor, amount.currency))
    }
}
