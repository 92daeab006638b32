//! The order in which things happened. A customer's sign-ups and sales are judged in the order of their times, whatever the order
//! in which they are told. Appointments and custom events are judged as sales are:
//!
//! - The first event that somebody referred binds the customer. A later sale that somebody referred binds the customer anew if
//!   the binding leads to an ended enrollment, an archived program or an affiliate who is not active by then. A binding by hand counts
//!   from its time on.
//! - A sale that nobody referred is credited to the first later binding whose evidence (the click, or the use of the coupon or
//!   ref_id) is earlier than the sale.
//!
//! Most events are told in order, and the rules of sales and leads judge them alone. For an event that happened before the
//! customer was bound or that gives a bound customer another identifier, and for a click that happened before events of its
//! visitor, all events of the customer are judged again. What changes is booked as entries of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::attribution::{self, Attribution, FirstPurchase, Referral, SentRefId};
use super::commission::{Claim, Claims, credits_of, judging};
use super::context::Context;
use super::customer;
use super::customer_reward;
use super::line::line_skus;
use super::sale_count::{self, Verdicts};
use super::shared_credit::{self, Winner, Winners};
use super::terms::applicable_terms;
use super::verdict::{Verdict, settle};
use crate::domain::attribution::{AttributionSource, Candidate, CandidateResult, Evidence};
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, ConversionKind, Credit, Credits, WHOLE_SHARE_PPM, Way};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, ClickId, ConversionId, EnrollmentId, LeadId};
use crate::domain::lead::{Binding, Customer, Lead, LeadState, UnmatchedSale};
use crate::domain::refusal::Refusal;
use crate::domain::set::WorkingSet;
use crate::domain::terms_period::Occasion;
use crate::domain::time::Time;

/// The claims of an event's winners.
pub(super) fn claims_of(
    set: &WorkingSet,
    winners: &[Winner],
    binding: Option<&Binding>,
    occurred_at: Time,
) -> Result<Claims, Refusal> {
    let claims = winners.iter().map(|winner| claim_of(set, winner, binding, occurred_at));
    let mut claims = claims.collect::<Result<Claims, _>>()?;
    if claims.len() > 1 {
        let credits = credits_of(&claims);
        claims.iter_mut().for_each(|claim| claim.split = claim.credit.split_among(&credits));
    }
    Ok(claims)
}

/// When the evidence happened that a binding to the winners is made by: the last of it, because nobody is paid for what happened before.
pub(super) fn referred_at(winners: &[Winner]) -> Option<Time> {
    winners.iter().map(|winner| winner.referred_at).max()
}

/// The claim of one of an event's winners. A binding counts only in its own program: a customer bound in another program is new to this one.
fn claim_of(set: &WorkingSet, winner: &Winner, binding: Option<&Binding>, occurred_at: Time) -> Result<Claim, Refusal> {
    let enrollment = Arc::clone(&winner.enrollment);
    let is_in_program = |binding: &&Binding| {
        binding.credits.iter().any(|credit| credit.program_id == enrollment.program_id)
            && binding.bound_at <= occurred_at
    };
    let bound_at = binding.filter(is_in_program).map(|binding| binding.bound_at);
    let program = set.program(enrollment.account_id, enrollment.program_id)?;
    let terms = Arc::clone(applicable_terms(set, program, &Occasion::of(&enrollment, occurred_at).bound(bound_at))?);
    let way = winner.way.clone();
    let credit = customer::credit(&enrollment, terms.version, winner.source, way, winner.share_ppm);
    Ok(Claim { credit, enrollment, terms, split: None, judged_by: judging(program) })
}

/// Whether a lead's binding gives way to the referrer of a sale, because it leads only to ended enrollments, to archived programs and
/// to affiliates who are not active or have not accepted what they must.
pub(super) fn gives_way(lead: &Lead, candidates: &[Candidate]) -> bool {
    use CandidateResult::{AffiliateNotActive, AgreementNotAccepted, EnrollmentEnded, ProgramArchived};
    let is_over =
        |result| matches!(result, EnrollmentEnded | ProgramArchived | AffiliateNotActive | AgreementNotAccepted);
    let bindings = candidates.iter().filter(|candidate| candidate.evidence == Evidence::Lead(lead.id));
    bindings.map(|candidate| candidate.result).all(is_over)
}

/// The referral data that an event was recorded with.
fn referral_of(event: &Conversion) -> Referral {
    let item_sku = event.order.item_sku.clone();
    let mut referral = Referral { tid: event.tid.map(Ok), item_sku, ..Referral::default() };
    referral.channel = (event.kind == ConversionKind::Sale).then_some(event.channel);
    referral.line_skus = line_skus(&event.order.lines);
    referral.custom_kind.clone_from(&event.order.custom_kind);
    for candidate in &event.candidates {
        match &candidate.evidence {
            Evidence::Coupon(code) => {
                use CandidateResult::{CouponExhausted, CouponUsedByCustomer};
                referral.coupon_code = Some(code.clone());
                let is_spent = matches!(candidate.result, CouponExhausted | CouponUsedByCustomer);
                referral.spent = is_spent.then_some(candidate.result);
            }
            Evidence::RefId(code) => referral.ref_id = Some(SentRefId::Code(code.clone())),
            Evidence::Link(id) => referral.ref_id = Some(SentRefId::Link(*id)),
            Evidence::Tid(text) => referral.tid = Some(Err(text.clone())),
            Evidence::Click(_) | Evidence::Lead(_) => {}
        }
    }
    referral
}

/// Looks up the evidence that an event was recorded with. Of a visitor with very many clicks only the newest are found by the tracking
/// id, so the clicks that were candidates are looked up by their ids.
pub(super) fn look_up_evidence(context: &mut Context<'_>, event: &Conversion) -> Result<(), Refusal> {
    let account_id = event.account_id;
    referral_of(event).needs(account_id, context.set.wanted());
    let bound_to = event.candidates.iter().filter(|candidate| matches!(candidate.evidence, Evidence::Lead(_)));
    for enrollment_id in bound_to.filter_map(|candidate| candidate.enrollment_id) {
        context.set.wanted().row::<Enrollment>((account_id, enrollment_id));
    }
    let clicks = event.candidates.iter().filter_map(|candidate| match candidate.evidence {
        Evidence::Click(id) => Some((account_id, event.tid?, id)),
        _ => None,
    });
    let clicks: Vec<_> = clicks.collect();
    clicks.iter().for_each(|key| context.set.wanted().row::<Click>(*key));
    clicks.iter().try_for_each(|key| context.set.find::<Click>(key).map(|_| ()))
}

/// Another lead that the request of an event named too.
fn other_lead_of(event: &Conversion, lead: &Lead) -> Option<LeadId> {
    event.candidates.iter().find_map(|candidate| match candidate.evidence {
        Evidence::Lead(id) if id != lead.id => Some(id),
        _ => None,
    })
}

/// Credits the sales of a newly bound lead that nobody had referred, as far as the binding pays for them.
pub(super) fn match_to_lead(context: &mut Context<'_>, lead: &mut Lead) -> Result<(), Refusal> {
    let Some(binding) = lead.binding.clone() else { return Ok(()) };
    let sales = context.set.unmatched_sales_of(context.account_id, Some(lead), &Customer::default())?;
    let sales: Vec<Arc<Conversion>> = sales.into_iter().cloned().collect();
    if lead.plan.is_empty() {
        let plans = sales.iter().rev().map(|sale| &sale.order.plan);
        lead.plan = plans.into_iter().find(|plan| !plan.is_empty()).cloned().unwrap_or_default();
    }
    let mut verdicts = Verdicts::new();
    for sale in sales {
        let verdict = verdict_by_binding(context.set, lead, &binding, &sale)?;
        note_sale(lead, &sale, &verdict);
        verdicts.push((sale, verdict));
    }
    sale_count::number_matched(context, lead, &mut verdicts)?;
    customer_reward::settle(lead, &verdicts, context.now);
    sale_count::settle_all(context, lead, verdicts, None)
}

/// Judges a sale that nobody referred by a binding that came later, or that came before it and was not known. A binding that does
/// not pay for it is told only if no other binding was a candidate.
fn verdict_by_binding(set: &WorkingSet, lead: &Lead, binding: &Binding, sale: &Conversion) -> Result<Verdict, Refusal> {
    let (mut told, mut others): (Vec<_>, Vec<_>) =
        sale.candidates.iter().cloned().partition(|candidate| candidate.evidence == Evidence::Lead(lead.id));
    let mut winners = Winners::new();
    let mut weights = Vec::new();
    let mut by_binding = Vec::new();
    for credit in &binding.credits {
        let bound = set.enrollment(lead.account_id, credit.enrollment_id)?;
        let enrollment = Arc::clone(set.serving_bound(bound, sale.occurred_at)?);
        let result = if binding.is_later_than(sale.occurred_at) {
            CandidateResult::AfterConversion
        } else {
            attribution::why_not_crediting(set, &enrollment, sale)?.unwrap_or(CandidateResult::Won)
        };
        by_binding.push(Candidate {
            evidence: Evidence::Lead(lead.id),
            affiliate_id: Some(enrollment.affiliate_id),
            enrollment_id: Some(enrollment.id),
            result,
            sub_id: String::new(),
        });
        if result == CandidateResult::Won {
            let (source, referred_at) = (AttributionSource::LeadBinding, binding.referred_at);
            weights.push(credit.share_ppm.into());
            winners.push(Winner { source, enrollment, referred_at, way: credit.way(), share_ppm: WHOLE_SHARE_PPM });
        }
    }
    shared_credit::share(&mut winners, &weights)?;
    let claims = claims_of(set, &winners, Some(binding), sale.occurred_at)?;
    if !claims.is_empty() || told.is_empty() {
        told = by_binding;
    }
    told.append(&mut others);
    Ok(Verdict { claims, candidates: told, may_earn: true, customer_sale: None })
}

/// A credited sale makes its customer a buyer.
fn note_sale(lead: &mut Lead, sale: &Conversion, verdict: &Verdict) {
    if !verdict.claims.is_empty() && sale.kind == ConversionKind::Sale {
        if lead.state != LeadState::Cancelled {
            lead.state = LeadState::Active;
        }
        lead.first_sale_at = Some(lead.first_sale_at.map_or(sale.occurred_at, |since| since.min(sale.occurred_at)));
    }
}

/// Judges all events of a customer again, and writes the lead. `told` is the event that is recorded now, if there is one.
pub(super) fn judge_again(
    context: &mut Context<'_>,
    mut lead: Lead,
    before: Option<&Arc<Lead>>,
    told: Option<ConversionId>,
) -> Result<Arc<Lead>, Refusal> {
    let (events, is_whole) = events_of(context, &lead)?;
    let first_purchase = first_purchase_in(context, &lead, &events)?;
    let mut verdicts = if is_whole {
        let (verdicts, binding, asked_at) = judge_in_order(context.set, &lead, &events, first_purchase)?;
        lead.binding = binding;
        lead.details.keep_asked_for_new(asked_at);
        verdicts
    } else {
        // The history is too long to be judged again, so the event is judged by the binding that the lead has.
        let first_purchase = first_purchase.into_iter().chain(lead.first_sale_at).min();
        let (verdicts, binding) = judge_alone(context.set, &lead, &events, first_purchase, told)?;
        lead.binding = binding.or(lead.binding);
        verdicts
    };
    sale_count::number(context, &mut lead, &mut verdicts, is_whole)?;
    customer_reward::settle(&mut lead, &verdicts, context.now);
    for (event, verdict) in &verdicts {
        note_sale(&mut lead, event, verdict);
    }
    let lead = customer::put_touched(context, lead, before);
    sale_count::settle_all(context, &lead, verdicts, told)?;
    Ok(lead)
}

/// The sign-ups and sales of a customer in the order in which they happened, and whether these are all.
pub(super) fn events_of(context: &mut Context<'_>, lead: &Lead) -> Result<(Vec<Arc<Conversion>>, bool), Refusal> {
    let account_id = context.account_id;
    let wanted = context.set.wanted();
    wanted.names.timelines.insert((account_id, lead.id));
    wanted.names.unmatched_sales.extend(lead.selectors().into_iter().map(|selector| (account_id, selector)));
    let (rows, is_whole) = context.set.timeline_of(account_id, lead.id)?;
    let is_judged = |event: &&Arc<Conversion>| event.kind.is_attributed();
    let mut events: Vec<_> = rows.into_iter().filter(is_judged).cloned().collect();
    let unmatched = context.set.unmatched_sales_of(account_id, Some(lead), &Customer::default())?;
    events.extend(unmatched.into_iter().filter(|sale| sale.lead_id.is_none()).cloned());
    // Events of the same moment stay in the order in which they were told.
    events.sort_by_key(|event| (event.occurred_at, event.created_at, event.id));
    all(events.iter().map(|event| look_up_evidence(context, event)))?;
    for event in &events {
        if let Some(other) = other_lead_of(event, lead) {
            context.set.wanted().row::<Lead>((account_id, other));
        }
    }
    Ok((events, is_whole))
}

/// The verdicts on all events, the binding after the last one, and the time of the last event for which the customer had to be new. The
/// customer's first purchase may be that of a lead that was merged into this one.
pub(super) fn judge_in_order(
    set: &WorkingSet,
    lead: &Lead,
    events: &[Arc<Conversion>],
    first_purchase: Option<Time>,
) -> Result<(Verdicts, Option<Binding>, Option<Time>), Refusal> {
    let mut verdicts: Verdicts = Vec::new();
    let mut asked_at = None;
    // The bindings, each with the number of events until it.
    let mut bindings: Vec<(usize, Binding)> = Vec::new();
    let mut by_hand = lead.details.manual_bindings.iter().peekable();
    let first_purchase = FirstPurchase::At(first_purchase);
    for event in events {
        while let Some(manual) = by_hand.next_if(|manual| manual.precedes(event.occurred_at, event.created_at)) {
            bindings.push((verdicts.len(), manual.binding.clone()));
        }
        let binding = bindings.last().map(|(_, binding)| binding);
        let probe = Lead { binding: binding.cloned(), ..lead.clone() };
        let Judged { verdict, referred_at, is_new_asked } = judge(set, &probe, event, first_purchase)?;
        asked_at = is_new_asked.then_some(event.occurred_at).or(asked_at);
        let gives_way = event.kind.is_attributed_as_sale() && gives_way(lead, &verdict.candidates);
        if let Some(referred_at) = referred_at
            && (binding.is_none() || gives_way)
        {
            let binding = customer::binding(credits_of(&verdict.claims), event.occurred_at, referred_at);
            bindings.push((verdicts.len(), binding));
        }
        verdicts.push((Arc::clone(event), verdict));
    }
    bindings.extend(by_hand.map(|manual| (verdicts.len(), manual.binding.clone())));
    for (place, (event, verdict)) in verdicts.iter_mut().enumerate() {
        let later = bindings.iter().filter(|(bound, _)| *bound > place);
        for (_, binding) in later {
            if verdict.claims.is_empty() && event.kind.is_attributed_as_sale() {
                let sale = Conversion { candidates: verdict.candidates.clone(), ..event.as_ref().clone() };
                *verdict = verdict_by_binding(set, lead, binding, &sale)?;
            }
        }
    }
    Ok((verdicts, bindings.pop().map(|(_, binding)| binding), asked_at))
}

/// The verdict on the event that is told, by the lead's present binding. Also the new binding, if the present one gives way to it.
fn judge_alone(
    set: &WorkingSet,
    lead: &Lead,
    events: &[Arc<Conversion>],
    first_purchase: Option<Time>,
    told: Option<ConversionId>,
) -> Result<(Verdicts, Option<Binding>), Refusal> {
    let Some(event) = events.iter().find(|event| Some(event.id) == told) else { return Ok((Vec::new(), None)) };
    let present = lead.binding.clone().filter(|binding| !binding.is_later_than(event.occurred_at));
    let probe = Lead { binding: present, ..lead.clone() };
    let Judged { verdict, referred_at, .. } = judge(set, &probe, event, FirstPurchase::At(first_purchase))?;
    let is_late = lead.binding.as_ref().is_some_and(|binding| event.occurred_at < binding.bound_at);
    let binding = match referred_at {
        Some(referred_at) if !is_late && gives_way(lead, &verdict.candidates) => {
            Some(customer::binding(credits_of(&verdict.claims), event.occurred_at, referred_at))
        }
        _ => None,
    };
    Ok((vec![(Arc::clone(event), verdict)], binding))
}

/// Another lead that the request of an event named too, with the binding that counts for the event. If that lead was bound anew
/// since, the binding is the one that the event was judged by. If it has lost its binding, that one stays a candidate and cannot win.
fn other_lead(set: &WorkingSet, lead: &Lead, event: &Conversion) -> Result<Option<Lead>, Refusal> {
    let Some(id) = other_lead_of(event, lead) else { return Ok(None) };
    let Some(other) = set.find::<Lead>(&(event.account_id, id))? else { return Ok(None) };
    let mut other = other.as_ref().clone();
    let told = event.candidates.iter().filter(|candidate| candidate.evidence == Evidence::Lead(id));
    let told: Vec<_> = told.filter_map(|told| Some((told.result, told.enrollment_id?))).collect();
    let Some((result, _)) = told.first() else { return Ok(Some(other)) };
    let is_told = |id: EnrollmentId| told.iter().any(|(_, told)| *told == id);
    let counts = |binding: &Binding| {
        binding.bound_at <= event.occurred_at || binding.credits.iter().any(|credit| is_told(credit.enrollment_id))
    };
    if !other.binding.as_ref().is_some_and(counts) {
        let is_later = other.binding.is_none() || *result == CandidateResult::AfterConversion;
        let referred_at = if is_later { event.occurred_at.plus_days(1) } else { event.occurred_at };
        let credits = told.iter().map(|(_, id)| credit_of_then(set, event, *id)).collect::<Result<Credits, _>>()?;
        other.binding = Some(customer::binding(credits, event.occurred_at, referred_at));
    }
    Ok(Some(other))
}

/// The credit of a binding that an event was judged by, with the share that it had of the event.
fn credit_of_then(set: &WorkingSet, event: &Conversion, id: EnrollmentId) -> Result<Credit, Refusal> {
    let enrollment = set.enrollment(event.account_id, id)?;
    let had = event.credits.iter().find(|credit| credit.enrollment_id == id);
    let share_ppm = had.map_or(WHOLE_SHARE_PPM, |credit| credit.share_ppm);
    Ok(customer::credit(enrollment, 0, AttributionSource::LeadBinding, Way::default(), share_ppm))
}

/// The verdict on an event.
struct Judged {
    verdict: Verdict,
    /// When the evidence of the winners happened.
    referred_at: Option<Time>,
    /// Whether it mattered if the customer is new.
    is_new_asked: bool,
}

/// Judges one event by the binding of its lead.
fn judge(set: &WorkingSet, lead: &Lead, event: &Conversion, first_purchase: FirstPurchase) -> Result<Judged, Refusal> {
    let occurred_at = event.occurred_at;
    let other = other_lead(set, lead, event)?;
    let leads = [Some(lead), other.as_ref()];
    let Attribution { winners, candidates, asks_for_first_purchase: is_new_asked } =
        attribution::attribute(set, event.account_id, leads, &referral_of(event), first_purchase, occurred_at)?;
    let binding = lead.binding.as_ref().filter(|_| !gives_way(lead, &candidates));
    let claims = claims_of(set, &winners, binding, occurred_at)?;
    // A customer signs up once, so only the sign-up that binds it earns.
    let may_earn = event.kind != ConversionKind::Lead || lead.binding.is_none();
    let verdict = Verdict { claims, candidates, may_earn, customer_sale: None };
    Ok(Judged { verdict, referred_at: referred_at(&winners), is_new_asked })
}

/// Judges the events of a visitor again that happened after a click.
pub(super) fn judge_visitor_again(context: &mut Context<'_>, tid: ClickId, clicked_at: Time) -> Result<(), Refusal> {
    let (events, is_whole) = context.set.conversions_of_visitor(context.account_id, tid)?;
    if !is_whole {
        // A tracking id that is in so many requests is not that of one visitor.
        return Ok(());
    }
    let events: Vec<_> =
        events.into_iter().filter(|event| clicked_at.may_precede(event.occurred_at)).cloned().collect();
    look_up_customers(context, &events)?;
    let mut judged = BTreeSet::new();
    for event in events {
        // An event may have got its lead when another one was judged.
        let event = Arc::clone(context.set.conversion(context.account_id, event.id)?);
        match lead_of(context, &event)? {
            Some(lead) if judged.insert(lead.id) => {
                judge_again(context, lead.as_ref().clone(), Some(&lead), None)?;
            }
            Some(_) => {}
            None => judge_without_lead(context, &event)?,
        }
    }
    Ok(())
}

/// Looks up what is needed to judge the customers of these events again. It asks for all of them before it is refused, so that the
/// number of loads does not grow with the number of customers.
fn look_up_customers(context: &mut Context<'_>, events: &[Arc<Conversion>]) -> Result<(), Refusal> {
    let leads = all(events.iter().map(|event| lead_of(context, event)))?;
    let leads: BTreeMap<LeadId, Arc<Lead>> = leads.into_iter().flatten().map(|lead| (lead.id, lead)).collect();
    let of_leads = all(leads.values().map(|lead| events_of(context, lead)));
    let without_lead = events.iter().filter(|event| event.lead_id.is_none());
    let of_others = all(without_lead.map(|event| {
        let account_id = context.account_id;
        let customer = customer_of(context, event)?;
        context.set.wanted().unmatched_sales(account_id, &customer);
        let sales = context.set.unmatched_sales_of(account_id, None, &customer)?.into_iter();
        let sales: Vec<_> = sales.chain([event]).cloned().collect();
        all(sales.iter().map(|sale| look_up_evidence(context, sale)))
    }));
    of_leads.and(of_others).map(|_| ())
}

/// Who is credited with an event of a known or a new customer that is told now. The customer's first purchase is looked up if a program asks for it.
pub(super) fn attribute_told(
    context: &mut Context<'_>,
    leads: [Option<&Lead>; 2],
    known: Option<&Lead>,
    customer: &Customer,
    referral: &Referral,
    occurred_at: Time,
) -> Result<Attribution, Refusal> {
    let account_id = context.account_id;
    let by = |set: &WorkingSet, first_purchase| {
        attribution::attribute(set, account_id, leads, referral, first_purchase, occurred_at)
    };
    let attribution = by(context.set, FirstPurchase::NotLookedUp)?;
    if !attribution.asks_for_first_purchase {
        return Ok(attribution);
    }
    let first_purchase = first_purchase_of(context, known, customer)?;
    by(context.set, FirstPurchase::At(first_purchase))
}

/// When a customer first bought, as far as it was told.
fn first_purchase_of(
    context: &mut Context<'_>,
    lead: Option<&Lead>,
    customer: &Customer,
) -> Result<Option<Time>, Refusal> {
    let account_id = context.account_id;
    let names = lead.map(Lead::selectors).unwrap_or_default().into_iter().chain(customer.selectors());
    let wanted = &mut context.set.wanted().names;
    wanted.unmatched_sales.extend(names.map(|name| (account_id, name)));
    wanted.timelines.extend(lead.into_iter().flat_map(Lead::own_and_merged_ids).map(|id| (account_id, id)));
    let unmatched = context.set.unmatched_sales_of(account_id, lead, customer)?;
    let first = first_purchase_among(unmatched);
    let Some(lead) = lead else { return Ok(first) };
    let (of_leads, are_whole) = first_purchase_of_leads(context, lead.own_and_merged_ids())?;
    // It is the time of the first sale, also of a free one.
    let first_sale_at = lead.first_sale_at.filter(|_| !are_whole);
    Ok(first.into_iter().chain(of_leads).chain(first_sale_at).min())
}

/// When the customer of a lead first bought: among its own events, and those of the leads that were merged into it.
pub(super) fn first_purchase_in(
    context: &mut Context<'_>,
    lead: &Lead,
    events: &[Arc<Conversion>],
) -> Result<Option<Time>, Refusal> {
    let merged = &lead.details.merged_ids;
    context.set.wanted().names.timelines.extend(merged.iter().map(|id| (lead.account_id, *id)));
    let (of_merged, are_whole) = first_purchase_of_leads(context, merged.iter().copied())?;
    let first_sale_at = lead.first_sale_at.filter(|_| !are_whole);
    Ok(first_purchase_among(events.iter()).into_iter().chain(of_merged).chain(first_sale_at).min())
}

/// When the customer of these leads first bought, and whether all their events are read. Their timelines were asked for.
fn first_purchase_of_leads(
    context: &Context<'_>,
    leads: impl Iterator<Item = LeadId>,
) -> Result<(Option<Time>, bool), Refusal> {
    let (mut first, mut are_whole) = (None::<Time>, true);
    for lead_id in leads {
        let (rows, is_whole) = context.set.timeline_of(context.account_id, lead_id)?;
        first = first.into_iter().chain(first_purchase_among(rows)).min();
        are_whole &= is_whole;
    }
    Ok((first, are_whole))
}

/// When the first sale of more than zero happened.
fn first_purchase_among<'event>(events: impl IntoIterator<Item = &'event Arc<Conversion>>) -> Option<Time> {
    let is_purchase = |event: &&Arc<Conversion>| {
        event.kind == ConversionKind::Sale && event.amount.is_some_and(|amount| amount.amount_minor > 0)
    };
    events.into_iter().filter(is_purchase).map(|event| event.occurred_at).min()
}

/// All results, or the first refusal once all are known.
fn all<T>(results: impl Iterator<Item = Result<T, Refusal>>) -> Result<Vec<T>, Refusal> {
    results.collect::<Vec<_>>().into_iter().collect()
}

/// The lead of an event, or else of the customer whom its request named.
fn lead_of(context: &mut Context<'_>, event: &Conversion) -> Result<Option<Arc<Lead>>, Refusal> {
    let account_id = context.account_id;
    if let Some(lead_id) = event.lead_id {
        context.set.wanted().row::<Lead>((account_id, lead_id));
        return Ok(context.set.find::<Lead>(&(account_id, lead_id))?.cloned());
    }
    let customer = customer_of(context, event)?;
    context.set.wanted().customer(account_id, &customer);
    Ok(context.set.find_customer(account_id, &customer)?.cloned())
}

/// The names of the customer of a sale that has no lead.
pub(super) fn customer_of(context: &mut Context<'_>, sale: &Conversion) -> Result<Customer, Refusal> {
    let key = (sale.account_id, sale.id);
    context.set.wanted().row::<UnmatchedSale>(key);
    let names = context.set.find::<UnmatchedSale>(&key)?;
    Ok(names
        .map(|row| Customer { external_id: row.external_id.clone(), email: row.email.clone(), ..Customer::default() })
        .unwrap_or_default())
}

/// Judges a sale again whose customer is unknown or has no lead.
fn judge_without_lead(context: &mut Context<'_>, sale: &Arc<Conversion>) -> Result<(), Refusal> {
    let account_id: AccountId = context.account_id;
    look_up_evidence(context, sale)?;
    let customer = customer_of(context, sale)?;
    context.set.wanted().unmatched_sales(account_id, &customer);
    let sales = context.set.unmatched_sales_of(account_id, None, &customer)?;
    let first_purchase = FirstPurchase::At(first_purchase_among(sales));
    let (verdict, referred_at) = judge_without_binding(context.set, sale, first_purchase)?;
    if referred_at.is_some() && !customer.is_unnamed() {
        let lead = customer::new_lead(context, &customer, LeadState::of_new(sale.kind));
        // The new lead's history is complete, because nothing was recorded for it before.
        context.set.names.timelines.insert_absent((account_id, lead.id));
        return judge_again(context, lead, None, None).map(|_| ());
    }
    settle(context, None, sale, verdict, None)
}

/// Judges a sale by itself, as that of an unknown customer. Also when the evidence of the winners happened.
pub(super) fn judge_unnamed(set: &WorkingSet, sale: &Conversion) -> Result<(Verdict, Option<Time>), Refusal> {
    judge_without_binding(set, sale, FirstPurchase::At(None))
}

fn judge_without_binding(
    set: &WorkingSet,
    sale: &Conversion,
    first_purchase: FirstPurchase,
) -> Result<(Verdict, Option<Time>), Refusal> {
    let (account_id, occurred_at) = (sale.account_id, sale.occurred_at);
    let Attribution { winners, candidates, .. } =
        attribution::attribute(set, account_id, [None; 2], &referral_of(sale), first_purchase, occurred_at)?;
    let claims = claims_of(set, &winners, None, sale.occurred_at)?;
    Ok((Verdict { claims, candidates, may_earn: true, customer_sale: None }, referred_at(&winners)))
}
