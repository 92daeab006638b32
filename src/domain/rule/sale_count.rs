//! The numbers of a customer's sales, for commission rules that ask for them: limits, bonuses and conditions.
//!
//! A sale has the number `1 + the credited sales of the customer in the program that happened before it`. A sale does not count if it is
//! free, or if a refund or a correction that was told before has left nothing of it. Age is counted from the first sale that counts.
//!
//! The number is kept in the sale, so that it is priced by what it has itself. The lead keeps how many there were, so that a sale that is
//! told in order reads no others. All sales of the customer are read and numbered anew when one is told late, when the lead has no count
//! for the program yet, and after what changes their order otherwise. Only programs whose terms have such rules are counted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::commission::{self, Claim, Claims};
use super::context::Context;
use super::customer;
use super::customer_reward;
use super::verdict::{Verdict, settle};
use crate::domain::account::Account;
use crate::domain::calendar::{Age, Calendar};
use crate::domain::conversion::{Conversion, ConversionKind, Credit, CustomerSale};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{ConversionId, LeadId, ProgramId};
use crate::domain::lead::{Lead, SaleCount};
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::time::Time;

pub(super) type Verdicts = Vec<(Arc<Conversion>, Verdict)>;

/// Whether a sale of this time changes the numbers of later sales.
pub(super) fn is_late(lead: &Lead, occurred_at: Time) -> bool {
    lead.details.sale_counts.iter().any(|count| count.last_at > Some(occurred_at))
}

/// Whether the earlier sales of a known customer must be counted before this claim can be priced.
pub(super) fn is_unknown(lead: &Lead, claim: &Claim) -> bool {
    claim.terms.rules.looks_at_customer() && lead.details.sale_count(claim.credit.program_id).is_none()
}

fn is_counted(lead: Option<&Lead>, claim: &Claim) -> bool {
    let program_id = claim.credit.program_id;
    claim.terms.rules.looks_at_customer() || lead.is_some_and(|lead| lead.details.sale_count(program_id).is_some())
}

/// Numbers a sale that is told in order. Returns the count that its customer has then. `None` if the program's sales are not counted.
pub(super) fn number_next(
    context: &mut Context<'_>,
    lead: Option<&Lead>,
    sale: &Conversion,
    claims: &[Claim],
) -> Result<Option<(CustomerSale, SaleCount)>, Refusal> {
    let counted = claims.iter().find(|claim| is_counted(lead, claim));
    let Some(claim) = counted.filter(|_| sale.kind == ConversionKind::Sale) else { return Ok(None) };
    let program_id = claim.credit.program_id;
    let before = lead.and_then(|lead| lead.details.sale_count(program_id)).copied();
    let mut count = before.unwrap_or(SaleCount::none(program_id));
    if !has_something_left(sale) {
        return Ok(Some((CustomerSale::default(), count)));
    }
    let age = age_at(context, &mut None, count.first_at, sale.occurred_at)?;
    count.count = count.count.saturating_add(1);
    count.first_at = Some(count.first_at.map_or(sale.occurred_at, |first| first.min(sale.occurred_at)));
    count.last_at = count.last_at.max(Some(sale.occurred_at));
    Ok(Some((numbered(count.count, age), count)))
}

const fn numbered(number: i32, age: Age) -> CustomerSale {
    CustomerSale { number, age_days: age.days, age_months: age.months, void_at: None }
}

fn has_something_left(sale: &Conversion) -> bool {
    sale.left().is_some_and(|left| left.amount_minor > 0)
}

/// The age of a customer. The account's calendar is read only if there was an earlier sale.
fn age_at(
    context: &mut Context<'_>,
    calendar: &mut Option<Calendar>,
    first_at: Option<Time>,
    occurred_at: Time,
) -> Result<Age, Refusal> {
    let Some(first_at) = first_at.filter(|first| *first < occurred_at) else { return Ok(Age::default()) };
    if calendar.is_none() {
        let account_id = context.account_id;
        context.set.wanted().row::<Account>(account_id);
        let zones = &context.set.account(account_id)?.time_zones;
        // A zone was checked when it was set. A release that no longer knows it counts in UTC, which a calendar without zones does.
        *calendar = Some(Calendar::new(zones).or_else(|_| Calendar::new(&[])).map_err(|_| Refusal::NotLoaded("zone"))?);
    }
    Ok(calendar.as_mut().map(|calendar| calendar.age(first_at, occurred_at)).unwrap_or_default())
}

/// Numbers the sales among the verdicts on the events of a customer, which are in order. `is_whole`: these are all events of the lead.
/// The sales of leads that were merged into it are added, because they are the customer's too.
pub(super) fn number(
    context: &mut Context<'_>,
    lead: &mut Lead,
    verdicts: &mut Verdicts,
    is_whole: bool,
) -> Result<(), Refusal> {
    let programs = counted_programs(lead, verdicts);
    if programs.is_empty() {
        return Ok(());
    }
    if !is_whole {
        return number_alone(context, lead, verdicts);
    }
    let merged = lead.details.merged_ids.clone();
    let (mut of_merged, is_whole) = credited_sales(context, &merged)?;
    if !is_whole {
        return number_alone(context, lead, verdicts);
    }
    verdicts.append(&mut of_merged);
    verdicts.sort_by_key(|(event, _)| (event.occurred_at, event.created_at, event.id));
    // Sales of merged leads may be in further programs.
    for program_id in counted_programs(lead, verdicts) {
        let count = number_in_program(context, program_id, verdicts)?;
        lead.details.keep_sale_count(count);
    }
    Ok(())
}

/// Numbers the sales among the verdicts on the events of a customer and of the leads that were merged into it, which are in order.
pub(super) fn number_all(context: &mut Context<'_>, lead: &Lead, verdicts: &mut Verdicts) -> Result<(), Refusal> {
    for program_id in counted_programs(lead, verdicts) {
        number_in_program(context, program_id, verdicts)?;
    }
    Ok(())
}

/// The programs whose sales are counted: those that were, and those whose rules ask for it.
fn counted_programs(lead: &Lead, verdicts: &Verdicts) -> BTreeSet<ProgramId> {
    let sales = verdicts.iter().filter(|(event, _)| event.kind == ConversionKind::Sale);
    let claims = sales.flat_map(|(_, verdict)| &verdict.claims);
    let asked = claims.filter(|claim| claim.terms.rules.looks_at_customer()).map(|claim| claim.credit.program_id);
    asked.chain(lead.details.sale_counts.iter().map(|count| count.program_id)).collect()
}

/// Numbers the sales of a program in their order.
fn number_in_program(
    context: &mut Context<'_>,
    program_id: ProgramId,
    verdicts: &mut Verdicts,
) -> Result<SaleCount, Refusal> {
    let mut count = SaleCount::none(program_id);
    let mut calendar = None;
    // The sales so far that have a number, and when each was left with nothing, if it was.
    let mut earlier: Vec<(Time, Option<Time>)> = Vec::new();
    for (sale, verdict) in verdicts.iter_mut() {
        let is_of_program = verdict.claims.iter().any(|claim| claim.credit.program_id == program_id);
        if sale.kind != ConversionKind::Sale || !is_of_program {
            continue;
        }
        let void_at = sale.order.customer_sale.and_then(|before| before.void_at);
        let is_void = void_at.is_some();
        if !is_void && !has_something_left(sale) {
            verdict.customer_sale = Some(CustomerSale::default());
            continue;
        }
        let counts = |void_at: Option<Time>| void_at.is_none_or(|void_at| void_at > sale.created_at);
        let mut counting = earlier.iter().filter(|(_, void_at)| counts(*void_at)).map(|(at, _)| *at);
        let first_at = counting.next();
        let number = 1 + usize::from(first_at.is_some()) + counting.count();
        let age = age_at(context, &mut calendar, first_at, sale.occurred_at)?;
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        verdict.customer_sale = Some(CustomerSale { void_at, ..numbered(number, age) });
        earlier.push((sale.occurred_at, void_at));
        count.last_at = Some(sale.occurred_at);
        if !is_void {
            count.count = count.count.saturating_add(1);
            count.first_at = count.first_at.or(Some(sale.occurred_at));
        }
    }
    Ok(count)
}

/// Numbers each sale by the present count, because the history is too long to be read.
fn number_alone(context: &mut Context<'_>, lead: &mut Lead, verdicts: &mut Verdicts) -> Result<(), Refusal> {
    for (sale, verdict) in verdicts.iter_mut() {
        let unknown = verdict.claims.iter().find(|claim| is_unknown(lead, claim));
        if let Some(claim) = unknown.filter(|_| sale.kind == ConversionKind::Sale) {
            let count = known_part(context, lead, claim.credit.program_id, sale.id)?;
            lead.details.keep_sale_count(count);
        }
        if sale.order.customer_sale.is_some() {
            verdict.customer_sale = sale.order.customer_sale;
        } else if let Some((place, count)) = number_next(context, Some(lead), sale, &verdict.claims)? {
            verdict.customer_sale = Some(place);
            lead.details.keep_sale_count(count);
        }
    }
    Ok(())
}

/// The count of those sales before this one that can be read.
fn known_part(
    context: &mut Context<'_>,
    lead: &Lead,
    program_id: ProgramId,
    before: ConversionId,
) -> Result<SaleCount, Refusal> {
    let leads: Vec<LeadId> = lead.own_and_merged_ids().collect();
    let (mut sales, _) = credited_sales(context, &leads)?;
    sales.retain(|(sale, _)| sale.id != before);
    sales.sort_by_key(|(sale, _)| (sale.occurred_at, sale.created_at, sale.id));
    number_in_program(context, program_id, &mut sales)
}

/// The verdicts on the credited sales of leads as they are, and whether these are all.
fn credited_sales(context: &mut Context<'_>, leads: &[LeadId]) -> Result<(Verdicts, bool), Refusal> {
    let account_id = context.account_id;
    context.set.wanted().names.timelines.extend(leads.iter().map(|lead_id| (account_id, *lead_id)));
    let (mut sales, mut are_all) = (Vec::new(), true);
    for lead_id in leads {
        let (rows, is_whole) = context.set.timeline_of(account_id, *lead_id)?;
        let is_credited = |event: &&Arc<Conversion>| event.kind == ConversionKind::Sale && !event.credits.is_empty();
        sales.extend(rows.into_iter().filter(is_credited).cloned());
        are_all &= is_whole;
    }
    for sale in &sales {
        want_claim(context.set, sale);
    }
    let mut verdicts = Verdicts::new();
    for sale in sales {
        let claims = present_claims(context.set, &sale)?;
        let candidates = sale.candidates.clone();
        verdicts.push((sale, Verdict { claims, candidates, may_earn: true, customer_sale: None }));
    }
    Ok((verdicts, are_all))
}

fn want_claim(set: &mut WorkingSet, sale: &Conversion) {
    let account_id = sale.account_id;
    for credit in &sale.credits {
        let wanted = set.wanted();
        wanted.row::<Enrollment>((account_id, credit.enrollment_id));
        wanted.row::<Program>((account_id, credit.program_id));
        wanted.row::<Terms>((account_id, credit.program_id, credit.terms_version));
    }
}

/// The claims that a sale was credited by.
fn present_claims(set: &WorkingSet, sale: &Conversion) -> Result<Claims, Refusal> {
    let claim = |credit: &Credit| {
        let enrollment = Arc::clone(set.existing::<Enrollment>(&(sale.account_id, credit.enrollment_id))?);
        let program = set.program(sale.account_id, credit.program_id)?;
        let terms = Arc::clone(set.terms(program, credit.terms_version)?);
        let (split, judged_by) = (credit.split_among(&sale.credits), commission::judging(program));
        Ok(Claim { credit: credit.clone(), enrollment, terms, split, judged_by })
    };
    sale.credits.iter().map(claim).collect()
}

/// Numbers sales that are credited now, which nobody had referred, among the credited sales of their customer.
pub(super) fn number_matched(
    context: &mut Context<'_>,
    lead: &mut Lead,
    matched: &mut Verdicts,
) -> Result<(), Refusal> {
    let is_counted = |(sale, verdict): &(Arc<Conversion>, Verdict)| {
        sale.kind == ConversionKind::Sale && verdict.claims.iter().any(|claim| is_counted(Some(lead), claim))
    };
    if !matched.iter().any(is_counted) {
        return Ok(());
    }
    let (mut credited, is_whole) = credited_sales(context, &[lead.id])?;
    if !is_whole {
        return number_alone(context, lead, matched);
    }
    let are_new: BTreeSet<ConversionId> = matched.iter().map(|(sale, _)| sale.id).collect();
    credited.retain(|(sale, _)| !are_new.contains(&sale.id));
    matched.append(&mut credited);
    matched.sort_by_key(|(event, _)| (event.occurred_at, event.created_at, event.id));
    number(context, lead, matched, true)
}

/// Numbers all sales of a customer anew, and books what changes by it.
pub(super) fn count_again(context: &mut Context<'_>, lead: &mut Lead) -> Result<(), Refusal> {
    let (mut verdicts, is_whole) = credited_sales(context, &[lead.id])?;
    number(context, lead, &mut verdicts, is_whole)?;
    customer_reward::settle(lead, &verdicts, context.now);
    let before = lead.clone();
    settle_all(context, &before, verdicts, None)
}

/// Writes the verdicts on events of a customer. A sale of a merged lead stays with it.
pub(super) fn settle_all(
    context: &mut Context<'_>,
    lead: &Lead,
    verdicts: Verdicts,
    told: Option<ConversionId>,
) -> Result<(), Refusal> {
    for (event, verdict) in verdicts {
        let own = event.lead_id.is_none_or(|id| id == lead.id).then_some(lead);
        settle(context, own, &event, verdict, told)?;
    }
    Ok(())
}

/// Notes in a sale whether a refund or a correction has left something of it. Returns whether this has changed.
pub(super) fn note_left(context: &Context<'_>, before: &Conversion, sale: &mut Conversion) -> bool {
    let Some(place) = sale.order.customer_sale else { return false };
    let has_left = has_something_left(sale);
    if has_left == has_something_left(before) {
        return false;
    }
    // A sale without a number gets one if it counts now, and needs no mark otherwise.
    let void_at = (!has_left && place.number > 0).then_some(context.now);
    sale.order.customer_sale = Some(CustomerSale { void_at, ..place });
    true
}

/// Changes the count of a customer after [`note_left`] has changed a sale, which is written. Sales that were told before keep their numbers
/// if it no longer counts. If it counts again, all are numbered anew.
pub(super) fn follow(context: &mut Context<'_>, sale: &Conversion) -> Result<(), Refusal> {
    let (Some(lead_id), Some(credit)) = (sale.lead_id, sale.credits.first()) else { return Ok(()) };
    let account_id = context.account_id;
    context.set.wanted().row::<Lead>((account_id, lead_id));
    let own = Arc::clone(context.set.existing::<Lead>(&(account_id, lead_id))?);
    let known = match own.merged_into {
        Some(id) => Arc::clone(context.set.existing::<Lead>(&(account_id, id))?),
        None => own,
    };
    let mut lead = known.as_ref().clone();
    let Some(mut count) = lead.details.sale_count(credit.program_id).copied() else { return Ok(()) };
    if has_something_left(sale) {
        count_again(context, &mut lead)?;
    } else {
        count.count = count.count.saturating_sub(1);
        if count.first_at == Some(sale.occurred_at) {
            count.first_at =
                first_of(context, &lead, credit.program_id)?.or(count.first_at.filter(|_| count.count > 0));
        }
        lead.details.keep_sale_count(count);
        lead.details.customer_rewards.revoke(sale.id, context.now);
    }
    customer::put_touched(context, lead, Some(&known));
    Ok(())
}

/// The time of the first sale of a customer that counts.
fn first_of(context: &mut Context<'_>, lead: &Lead, program_id: ProgramId) -> Result<Option<Time>, Refusal> {
    let account_id = context.account_id;
    let leads: Vec<LeadId> = lead.own_and_merged_ids().collect();
    context.set.wanted().names.timelines.extend(leads.iter().map(|lead_id| (account_id, *lead_id)));
    let mut first: Option<Time> = None;
    for lead_id in leads {
        let (rows, _) = context.set.timeline_of(account_id, lead_id)?;
        let is_of_program = |sale: &&&Arc<Conversion>| {
            let credited = sale.credits.iter().any(|credit| credit.program_id == program_id);
            sale.kind == ConversionKind::Sale && credited && has_something_left(sale)
        };
        let times = rows.iter().filter(is_of_program).map(|sale| sale.occurred_at);
        first = times.chain(first).min();
    }
    Ok(first)
}
