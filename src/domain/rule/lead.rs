//! The rules of leads: sign-ups and cancellations. The folder has the changes that people make by hand.

mod attribute;
mod create;
mod delete;
mod merge;
mod referrer;
mod update;

pub use attribute::AttributeLead;
pub use create::CreateLead;
pub use delete::DeleteLead;
pub use merge::MergeLeads;
pub use referrer::Referrer;
pub use update::UpdateLead;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::attribution::{self, Attribution, Referral};
use super::commission::credits_of;
use super::context::{Context, Rule};
use super::customer;
use super::customer_reward;
use super::earn;
use super::tally;
use super::terms::applicable_terms;
use super::timeline::{self, claims_of, referred_at};
use crate::domain::attribution::AttributionSource;
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, Credits, OrderDetails, SaleChannel,
};
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::lead::{CancellationOutcome, Customer, Lead, LeadOutcome, LeadState};
use crate::domain::money::Money;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::set::Needs;
use crate::domain::terms_period::Occasion;
use crate::domain::time::Time;

/// Record a sign-up.
#[derive(Debug, Clone)]
pub struct RecordLead {
    /// The merchant's id for the event.
    pub event_id: String,
    /// The customer who signed up.
    pub customer: Customer,
    /// The referral data of the request.
    pub referral: Referral,
    /// The first name. Empty: the lead keeps its name.
    pub first_name: String,
    /// The last name. Empty: the lead keeps its name.
    pub last_name: String,
    /// The state for a lead that is new or has only subscribed. Other leads keep their state.
    pub state: LeadState,
    /// When the sign-up happened; `None` for now.
    pub occurred_at: Option<Time>,
    /// The merchant's own texts about the sign-up by key.
    pub metadata: BTreeMap<String, String>,
}

impl Rule for RecordLead {
    type Answer = LeadOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.customer(account, &self.customer);
        self.referral.needs(account, needs);
        needs.unmatched_sales(account, &self.customer);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<LeadOutcome, Refusal> {
        let occurred_at = match self.occurred_at {
            Some(time) => time,
            None => attribution::arrival_time(context.set, context.account_id, &self.referral, context.now)?,
        };
        let known = context.set.find_customer(context.account_id, &self.customer)?.cloned();
        let mut lead = match &known {
            Some(lead) => lead.as_ref().clone(),
            None => customer::new_lead(context, &self.customer, self.state),
        };
        customer::add_names(context, &mut lead, &self.customer, &self.first_name, &self.last_name)?;
        if lead.state == LeadState::Subscribed {
            lead.state = self.state;
        }
        match &lead.binding {
            None => return self.bind(context, lead, known.as_ref(), occurred_at),
            Some(binding) if occurred_at < binding.bound_at => {
                return self.record_late(context, lead, known.as_ref(), occurred_at);
            }
            Some(_) => {}
        }
        // With another identifier, sales that nobody referred may turn out to be the customer's.
        let lead = match known.as_ref() {
            Some(known) if known.selectors() != lead.selectors() => {
                timeline::judge_again(context, lead, Some(known), None)?
            }
            known => customer::put_touched(context, lead, known),
        };
        let credits = lead.credits().into();
        Ok(LeadOutcome { lead_id: lead.id, credits, conversion_id: None, rewards: Vec::new(), customer_reward: None })
    }
}

impl RecordLead {
    /// Binds the lead to those who referred it, if any, and prices the sales that waited for the lead.
    fn bind(
        &self,
        context: &mut Context<'_>,
        mut lead: Lead,
        known: Option<&Arc<Lead>>,
        occurred_at: Time,
    ) -> Result<LeadOutcome, Refusal> {
        let (mut made, attribution) = self.conversion(context, &lead, known, occurred_at)?;
        let winners = attribution.winners;
        let Some(referred_at) = referred_at(&winners) else {
            let lead = customer::put_touched(context, lead, known);
            let made = context.put(made);
            let (lead_id, credits, conversion_id) = (lead.id, Credits::new(), Some(made.id));
            return Ok(LeadOutcome { lead_id, credits, conversion_id, rewards: Vec::new(), customer_reward: None });
        };
        let claims = claims_of(context.set, &winners, None, occurred_at)?;
        let credits = credits_of(&claims);
        lead.binding = Some(customer::binding(credits.clone(), occurred_at, referred_at));
        lead.details.keep_asked_for_new(attribution.asks_for_first_purchase.then_some(occurred_at));
        made.outcome = ConversionOutcome::Attributed;
        made.credits = credits.clone();
        made.is_told = true;
        if let Some(reward) = customer_reward::granted_by(&made, &claims, None, context.now) {
            lead.details.customer_rewards.grant(reward);
        }
        // The lead is written first, because the lists of a new lead are complete from then on.
        let bound = customer::put_touched(context, lead, known);
        let made = context.put(made);
        let rewards = earn::earn_all(context, &made, &claims)?;
        let made = tally::present(context, made, &claims)?;
        let image = ConversionImage { conversion: Arc::clone(&made), rewards: rewards.clone() };
        context.tell_conversion(EventKind::LeadRecorded, occurred_at, image);
        let mut lead = bound.as_ref().clone();
        timeline::match_to_lead(context, &mut lead)?;
        let lead = customer::put_touched(context, lead, Some(&bound));
        let rewards = rewards.iter().map(|reward| reward.summary()).collect();
        let (lead_id, conversion_id) = (lead.id, Some(made.id));
        let customer_reward = lead.details.customer_rewards.of_conversion(made.id).copied();
        Ok(LeadOutcome { lead_id, credits, conversion_id, rewards, customer_reward })
    }

    /// Records a sign-up that happened before its customer was bound.
    fn record_late(
        &self,
        context: &mut Context<'_>,
        lead: Lead,
        known: Option<&Arc<Lead>>,
        occurred_at: Time,
    ) -> Result<LeadOutcome, Refusal> {
        let (made, _) = self.conversion(context, &lead, known, occurred_at)?;
        let made = context.put(made);
        let lead = timeline::judge_again(context, lead, known, Some(made.id))?;
        let rewards = context.set.rewards_of(context.account_id, made.id)?;
        let rewards = rewards.iter().map(|reward| reward.summary()).collect();
        let credits = lead.credits().into();
        let customer_reward = lead.details.customer_rewards.of_conversion(made.id).copied();
        Ok(LeadOutcome { lead_id: lead.id, credits, conversion_id: Some(made.id), rewards, customer_reward })
    }

    /// The sign-up as a conversion without a credit, and who referred it.
    fn conversion(
        &self,
        context: &mut Context<'_>,
        lead: &Lead,
        known: Option<&Arc<Lead>>,
        occurred_at: Time,
    ) -> Result<(Conversion, Attribution), Refusal> {
        let (referral, known) = (&self.referral, known.map(AsRef::as_ref));
        let attribution = timeline::attribute_told(context, [None; 2], known, &self.customer, referral, occurred_at)?;
        let mut made = conversion(context, ConversionKind::Lead, &self.event_id, lead, occurred_at);
        made.tid = self.referral.known_tid(context.set, context.account_id)?;
        made.candidates.clone_from(&attribution.candidates);
        if let Some(code) = &self.referral.coupon_code {
            made.order.coupon_code.clone_from(code);
        }
        made.order.metadata.clone_from(&self.metadata);
        made.order.country_code.clone_from(&self.customer.country_code);
        Ok((made, attribution))
    }
}

/// Record that a customer cancelled.
#[derive(Debug, Clone)]
pub struct RecordCancellation {
    /// The merchant's id for the event.
    pub event_id: String,
    /// The customer who cancelled.
    pub customer: Customer,
    /// When the cancellation happened; `None` for now.
    pub occurred_at: Option<Time>,
}

impl Rule for RecordCancellation {
    type Answer = CancellationOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.customer(account, &self.customer);
        if self.occurred_at.is_some() {
            needs.unmatched_sales(account, &self.customer);
            needs.latest_sales(account, &self.customer);
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<CancellationOutcome, Refusal> {
        let occurred_at = self.occurred_at.unwrap_or(context.now);
        let Some(known) = context.set.find_customer(context.account_id, &self.customer)?.cloned() else {
            let names: Vec<String> = self.customer.selectors().iter().map(ToString::to_string).collect();
            return Err(Refusal::not_found(Resource::Lead, names.join(", ")));
        };
        let mut lead = known.as_ref().clone();
        lead.details.cancelled_at = lead.details.cancelled_at.max(Some(occurred_at));
        // Who has bought since is a customer again.
        if !self.was_before_a_sale(context, &known)? {
            lead.state = LeadState::Cancelled;
            lead.mrr = lead.mrr.map(|mrr| Money::new(0, mrr.currency));
        }
        let lead = customer::put_touched(context, lead, Some(&known));
        let mut made = conversion(context, ConversionKind::Cancellation, &self.event_id, &lead, occurred_at);
        if let Some(binding) = &lead.binding {
            made.outcome = ConversionOutcome::Attributed;
            made.is_told = true;
            for credit in &binding.credits {
                let program = context.set.program(context.account_id, credit.program_id)?;
                let enrollment = context.set.enrollment(context.account_id, credit.enrollment_id)?;
                let occasion = Occasion::of(enrollment, occurred_at).bound(Some(binding.bound_at));
                let terms = applicable_terms(context.set, program, &occasion)?;
                let source = AttributionSource::LeadBinding;
                made.credits.push(Credit { terms_version: terms.version, source, ..credit.clone() });
            }
        }
        let made = context.put(made);
        if made.outcome == ConversionOutcome::Attributed {
            let image = ConversionImage { conversion: Arc::clone(&made), rewards: Vec::new() };
            context.tell_conversion(EventKind::CancellationRecorded, occurred_at, image);
        }
        Ok(CancellationOutcome { lead_id: lead.id, outcome: made.outcome, conversion_id: made.id })
    }
}

impl RecordCancellation {
    /// Whether the cancellation is told late, and the customer has bought since.
    fn was_before_a_sale(&self, context: &Context<'_>, lead: &Lead) -> Result<bool, Refusal> {
        let Some(occurred_at) = self.occurred_at else { return Ok(false) };
        let mut sales = context.set.latest_sales_of(lead)?;
        // Sales that were told before the lead may be credited later.
        let unmatched = context.set.unmatched_sales_of(context.account_id, Some(lead), &self.customer)?;
        sales.extend(unmatched.into_iter().filter(|sale| sale.kind == ConversionKind::Sale));
        Ok(sales.iter().any(|sale| sale.occurred_at > occurred_at))
    }
}

/// A conversion about a lead, without an amount.
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
        refund_count: 0,
        excess_minor: 0,
        sale_id: None,
        sale_event_id: String::new(),
        lead_id: Some(lead.id),
        tid: None,
        credits: Credits::new(),
        channel: SaleChannel::Online,
        order: OrderDetails::default(),
        candidates: Vec::new(),
        occurred_at,
        created_at: context.now,
        is_told: false,
        version: 1,
        as_recorded: None,
    }
}
