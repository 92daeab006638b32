//! The levels above a credited affiliate: who was there when the event occurred, and what the level earns, or why it earns nothing.

use super::Dossier;
use super::reward::rest;
use super::step::Pricing;
use crate::domain::conversion::ConversionKind;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AffiliateId, EnrollmentId};
use crate::domain::money::{Money, Overflow};
use crate::domain::pricing::{self, Priced};
use crate::domain::reward::{Reward, RewardState};
use crate::domain::tally::CapApplied;
use crate::domain::upline::{UplineLevel, UplineShare};
use crate::domain::upline_standing::{UplineResult, why_not_on_level};

/// A level above a credited affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct UplineExplanation {
    /// 1 for the upline of the credited affiliate.
    pub level: i32,
    pub rate: UplineLevel,
    pub below: AffiliateId,
    /// `None` if nobody was there, and for the levels above.
    pub affiliate_id: Option<AffiliateId>,
    pub enrollment_id: Option<EnrollmentId>,
    pub result: UplineResult,
    /// Before refunds. `None` unless the level earns.
    pub value: Option<Money>,
    /// What is left of the recorded reward, if there is one that was not denied.
    pub recorded_rest: Option<Money>,
}

/// The levels that the terms of a credit pay for, until one where nobody was.
pub(super) fn explained(dossier: &Dossier, pricing: &Pricing<'_>, caps: &[CapApplied]) -> Vec<UplineExplanation> {
    let event = pricing.event;
    let Some(program) = dossier.programs.get(&pricing.credit.program_id) else { return Vec::new() };
    let priced = pricing.whole(caps).ok().flatten().filter(|priced| earns(dossier, pricing, priced));
    let mut told = Vec::new();
    let mut below = pricing.credit.affiliate_id;
    for (level, rate) in (1..).zip(&pricing.terms.rules.upline_levels) {
        let Some(affiliate) = dossier.affiliates.get(&below) else { break };
        let upline_id = affiliate.upline_at(event.occurred_at);
        let enrollment = upline_id.and_then(|id| enrollment_of(dossier, pricing, id));
        let share = UplineShare { level, rate: *rate, credited_enrollment_id: pricing.credit.enrollment_id };
        let value = priced.as_ref().and_then(|priced| pricing::price_for_upline(priced, share).ok());
        let value = value.map(|priced| priced.value).filter(|value| value.amount_minor != 0);
        let result = if upline_id.is_none() {
            UplineResult::NoUpline
        } else if rate.percent_ppm == 0 {
            UplineResult::NoRate
        } else if let Some(why_not) = why_not_on_level(enrollment, program, event.occurred_at) {
            why_not
        } else if priced.is_none() {
            UplineResult::NothingBelow
        } else {
            if value.is_some() { UplineResult::Earns } else { UplineResult::Zero }
        };
        told.push(UplineExplanation {
            level,
            rate: *rate,
            below,
            affiliate_id: upline_id,
            enrollment_id: enrollment.map(|enrollment| enrollment.id),
            result,
            value: value.filter(|_| result == UplineResult::Earns),
            recorded_rest: enrollment.and_then(|enrollment| recorded_rest(dossier, pricing, enrollment)),
        });
        let Some(upline_id) = upline_id else { break };
        below = upline_id;
    }
    told
}

/// Whether the credited affiliate earns. A sign-up that did not bind its customer earns nothing, whatever the terms say.
fn earns(dossier: &Dossier, pricing: &Pricing<'_>, priced: &Priced) -> bool {
    let mut rewards = dossier.image.rewards.iter();
    let is_own = |reward: &Reward| reward.reverses.is_none() && reward.is_of_credit(pricing.credit.enrollment_id);
    let is_recorded = pricing.event.kind != ConversionKind::Lead || rewards.any(|reward| is_own(reward));
    is_recorded && priced.value.amount_minor != 0
}

fn enrollment_of<'rows>(dossier: &'rows Dossier, pricing: &Pricing<'_>, id: AffiliateId) -> Option<&'rows Enrollment> {
    let is_of = |row: &&Enrollment| row.affiliate_id == id && row.program_id == pricing.credit.program_id;
    dossier.upline_enrollments.iter().find(is_of)
}

fn recorded_rest(dossier: &Dossier, pricing: &Pricing<'_>, enrollment: &Enrollment) -> Option<Money> {
    let is_of_level = |reward: &Reward| {
        let credited = reward.upline().map(|upline| upline.credited_enrollment_id);
        reward.reverses.is_none()
            && reward.enrollment_id == enrollment.id
            && credited == Some(pricing.credit.enrollment_id)
            && reward.state != RewardState::Denied
    };
    let rests = dossier.image.rewards.iter().filter(|reward| is_of_level(reward)).map(|reward| rest(reward));
    rests.reduce(|sum, rest| Money::new(sum.amount_minor.saturating_add(rest.amount_minor), rest.currency))
}

impl Pricing<'_> {
    /// What the whole event earns for the credit, with all its lines.
    pub(super) fn whole(&self, caps: &[CapApplied]) -> Result<Option<Priced>, Overflow> {
        let credit = self.credit;
        let mut priced = pricing::price_event(
            self.terms,
            self.event,
            self.currency,
            credit.enrollment_id,
            self.own,
            credit.share_ppm,
        )?;
        if let Some(split) = credit.split_among(&self.event.credits) {
            priced = priced.map(|priced| pricing::price_of_part(priced, &split)).transpose()?;
        }
        let priced = priced.map(|priced| self.marked(priced)).transpose()?;
        priced.map(|priced| pricing::with_caps(priced, caps.to_vec())).transpose()
    }
}
