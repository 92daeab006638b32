//! The rules of coupons.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::{Context, Rule};
use super::dated_commission::{self, NewDatedCommission};
use super::new_coupon::{CouponValidity, NewCoupon, OwnRate, UseLimits, check_rate, make, needs_of_code, put};
use super::newcomer::CodeHolder;
use super::offer;
use crate::domain::coupon::{Coupon, CouponCount, CouponState};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::EventKind;
use crate::domain::id::{AccountId, CouponId, ProgramId};
use crate::domain::item::ItemSelector;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Assign a coupon.
#[derive(Debug, Clone)]
pub struct AssignCoupon {
    /// The affiliate that the coupon credits.
    pub recipient: CodeHolder,
    /// The program; `None` for the account's default program.
    pub program_id: Option<ProgramId>,
    /// The item that the coupon is tied to.
    pub item: Option<ItemSelector>,
    /// The code, folded.
    pub code: String,
    /// Free text; may be empty.
    pub note: String,
    /// When, and for which sales, the coupon is valid.
    pub validity: CouponValidity,
    /// How often the coupon may be used.
    pub limits: UseLimits,
    /// The merchant's own texts by key.
    pub metadata: BTreeMap<String, String>,
    /// The commission of its own.
    pub rate: OwnRate,
    /// A commission of its own for a time.
    pub dated_commission: Option<NewDatedCommission>,
}

impl Rule for AssignCoupon {
    type Answer = Arc<Coupon>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        self.recipient.needs(account, needs);
        needs.program(account, self.program_id);
        if let Some(item) = &self.item {
            needs.item(account, item);
        }
        needs_of_code(account, &self.code, needs);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let enrollment = self.recipient.enrolled(context, self.program_id)?;
        let item_id = match &self.item {
            Some(item) => Some(context.set.active_item(context.account_id, item)?.id),
            None => None,
        };
        let wanted = NewCoupon {
            note: &self.note,
            item_id,
            validity: self.validity,
            limits: self.limits,
            metadata: self.metadata.clone(),
            rate: self.rate,
            dated_commission: self.dated_commission,
            ..NewCoupon::plain(Field::Code, &self.code)
        };
        make(context, &enrollment, wanted)
    }
}

/// Change a coupon.
#[derive(Debug, Clone)]
pub struct UpdateCoupon {
    /// The coupon to change.
    pub id: CouponId,
    /// Free text.
    pub note: Option<String>,
    /// The merchant's own texts by key.
    pub metadata: Option<BTreeMap<String, String>>,
    /// The limit of uses in total. 0: none.
    pub max_uses: Option<i32>,
    /// The limit of uses by one customer. 0: none.
    pub max_uses_per_customer: Option<i32>,
    /// The commission of its own, for sales from now on.
    pub rate: Option<OwnRate>,
    /// A commission for a time, which is added.
    pub dated_commission: Option<NewDatedCommission>,
    /// The number of a commission for a time that is withdrawn. 0: none.
    pub withdraw_dated_commission: i32,
}

impl Rule for UpdateCoupon {
    type Answer = Arc<Coupon>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Coupon>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let coupon = Arc::clone(context.get::<Coupon, _>(self.id)?);
        let program_id = context.get::<Enrollment, _>(coupon.enrollment_id)?.program_id;
        let note = self.note.as_ref().unwrap_or(&coupon.note).clone();
        let mut details = coupon.details.clone();
        if let Some(metadata) = &self.metadata {
            details.metadata.clone_from(metadata);
        }
        if let Some(rate) = self.rate {
            check_rate(context, program_id, rate)?;
            details.change_rate(rate.commission, rate.ends_at, context.now);
        }
        if self.withdraw_dated_commission > 0 {
            let (of, number) = ((Resource::Coupon, self.id), self.withdraw_dated_commission);
            dated_commission::withdraw(&mut details.dated_commissions, of, number, context.now)?;
        }
        if let Some(wanted) = &self.dated_commission {
            dated_commission::add(context, program_id, &mut details.dated_commissions, wanted)?;
        }
        let coupon = Coupon {
            note,
            max_uses: self.max_uses.unwrap_or(coupon.max_uses),
            max_uses_per_customer: self.max_uses_per_customer.unwrap_or(coupon.max_uses_per_customer),
            details,
            ..coupon.as_ref().clone()
        };
        Ok(put(context, EventKind::CouponUpdated, coupon, program_id))
    }
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
        let coupon = Arc::clone(context.get::<Coupon, _>(self.id)?);
        if coupon.state == CouponState::Removed {
            return Ok(coupon);
        }
        remove(context, &coupon)
    }
}

/// Removes a coupon that is active.
pub(super) fn remove(context: &mut Context<'_>, coupon: &Coupon) -> Result<Arc<Coupon>, Refusal> {
    let program_id = context.get::<Enrollment, _>(coupon.enrollment_id)?.program_id;
    let count = context.set.coupon_count(context.account_id, coupon.affiliate_id)?;
    context.put(CouponCount { active_count: count.active_count - 1, ..count });
    let removed = Coupon { state: CouponState::Removed, removed_at: Some(context.now), ..coupon.clone() };
    let removed = put(context, EventKind::CouponRemoved, removed, program_id);
    if let Some(offer_id) = removed.offer_id {
        offer::give_claim_back(context, offer_id, removed.affiliate_id)?;
    }
    Ok(removed)
}
