//! Look-ups of answered requests by their key, and their first answers.

use std::sync::Arc;

use super::kind::{Key, Kind};
use super::working_set::WorkingSet;
use crate::domain::affiliate::{Affiliate, AffiliateOutcome};
use crate::domain::bounty::Submission;
use crate::domain::claim::ClaimOutcome;
use crate::domain::click::{Click, ClickOutcome};
use crate::domain::conversion::{AsRecorded, SaleOutcome};
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::{Enrollment, EnrollmentOutcome, EnrollmentWithLanding};
use crate::domain::id::{AccountId, ConversionId, RewardId};
use crate::domain::lead::Lead;
use crate::domain::link::{Link, LinkWithDestination};
use crate::domain::outcome::Outcome;
use crate::domain::payout::Payout;
use crate::domain::payout_method::PayoutMethod;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Request, RequestKey};
use crate::domain::reward::Reward;
use crate::domain::tax_profile::TaxProfile;

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

    /// The first answer to a request. The answer to a sale is made of the sale, its rewards and what the request kept. Leads,
    /// affiliates, enrollments, links and coupons in an answer have the names, codes and other personal data that they have now.
    pub fn first_answer(&self, request: &Request) -> Result<Outcome, Refusal> {
        let account_id = request.key.account_id;
        let kept = match &request.outcome {
            Outcome::KeptSale(kept) => kept,
            Outcome::ChangedLead(lead) => return self.with_present_names(lead),
            Outcome::Click(click) => return self.with_present_page(account_id, click),
            other => return self.with_present_data(other),
        };
        let conversion_id = ConversionId::from_uuid(request.effect);
        let AsRecorded { lead_id, credits } = self.conversion(account_id, conversion_id)?.as_recorded();
        let reward = |id: &RewardId| self.existing::<Reward>(&(account_id, *id)).map(|reward| reward.summary());
        let rewards = kept.reward_ids.iter().map(reward).collect::<Result<_, _>>()?;
        let other_lead_id = kept.other_lead_id;
        let (coupon_fault, is_undeclared) = (kept.coupon_fault, kept.is_undeclared);
        let answer = SaleOutcome {
            conversion_id,
            lead_id,
            other_lead_id,
            credits,
            rewards,
            coupon_fault,
            is_known_by_ref_id: kept.is_known_by_ref_id,
            is_known_by_tid: kept.is_known_by_tid,
            is_undeclared,
            customer_reward: kept.customer_reward,
        };
        Ok(answer.into())
    }

    /// An answer that was kept without the personal data of an affiliate, with the data that is there now.
    fn with_present_data(&self, kept: &Outcome) -> Result<Outcome, Refusal> {
        Ok(match kept {
            Outcome::Affiliate(kept) => Outcome::Affiliate(Arc::new(AffiliateOutcome {
                affiliate: self.present_affiliate(&kept.affiliate)?,
                enrollment: self.present_enrollment(&kept.enrollment)?,
                coupon: kept.coupon.as_deref().map(|coupon| self.present_coupon(coupon)).transpose()?,
            })),
            Outcome::ChangedAffiliate(kept) => Outcome::ChangedAffiliate(self.present_affiliate(kept)?),
            Outcome::Enrollment(kept) => Outcome::Enrollment(Arc::new(EnrollmentOutcome {
                enrollment: self.present_enrollment(&kept.enrollment)?,
                coupon: kept.coupon.as_deref().map(|coupon| self.present_coupon(coupon)).transpose()?,
            })),
            Outcome::Link(kept) => {
                let now = self.existing::<Link>(&(kept.link.account_id, kept.link.id))?;
                let link = Link {
                    code: now.code.clone(),
                    destination_url: now.destination_url.clone(),
                    claimed_page: now.claimed_page.clone(),
                    ..kept.link.as_ref().clone()
                };
                let destination_url = self.present_destination(&link)?.to_owned();
                Outcome::Link(Arc::new(LinkWithDestination { link: Arc::new(link), destination_url }))
            }
            Outcome::Coupon(kept) => Outcome::Coupon(self.present_coupon(kept)?),
            Outcome::Submission(kept) => {
                let now = self.existing::<Submission>(&(kept.account_id, kept.id))?;
                Outcome::Submission(Arc::new(kept.with_data_of(now)))
            }
            Outcome::Claim(kept) => {
                let coupon = self.present_coupon(&kept.coupon)?;
                Outcome::Claim(Arc::new(ClaimOutcome { offer: Arc::clone(&kept.offer), coupon }))
            }
            Outcome::PayoutMethod(kept) => {
                let now = self.find::<PayoutMethod>(&kept.key())?;
                Outcome::PayoutMethod(Arc::clone(now.unwrap_or(kept)))
            }
            Outcome::TaxProfile(kept) => {
                let now = self.find::<TaxProfile>(&kept.key())?;
                Outcome::TaxProfile(Arc::clone(now.unwrap_or(kept)))
            }
            Outcome::Payout(kept) => Outcome::Payout(self.present_payout(kept)?),
            Outcome::Payouts(kept) => {
                Outcome::Payouts(kept.iter().map(|payout| self.present_payout(payout)).collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    /// A payout of an answer, with its destination, which the answer was kept without.
    fn present_payout(&self, kept: &Payout) -> Result<Arc<Payout>, Refusal> {
        let now = self.existing::<Payout>(&(kept.account_id, kept.id))?;
        Ok(Arc::new(Payout { destination: now.destination.clone(), ..kept.clone() }))
    }

    fn present_affiliate(&self, kept: &Affiliate) -> Result<Arc<Affiliate>, Refusal> {
        let now = self.existing::<Affiliate>(&(kept.account_id, kept.id))?;
        Ok(Arc::new(kept.with_data_of(now)))
    }

    fn present_enrollment(&self, kept: &EnrollmentWithLanding) -> Result<EnrollmentWithLanding, Refusal> {
        let kept = kept.enrollment.as_ref();
        let now = self.existing::<Enrollment>(&(kept.account_id, kept.id))?;
        let (ref_id, landing_url) = (now.ref_id.clone(), now.landing_url.clone());
        let (acceptances, metadata) = (now.acceptances.clone(), now.metadata.clone());
        let dated_commissions = now.dated_commissions.clone();
        let kept = Enrollment { dated_commissions, was_active: now.was_active, ..kept.clone() };
        let enrollment = Enrollment { ref_id, landing_url, acceptances, metadata, ..kept };
        self.with_landing(Arc::new(enrollment))
    }

    fn present_coupon(&self, kept: &Coupon) -> Result<Arc<Coupon>, Refusal> {
        let now = self.existing::<Coupon>(&(kept.account_id, kept.id))?;
        Ok(Arc::new(Coupon { note: now.note.clone(), details: now.details.clone(), ..kept.clone() }))
    }

    /// The answer of a click, with the page that its link leads to now.
    fn with_present_page(&self, account_id: AccountId, kept: &ClickOutcome) -> Result<Outcome, Refusal> {
        let click = self.existing::<Click>(&(account_id, kept.tid, kept.click_id))?;
        let link = self.link(account_id, click.link_id)?;
        let destination_url = self.present_destination(link)?.to_owned();
        Ok(Outcome::Click(ClickOutcome { destination_url, ..kept.clone() }))
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
