//! The rule of sales: finds the referrer, earns the reward, and books the refunds that waited. Appointments and custom events are
//! attributed by the same rule.

use std::borrow::Cow;
use std::sync::Arc;

use super::attribution::{self, FirstPurchase, Referral};
use super::commission::{Claim, credits_of};
use super::context::{Context, Rule};
use super::coupon_use::{self, Allowance};
use super::customer;
use super::customer_reward;
use super::earn;
use super::refund;
use super::sale_count;
use super::tally;
use super::timeline::{self, claims_of, gives_way, referred_at};
use super::verdict;
use crate::domain::attribution::{Candidate, CandidateResult, Evidence};
use crate::domain::conversion::{
    Conversion, ConversionImage, ConversionKind, ConversionOutcome, CouponUse, Credits, OrderDetails, SaleChannel,
    SaleOutcome,
};
use crate::domain::customer_reward::CustomerReward;
use crate::domain::id::{AccountId, ConversionId};
use crate::domain::lead::{Binding, Customer, Lead, LeadState, SaleCount};
use crate::domain::money::Money;
use crate::domain::refusal::Refusal;
use crate::domain::reward::Reward;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Record a sale, an appointment or a custom event.
#[derive(Debug, Clone)]
pub struct RecordSale {
    /// Which of them it is.
    pub kind: ConversionKind,
    /// The merchant's id for the event.
    pub event_id: String,
    /// The customer who bought.
    pub customer: Customer,
    /// The referral data of the request.
    pub referral: Referral,
    /// The net amount of a sale; zero for a free order or a trial. The value of a custom event that has one.
    pub amount: Option<Money>,
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
    /// Details of the order. `coupon_code`, `item_sku` and `custom_kind` are the same as in `referral`.
    /// Boxed, so that a command does not become much larger than the others.
    pub order: Box<OrderDetails>,
}

impl Rule for RecordSale {
    type Answer = SaleOutcome;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.customer(account, &self.customer);
        self.referral.needs(account, needs);
        // A sale without referral data seldom binds a customer. If it does, they are loaded then.
        if !self.referral.is_traceless() {
            needs.unmatched_sales_of_unbound(account, &self.customer);
        }
        if self.kind == ConversionKind::Sale {
            needs.names.waiting_refunds.insert((account, self.event_id.clone()));
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<SaleOutcome, Refusal> {
        let occurred_at = match self.occurred_at {
            Some(time) => time,
            None => attribution::arrival_time(context.set, context.account_id, &self.referral, context.now)?,
        };
        let known = context.set.find_customer(context.account_id, &self.customer)?.cloned();
        let other = context.set.find_other(context.account_id, &self.customer)?.cloned();
        let allowance = match self.kind {
            ConversionKind::Sale => coupon_use::allowance(context, &self.referral, known.as_deref(), occurred_at)?,
            _ => Allowance::Unlimited,
        };
        let referral = match allowance {
            Allowance::Spent(limit) => Cow::Owned(Referral { spent: Some(limit), ..self.referral.clone() }),
            _ => Cow::Borrowed(&self.referral),
        };
        let mut sale = self.new_sale(context, occurred_at)?;
        if let Allowance::Free(coupon) = &allowance {
            sale.order.coupon_use = Some(CouponUse { coupon_id: coupon.id, lead_id: None });
        }
        let (sale, rewards) = match &known {
            Some(lead) if self.changes_history(context, lead, occurred_at)? => {
                self.record_late(context, lead, other.as_ref(), &referral, sale)?
            }
            _ => self.record(context, known, other.as_ref(), &referral, sale)?,
        };
        let mut outcome = SaleOutcome {
            conversion_id: sale.id,
            lead_id: sale.lead_id,
            other_lead_id: other.map(|lead| lead.id),
            credits: sale.credits.clone(),
            rewards: rewards.iter().map(|reward| reward.summary()).collect(),
            coupon_fault: coupon_fault(&sale),
            is_known_by_ref_id: is_known_by(&sale, |evidence| {
                matches!(evidence, Evidence::Link(_) | Evidence::RefId(_))
            }),
            is_known_by_tid: is_known_by(&sale, |evidence| matches!(evidence, Evidence::Click(_) | Evidence::Tid(_))),
            is_undeclared: is_undeclared(&sale),
            customer_reward: None,
        };
        if self.kind == ConversionKind::Sale {
            // A refund that waited may take the customer's reward back.
            refund::book_waiting(context, &sale)?;
            outcome.customer_reward = granted(context, &sale)?;
        }
        Ok(outcome)
    }
}

impl RecordSale {
    /// Whether other events of a customer must be judged again: the sale happened before the binding or before a sale that has a number, it is a
    /// purchase of before an event for which the customer had to be new, or it says that other sales are the customer's.
    fn changes_history(&self, context: &Context<'_>, lead: &Lead, occurred_at: Time) -> Result<bool, Refusal> {
        if self.kind == ConversionKind::Sale && sale_count::is_late(lead, occurred_at) {
            return Ok(true);
        }
        let is_purchase =
            self.kind == ConversionKind::Sale && self.amount.is_some_and(|amount| amount.amount_minor > 0);
        if is_purchase && lead.details.asked_for_new_at > Some(occurred_at) {
            return Ok(true);
        }
        let Some(binding) = &lead.binding else { return Ok(false) };
        Ok(occurred_at < binding.bound_at || customer::adds_identifier(context, lead, &self.customer)?)
    }

    /// Records a sale of a customer who was not bound later than it: credits it to the winner, or leaves it unmatched.
    fn record(
        &self,
        context: &mut Context<'_>,
        known: Option<Arc<Lead>>,
        other: Option<&Arc<Lead>>,
        referral: &Referral,
        mut sale: Conversion,
    ) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
        let lead = known.as_deref();
        let leads = [lead, other.map(AsRef::as_ref)];
        let attribution = timeline::attribute_told(context, leads, lead, &self.customer, referral, sale.occurred_at)?;
        sale.lead_id = lead.map(|lead| lead.id);
        sale.candidates = attribution.candidates;
        let winners = attribution.winners;
        let Some(referred_at) = referred_at(&winners) else {
            return Ok((self.leave_unmatched(context, known.as_deref(), known.as_ref(), sale)?, Vec::new()));
        };
        if let Some(lead) = &known
            && lead.binding.is_some()
            && gives_way(lead, &sale.candidates)
        {
            // Sales of later may be credited by the binding that gives way, because its affiliate has come back since.
            return self.record_late(context, lead, other, referral, sale);
        }
        let binding = lead.and_then(|lead| lead.binding.as_ref());
        let claims = claims_of(context.set, &winners, binding, sale.occurred_at)?;
        if let Some(lead) = &known
            && self.kind == ConversionKind::Sale
            && claims.iter().any(|claim| sale_count::is_unknown(lead, claim))
        {
            return self.record_late(context, lead, other, referral, sale);
        }
        let counted = if lead.is_none() && self.customer.is_unnamed() {
            None
        } else {
            sale_count::number_next(context, lead, &sale, &claims)?
        };
        sale.order.customer_sale = counted.map(|(place, _)| place);
        let is_bound = binding.is_some();
        let binding = (!is_bound).then(|| customer::binding(credits_of(&claims), sale.occurred_at, referred_at));
        let count = counted.map(|(_, count)| count);
        let granted = customer_reward::granted_by(&sale, &claims, sale.order.customer_sale, context.now);
        let asked_at = attribution.asks_for_first_purchase.then_some(sale.occurred_at);
        let change = CustomerChange { binding, count, granted, asked_at };
        let lead = self.referred_lead(context, known, change, sale.occurred_at)?;
        sale.lead_id = lead.as_ref().map(|lead| lead.id);
        let mut recorded = credit_sale(context, sale, &claims)?;
        if let Some(lead) = lead.filter(|_| !is_bound) {
            let mut matched = lead.as_ref().clone();
            let wanted = &mut context.set.wanted().names.unmatched_sales;
            wanted.extend(lead.selectors().into_iter().map(|selector| (lead.account_id, selector)));
            timeline::match_to_lead(context, &mut matched)?;
            customer::put_touched(context, matched, Some(&lead));
            if count.is_some() {
                // A sale that was matched may have got an earlier number.
                let image = context.set.image(context.account_id, recorded.0.id)?;
                recorded = (image.conversion, image.rewards);
            }
        }
        Ok(recorded)
    }

    /// Records a sale that changes the history of its customer: it happened before the customer was bound, it binds the customer
    /// anew, or it gives the customer another name.
    fn record_late(
        &self,
        context: &mut Context<'_>,
        known: &Arc<Lead>,
        other: Option<&Arc<Lead>>,
        referral: &Referral,
        mut sale: Conversion,
    ) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
        let (id, occurred_at) = (sale.id, sale.occurred_at);
        sale.lead_id = Some(known.id);
        // The verdict on all events replaces these. They tell it what the request named.
        let leads = [None, other.map(AsRef::as_ref)];
        // They win nothing here, so the first purchase does not matter.
        let first_purchase = FirstPurchase::At(None);
        let (set, account_id) = (&*context.set, context.account_id);
        let attribution = attribution::attribute(set, account_id, leads, referral, first_purchase, occurred_at)?;
        sale.candidates = attribution.candidates;
        self.leave_unmatched(context, Some(known), None, sale)?;
        let mut lead = known.as_ref().clone();
        self.note_event(context, &mut lead, occurred_at)?;
        timeline::judge_again(context, lead, Some(known), Some(id))?;
        let image = context.set.image(context.account_id, id)?;
        Ok((image.conversion, image.rewards))
    }

    fn new_sale(&self, context: &mut Context<'_>, occurred_at: Time) -> Result<Conversion, Refusal> {
        Ok(Conversion {
            id: ConversionId::new(context.ids),
            account_id: context.account_id,
            kind: self.kind,
            event_id: self.event_id.clone(),
            outcome: ConversionOutcome::NotReferred,
            amount: self.amount,
            refunded_minor: 0,
            refund_count: 0,
            excess_minor: 0,
            sale_id: None,
            sale_event_id: String::new(),
            lead_id: None,
            tid: self.referral.known_tid(context.set, context.account_id)?,
            credits: Credits::new(),
            channel: self.channel,
            order: self.order.as_ref().clone(),
            candidates: Vec::new(),
            occurred_at,
            created_at: context.now,
            is_told: false,
            version: 1,
            as_recorded: None,
        })
    }

    /// Writes the customer of a referred sale, whether known or new, with the binding if it makes one. The lead becomes active by a sale.
    /// `None` for a sale without a customer.
    fn referred_lead(
        &self,
        context: &mut Context<'_>,
        known: Option<Arc<Lead>>,
        change: CustomerChange,
        occurred_at: Time,
    ) -> Result<Option<Arc<Lead>>, Refusal> {
        let CustomerChange { binding, count, granted, asked_at } = change;
        if known.is_none() && self.customer.is_unnamed() {
            return Ok(None);
        }
        let mut lead = match &known {
            Some(lead) => lead.as_ref().clone(),
            None => customer::new_lead(context, &self.customer, LeadState::of_new(self.kind)),
        };
        if binding.is_some() {
            lead.binding = binding;
        }
        if let Some(count) = count {
            lead.details.keep_sale_count(count);
        }
        if let Some(reward) = granted {
            lead.details.customer_rewards.grant(reward);
        }
        lead.details.keep_asked_for_new(asked_at);
        self.note_event(context, &mut lead, occurred_at)?;
        Ok(Some(customer::put_touched(context, lead, known.as_ref())))
    }

    /// Adds the event's data to a lead.
    fn note_event(&self, context: &Context<'_>, lead: &mut Lead, occurred_at: Time) -> Result<(), Refusal> {
        customer::add_names(context, lead, &self.customer, &self.first_name, &self.last_name)?;
        if self.kind != ConversionKind::Sale {
            return Ok(());
        }
        // A cancellation of later stands, although it was told before.
        let is_over = lead.details.cancelled_at.is_some_and(|cancelled_at| cancelled_at > occurred_at);
        if !is_over {
            lead.state = LeadState::Active;
        }
        lead.first_sale_at = Some(lead.first_sale_at.map_or(occurred_at, |since| since.min(occurred_at)));
        if !self.order.plan.is_empty() {
            lead.plan.clone_from(&self.order.plan);
        }
        if self.mrr.is_some() && !is_over {
            lead.mrr = self.mrr;
        }
        Ok(())
    }

    /// Stores a sale that nobody referred. It can then be explained, and it is credited if a later binding pays for it. The lead to
    /// change gets the sale's data.
    fn leave_unmatched(
        &self,
        context: &mut Context<'_>,
        known: Option<&Lead>,
        to_change: Option<&Arc<Lead>>,
        mut sale: Conversion,
    ) -> Result<Arc<Conversion>, Refusal> {
        coupon_use::count(context, &mut sale)?;
        let sale = context.put(sale);
        if !self.customer.is_unnamed() {
            context.put(customer::unmatched(&sale, &self.customer, known));
        }
        if let Some(before) = to_change {
            let mut lead = before.as_ref().clone();
            self.note_event(context, &mut lead, sale.occurred_at)?;
            customer::put_touched(context, lead, Some(before));
        }
        Ok(sale)
    }
}

/// What a credited sale changes of its customer.
struct CustomerChange {
    binding: Option<Binding>,
    count: Option<SaleCount>,
    granted: Option<CustomerReward>,
    /// The time of the sale, if it mattered whether the customer is new.
    asked_at: Option<Time>,
}

/// Why the coupon that a sale was made with does not credit its affiliate, if so. A coupon that only had a lower precedence is good.
fn coupon_fault(sale: &Conversion) -> Option<CandidateResult> {
    let coupon = sale.candidates.iter().find(|candidate| matches!(candidate.evidence, Evidence::Coupon(_)))?;
    use CandidateResult::{KindNotDeclared, LowerPrecedence, Won};
    let is_good = matches!(coupon.result, Won | LowerPrecedence | KindNotDeclared);
    (!is_good).then_some(coupon.result)
}

/// Whether evidence of this kind credits nobody with a sale, because its customer is not new.
fn is_known_by(sale: &Conversion, is_of_kind: impl Fn(&Evidence) -> bool) -> bool {
    let is_lost = |candidate: &Candidate| candidate.result == CandidateResult::NotANewCustomer;
    sale.candidates.iter().any(|candidate| is_lost(candidate) && is_of_kind(&candidate.evidence))
}

/// What a sale has granted its customer.
fn granted(context: &Context<'_>, sale: &Conversion) -> Result<Option<CustomerReward>, Refusal> {
    let Some(lead_id) = sale.lead_id.filter(|_| sale.order.customer_sale.is_some()) else { return Ok(None) };
    let lead = context.set.find::<Lead>(&(context.account_id, lead_id))?;
    Ok(lead.and_then(|lead| lead.details.customer_rewards.of_conversion(sale.id)).copied())
}

/// Whether a custom event is credited to nobody because a program does not declare its kind.
fn is_undeclared(event: &Conversion) -> bool {
    let is_undeclared = |candidate: &Candidate| candidate.result == CandidateResult::KindNotDeclared;
    event.credits.is_empty() && event.candidates.iter().any(is_undeclared)
}

/// Credits a sale: prices the rewards, writes the sale, and adds the event.
fn credit_sale(
    context: &mut Context<'_>,
    mut sale: Conversion,
    claims: &[Claim],
) -> Result<(Arc<Conversion>, Vec<Arc<Reward>>), Refusal> {
    sale.outcome = ConversionOutcome::Attributed;
    sale.credits = credits_of(claims);
    sale.is_told = true;
    coupon_use::count(context, &mut sale)?;
    let sale = context.put(sale);
    let rewards = earn::earn_all(context, &sale, claims)?;
    let sale = tally::present(context, sale, claims)?;
    let image = ConversionImage { conversion: Arc::clone(&sale), rewards: rewards.clone() };
    context.tell_conversion(verdict::recorded(sale.kind), sale.occurred_at, image);
    Ok((sale, rewards))
}
