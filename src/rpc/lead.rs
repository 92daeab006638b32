//! Leads on the wire: sign-ups, cancellations, and reading them back.

use super::parse::{Fields, NAME_LENGTH_MAX};
use super::render::{id_or_empty, money, timestamp};
use super::wire_enum::WireEnum;
use super::{Call, affiliate, enrollment, page, selector, unexpected_outcome};
use crate::app::Answer;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::attribution::Referral;
use crate::domain::command::{Command, Outcome};
use crate::domain::conversion::{ConversionKind, ConversionOutcome};
use crate::domain::lead::{Customer, Lead, LeadState, RecordCancellation, RecordLead};
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::lead::LeadQuery;

pub(super) async fn record(call: Call, message: pb::RecordLeadRequest) -> Result<pb::RecordLeadResponse, Error> {
    let fingerprint = call.event_key(Some(ConversionKind::Lead), &message.event_id, &message);
    let command = parse(&message, call.now())?;
    render_recorded(call.submit(fingerprint, Command::RecordLead(command)).await?)
}

pub(super) fn parse(message: &pb::RecordLeadRequest, now: Time) -> Result<RecordLead, Error> {
    let mut fields = Fields::default();
    let event_id = fields.required_key("event_id", &message.event_id);
    let customer = customer(&mut fields, &message.email, &message.uid);
    if message.email.trim().is_empty() && message.uid.is_empty() {
        fields.wrong("email", "is required, or uid in its place");
    }
    let referral = referral(&mut fields, &message.tid, &message.ref_id, &message.coupon_code);
    let first_name = fields.line("first_name", &message.first_name, NAME_LENGTH_MAX);
    let last_name = fields.line("last_name", &message.last_name, NAME_LENGTH_MAX);
    // Sales and cancellations set the other states.
    let states = [LeadState::Subscribed, LeadState::Signup];
    let state = fields.optional_value_of("state", message.state, &states).unwrap_or(LeadState::Signup);
    let occurred_at = fields.occur_time("occur_time", message.occur_time.as_ref(), now);
    fields.finish()?;
    Ok(RecordLead { event_id, customer, referral, first_name, last_name, state, occurred_at })
}

/// How a request names a customer.
pub(super) fn customer(fields: &mut Fields, email: &str, uid: &str) -> Customer {
    Customer { email: fields.optional_email("email", email), uid: fields.key("uid", uid) }
}

/// What a request says of where a conversion came from.
pub(super) fn referral(fields: &mut Fields, tid: &str, ref_id: &str, coupon_code: &str) -> Referral {
    Referral {
        tid: fields.brought_tid("tid", tid),
        ref_id: fields.brought_code("ref_id", ref_id).map(|code| code.to_ascii_lowercase()),
        coupon_code: fields.brought_code("coupon_code", coupon_code).map(|code| code.to_ascii_uppercase()),
    }
}

pub(super) fn render_recorded(answer: Answer) -> Result<pb::RecordLeadResponse, Error> {
    let Outcome::Lead(lead) = answer.outcome else { return Err(unexpected_outcome()) };
    let outcome = match lead.affiliate_id {
        Some(_) => ConversionOutcome::Attributed,
        None => ConversionOutcome::NotReferred,
    };
    Ok(pb::RecordLeadResponse {
        outcome: outcome.number(),
        lead_id: lead.lead_id.to_string(),
        affiliate_id: id_or_empty(lead.affiliate_id),
        conversion_id: id_or_empty(lead.conversion_id.filter(|_| lead.affiliate_id.is_some())),
        replayed: answer.replayed,
    })
}

pub(super) async fn record_cancellation(
    call: Call,
    message: pb::RecordCancellationRequest,
) -> Result<pb::RecordCancellationResponse, Error> {
    let fingerprint = call.event_key(Some(ConversionKind::Cancellation), &message.event_id, &message);
    let command = parse_cancellation(&message, call.now())?;
    render_cancellation(call.submit(fingerprint, Command::RecordCancellation(command)).await?)
}

pub(super) fn parse_cancellation(
    message: &pb::RecordCancellationRequest,
    now: Time,
) -> Result<RecordCancellation, Error> {
    let mut fields = Fields::default();
    let event_id = fields.required_key("event_id", &message.event_id);
    let lead = selector::lead(&mut fields, "lead", message.lead.as_ref());
    let occurred_at = fields.occur_time("occur_time", message.occur_time.as_ref(), now);
    let Some(lead) = lead else { return Err(fields.into_error()) };
    fields.finish()?;
    Ok(RecordCancellation { event_id, lead, occurred_at })
}

pub(super) fn render_cancellation(answer: Answer) -> Result<pb::RecordCancellationResponse, Error> {
    let Outcome::Cancellation(cancellation) = answer.outcome else { return Err(unexpected_outcome()) };
    let is_attributed = cancellation.outcome == ConversionOutcome::Attributed;
    Ok(pb::RecordCancellationResponse {
        outcome: cancellation.outcome.number(),
        conversion_id: id_or_empty(is_attributed.then_some(cancellation.conversion_id)),
        lead_id: cancellation.lead_id.to_string(),
        replayed: answer.replayed,
    })
}

pub(super) async fn get(call: Call, message: pb::GetLeadRequest) -> Result<pb::GetLeadResponse, Error> {
    let mut fields = Fields::default();
    let wanted = selector::lead(&mut fields, "lead", message.lead.as_ref());
    let Some(wanted) = wanted else { return Err(fields.into_error()) };
    fields.finish()?;
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
