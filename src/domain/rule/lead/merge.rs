//! The rule that merges two leads of one person. The row of the merged lead stays and leads to the other, so its identifiers and its id
//! find that one. Its history stays with it, because its conversions were judged by its own bindings.

use std::sync::Arc;

use super::update::{alias_rows, check_limit};
use crate::domain::event::EventKind;
use crate::domain::id::AccountId;
use crate::domain::lead::{Lead, LeadSelector, LeadState, METADATA_ENTRIES_MAX, ManualBinding};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::{customer, sale_count, timeline};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Merge two leads.
#[derive(Debug, Clone)]
pub struct MergeLeads {
    /// The lead that stays.
    pub lead: LeadSelector,
    /// The lead that is merged into it.
    pub duplicate: LeadSelector,
}

impl Rule for MergeLeads {
    type Answer = Arc<Lead>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        for selector in [&self.lead, &self.duplicate] {
            needs.lead(account, selector.clone());
            needs.names.unmatched_sales.insert((account, selector.clone()));
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let known = Arc::clone(context.set.lead(context.account_id, &self.lead)?);
        let duplicate = Arc::clone(context.set.lead(context.account_id, &self.duplicate)?);
        if known.id == duplicate.id {
            let problem = "is the same lead as `lead`; name another one".to_owned();
            return Err(Refusal::InvalidField { field: Field::Duplicate, problem });
        }
        let aliases = alias_rows(context, &duplicate)?;
        check_limit(known.details.alias_ids().count() + aliases.len() + 1)?;
        let (mut lead, mut merged) = (known.as_ref().clone(), duplicate.as_ref().clone());
        hand_over(&mut lead, &mut merged, context.now);
        customer::put_told(context, EventKind::LeadMerged, merged, Some(&duplicate));
        for alias in aliases {
            context.put(Lead { merged_into: Some(lead.id), ..alias.as_ref().clone() });
        }
        let lead = customer::put_touched(context, lead, Some(&known));
        customer::move_unmatched(context, &duplicate, &lead)?;
        let mut matched = lead.as_ref().clone();
        timeline::match_to_lead(context, &mut matched)?;
        // The customer may have bought before it was referred as a new one.
        if matched.details.asked_for_new_at.is_some() {
            let judged = timeline::judge_again(context, matched, Some(&lead), None)?;
            if judged.binding.is_some() || duplicate.binding.is_none() {
                return Ok(judged);
            }
            // It turned out to be bound to nobody.
            let mut unbound = judged.as_ref().clone();
            take_binding(&mut unbound, &duplicate, context.now);
            return timeline::judge_again(context, unbound, Some(&judged), None);
        }
        // The sales of both are those of one customer from now on.
        if !known.details.sale_counts.is_empty() || !duplicate.details.sale_counts.is_empty() {
            sale_count::count_again(context, &mut matched)?;
        }
        Ok(customer::put_touched(context, matched, Some(&lead)))
    }
}

/// Gives the lead that stays what it lacks of the other, and makes the other lead to it.
fn hand_over(lead: &mut Lead, merged: &mut Lead, now: Time) {
    merged.merged_into = Some(lead.id);
    for count in std::mem::take(&mut merged.details.sale_counts) {
        if lead.details.sale_count(count.program_id).is_none() {
            lead.details.keep_sale_count(count);
        }
    }
    lead.details.customer_rewards.take_over(std::mem::take(&mut merged.details.customer_rewards));
    let (merged_ids, former_ids) = (&mut merged.details.merged_ids, &mut merged.details.former_ids);
    lead.details.merged_ids.append(merged_ids);
    lead.details.merged_ids.push(merged.id);
    lead.details.former_ids.append(former_ids);
    if lead.email.is_none() {
        lead.email = merged.email.take();
        lead.email_as_sent = std::mem::take(&mut merged.email_as_sent);
    }
    lead.external_id = lead.external_id.take().or_else(|| merged.external_id.take());
    for (own, other) in [
        (&mut lead.first_name, &mut merged.first_name),
        (&mut lead.last_name, &mut merged.last_name),
        (&mut lead.plan, &mut merged.plan),
        (&mut lead.details.country_code, &mut merged.details.country_code),
    ] {
        if own.is_empty() {
            std::mem::swap(own, other);
        }
    }
    lead.mrr = lead.mrr.or(merged.mrr);
    lead.first_sale_at = [lead.first_sale_at, merged.first_sale_at].into_iter().flatten().min();
    lead.state = std::cmp::max_by_key(lead.state, merged.state, |state| progress(*state));
    for (key, value) in std::mem::take(&mut merged.details.metadata) {
        if lead.details.metadata.len() < METADATA_ENTRIES_MAX {
            lead.details.metadata.entry(key).or_insert(value);
        }
    }
    take_binding(lead, merged, now);
}

/// Binds a lead that is bound to nobody as the merged lead is.
fn take_binding(lead: &mut Lead, merged: &Lead, now: Time) {
    if lead.binding.is_none()
        && let Some(binding) = &merged.binding
    {
        lead.binding = Some(binding.clone());
        let merged_id = Some(merged.id);
        let manual = ManualBinding { binding: binding.clone(), made_at: now, reason: String::new(), merged_id };
        lead.details.keep_manual_binding(manual);
    }
}

/// How far on a customer is. One of two subscriptions that goes on makes a customer.
const fn progress(state: LeadState) -> u8 {
    match state {
        LeadState::Subscribed => 0,
        LeadState::SignedUp => 1,
        LeadState::Cancelled => 2,
        LeadState::Active => 3,
    }
}
