//! Coupons: codes that credit an affiliate.

use super::affiliate::AffiliateSelector;
use super::command::Outcome;
use super::decide::{About, Context};
use super::enrollment::{Enrollment, EnrollmentState};
use super::event::{EventType, NewEvent};
use super::id::{AccountId, AffiliateId, CouponId, EnrollmentId, ProgramId};
use super::refusal::{Refusal, Resource};
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::Changes;

text_enum! {
    /// The state of a coupon.
    CouponState {
        /// Credits its affiliate.
        Active = "active",
        /// Credits nobody.
        Removed = "removed",
    }
}

/// A code that credits an affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coupon {
    /// Its id.
    pub id: CouponId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The enrollment that it credits.
    pub enrollment_id: EnrollmentId,
    /// The affiliate that it credits.
    pub affiliate_id: AffiliateId,
    /// The code in capitals, unique among the account's active coupons.
    pub code: String,
    /// Free text.
    pub description: String,
    /// Its state.
    pub state: CouponState,
    /// When it was assigned.
    pub created_at: Time,
    /// When it was removed.
    pub removed_at: Option<Time>,
}

/// Assign a coupon.
#[derive(Debug, Clone)]
pub struct AssignCoupon {
    /// Which affiliate.
    pub affiliate: AffiliateSelector,
    /// The program; none for the account's default.
    pub program_id: Option<ProgramId>,
    /// The code in capitals.
    pub code: String,
    /// Free text.
    pub description: String,
}

/// Remove a coupon.
#[derive(Debug, Clone)]
pub struct RemoveCoupon {
    /// Which coupon.
    pub id: CouponId,
}

/// Gives an enrollment a coupon. `active_count` is how many active ones its affiliate has; `field` names the code in the request.
pub(super) fn make(
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    active_count: i64,
    field: &'static str,
    code: &str,
    description: &str,
    changes: &mut Changes,
) -> Result<Coupon, Refusal> {
    if let Some(other) = context.set.coupon_with_code(context.account_id, code)?
        && other.state == CouponState::Active
    {
        return Err(Refusal::AlreadyExists {
            field,
            value: code.to_owned(),
            resource: Resource::Coupon,
            resource_id: other.id.to_string(),
        });
    }
    let limit = context.set.account(context.account_id)?.max_active_coupons_per_affiliate;
    if active_count >= i64::from(limit) {
        return Err(Refusal::CouponLimit { limit });
    }
    let coupon = Coupon {
        id: CouponId::new(context.ids),
        account_id: context.account_id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        code: code.to_owned(),
        description: description.to_owned(),
        state: CouponState::Active,
        created_at: context.now,
        removed_at: None,
    };
    changes.events.push(event(context, EventType::CouponAssigned, &coupon, enrollment.program_id));
    changes.coupons.push(coupon.clone());
    Ok(coupon)
}

fn event(context: &mut Context<'_>, event_type: EventType, coupon: &Coupon, program_id: ProgramId) -> NewEvent {
    let about = About {
        subject_id: coupon.id.to_string(),
        program_id: Some(program_id),
        affiliate_id: Some(coupon.affiliate_id),
    };
    context.event(event_type, about)
}

pub(super) fn assign(context: &mut Context<'_>, command: &AssignCoupon) -> Result<(Outcome, Changes), Refusal> {
    let affiliate_id = context.set.affiliate(context.account_id, &command.affiliate)?.id;
    let program_id = context.set.active_program(context.account_id, command.program_id)?.id;
    let enrollment = context.set.enrollment_in(context.account_id, affiliate_id, program_id)?;
    let enrollment = enrollment.cloned().ok_or(Refusal::NotEnrolled { affiliate_id, program_id })?;
    if enrollment.state == EnrollmentState::Ended {
        return Err(Refusal::EnrollmentEnded { enrollment_id: enrollment.id });
    }
    let active_count = context.set.active_coupon_count(context.account_id, affiliate_id)?;
    let mut changes = Changes::default();
    let coupon = make(context, &enrollment, active_count, "code", &command.code, &command.description, &mut changes)?;
    Ok((Outcome::Coupon(Box::new(coupon)), changes))
}

pub(super) fn remove(context: &mut Context<'_>, command: &RemoveCoupon) -> Result<(Outcome, Changes), Refusal> {
    let coupon = context.set.coupon(context.account_id, command.id)?.clone();
    if coupon.state == CouponState::Removed {
        return Ok((Outcome::Coupon(Box::new(coupon)), Changes::default()));
    }
    let program_id = context.set.enrollment(context.account_id, coupon.enrollment_id)?.program_id;
    let coupon = Coupon { state: CouponState::Removed, removed_at: Some(context.now), ..coupon };
    let events = vec![event(context, EventType::CouponRemoved, &coupon, program_id)];
    let changes = Changes { coupons: vec![coupon.clone()], events, ..Changes::default() };
    Ok((Outcome::Coupon(Box::new(coupon)), changes))
}
