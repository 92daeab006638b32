//! Judges credited events by the fraud rules of their programs. Each credit of an event is judged once, when it is first credited: neither
//! the customer nor the affiliate has a history, and what a person has decided must not be asked again. Only programs with fraud rules come
//! here, and all rows that the rules ask for are looked up together.

use std::sync::Arc;

use super::command::{Command, Envelope};
use super::commission::Claim;
use super::context::Context;
use super::noted;
use crate::domain::affiliate::Affiliate;
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, ConversionKind};
use crate::domain::enrollment::Enrollment;
use crate::domain::fraud::facts::{Known, winning_click};
use crate::domain::fraud::{FraudFacts, FraudFlag, FraudRule, FraudRuleKind, FraudRuleMode, Suspicion, mail};
use crate::domain::fraud_note::{FraudNote, FraudNoteContent, LeadFlag, add_sale, keep_lead_flags};
use crate::domain::id::{ConversionId, EnrollmentId, RewardId};
use crate::domain::lead::Lead;
use crate::domain::program::Program;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::reward::{Reward, RewardState};
use crate::domain::set::{Needs, WorkingSet};

/// An event with what the fraud rules find for a credit, which it keeps. `None` in a simulation of terms, which asks no fraud rules.
pub(super) fn keep(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    program: &Program,
) -> Result<Option<Conversion>, Refusal> {
    if context.set.proposed.is_some() {
        return Ok(None);
    }
    let mut stored = context.set.conversion(context.account_id, event.id)?.as_ref().clone();
    let enrollment_id = claim.credit.enrollment_id;
    if stored.order.suspicion(enrollment_id).is_none() {
        let flags = judge(context, event, claim, program)?;
        stored.order.suspicions.push(Suspicion { enrollment_id, flags, is_released: false });
        context.put(stored.clone());
    }
    let mut event = event.clone();
    event.order.suspicions = stored.order.suspicions;
    Ok(Some(event))
}

/// What the fraud rules of programs in the set will ask for about a batch of commands: the affiliates, and the notes of their sales and of the orders.
/// The rules find what is missing by themselves. It is only loaded before, because a statement for each sale would cost too much.
pub fn further_needs(set: &WorkingSet, envelopes: &[Envelope]) -> Option<Needs> {
    let judging: Vec<&Arc<Program>> = set.programs.iter().filter(|program| program.has_fraud_rules()).collect();
    if judging.is_empty() {
        return None;
    }
    let asks = |program: &Program, kinds: &[FraudRuleKind]| {
        program.fraud_rules.iter().any(|rule| rule.is_asked() && kinds.contains(&rule.kind))
    };
    let mut needs = Needs::default();
    for program in judging {
        let is_of_program = |enrollment: &&Arc<Enrollment>| enrollment.program_id == program.id;
        for enrollment in set.enrollments.iter().filter(is_of_program) {
            if asks(program, &[FraudRuleKind::SelfReferral, FraudRuleKind::OwnDomain]) {
                needs.row::<Affiliate>((program.account_id, enrollment.affiliate_id));
            }
            if asks(program, &[FraudRuleKind::Velocity]) {
                let name = FraudNote::name_of_sales(program.id, enrollment.affiliate_id);
                needs.row::<FraudNote>((program.account_id, name));
            }
        }
        for envelope in envelopes.iter().filter(|envelope| envelope.account_id == program.account_id) {
            if let Command::RecordSale(sale) = &envelope.command
                && let Some(amount) = sale.amount.filter(|_| sale.kind == ConversionKind::Sale)
                && !sale.order.order_id.is_empty()
                && asks(program, &[FraudRuleKind::DuplicateOrder])
            {
                let name = FraudNote::name_of_order(program.id, amount, &sale.order.order_id);
                needs.row::<FraudNote>((program.account_id, name));
            }
        }
    }
    Some(needs)
}

/// The rows that the rules of a program ask for.
struct Found {
    lead: Option<Arc<Lead>>,
    affiliate: Option<Arc<Affiliate>>,
    click: Option<Arc<Click>>,
    /// The note of the order, with its name.
    order: Option<(String, Option<Arc<FraudNote>>)>,
    /// The note of the affiliate's sales, with its name.
    sales: Option<(String, Option<Arc<FraudNote>>)>,
}

fn judge(
    context: &mut Context<'_>,
    event: &Conversion,
    claim: &Claim,
    program: &Program,
) -> Result<Vec<FraudFlag>, Refusal> {
    let found = look_up(context, event, claim, program)?;
    let same_order = note_order(context, event, &found);
    let sale_count = note_sale(context, event, &found, program);
    let lead = found.lead.as_deref();
    let known = Known { lead, affiliate: found.affiliate.as_deref(), click: found.click.as_deref() };
    let facts = FraudFacts { sale_count, same_order, ..known.facts(event, &claim.credit) };
    let asked = program.fraud_rules.iter().filter(|rule| rule.is_asked());
    let flags: Vec<FraudFlag> = asked.filter_map(|rule| rule.flag(&facts)).collect();
    let is_refused = flags.iter().any(|flag| flag.mode == FraudRuleMode::Refuse);
    if let Some(conversion_id) = same_order.filter(|_| is_refused && is_told_now(context, event)) {
        return Err(Refusal::DuplicateOrder { order_id: event.order.order_id.clone(), conversion_id });
    }
    if let Some(lead) = lead.filter(|_| !flags.is_empty()) {
        note_flags(context, lead, event.id, claim.credit.enrollment_id, &flags)?;
    }
    Ok(flags)
}

/// Whether the command in progress tells the event. An event that it only credits anew was answered before, and cannot be refused.
fn is_told_now(context: &Context<'_>, event: &Conversion) -> bool {
    event.created_at == context.now && event.event_id == context.cause_id
}

/// Looks up everything that the rules ask for. What is missing is wanted together, so that it is loaded by few statements.
fn look_up(context: &mut Context<'_>, event: &Conversion, claim: &Claim, program: &Program) -> Result<Found, Refusal> {
    use FraudRuleKind::{BannedReferrer, DuplicateOrder, OwnDomain, QuickSale, SelfReferral, Velocity};
    let asks =
        |kinds: &[FraudRuleKind]| program.fraud_rules.iter().any(|rule| rule.is_asked() && kinds.contains(&rule.kind));
    let account_id = context.account_id;
    let is_sale = event.kind == ConversionKind::Sale;
    // Every flag is noted at the lead, so all rules ask for it.
    let lead = noted::lead(context, event.lead_id);
    let affiliate = if asks(&[SelfReferral, OwnDomain]) {
        context.set.find_or_want::<Affiliate>((account_id, claim.credit.affiliate_id))
    } else {
        Ok(None)
    };
    let click = winning_click(event, claim.credit.enrollment_id).zip(event.tid);
    let click = match click.filter(|_| asks(&[QuickSale, BannedReferrer])) {
        Some((id, tid)) => context.set.find_or_want::<Click>((account_id, tid, id)),
        None => Ok(None),
    };
    let order_name = event.amount.filter(|_| is_sale && !event.order.order_id.is_empty() && asks(&[DuplicateOrder]));
    let order_name = order_name.map(|amount| FraudNote::name_of_order(program.id, amount, &event.order.order_id));
    let order = order_name.map(|name| note(context, name));
    let sales_name =
        (is_sale && asks(&[Velocity])).then(|| FraudNote::name_of_sales(program.id, claim.credit.affiliate_id));
    let sales = sales_name.map(|name| note(context, name));
    Ok(Found {
        lead: lead?,
        affiliate: affiliate?,
        click: click?,
        order: order.transpose()?,
        sales: sales.transpose()?,
    })
}

/// A note with its name.
fn note(context: &mut Context<'_>, name: String) -> Result<(String, Option<Arc<FraudNote>>), Refusal> {
    let found = context.set.find_or_want::<FraudNote>((context.account_id, name.clone()))?;
    Ok((name, found))
}

/// Notes an order, and returns the earlier sale with the same order and amount.
fn note_order(context: &mut Context<'_>, event: &Conversion, found: &Found) -> Option<ConversionId> {
    let (name, noted) = found.order.as_ref()?;
    match noted.as_deref() {
        Some(FraudNote { content: FraudNoteContent::Order(first), .. }) => Some(*first).filter(|id| *id != event.id),
        _ => {
            let content = FraudNoteContent::Order(event.id);
            context.put(FraudNote { account_id: context.account_id, name: name.clone(), content });
            None
        }
    }
}

/// Notes a sale of the affiliate, and returns how many it has in the period.
fn note_sale(context: &mut Context<'_>, event: &Conversion, found: &Found, program: &Program) -> Option<usize> {
    let (name, noted) = found.sales.as_ref()?;
    let is_velocity = |rule: &&FraudRule| rule.kind == FraudRuleKind::Velocity;
    let period_minutes = program.fraud_rules.iter().find(is_velocity)?.period_minutes;
    let mut times = match noted.as_deref() {
        Some(FraudNote { content: FraudNoteContent::Sales(times), .. }) => times.clone(),
        _ => Vec::new(),
    };
    let count = add_sale(&mut times, event.occurred_at, period_minutes);
    let content = FraudNoteContent::Sales(times);
    context.put(FraudNote { account_id: context.account_id, name: name.clone(), content });
    Some(count)
}

/// Notes at a lead what was found in its event.
fn note_flags(
    context: &mut Context<'_>,
    lead: &Lead,
    conversion_id: ConversionId,
    enrollment_id: EnrollmentId,
    flags: &[FraudFlag],
) -> Result<(), Refusal> {
    let noted = context.set.fraud_note_of_lead(context.account_id, lead.id)?;
    let mut of_lead = noted.map(|note| note.lead_flags().to_vec()).unwrap_or_default();
    let masked_email = lead.email.as_deref().map(mail::masked).unwrap_or_default();
    let new = flags.iter().map(|flag| LeadFlag {
        conversion_id,
        enrollment_id,
        flag: flag.clone(),
        masked_email: if flag.kind.compares_mail() { masked_email.clone() } else { String::new() },
    });
    keep_lead_flags(&mut of_lead, new);
    let (name, content) = (FraudNote::name_of_lead(lead.id), FraudNoteContent::Lead(of_lead));
    context.put(FraudNote { account_id: context.account_id, name, content });
    Ok(())
}

/// Forgets what was found in the events of a lead that is deleted.
pub(super) fn forget(context: &mut Context<'_>, lead: &Lead) -> Result<(), Refusal> {
    let key = (context.account_id, FraudNote::name_of_lead(lead.id));
    if context.set.find_or_want::<FraudNote>(key.clone())?.is_some() {
        context.set.remove::<FraudNote>(&key);
    }
    Ok(())
}

/// Notes that a person releases rewards, in the conversions that they are of: what these earn from now on is not held.
pub(super) fn release(context: &mut Context<'_>, ids: &[RewardId], reason: &str) -> Result<(), Refusal> {
    for id in ids {
        let reward = Arc::clone(context.get::<Reward, _>(*id)?);
        let Some(review) = reward.review.as_ref().filter(|review| review.holds()) else { continue };
        if reward.state != RewardState::Held {
            continue;
        }
        if reason.is_empty() {
            let rules: Vec<_> = review.flags.iter().map(|flag| flag.kind.as_str()).collect();
            let problem = format!("is required, because fraud rules hold {id}: {}", rules.join(", "));
            return Err(Refusal::InvalidField { field: Field::Reason, problem });
        }
        let Some(conversion_id) = reward.conversion_id else { continue };
        let mut conversion = context.set.conversion(context.account_id, conversion_id)?.as_ref().clone();
        let enrollment_id = reward.credited_enrollment_id();
        let of_credit = conversion.order.suspicions.iter_mut().find(|found| found.enrollment_id == enrollment_id);
        if let Some(suspicion) = of_credit.filter(|suspicion| !suspicion.is_released) {
            suspicion.is_released = true;
            context.put(conversion);
        }
    }
    Ok(())
}
