//! Leads: the people and customers of the merchant, and the affiliate each is bound to.

use super::attribution::{self, AttributionSource, Referral};
use super::command::Outcome;
use super::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, OrderDetails, SaleChannel,
};
use super::decide::Context;
use super::enrollment::Enrollment;
use super::event::EventType;
use super::id::{AccountId, AffiliateId, ConversionId, EnrollmentId, LeadId, ProgramId};
use super::money::Money;
use super::program::applicable_terms;
use super::refusal::{Refusal, Resource};
use super::sale;
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::Changes;

text_enum! {
    /// The state of a lead.
    LeadState {
        /// Left an address.
        Subscribed = "subscribed",
        /// Signed up.
        Signup = "signup",
        /// Has bought.
        Active = "active",
        /// Has cancelled.
        Cancelled = "cancelled",
    }
}

/// The affiliate that a lead is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The program.
    pub program_id: ProgramId,
    /// Since when.
    pub bound_at: Time,
}

/// A person or customer of the merchant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Its id.
    pub id: LeadId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The email address in lower case, unique in the account.
    pub email: Option<String>,
    /// The merchant's own id, unique in the account.
    pub uid: Option<String>,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// Its state.
    pub state: LeadState,
    /// Whom it is bound to.
    pub binding: Option<Binding>,
    /// The plan of the last sale that named one.
    pub plan: String,
    /// Its monthly recurring revenue.
    pub mrr: Option<Money>,
    /// When it first bought.
    pub customer_since: Option<Time>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// How a request names a customer: by the merchant's own id, by email, or both. The uid is the stronger name, since an email
/// may change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Customer {
    /// The merchant's own id.
    pub uid: Option<String>,
    /// The email address in lower case.
    pub email: Option<String>,
}

/// The identifiers that a lead is known by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeadSelector {
    /// Headwater's id.
    Id(LeadId),
    /// The merchant's own id.
    Uid(String),
    /// The email address in lower case.
    Email(String),
}

impl std::fmt::Display for LeadSelector {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => id.fmt(formatter),
            Self::Uid(text) | Self::Email(text) => formatter.write_str(text),
        }
    }
}

/// A sale that nobody referred, kept so that it can be priced if its lead arrives inside the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmatchedSale {
    /// Whose it is.
    pub account_id: AccountId,
    /// The sale.
    pub conversion_id: ConversionId,
    /// The customer's email address in lower case.
    pub email: Option<String>,
    /// The merchant's own id for the customer.
    pub uid: Option<String>,
    /// When the sale happened.
    pub occurred_at: Time,
}

/// Record a sign-up.
#[derive(Debug, Clone)]
pub struct RecordLead {
    /// The merchant's id for the event.
    pub event_id: String,
    /// Who signed up.
    pub customer: Customer,
    /// Where the lead came from.
    pub referral: Referral,
    /// First name; empty to leave it.
    pub first_name: String,
    /// Last name; empty to leave it.
    pub last_name: String,
    /// The state of a lead that is new or has only subscribed; others keep theirs.
    pub state: LeadState,
    /// When it happened; none for now.
    pub occurred_at: Option<Time>,
}

/// What RecordLead answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeadOutcome {
    /// The lead.
    pub lead_id: LeadId,
    /// The affiliate it is bound to; none when nobody referred it.
    pub affiliate_id: Option<AffiliateId>,
    /// The conversion as it is kept, referred or not; none for a lead that was bound before.
    pub conversion_id: Option<ConversionId>,
}

/// Record that a customer cancelled.
#[derive(Debug, Clone)]
pub struct RecordCancellation {
    /// The merchant's id for the event.
    pub event_id: String,
    /// Which lead.
    pub lead: LeadSelector,
    /// When it happened; none for now.
    pub occurred_at: Option<Time>,
}

/// What RecordCancellation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancellationOutcome {
    /// The lead.
    pub lead_id: LeadId,
    /// Whether the lead is bound to an affiliate.
    pub outcome: ConversionOutcome,
    /// The cancellation as it is kept, referred or not.
    pub conversion_id: ConversionId,
}

impl Customer {
    /// Whether the request names nobody.
    pub fn is_unnamed(&self) -> bool {
        self.uid.is_none() && self.email.is_none()
    }

    /// The names to look the customer up by, the stronger first.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        let uid = self.uid.clone().map(LeadSelector::Uid);
        let email = self.email.clone().map(LeadSelector::Email);
        uid.into_iter().chain(email).collect()
    }
}

impl UnmatchedSale {
    /// The merchant's names for the customer.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        Customer { uid: self.uid.clone(), email: self.email.clone() }.selectors()
    }
}

impl Lead {
    /// The merchant's names for the lead.
    pub fn selectors(&self) -> Vec<LeadSelector> {
        Customer { uid: self.uid.clone(), email: self.email.clone() }.selectors()
    }
}

/// The lead that the request names, by uid or else by email.
pub(super) fn find_customer<'set>(context: &Context<'set>, customer: &Customer) -> Result<Option<&'set Lead>, Refusal> {
    for selector in customer.selectors() {
        if let Some(lead) = context.set.find_lead(context.account_id, &selector)? {
            return Ok(Some(lead));
        }
    }
    Ok(None)
}

pub(super) fn new_lead(context: &mut Context<'_>, customer: &Customer, state: LeadState) -> Lead {
    Lead {
        id: LeadId::new(context.ids),
        account_id: context.account_id,
        email: customer.email.clone(),
        uid: customer.uid.clone(),
        first_name: String::new(),
        last_name: String::new(),
        state,
        binding: None,
        plan: String::new(),
        mrr: None,
        customer_since: None,
        created_at: context.now,
        updated_at: context.now,
    }
}

pub(super) fn binding(enrollment: &Enrollment, bound_at: Time) -> Binding {
    Binding {
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        program_id: enrollment.program_id,
        bound_at,
    }
}

/// Adds to a lead what a request says of it. A name that the lead has already stays: changing it is for UpdateLead.
pub(super) fn add_names(
    context: &Context<'_>,
    lead: &mut Lead,
    customer: &Customer,
    first_name: &str,
    last_name: &str,
) -> Result<(), Refusal> {
    if !first_name.is_empty() {
        first_name.clone_into(&mut lead.first_name);
    }
    if !last_name.is_empty() {
        last_name.clone_into(&mut lead.last_name);
    }
    if lead.uid.is_none() && is_free(context, customer.uid.clone().map(LeadSelector::Uid))? {
        lead.uid.clone_from(&customer.uid);
    }
    if lead.email.is_none() && is_free(context, customer.email.clone().map(LeadSelector::Email))? {
        lead.email.clone_from(&customer.email);
    }
    Ok(())
}

/// A lead as it is to be kept: updated now, unless it is what it was. A customer who buys again is, and nothing is written.
pub(super) fn touched(context: &Context<'_>, lead: Lead, before: Option<&Lead>) -> Lead {
    if before == Some(&lead) { lead } else { Lead { updated_at: context.now, ..lead } }
}

fn is_free(context: &Context<'_>, selector: Option<LeadSelector>) -> Result<bool, Refusal> {
    match selector {
        Some(selector) => Ok(context.set.find_lead(context.account_id, &selector)?.is_none()),
        None => Ok(false),
    }
}

/// A conversion that is about a lead and no money.
fn conversion(
    context: &mut Context<'_>,
    kind: ConversionKind,
    event_id: &str,
    lead: &Lead,
    occurred_at: Time,
) -> Conversion {
    Conversion {
        id: ConversionId::new(context.ids),
        account_id: context.account_id,
        kind,
        event_id: event_id.to_owned(),
        outcome: ConversionOutcome::NotReferred,
        amount: None,
        refunded_minor: 0,
        sale_id: None,
        sale_event_id: String::new(),
        lead_id: Some(lead.id),
        credit: None,
        channel: SaleChannel::Online,
        order: OrderDetails::default(),
        candidates: Vec::new(),
        occurred_at,
        created_at: context.now,
        version: 1,
    }
}

pub(super) fn record(context: &mut Context<'_>, command: &RecordLead) -> Result<(Outcome, Changes), Refusal> {
    let occurred_at = command.occurred_at.unwrap_or(context.now);
    let known = find_customer(context, &command.customer)?.cloned();
    let mut lead = match &known {
        Some(lead) => lead.clone(),
        None => new_lead(context, &command.customer, command.state),
    };
    add_names(context, &mut lead, &command.customer, &command.first_name, &command.last_name)?;
    if lead.state == LeadState::Subscribed {
        lead.state = command.state;
    }
    let mut changes = Changes::default();
    if let Some(binding) = lead.binding {
        let outcome = LeadOutcome { lead_id: lead.id, affiliate_id: Some(binding.affiliate_id), conversion_id: None };
        changes.leads.push(touched(context, lead, known.as_ref()));
        return Ok((Outcome::Lead(outcome), changes));
    }
    let attribution = attribution::attribute(context.set, context.account_id, None, &command.referral, occurred_at)?;
    let mut made = conversion(context, ConversionKind::Lead, &command.event_id, &lead, occurred_at);
    made.candidates = attribution.candidates;
    if let Some(code) = &command.referral.coupon_code {
        made.order.coupon_code.clone_from(code);
    }
    if let Some((source, enrollment)) = attribution.winner {
        lead.binding = Some(binding(enrollment, occurred_at));
        made.outcome = ConversionOutcome::Attributed;
        let program = context.set.program(context.account_id, enrollment.program_id)?;
        let terms_version = applicable_terms(context.set, program, occurred_at, None)?.version;
        made.credit = Some(Credit {
            affiliate_id: enrollment.affiliate_id,
            enrollment_id: enrollment.id,
            program_id: enrollment.program_id,
            terms_version,
            source,
        });
        let image = ConversionImage { conversion: made.clone(), rewards: Vec::new() };
        changes.events.push(context.conversion_event(EventType::LeadRecorded, occurred_at, image));
        sale::match_to_lead(context, &mut lead, enrollment, occurred_at, &mut changes)?;
    }
    let outcome = LeadOutcome {
        lead_id: lead.id,
        affiliate_id: made.credit.map(|credit| credit.affiliate_id),
        conversion_id: Some(made.id),
    };
    changes.leads.push(touched(context, lead, known.as_ref()));
    changes.conversions.push(made);
    Ok((Outcome::Lead(outcome), changes))
}

pub(super) fn record_cancellation(
    context: &mut Context<'_>,
    command: &RecordCancellation,
) -> Result<(Outcome, Changes), Refusal> {
    let occurred_at = command.occurred_at.unwrap_or(context.now);
    let mut lead = context
        .set
        .find_lead(context.account_id, &command.lead)?
        .ok_or_else(|| Refusal::not_found(Resource::Lead, &command.lead))?
        .clone();
    lead.state = LeadState::Cancelled;
    lead.mrr = lead.mrr.map(|mrr| Money::new(0, mrr.currency));
    lead.updated_at = context.now;
    let mut made = conversion(context, ConversionKind::Cancellation, &command.event_id, &lead, occurred_at);
    let mut changes = Changes::default();
    if let Some(binding) = lead.binding {
        let program = context.set.program(context.account_id, binding.program_id)?;
        made.outcome = ConversionOutcome::Attributed;
        made.credit = Some(Credit {
            affiliate_id: binding.affiliate_id,
            enrollment_id: binding.enrollment_id,
            program_id: binding.program_id,
            terms_version: applicable_terms(context.set, program, occurred_at, Some(binding.bound_at))?.version,
            source: AttributionSource::LeadBinding,
        });
        let image = ConversionImage { conversion: made.clone(), rewards: Vec::new() };
        changes.events.push(context.conversion_event(EventType::CancellationRecorded, occurred_at, image));
    }
    let outcome = CancellationOutcome { lead_id: lead.id, outcome: made.outcome, conversion_id: made.id };
    changes.leads.push(lead);
    changes.conversions.push(made);
    Ok((Outcome::Cancellation(outcome), changes))
}
