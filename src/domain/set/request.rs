//! Look-ups of answered requests by their key, and their first answers.

use std::sync::Arc;

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::conversion::{AsRecorded, SaleOutcome};
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::lead::Lead;
use crate::domain::outcome::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestKey};
use crate::domain::reward::Reward;

impl Key for RequestKey {
    fn account_id(&self) -> AccountId {
        self.account_id
    }
}

impl Kind for Request {
    type Key = RequestKey;

    const NAME: &'static str = "request";

    fn key(&self) -> Self::Key {
        self.key.clone()
    }
}

impl WorkingSet {
    /// The answered request with this key.
    pub fn request(&self, key: &RequestKey) -> Result<Option<&Arc<Request>>, Refusal> {
        self.find(key)
    }

    /// The first answer to a request. The answer to a sale is made of the sale, its rewards and what the request kept. A lead in an
    /// answer has the identifiers and names that the lead has now.
    pub fn first_answer(&self, request: &Request) -> Result<Outcome, Refusal> {
        let account_id = request.key.account_id;
        let kept = match &request.outcome {
            Outcome::KeptSale(kept) => kept,
            Outcome::ChangedLead(lead) => return self.with_present_names(lead),
            other => return Ok(other.clone()),
        };
        let conversion_id = ConversionId::from_uuid(request.effect);
        let AsRecorded { lead_id, credits } = self.conversion(account_id, conversion_id)?.as_recorded();
        let reward = |id: &RewardId| self.existing::<Reward>(&(account_id, *id)).map(|reward| reward.summary());
        let rewards = kept.reward_ids.iter().map(reward).collect::<Result<_, _>>()?;
        let other_lead_id = kept.other_lead_id;
        let (coupon_fault, is_undeclared) = (kept.coupon_fault, kept.is_undeclared);
        let answer =
            SaleOutcome { conversion_id, lead_id, other_lead_id, credits, rewards, coupon_fault, is_undeclared };
        Ok(answer.into())
    }

    /// The lead of an answer, which was kept without them.
    fn with_present_names(&self, kept: &Lead) -> Result<Outcome, Refusal> {
        let now = self.existing::<Lead>(&(kept.account_id, kept.id))?;
        let lead = Lead {
            email: now.email.clone(),
            email_as_sent: now.email_as_sent.clone(),
            external_id: now.external_id.clone(),
            first_name: now.first_name.clone(),
            last_name: now.last_name.clone(),
            details: now.details.clone(),
            ..kept.clone()
        };
        Ok(Outcome::ChangedLead(Arc::new(lead)))
    }
}
