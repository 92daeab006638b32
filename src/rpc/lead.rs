//! Leads on the wire: sign-ups, cancellations, and reading leads back. The folder has the calls of people who change leads by hand.

pub(super) mod attribution;
mod change;
mod merge;

use std::borrow::Cow;
use std::collections::HashMap;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX, Warnings, email_as_sent};
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::program::fraud;
use super::{affiliate, conversion, customer_reward, enrollment, reward};
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::fraud_note::{FraudNote, LeadFlag};
use crate::domain::lead::{CancellationOutcome, Customer, Lead, LeadOutcome, LeadSelector, LeadState};
use crate::domain::refusal::Field;
use crate::domain::request::RecordedKind;
use crate::domain::rule::{RecordCancellation, RecordLead, Referral, SentRefId};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::lead::LeadQuery;

impl Change for pb::RecordLeadRequest {
    type Rule = RecordLead;
    type Kept = Warnings;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Lead, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordLeadRequest,
            self,
            email: canonical::email(&self.email),
            tid: canonical::tid(&self.tid),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            first_name: canonical::description(&self.first_name),
            last_name: canonical::description(&self.last_name),
            metadata: canonical::described_values(&self.metadata),
            country_code: canonical::country_code(&self.country_code),
            state: canonical::default_number(self.state, LeadState::SignedUp.number()),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, external_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordLead, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let mut customer = customer(&mut fields, &self.email, &self.external_id, !self.external_id.is_empty());
        customer.country_code = fields.told_country("country_code", &self.country_code);
        require_name(&mut fields, &self.email, &self.external_id);
        let referral = referral(&mut fields, &self.tid, &self.ref_id, &self.coupon_code);
        let first_name = fields.description("first_name", &self.first_name, NAME_LENGTH_MAX);
        let last_name = fields.description("last_name", &self.last_name, NAME_LENGTH_MAX);
        // Only sales and cancellations set the other states.
        let states = [LeadState::Subscribed, LeadState::SignedUp];
        let state = fields.or_without(|fields| fields.optional_value_of("state", self.state, &states));
        let state = state.unwrap_or(LeadState::SignedUp);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let metadata = fields.described_metadata("metadata", &self.metadata);
        let warnings = fields.take_warnings();
        fields.finish()?;
        let rule = RecordLead { event_id, customer, referral, first_name, last_name, state, occurred_at, metadata };
        Ok((rule, warnings))
    }

    fn render(lead: LeadOutcome, replayed: bool, warnings: Warnings, _asking: &Asking) -> pb::RecordLeadResponse {
        pb::RecordLeadResponse {
            outcome: conversion::outcome_of(&lead.credits).number(),
            lead_id: lead.lead_id.into(),
            conversion_id: id_or_empty(lead.conversion_id),
            credits: conversion::credits(&lead.credits),
            replayed,
            warnings,
            rewards: lead.rewards.iter().map(reward::summary).collect(),
            customer_reward: lead.customer_reward.as_ref().map(customer_reward::render),
        }
    }
}

/// The customer that a request names. An impossible address is left out with a warning if the request names who it is about in another
/// way.
pub(super) fn customer(fields: &mut Fields, sent: &str, external_id: &str, has_other_name: bool) -> Customer {
    let email = if has_other_name {
        fields.or_without(|fields| fields.optional_email("email", sent))
    } else {
        fields.optional_email("email", sent)
    };
    let email_as_sent = email.as_deref().map(|normalized| email_as_sent(sent, normalized)).unwrap_or_default();
    Customer { email, email_as_sent, external_id: fields.key("external_id", external_id), ..Customer::default() }
}

fn require_name(fields: &mut Fields, email: &str, external_id: &str) {
    if email.trim().is_empty() && external_id.is_empty() {
        fields.wrong("email", "is required, or external_id in its place");
    }
}

/// The referral data of a request: the traces of where a conversion came from.
pub(super) fn referral(fields: &mut Fields, tid: &str, ref_id: &str, coupon_code: &str) -> Referral {
    Referral {
        tid: fields.brought_tid("tid", tid),
        ref_id: fields.brought_code("ref_id", ref_id).map(|code| SentRefId::Code(code.to_ascii_lowercase())),
        coupon_code: fields.brought_coupon_code("coupon_code", coupon_code),
        ..Referral::default()
    }
}

impl Change for pb::RecordCancellationRequest {
    type Rule = RecordCancellation;
    type Kept = Warnings;

    const PATHS: FieldPaths = &[(Field::Lead, "email or external_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Cancellation, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordCancellationRequest,
            self,
            email: canonical::email(&self.email),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, external_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordCancellation, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let customer = customer(&mut fields, &self.email, &self.external_id, !self.external_id.is_empty());
        require_name(&mut fields, &self.email, &self.external_id);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let warnings = fields.take_warnings();
        fields.finish()?;
        Ok((RecordCancellation { event_id, customer, occurred_at }, warnings))
    }

    fn render(
        cancellation: CancellationOutcome,
        replayed: bool,
        warnings: Warnings,
        _asking: &Asking,
    ) -> pb::RecordCancellationResponse {
        pb::RecordCancellationResponse {
            outcome: cancellation.outcome.number(),
            conversion_id: cancellation.conversion_id.to_string(),
            lead_id: cancellation.lead_id.to_string(),
            replayed,
            warnings,
        }
    }
}

pub(super) async fn get(call: Call, message: pb::GetLeadRequest) -> Result<pb::GetLeadResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::lead(&mut fields, "lead", message.lead.as_ref());
    let wanted = fields.complete(wanted)?;
    let lead = call.lead(&wanted).await?;
    let (enrollments, affiliates) = referrers(&call, &lead).await?;
    let notes = notes_of(&call, std::slice::from_ref(&lead)).await?;
    let mut answer = pb::GetLeadResponse {
        lead: Some(render_with(&lead, &notes)),
        enrollments,
        affiliates,
        ..pb::GetLeadResponse::default()
    };
    for name in store::lead::aliases(call.store(), &lead).await? {
        match name {
            LeadSelector::Email(email) => answer.former_emails.push(email),
            LeadSelector::ExternalId(external_id) => answer.former_external_ids.push(external_id),
            LeadSelector::Id(_) => {}
        }
    }
    Ok(answer)
}

/// The enrollments and affiliates that a lead is bound to, in the order of its credits.
async fn referrers(call: &Call, lead: &Lead) -> Result<(Vec<pb::Enrollment>, Vec<pb::Affiliate>), Error> {
    let (mut enrollments, mut affiliates) = (Vec::new(), Vec::new());
    for credit in lead.credits() {
        let enrollment = store::enrollment::find(call.store(), call.account_id(), credit.enrollment_id).await?;
        enrollments.extend(enrollment::render_all(call, enrollment.into_iter().collect()).await?);
        let affiliate = call.affiliate(&AffiliateSelector::Id(credit.affiliate_id)).await?;
        affiliates.push(affiliate::render(&affiliate));
    }
    Ok((enrollments, affiliates))
}

pub(super) async fn list(call: Call, message: pb::ListLeadsRequest) -> Result<pb::ListLeadsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let metadata = fields.wanted_metadata("metadata", &message.metadata);
    fields.finish()?;
    let filter = pb::ListLeadsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page_with(&metadata, &filter, shape, &message.page_token).await?;
    let query = LeadQuery { states, affiliate_id: call.affiliate_id_of_list(affiliate.as_ref()).await?, metadata };
    let found = store::lead::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.check_unless_found(&found.rows, affiliate.as_ref()).await?;
    call.works_on(found.rows.len()).await;
    let notes = notes_of(&call, &found.rows).await?;
    let (leads, next_page_token) =
        page.fill_until(found.rows, found.ended_at, |lead| lead.id.uuid(), |lead| render_with(&lead, &notes));
    Ok(pb::ListLeadsResponse { leads, next_page_token })
}

/// The findings of fraud rules in the events of leads, by the names of the notes.
async fn notes_of(call: &Call, leads: &[Lead]) -> Result<HashMap<String, FraudNote>, Error> {
    let ids = leads.iter().flat_map(Lead::own_and_merged_ids);
    Ok(store::fraud_note::of_leads(call.store(), call.account_id(), ids).await?)
}

/// A lead as a message, with what was found in its events.
fn render_with(lead: &Lead, notes: &HashMap<String, FraudNote>) -> pb::Lead {
    let notes = lead.own_and_merged_ids().filter_map(|id| notes.get(&FraudNote::name_of_lead(id)));
    let render_one = |found: &LeadFlag| pb::LeadSuspicion {
        conversion_id: found.conversion_id.into(),
        enrollment_id: found.enrollment_id.into(),
        flag: Some(fraud::render_flag(&found.flag)),
        masked_email: found.masked_email.clone(),
    };
    pb::Lead { suspicion: notes.flat_map(FraudNote::lead_flags).map(render_one).collect(), ..render(lead) }
}

/// The lead as stored in the feed, without personal data.
pub(super) fn image(lead: &Lead) -> pb::Lead {
    pb::Lead {
        email: String::new(),
        email_as_sent: String::new(),
        external_id: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        metadata: Default::default(),
        ..render(lead)
    }
}

pub(super) fn render(lead: &Lead) -> pb::Lead {
    pb::Lead {
        id: lead.id.into(),
        email: lead.email.clone().unwrap_or_default(),
        external_id: lead.external_id.clone().unwrap_or_default(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        state: lead.state.number(),
        credits: conversion::credits(lead.credits()),
        bind_time: lead.binding.as_ref().map(|binding| timestamp(binding.bound_at)),
        referral_time: lead.binding.as_ref().map(|binding| timestamp(binding.referred_at)),
        plan: lead.plan.clone(),
        mrr: lead.mrr.map(money),
        first_sale_time: lead.first_sale_at.map(timestamp),
        create_time: Some(timestamp(lead.created_at)),
        update_time: Some(timestamp(lead.updated_at)),
        email_as_sent: lead.email_as_sent.clone(),
        metadata: lead.details.metadata.clone(),
        country_code: lead.details.country_code.clone(),
        merged_lead_ids: lead.details.merged_ids.iter().map(ToString::to_string).collect(),
        merged_into_lead_id: id_or_empty(lead.merged_into),
        delete_time: lead.deleted_at.map(timestamp),
        suspicion: Vec::new(),
        customer_rewards: lead.details.customer_rewards.all().iter().map(customer_reward::render).collect(),
    }
}
