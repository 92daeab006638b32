//! Leads on the wire: sign-ups, cancellations, and reading them back.

use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{id_or_empty, money, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::{affiliate, enrollment};
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::conversion::ConversionOutcome;
use crate::domain::lead::{CancellationOutcome, Customer, Lead, LeadOutcome, LeadState};
use crate::domain::request::EventKind;
use crate::domain::rule::{RecordCancellation, RecordLead, Referral};
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::lead::LeadQuery;

impl Change for pb::RecordLeadRequest {
    type Rule = RecordLead;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(EventKind::Lead, &self.event_id)
    }

    fn read(&self, asking: &Asking) -> Result<(RecordLead, ()), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let customer = customer(&mut fields, &self.email, &self.uid);
        if self.email.trim().is_empty() && self.uid.is_empty() {
            fields.wrong("email", "is required, or uid in its place");
        }
        let referral = referral(&mut fields, &self.tid, &self.ref_id, &self.coupon_code);
        let first_name = fields.line("first_name", &self.first_name, NAME_LENGTH_MAX);
        let last_name = fields.line("last_name", &self.last_name, NAME_LENGTH_MAX);
        // Sales and cancellations set the other states.
        let states = [LeadState::Subscribed, LeadState::Signup];
        let state = fields.optional_value_of("state", self.state, &states).unwrap_or(LeadState::Signup);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        fields.finish()?;
        Ok((RecordLead { event_id, customer, referral, first_name, last_name, state, occurred_at }, ()))
    }

    fn render(lead: LeadOutcome, replayed: bool, (): (), _asking: &Asking) -> pb::RecordLeadResponse {
        let outcome = match lead.affiliate_id {
            Some(_) => ConversionOutcome::Attributed,
            None => ConversionOutcome::NotReferred,
        };
        pb::RecordLeadResponse {
            outcome: outcome.number(),
            lead_id: lead.lead_id.to_string(),
            affiliate_id: id_or_empty(lead.affiliate_id),
            conversion_id: id_or_empty(lead.conversion_id.filter(|_| lead.affiliate_id.is_some())),
            replayed,
        }
    }
}

/// The customer that a request names.
pub(super) fn customer(fields: &mut Fields, email: &str, uid: &str) -> Customer {
    Customer { email: fields.optional_email("email", email), uid: fields.key("uid", uid) }
}

/// The traces that a request has of where a conversion came from.
pub(super) fn referral(fields: &mut Fields, tid: &str, ref_id: &str, coupon_code: &str) -> Referral {
    Referral {
        tid: fields.brought_tid("tid", tid),
        ref_id: fields.brought_code("ref_id", ref_id).map(|code| code.to_ascii_lowercase()),
        coupon_code: fields.brought_code("coupon_code", coupon_code).map(|code| code.to_ascii_uppercase()),
    }
}

impl Change for pb::RecordCancellationRequest {
    type Rule = RecordCancellation;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(EventKind::Cancellation, &self.event_id)
    }

    fn read(&self, asking: &Asking) -> Result<(RecordCancellation, ()), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let lead = selector::lead(&mut fields, "lead", self.lead.as_ref());
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        Ok((RecordCancellation { event_id, lead: fields.complete(lead)?, occurred_at }, ()))
    }

    fn render(
        cancellation: CancellationOutcome,
        replayed: bool,
        (): (),
        _asking: &Asking,
    ) -> pb::RecordCancellationResponse {
        let is_attributed = cancellation.outcome == ConversionOutcome::Attributed;
        pb::RecordCancellationResponse {
            outcome: cancellation.outcome.number(),
            conversion_id: id_or_empty(is_attributed.then_some(cancellation.conversion_id)),
            lead_id: cancellation.lead_id.to_string(),
            replayed,
        }
    }
}

pub(super) async fn get(call: Call, message: pb::GetLeadRequest) -> Result<pb::GetLeadResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::lead(&mut fields, "lead", message.lead.as_ref());
    let wanted = fields.complete(wanted)?;
    let lead = call.lead(&wanted).await?;
    let mut answer = pb::GetLeadResponse { lead: Some(render(&lead)), enrollment: None, affiliate: None };
    if let Some(binding) = lead.binding {
        let enrollment = store::enrollment::find(call.store(), call.account_id(), binding.enrollment_id).await?;
        answer.enrollment = enrollment::render_all(&call, enrollment.as_slice()).await?.pop();
        let affiliate = call.affiliate(&AffiliateSelector::Id(binding.affiliate_id)).await?;
        answer.affiliate = Some(affiliate::render(&affiliate));
    }
    Ok(answer)
}

pub(super) async fn list(call: Call, message: pb::ListLeadsRequest) -> Result<pb::ListLeadsResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    let state = fields.optional_value("state", message.state);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    fields.finish()?;
    let filter = pb::ListLeadsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, size, &message.page_token)?;
    let query = LeadQuery { state, affiliate_id: call.affiliate_id(affiliate.as_ref()).await? };
    let mut leads = store::lead::list(call.store(), call.account_id(), &query, page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut leads, |lead| lead.id.uuid());
    Ok(pb::ListLeadsResponse { leads: leads.iter().map(render).collect(), next_page_token })
}

fn render(lead: &Lead) -> pb::Lead {
    pb::Lead {
        id: lead.id.to_string(),
        email: lead.email.clone().unwrap_or_default(),
        uid: lead.uid.clone().unwrap_or_default(),
        first_name: lead.first_name.clone(),
        last_name: lead.last_name.clone(),
        state: lead.state.number(),
        affiliate_id: id_or_empty(lead.binding.map(|binding| binding.affiliate_id)),
        enrollment_id: id_or_empty(lead.binding.map(|binding| binding.enrollment_id)),
        plan: lead.plan.clone(),
        mrr: lead.mrr.map(money),
        customer_since: lead.customer_since.map(timestamp),
        bind_time: lead.binding.map(|binding| timestamp(binding.bound_at)),
        create_time: Some(timestamp(lead.created_at)),
        update_time: Some(timestamp(lead.updated_at)),
    }
}
