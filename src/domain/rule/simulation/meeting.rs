//! When the events of a customer are credited, and credited anew, as they are told one after the other. Tallies need it: an event finds what its
//! affiliate had earned and sold at that moment. Knows no rewards and no tallies.
//!
//! The events that were told until a moment are judged as if no others existed. Of most customers nothing else changes by an event that is
//! told in order, so their events are judged once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::as_of;
use super::group::Group;
use super::verdicts::verdicts_on;
use crate::domain::attribution::{AttributionSource, Candidate};
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, ConversionKind, CustomerSale};
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::lead::Lead;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::rule::commission::Claims;
use crate::domain::rule::context::Context;
use crate::domain::rule::replay::{CouponOwners, Rank, Told, told};
use crate::domain::rule::sale_count::Verdicts;
use crate::domain::rule::verdict::Verdict;
use crate::domain::time::Time;

/// How many judgements of events the moments of one customer may cost.
const JUDGEMENTS_MAX: usize = 50_000;

/// An event is credited from now on to these. To nobody: it loses its credits.
pub(super) struct Meeting {
    pub(super) at: Told,
    pub(super) rank: Rank,
    pub(super) claims: Claims,
    pub(super) coupon_owners: CouponOwners,
    pub(super) customer_sale: Option<CustomerSale>,
    pub(super) may_earn: bool,
}

/// The meetings of each event, in order.
pub(super) type Meetings = BTreeMap<ConversionId, Vec<Meeting>>;

/// The meetings of the events of a customer. `last` are the verdicts on all of its events.
pub(super) fn meetings(context: &mut Context<'_>, group: &Group, last: &Verdicts) -> Result<Meetings, Refusal> {
    let clicks = late_clicks(context, group)?;
    let mut met = Met { first: first_of(group, &clicks), ..Met::default() };
    let moments = moments(group, last, &clicks);
    let turn_count = moments.iter().filter(|(_, is_turn)| *is_turn).count();
    if turn_count.saturating_mul(moments.len()) > JUDGEMENTS_MAX {
        return Err(out_of_order(group));
    }
    for (place, (at, is_turn)) in moments.iter().enumerate() {
        let Some((_, is_next_turn)) = moments.get(place + 1) else {
            met.add(*at, last);
            break;
        };
        if *is_turn || *is_next_turn {
            let verdicts = verdicts_until(context, group, &clicks, *at)?;
            met.add(*at, &verdicts);
        }
    }
    Ok(met.meetings)
}

fn out_of_order(group: &Group) -> Refusal {
    let name = group.lead.as_ref().map_or_else(String::new, |lead| format!(" of {}", lead.id));
    let problem = format!("cannot be simulated: too many events{name} were told out of order; send a sample_sale");
    Refusal::InvalidField { field: Field::Terms, problem }
}

/// The moments at which something was told, in order, and whether verdicts on events of before may change by it.
fn moments(group: &Group, last: &Verdicts, clicks: &[Arc<Click>]) -> Vec<(Told, bool)> {
    let claims: BTreeMap<ConversionId, &Claims> =
        last.iter().map(|(event, verdict)| (event.id, &verdict.claims)).collect();
    let mut events: Vec<_> = group.events().collect();
    events.sort_by_key(|event| told(event));
    let mut others: Vec<Told> = clicks.iter().map(|click| told_click(click)).collect();
    let by_hand = group.parts.iter().flat_map(|(lead, ..)| &lead.details.manual_bindings);
    others.extend(by_hand.map(|manual| (manual.made_at, ConversionId::from_uuid(AccountId::SERVER.uuid()))));
    let mut is_out_of_order = !others.is_empty();
    others.extend(group.events().flat_map(|event| as_of::counted_again(group.changes_of(event), event)));
    let mut latest = None;
    let mut is_credited = false;
    let mut moments = Vec::with_capacity(events.len() + others.len());
    for (place, event) in events.into_iter().enumerate() {
        let in_order = Some((event.occurred_at, event.created_at, event.id));
        is_out_of_order |= latest > in_order;
        latest = latest.max(in_order);
        let of_event = claims.get(&event.id).map_or(&[][..], |claims| claims.as_slice());
        let is_referred = of_event.iter().any(|claim| claim.credit.source != AttributionSource::LeadBinding);
        // It may bind the customer.
        let is_turn = place > 0 && (is_referred || (!is_credited && !of_event.is_empty()));
        is_credited |= !of_event.is_empty();
        moments.push((told(event), is_turn));
    }
    if is_out_of_order {
        moments.iter_mut().for_each(|(_, is_turn)| *is_turn = true);
    }
    moments.extend(others.into_iter().map(|at| (at, true)));
    moments.sort_unstable();
    moments
}

fn told_click(click: &Click) -> Told {
    (click.created_at, ConversionId::from_uuid(click.id.uuid()))
}

/// The clicks that were told after an event that they may have led to.
fn late_clicks(context: &Context<'_>, group: &Group) -> Result<Vec<Arc<Click>>, Refusal> {
    let mut late = BTreeMap::new();
    let mut tids = BTreeSet::new();
    for event in group.events() {
        let Some(tid) = event.tid.filter(|tid| tids.insert((event.id, *tid))) else { continue };
        for click in context.set.clicks_of(context.account_id, tid)? {
            if told_click(click) > told(event) && click.occurred_at.may_precede(event.occurred_at) {
                late.insert(click.id, Arc::clone(click));
            }
        }
    }
    Ok(late.into_values().collect())
}

/// The first event of a customer of those that a late click may have led to.
fn first_of(group: &Group, clicks: &[Arc<Click>]) -> Option<(Time, ConversionId)> {
    let is_visit =
        |event: &&Arc<Conversion>| clicks.is_empty() || clicks.iter().any(|click| event.tid == Some(click.tid));
    group.events().filter(is_visit).map(|event| (event.occurred_at, event.id)).min()
}

/// The verdicts on the events that were told until a moment, by what was told until then.
fn verdicts_until(
    context: &mut Context<'_>,
    group: &Group,
    clicks: &[Arc<Click>],
    until: Told,
) -> Result<Verdicts, Refusal> {
    let is_told = |event: &&Arc<Conversion>| told(event) <= until;
    let known = |lead: &Lead| {
        let mut lead = lead.clone();
        lead.details.manual_bindings.retain(|manual| manual.made_at <= until.0);
        lead
    };
    let of_part = |(lead, events, is_whole): &(Lead, Vec<Arc<Conversion>>, bool)| {
        let events = events.iter().filter(is_told).map(|event| as_of::at(group.changes_of(event), event, until));
        (known(lead), events.collect(), *is_whole)
    };
    let so_far = Group {
        lead: group.lead.as_ref().map(known),
        parts: group.parts.iter().map(of_part).collect(),
        alone: group.alone.iter().find(is_told).cloned(),
        changes: BTreeMap::new(),
    };
    let later: Vec<_> = clicks.iter().filter(|click| told_click(click) > until).collect();
    for click in &later {
        context.set.remove::<Click>(&(click.account_id, click.tid, click.id));
    }
    let verdicts = verdicts_on(context, &so_far);
    for click in later {
        context.set.put::<Click>(Arc::clone(click));
    }
    verdicts
}

/// The claims of an event, the number of a sale among those of its customer, and whether the event earns.
#[derive(Clone)]
struct Standing {
    claims: Claims,
    coupon_owners: CouponOwners,
    customer_sale: Option<CustomerSale>,
    may_earn: bool,
}

impl Standing {
    fn of(verdict: &Verdict) -> Self {
        let Verdict { claims, candidates, customer_sale, may_earn } = verdict;
        let coupon_owners = candidates.iter().filter_map(Candidate::coupon_owner).collect();
        Self { claims: claims.clone(), coupon_owners, customer_sale: *customer_sale, may_earn: *may_earn }
    }

    /// Whether it may lead to other rewards than another one. Only terms that ask for the number of a sale price it by that.
    fn is_unlike(&self, other: &Self) -> bool {
        let terms = |standing: &Self| -> Vec<_> {
            let credits = standing.claims.iter().map(|claim| &claim.credit);
            credits.map(|credit| (credit.enrollment_id, credit.terms_version, credit.share_ppm)).collect()
        };
        let is_numbered = self.claims.iter().any(|claim| claim.terms.rules.looks_at_customer());
        terms(self) != terms(other)
            || self.may_earn != other.may_earn
            || (is_numbered && self.customer_sale != other.customer_sale)
    }
}

/// The meetings so far, and the events as they stand.
#[derive(Default)]
struct Met {
    first: Option<(Time, ConversionId)>,
    /// Whether an event of the customer was credited.
    is_credited: bool,
    standing: BTreeMap<ConversionId, Standing>,
    meetings: Meetings,
}

impl Met {
    fn add(&mut self, at: Told, verdicts: &Verdicts) {
        let mut changed = Vec::new();
        for (event, verdict) in verdicts {
            let standing = Standing::of(verdict);
            match self.standing.get(&event.id) {
                None if verdict.claims.is_empty() => {}
                None => changed.push((told(event), event, standing.clone())),
                Some(before) if before.is_unlike(&standing) => changed.push((at, event, standing.clone())),
                Some(_) => {}
            }
            self.standing.insert(event.id, standing);
        }
        if !self.is_credited {
            put_binding_first(at, verdicts, &mut changed);
        }
        changed.sort_by_key(|(at, ..)| *at);
        for (rank, (at, event, standing)) in changed.into_iter().enumerate() {
            let Standing { claims, coupon_owners, customer_sale, may_earn } = standing;
            let (first_at, first) = self.first.unwrap_or((at.0, event.id));
            let rank = (first_at, first, u32::try_from(rank).unwrap_or(u32::MAX));
            self.meetings.entry(event.id).or_default().push(Meeting {
                at,
                rank,
                claims,
                coupon_owners,
                customer_sale,
                may_earn,
            });
        }
        self.is_credited |= verdicts.iter().any(|(_, verdict)| !verdict.claims.is_empty());
    }
}

/// The event that binds a customer is credited first, as the first of the customer, and then those of before that nobody had referred. Only if a
/// sale must be numbered among others of a known customer, all are credited in their order.
fn put_binding_first(at: Told, verdicts: &Verdicts, changed: &mut Vec<(Told, &Arc<Conversion>, Standing)>) {
    let Some(place) = changed.iter().position(|(_, event, _)| told(event) == at) else { return };
    let (_, event, standing) = changed[place].clone();
    let is_numbered =
        event.kind == ConversionKind::Sale && standing.claims.iter().any(|claim| claim.terms.rules.looks_at_customer());
    let is_known = verdicts.iter().any(|(event, _)| event.kind == ConversionKind::Lead && told(event) < at);
    if is_numbered && is_known {
        return;
    }
    let number = |place: CustomerSale| CustomerSale { number: place.number.min(1), ..CustomerSale::default() };
    let alone = Standing { customer_sale: standing.customer_sale.map(number), ..standing.clone() };
    if !alone.is_unlike(&standing) {
        changed.remove(place);
    }
    changed.insert(0, (at, event, alone));
}
