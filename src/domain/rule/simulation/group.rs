//! The customers of a simulation with their events. Knows no terms.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::as_of;
use crate::domain::conversion::{Conversion, CustomerSale, OrderDetails};
use crate::domain::id::{ConversionId, LeadId};
use crate::domain::lead::{Customer, Lead, LeadState};
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::Context;
use crate::domain::rule::replay::Changes;
use crate::domain::rule::{customer, timeline};

/// The events of a customer, in order.
pub(super) struct Group {
    /// The lead that the sales are counted for. `None`: the event has no customer.
    pub(super) lead: Option<Lead>,
    /// Each lead's events, and whether these are all.
    pub(super) parts: Vec<(Lead, Vec<Arc<Conversion>>, bool)>,
    /// An event without a customer.
    pub(super) alone: Option<Arc<Conversion>>,
    /// The refunds and corrections of each sale, in the order in which they were told.
    pub(super) changes: Changes,
}

impl Group {
    /// Adds the changes of events that have no lead, and puts those of each event in the order in which they were told.
    fn add_changes<'event>(
        &mut self,
        events: impl IntoIterator<Item = &'event Arc<Conversion>>,
        loose_changes: &Changes,
    ) {
        for event in events {
            let loose = loose_changes.get(&event.id).into_iter().flatten().cloned();
            let changes = self.changes.entry(event.id).or_default();
            changes.extend(loose);
            changes.sort_by_key(|change| (change.created_at, change.id));
        }
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Arc<Conversion>> {
        self.parts.iter().flat_map(|(_, events, _)| events).chain(&self.alone)
    }

    pub(super) fn changes_of(&self, sale: &Conversion) -> &[Arc<Conversion>] {
        self.changes.get(&sale.id).map_or(&[], Vec::as_slice)
    }
}

/// The events of a lead that was not merged into another one, and those of the leads that were merged into it.
pub(super) fn group_of_lead(
    context: &mut Context<'_>,
    id: LeadId,
    is_wanted: &dyn Fn(&Conversion) -> bool,
    loose_changes: &Changes,
) -> Result<Option<Group>, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().row::<Lead>((account_id, id));
    let lead = Arc::clone(context.set.existing::<Lead>(&(account_id, id))?);
    if lead.merged_into.is_some() {
        return Ok(None);
    }
    for id in lead.own_and_merged_ids() {
        let wanted = context.set.wanted();
        wanted.row::<Lead>((account_id, id));
        wanted.names.timelines.insert((account_id, id));
    }
    let names = lead.selectors().into_iter().map(|name| (account_id, name));
    context.set.wanted().names.unmatched_sales.extend(names);
    let mut leads = Vec::new();
    let mut unmatched = context.set.unmatched_sales_of(account_id, Some(&lead), &Customer::default())?.into_iter();
    let mut is_one_wanted = unmatched.any(|event| is_wanted(event));
    let mut changes = Changes::new();
    for id in lead.own_and_merged_ids() {
        let (rows, _) = context.set.timeline_of(account_id, id)?;
        is_one_wanted |= rows.iter().any(|row| row.kind.is_attributed() && is_wanted(row));
        for row in rows {
            if let Some(sale_id) = row.sale_id.filter(|_| row.kind.changes_sale()) {
                changes.entry(sale_id).or_default().push(Arc::clone(row));
            }
        }
        leads.push(context.set.existing::<Lead>(&(account_id, id))?.as_ref().clone());
    }
    // Most customers have no events of that time.
    if !is_one_wanted {
        return Ok(None);
    }
    let mut group = Group { lead: Some(lead.as_ref().clone()), parts: Vec::new(), alone: None, changes };
    let gathered: Vec<_> = leads
        .into_iter()
        .map(|lead| Ok((timeline::events_of(context, &lead), lead)))
        .collect::<Result<_, Refusal>>()?;
    let mut met = BTreeSet::new();
    for (events, lead) in gathered {
        let (mut events, is_whole) = events?;
        events.retain(|event| met.insert(event.id));
        group.add_changes(&events, loose_changes);
        let events = events.into_iter().map(|event| with_void(event, &group)).collect();
        group.parts.push((lead, events, is_whole));
    }
    Ok(Some(group))
}

/// The events of a customer who is no lead, if this is the first of them, or an event without a customer.
pub(super) fn group_of_event(
    context: &mut Context<'_>,
    id: ConversionId,
    is_wanted: &dyn Fn(&Conversion) -> bool,
    loose_changes: &Changes,
) -> Result<Option<Group>, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().row::<Conversion>((account_id, id));
    let event = Arc::clone(context.set.conversion(account_id, id)?);
    if event.lead_id.is_some() || !event.kind.is_attributed() {
        return Ok(None);
    }
    let customer = timeline::customer_of(context, &event)?;
    if customer.is_unnamed() {
        timeline::look_up_evidence(context, &event)?;
        let is_wanted = is_wanted(&event);
        let mut group = Group { lead: None, parts: Vec::new(), alone: None, changes: Changes::new() };
        group.add_changes([&event], loose_changes);
        group.alone = Some(event);
        return Ok(is_wanted.then_some(group));
    }
    context.set.wanted().customer(account_id, &customer);
    context.set.wanted().unmatched_sales(account_id, &customer);
    if context.set.find_customer(account_id, &customer)?.is_some() {
        return Ok(None);
    }
    // As when a lead is made for the event: nothing was recorded for it before.
    // It has the id of the event, so that its tallies have the same names whenever more rows were loaded.
    let lead = customer::new_lead(context, &customer, LeadState::of_new(event.kind));
    let lead = Lead { id: LeadId::from_uuid(id.uuid()), ..lead };
    context.set.names.timelines.insert_absent((account_id, lead.id));
    let (events, is_whole) = timeline::events_of(context, &lead)?;
    let is_first = events.iter().map(|event| event.id).min() == Some(id);
    let is_one_wanted = events.iter().any(|event| is_wanted(event));
    let mut group = Group { lead: Some(lead.clone()), parts: Vec::new(), alone: None, changes: Changes::new() };
    group.add_changes(&events, loose_changes);
    group.parts.push((lead, events, is_whole));
    Ok((is_first && is_one_wanted).then_some(group))
}

/// A sale with the time at which refunds and corrections have left nothing of it, if its terms did not ask for that when they were told.
fn with_void(event: Arc<Conversion>, group: &Group) -> Arc<Conversion> {
    let is_kept = event.order.customer_sale.is_some_and(|place| place.void_at.is_some());
    let Some(left) = event.left() else { return event };
    if is_kept || left.amount_minor != 0 {
        return event;
    }
    let void_at = as_of::void_at(group.changes_of(&event), &event);
    let Some(void_at) = void_at else { return event };
    let place = event.order.customer_sale.unwrap_or_default();
    let customer_sale = Some(CustomerSale { void_at: Some(void_at), ..place });
    let order = OrderDetails { customer_sale, ..event.order.clone() };
    Arc::new(Conversion { order, ..event.as_ref().clone() })
}
