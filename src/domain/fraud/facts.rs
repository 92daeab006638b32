//! The facts that fraud rules compare, from the rows of an event: the same when it is told and when history is replayed.

use super::FraudFacts;
use crate::domain::affiliate::Affiliate;
use crate::domain::attribution::{AttributionSource, Candidate, CandidateResult, Evidence};
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, Credit};
use crate::domain::id::{ClickId, EnrollmentId};
use crate::domain::lead::Lead;
use crate::domain::time::Time;

/// The rows that say something about a credit of an event, as far as the rules ask for them.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Known<'row> {
    pub lead: Option<&'row Lead>,
    pub affiliate: Option<&'row Affiliate>,
    /// The click that won the credit.
    pub click: Option<&'row Click>,
}

impl<'row> Known<'row> {
    /// The facts that these rows have. Those that compare events with each other are not among them.
    pub fn facts(&self, event: &'row Conversion, credit: &Credit) -> FraudFacts<'row> {
        let country = self.lead.map_or("", |lead| lead.details.country_code.as_str());
        FraudFacts {
            customer_email: self.lead.and_then(|lead| lead.email.as_deref()).unwrap_or_default(),
            affiliate_email: self.affiliate.map_or("", |affiliate| affiliate.email.as_str()),
            paypal_email: self.affiliate.map_or("", |affiliate| affiliate.profile.paypal_email.as_str()),
            country_code: if event.order.country_code.is_empty() { country } else { &event.order.country_code },
            referrer_url: self.click.map_or("", |click| click.referrer_url.as_str()),
            seconds_since_click: self.seconds_since_click(event, credit),
            sale_count: None,
            same_order: None,
        }
    }

    /// The seconds from the click that led to the affiliate: the one that won, or the one by which the customer is bound.
    fn seconds_since_click(&self, event: &Conversion, credit: &Credit) -> Option<i64> {
        if let Some(click) = self.click {
            return Some(seconds_between(click.occurred_at, event.occurred_at));
        }
        let binding = self.lead?.binding.as_ref().filter(|_| credit.source == AttributionSource::LeadBinding)?;
        let bound = binding.credits.iter().find(|bound| bound.enrollment_id == credit.enrollment_id)?;
        let is_by_click = bound.source == AttributionSource::Click && binding.referred_at <= event.occurred_at;
        is_by_click.then(|| seconds_between(binding.referred_at, event.occurred_at))
    }
}

/// The click that won a credit.
pub fn winning_click(event: &Conversion, enrollment_id: EnrollmentId) -> Option<ClickId> {
    let is_winner = |candidate: &&Candidate| {
        candidate.result == CandidateResult::Won && candidate.enrollment_id == Some(enrollment_id)
    };
    event.candidates.iter().filter(is_winner).find_map(|candidate| match candidate.evidence {
        Evidence::Click(id) => Some(id),
        _ => None,
    })
}

/// Whole seconds. Clocks differ, so an event that seems earlier than its click came at once.
fn seconds_between(from: Time, to: Time) -> i64 {
    to.micros().saturating_sub(from.micros()).max(0) / 1_000_000
}
