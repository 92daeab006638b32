//! The rule that binds a lead by hand.

use std::sync::Arc;

use super::referrer::{self, Referrer};
use crate::domain::event::EventKind;
use crate::domain::id::AccountId;
use crate::domain::lead::{Lead, LeadSelector};
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::rule::{customer, timeline};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Bind a lead to an affiliate by hand.
#[derive(Debug, Clone)]
pub struct AttributeLead {
    /// The lead to bind.
    pub lead: LeadSelector,
    /// Who referred the lead.
    pub referrer: Referrer,
    /// Why it is bound by hand.
    pub reason: String,
    /// When the lead was referred; `None` for now. Sales since then that nobody referred are credited.
    pub referred_at: Option<Time>,
}

impl Rule for AttributeLead {
    type Answer = Arc<Lead>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.lead(account, self.lead.clone());
        needs.names.unmatched_sales.insert((account, self.lead.clone()));
        self.referrer.needs(account, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let known = Arc::clone(context.set.lead(context.account_id, &self.lead)?);
        let enrollment = self.referrer.enrollment(context)?;
        let mut lead = known.as_ref().clone();
        // The server's clock may have been set back, and the bindings must stay in order.
        let last = lead.details.manual_bindings.last().map(|manual| manual.binding.bound_at);
        let bound_at = last.map_or(context.now, |last| last.max(context.now));
        let referred_at = self.referred_at.unwrap_or(context.now);
        referrer::bind(context, &mut lead, enrollment, bound_at, referred_at, &self.reason)?;
        let bound = customer::put_told(context, EventKind::LeadAttributed, lead, Some(&known));
        let mut lead = bound.as_ref().clone();
        timeline::match_to_lead(context, &mut lead)?;
        Ok(customer::put_touched(context, lead, Some(&bound)))
    }
}
