//! The rows from which a conversion is explained, as they are at one moment. The store reads them.

use std::collections::HashMap;

use crate::domain::affiliate::Affiliate;
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, ConversionImage, ConversionKind};
use crate::domain::coupon::Coupon;
use crate::domain::customer_reward::CustomerReward;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AffiliateId, ClickId, ConversionId, EnrollmentId, ItemId, LeadId, LinkId, OfferId, ProgramId};
use crate::domain::item::Item;
use crate::domain::lead::Lead;
use crate::domain::link::Link;
use crate::domain::offer::Offer;
use crate::domain::program::{Program, Terms};
use crate::domain::reward::Reward;
use crate::domain::sales_tally::SalesTally;

/// See the head of the file. A row that is missing makes the explanation shorter.
#[derive(Debug)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Dossier {
    pub image: ConversionImage,
    /// The sale of a refund or a correction.
    pub sale: Option<Box<Dossier>>,
    /// The rewards that change those of the conversion.
    pub reversals: Vec<Reward>,
    /// The conversions of the reversals.
    pub causes: HashMap<ConversionId, Conversion>,
    /// Those of credits and candidates.
    pub enrollments: HashMap<EnrollmentId, Enrollment>,
    /// The credited affiliates and those above them, if the terms pay uplines.
    pub affiliates: HashMap<AffiliateId, Affiliate>,
    /// Those of the affiliates in the programs of the credits.
    pub upline_enrollments: Vec<Enrollment>,
    /// Those of the enrollments.
    pub programs: HashMap<ProgramId, Program>,
    /// The versions of the credits, and the versions that follow them, in their order.
    pub terms: Vec<Terms>,
    /// The version for each enrollment that applies to the event if its customer was not bound before.
    pub terms_then: HashMap<EnrollmentId, Terms>,
    /// The tallies of sales that the credits are counted in.
    pub sales_tallies: Vec<SalesTally>,
    pub leads: HashMap<LeadId, Lead>,
    pub clicks: HashMap<ClickId, Click>,
    /// The links whose codes were sent, and those of the clicks.
    pub links: HashMap<LinkId, Link>,
    /// The coupons that had the code that was sent, the oldest first.
    pub coupons: Vec<Coupon>,
    /// Those of the coupons.
    pub items: HashMap<ItemId, Item>,
    /// Those of the coupons.
    pub offers: HashMap<OfferId, Offer>,
    /// Whether the customer is a lead that was not deleted.
    pub has_lead: bool,
    /// Whether the request named a customer who is not a lead.
    pub is_customer_named: bool,
}

impl Dossier {
    /// The reward of the customer that the event granted, granted or revoked. The lead that others were merged into has it.
    pub(super) fn customer_reward(&self) -> Option<CustomerReward> {
        let event = self.image.conversion.as_ref();
        let lead = self.leads.get(&event.lead_id?)?;
        let lead = lead.merged_into.and_then(|id| self.leads.get(&id)).unwrap_or(lead);
        lead.details.customer_rewards.all().iter().find(|reward| reward.conversion_id == event.id).copied()
    }

    /// Whether a correction, the undoing of a refund or the end of a dispute made its sale earn a new reward, because nothing was left of the one
    /// before. Such a reward is the sale's, and is made right after it.
    pub(super) fn is_earned_anew(&self) -> bool {
        let event = self.image.conversion.as_ref();
        let is_of_event = |reward: &Reward| {
            reward.created_at == event.created_at && reward.id.uuid() > event.id.uuid() && reward.reverses.is_none()
        };
        let rewards = self.sale.iter().flat_map(|sale| &sale.image.rewards);
        let may_earn_anew = matches!(
            event.kind,
            ConversionKind::Correction | ConversionKind::RefundUndo | ConversionKind::DisputeResolution
        );
        may_earn_anew && rewards.into_iter().any(|reward| is_of_event(reward))
    }
}
