//! The rule of sales: finds the referrer, earns the reward, and books the refunds that waited.

use std::sync::Arc;

use smallvec::smallvec;

use super::attribution::{self, Referral};
use super::commission;
use super::context::{Context, Rule};
use super::customer;
use super::program::applicable_terms;
use super::refund;
use crate::domain::attribution::{AttributionSource, Candidate, CandidateResult, Evidence};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, Credit, Credits, OrderDetails, SaleChannel,
    SaleOutcome,
};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::lead::{Binding, Customer, Lead, LeadState, UnmatchedSale};
use crate::domain::money::Money;
use crate::domain::program::Terms;
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Record a sale.
#[derive(Debug, Clone)]
pub struct RecordSale {
    /// The merchant's id for the event.
    pub event_id: String,
    /// The customer who bought.
    pub customer: Customer,
    /// The referral data of the request.
    pub referral: Referral,
    /// The net amount; zero for a free order or a trial.
    pub amount: Money,
    /// When the sale happened; `None` for now.
    pub occurred_at: Option<Time>,
    /// Online or at a till.
    pub channel: SaleChannel,
    /// The customer's first name. Empty: the lead keeps its name.
    pub first_name: String,
    /// The customer's last name. Empty: the lead keeps its name.
    pub last_name: String,
    /// The customer's monthly recurring revenue from now on. `None`: it stays.
    pub mrr: Option<Money>,
    /// Details of the order. `coupon_code` is the same code as in `referral`.
    pub order: OrderDetails,
}

impl Rule for RecordSale {
    type Answer = SaleOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.customer(account, &self.customer);
        self.referral.needs(account, needs);
        needs.names.waiting_refunds.insert((account, self.event_id.clone()));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<SaleOutcome, Refusal> {
        let occurred_at = match self.occurred_at {
            Some(time) => time,
            None => attribution::arrival_time(context.set, context.account_id, &self.referral, context.now)?,
        };
        let known = context.set.find_customer(context.account_id, &self.customer)?.cloned();
        let attribution =
            attribution::attribute(context.set, context.account_id, known.as_deref(), &self.referral, occurred_at)?;
        let mut sale = self.new_sale(context, occurred_at);
        sale.lead_id = known.as_ref().map(|lead| lead.id);
        sale.candidates = attribution.candidates;
        let (sale, rewards) = match attribution.winner {
            Some((source, enrollment)) => {
                // A binding counts only in its own program: a customer bound in another program is new to this one.
                let binding = known.as_ref().and_then(|lead| lead.binding.as_ref());
                let binding = binding.filter(|binding| !gives_way(binding, &sale.candidates, occurred_at));
                let bound_at = binding
                    .filter(|binding| binding.credits.iter().any(|credit| credit.program_id == enrollment.program_id))
                    .map(|binding| binding.bound_at);
                let terms = terms_of(context, &enrollment, occurred_at, bound_at)?;
                let credit = customer::whole_credit(&enrollment, terms.version, source);
                if let Some(lead) = self.referred_lead(context, known, credit, &sale.candidates, occurred_at)? {
                    sale.lead_id = Some(lead.id);
                }
                let base = base_of(&sale);
                credit_sale(context, sale, base, credit, &enrollment, &terms, EventKind::SaleRecorded)?
            }
            None => (self.leave_unmatched(context, known, sale)?, Vec::new()),
        };
        let outcome = SaleOutcome {
            conversion_id: sale.id,
            lead_id: sale.lead_id,
            credits: sale.credits.clone(),
            rewards: rewards.iter().map(|reward| reward.summary()).collect(),
        };
        refund::book_waiting(context, &sale)?;
        Ok(outcome)
    }
}

impl RecordSale {
    fn new_sale(&self, context: &mut Context<'_>, occurred_at: Time) -> Conversion {
        Conversion {
            id: ConversionId::new(context.ids),
            account_id: context.account_id,
            kind: ConversionKind::Sale,
            event_id: self.event_id.clone(),
            outcome: ConversionOutcome::NotReferred,
            amount: Some(self.amount),
            refunded_minor: 0,
            sale_id: None,
            sale_event_id: String::new(),
            lead_id: None,
            credits: Credits::new(),
            channel: self.channel,
            order: self.order.clone(),
            candidates: Vec::new(),
            occurred_at,
            created_at: context.now,
            version: 1,
        }
    }

    /// Writes the customer of a referred sale, whether known or new. The credit binds a lead that is not yet bound, or whose binding
    /// leads to an ended enrollment or an archived program. The lead becomes active. `None` for a sale without a customer.
    fn referred_lead(
        &self,
        context: &mut Context<'_>,
        known: Option<Arc<Lead>>,
        credit: Credit,
        candidates: &[Candidate],
        occurred_at: Time,
    ) -> Result<Option<Arc<Lead>>, Refusal> {
        if known.is_none() && self.customer.is_unnamed() {
            return Ok(None);
        }
        let mut lead = match &known {
            Some(lead) => lead.as_ref().clone(),
            None => customer::new_lead(context, &self.customer, LeadState::Active),
        };
        lead.binding = lead.binding.filter(|binding| !gives_way(binding, candidates, occurred_at));
        lead.binding.get_or_insert_with(|| customer::binding(credit, occurred_at));
        self.mark_as_buyer(context, &mut lead, occurred_at)?;
        Ok(Some(customer::put_touched(context, lead, known.as_deref())))
    }

    /// Adds the sale's data to a lead.
    fn mark_as_buyer(&self, context: &Context<'_>, lead: &mut Lead, occurred_at: Time) -> Result<(), Refusal> {
        customer::add_names(context, lead, &self.customer, &self.first_name, &self.last_name)?;
        lead.state = LeadState::Active;
        lead.first_sale_at = Some(lead.first_sale_at.map_or(occurred_at, |since| since.min(occurred_at)));
        if !self.order.plan.is_empty() {
            lead.plan.clone_from(&self.order.plan);
        }
        if self.mrr.is_some() {
            lead.mrr = self.mrr;
        }
        Ok(())
    }

    /// Stores a sale that nobody referred. It can then be explained, and it is priced if its lead arrives in time.
    fn leave_unmatched(
        &self,
        context: &mut Context<'_>,
        known: Option<Arc<Lead>>,
        sale: Conversion,
    ) -> Result<Arc<Conversion>, Refusal> {
        let sale = context.put(sale);
        if !self.customer.is_unnamed() {
            context.put(UnmatchedSale {
                account_id: sale.account_id,
                conversion_id: sale.id,
                email: self.customer.email.clone(),
                external_id: self.customer.external_id.clone(),
                occurred_at: sale.occurred_at,
            });
        }
        if let Some(before) = known {
            let mut lead = before.as_ref().clone();
            self.mark_as_buyer(context, &mut lead, sale.occurred_at)?;
            customer::put_touched(context, lead, Some(&before));
        }
        Ok(sale)
    }
}

/// The terms that apply to a sale credited to this enrollment.
fn terms_of(
    context: &Context<'_>,
    enrollment: &Enrollment,
    occurred_at: Time,
    bound_at: Option<Time>,
) -> Result<Arc<Terms>, Refusal> {
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    applicable_terms(context.set, program, occurred_at, bound_at).cloned()
}

/// Whether a lead's binding gives way to the referrer of a sale, because it leads only to ended enrollments and archived programs. A
/// sale that is told late does not replace a later binding.
fn gives_way(binding: &Binding, candidates: &[Candidate], occurred_at: Time) -> bool {
    let is_over = |result| matches!(result, CandidateResult::EnrollmentEnded | CandidateResult::ProgramArchived);
    let bindings = candidates.iter().filter(|candidate| candidate.evidence.source() == AttributionSource::LeadBinding);
    binding.bound_at <= occurred_at && bindings.map(|candidate| candidate.result).all(is_over)
}

/// The part of a sale that can earn, because it was not refunded. A free order can earn a flat commission as long as nothing was
/// refunded. Every refund makes a new version of its sale.
fn base_of(sale: &Conversion) -> Option<Money> {
    sale.left().filter(|left| left.amount_minor > 0 || (sale.amount == Some(*left) && sale.version == 1))
}

/// Credits a sale to an enrollment, for the part that can earn: fixes the terms, prices the reward, writes the sale, and adds the event.
fn credit_sale(
    context: &mut Context<'_>,
    mut sale: Conversion,
    base: Option<Money>,
    credit: Credit,
    enrollment: &Enrollment,
    terms: &Terms,
    kind: EventKind,
) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
    sale.outcome = ConversionOutcome::Attributed;
    sale.credits = smallvec![credit];
    let sale = context.put(sale);
    let rewards: Vec<_> = match base {
        Some(base) => commission::earn(context, &sale, base, enrollment, credit, terms)?.into_iter().collect(),
        None => Vec::new(),
    };
    let image = ConversionImage { conversion: Arc::clone(&sale), rewards: rewards.clone() };
    context.tell_conversion(kind, sale.occurred_at, image);
    Ok((sale, rewards))
}

/// Prices the sales of a newly bound lead that nobody had referred. Only sales inside the attribution window before `bound_at`
/// count.
pub(super) fn match_to_lead(
    context: &mut Context<'_>,
    lead: &mut Lead,
    enrollment: &Enrollment,
    bound_at: Time,
) -> Result<(), Refusal> {
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    let window_days = attribution::window_days(context.set, program, bound_at)?;
    let sales: Vec<Arc<Conversion>> = context
        .set
        .unmatched_sales_of(context.account_id, Some(lead), &Customer::default())?
        .into_iter()
        .cloned()
        .collect();
    if lead.plan.is_empty() {
        let plans = sales.iter().rev().map(|sale| &sale.order.plan);
        lead.plan = plans.into_iter().find(|plan| !plan.is_empty()).cloned().unwrap_or_default();
    }
    for sale in sales {
        if sale.occurred_at.plus_days(window_days) < bound_at {
            continue;
        }
        context.set.remove::<UnmatchedSale>(&(sale.account_id, sale.id));
        lead.state = LeadState::Active;
        lead.first_sale_at = Some(lead.first_sale_at.map_or(sale.occurred_at, |since| since.min(sale.occurred_at)));
        let terms = terms_of(context, enrollment, sale.occurred_at, None)?;
        let credit = customer::whole_credit(enrollment, terms.version, AttributionSource::LeadBinding);
        let base = base_of(&sale);
        let mut sale = Conversion { lead_id: Some(lead.id), version: sale.version + 1, ..sale.as_ref().clone() };
        let won = Candidate {
            evidence: Evidence::Lead(lead.id),
            affiliate_id: Some(enrollment.affiliate_id),
            enrollment_id: Some(enrollment.id),
            result: CandidateResult::Won,
        };
        sale.candidates.insert(0, won);
        credit_sale(context, sale, base, credit, enrollment, &terms, EventKind::SaleAttributed)?;
    }
    Ok(())
}
