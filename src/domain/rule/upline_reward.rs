//! Who earns from an event above the credited affiliate: each upline that the terms pay for, if it could have earned from the event itself.

use std::sync::Arc;

use super::context::Context;
use crate::domain::affiliate::{Affiliate, AffiliateSelector};
use crate::domain::conversion::Conversion;
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AffiliateId, ProgramId};
use crate::domain::refusal::Refusal;
use crate::domain::reward::{Reward, RewardState};
use crate::domain::time::Time;
use crate::domain::upline::{UplineLevel, UplineShare};
use crate::domain::upline_standing::why_not_on_level;

/// The uplines that earn from a credited event, see [`earning`], and that have no reward of it.
pub(super) fn shares(
    context: &mut Context<'_>,
    event: &Conversion,
    credited: &Enrollment,
    levels: &[UplineLevel],
) -> Result<Vec<(Arc<Enrollment>, UplineShare)>, Refusal> {
    let mut shares = Vec::new();
    for (enrollment, share) in earning(context, event.occurred_at, credited, levels)? {
        if !has_reward(context, event, credited, &enrollment)? {
            shares.push((enrollment, share));
        }
    }
    Ok(shares)
}

/// The uplines that earn from an event at a time, with the enrollment through which each earns. Uplines are those of that time. A level whose
/// affiliate cannot earn is left out, and nobody moves up to it.
pub(super) fn earning(
    context: &mut Context<'_>,
    occurred_at: Time,
    credited: &Enrollment,
    levels: &[UplineLevel],
) -> Result<Vec<(Arc<Enrollment>, UplineShare)>, Refusal> {
    let mut shares = Vec::new();
    let mut below = credited.affiliate_id;
    for (level, rate) in (1..).zip(levels) {
        let Some(upline_id) = affiliate(context, below)?.upline_at(occurred_at) else { break };
        below = upline_id;
        let enrollment = enrollment(context, occurred_at, credited.program_id, upline_id)?;
        if let Some(enrollment) = enrollment.filter(|_| rate.percent_ppm > 0) {
            let share = UplineShare { level, rate: *rate, credited_enrollment_id: credited.id };
            shares.push((enrollment, share));
        }
    }
    Ok(shares)
}

/// An affiliate, and those above it and their enrollments, which are looked up together.
fn affiliate(context: &mut Context<'_>, id: AffiliateId) -> Result<Arc<Affiliate>, Refusal> {
    let account_id = context.account_id;
    context.set.wanted().affiliate_with_uplines(account_id, &AffiliateSelector::Id(id));
    context.set.affiliate(account_id, &AffiliateSelector::Id(id)).cloned()
}

/// The enrollment through which an upline earns from an event: the one in this program, if it was there by then and could earn.
fn enrollment(
    context: &mut Context<'_>,
    occurred_at: Time,
    program_id: ProgramId,
    upline_id: AffiliateId,
) -> Result<Option<Arc<Enrollment>>, Refusal> {
    let account_id = context.account_id;
    affiliate(context, upline_id)?;
    let enrollment = context.set.enrollment_in(account_id, upline_id, program_id)?.cloned();
    let program = context.set.program(account_id, program_id)?;
    let may_earn = why_not_on_level(enrollment.as_deref(), program, occurred_at).is_none();
    Ok(enrollment.filter(|_| may_earn))
}

/// Whether the upline has a reward of the event that stands, or that a person denied.
fn has_reward(
    context: &Context<'_>,
    event: &Conversion,
    credited: &Enrollment,
    enrollment: &Enrollment,
) -> Result<bool, Refusal> {
    let stands = |reward: &Reward| match reward.state {
        RewardState::Denied => true,
        RewardState::Reversed => false,
        RewardState::Pending
        | RewardState::Held
        | RewardState::Frozen
        | RewardState::Approved
        | RewardState::InPayout
        | RewardState::Paid => reward.value.amount_minor != reward.reversed_minor,
    };
    let is_of_level = |reward: &Reward| {
        reward.reverses.is_none()
            && reward.enrollment_id == enrollment.id
            && reward.upline().is_some_and(|upline| upline.credited_enrollment_id == credited.id)
    };
    let rewards = context.set.rewards_of(context.account_id, event.id)?;
    Ok(rewards.into_iter().any(|reward| is_of_level(reward) && stands(reward)))
}
