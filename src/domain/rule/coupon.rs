//! The rules of coupons.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::account::Account;
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::coupon::{Coupon, CouponState};
use crate::domain::enrollment::{Enrollment, EnrollmentState};
use crate::domain::event::{EventImage, EventKind, InProgram};
use crate::domain::id::{AccountId, CouponId, ProgramId};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Assign a coupon.
#[derive(Debug, Clone)]
pub struct AssignCoupon {
    /// The affiliate that the coupon credits.
    pub affiliate: AffiliateSelector,
    /// The program; `None` for the account's default program.
    pub program_id: Option<ProgramId>,
    /// The code, folded.
    pub code: String,
    /// Free text; may be empty.
    pub note: String,
}

impl Rule for AssignCoupon {
    type Answer = Arc<Coupon>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        needs.program(account, self.program_id);
        needs.coupon_count(account, &self.affiliate);
        needs_of_code(account, &self.code, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let affiliate_id = context.set.affiliate(context.account_id, &self.affiliate)?.id;
        let program_id = context.set.active_program(context.account_id, self.program_id)?.id;
        let enrollment = context.set.enrollment_in(context.account_id, affiliate_id, program_id)?;
        let enrollment = Arc::clone(enrollment.ok_or(Refusal::NotEnrolled { affiliate_id, program_id })?);
        if enrollment.state == EnrollmentState::Ended {
            return Err(Refusal::EnrollmentEnded { enrollment_id: enrollment.id });
        }
        make(context, &enrollment, Field::Code, &self.code, &self.note)
    }
}

/// Adds the rows that [`make`] needs, except the count of the affiliate's coupons.
pub(super) fn needs_of_code(account: AccountId, code: &str, needs: &mut Needs) {
    needs.row::<Account>(account);
    needs.coupon_code(account, code);
}

/// Assigns a coupon to an enrollment.
pub(super) fn make(
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    field: Field,
    code: &str,
    note: &str,
) -> Result<Arc<Coupon>, Refusal> {
    code_is_free(context, field, code)?;
    let limit = context.set.account(context.account_id)?.max_active_coupons_per_affiliate;
    if context.set.active_coupon_count(context.account_id, enrollment.affiliate_id)? >= i64::from(limit) {
        return Err(Refusal::CouponLimit { limit });
    }
    let coupon = Coupon {
        id: CouponId::new(context.ids),
        account_id: context.account_id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        code: code.to_owned(),
        note: note.to_owned(),
        state: CouponState::Active,
        created_at: context.now,
        removed_at: None,
    };
    Ok(put(context, EventKind::CouponAssigned, coupon, enrollment.program_id))
}

/// Checks that no active coupon has the code. A removed coupon's code may be assigned again.
fn code_is_free(context: &Context<'_>, field: Field, code: &str) -> Result<(), Refusal> {
    let coupons = context.set.coupons_with_code(context.account_id, code)?;
    match coupons.into_iter().find(|other| other.state == CouponState::Active) {
        Some(other) => Err(Refusal::AlreadyExists {
            field,
            value: code.to_owned(),
            resource: Resource::Coupon,
            resource_id: other.id.to_string(),
        }),
        None => Ok(()),
    }
}

fn put(context: &mut Context<'_>, kind: EventKind, coupon: Coupon, program_id: ProgramId) -> Arc<Coupon> {
    let coupon = context.put(coupon);
    context.tell(kind, EventImage::Coupon(InProgram { row: Arc::clone(&coupon), program_id }));
    coupon
}

/// Remove a coupon.
#[derive(Debug, Clone)]
pub struct RemoveCoupon {
    /// The coupon to remove.
    pub id: CouponId,
}

impl Rule for RemoveCoupon {
    type Answer = Arc<Coupon>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Coupon>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let coupon = context.get::<Coupon, _>(self.id)?;
        if coupon.state == CouponState::Removed {
            return Ok(Arc::clone(coupon));
        }
        let program_id = context.get::<Enrollment, _>(coupon.enrollment_id)?.program_id;
        let removed = Coupon { state: CouponState::Removed, removed_at: Some(context.now), ..coupon.as_ref().clone() };
        Ok(put(context, EventKind::CouponRemoved, removed, program_id))
    }
}
