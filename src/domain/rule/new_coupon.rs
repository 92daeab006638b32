//! Makes coupons: for AssignCoupon, for new enrollments, and for claims of offers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::dated_commission::{self, NewDatedCommission};
use super::program::check_commission;
use crate::domain::account::Account;
use crate::domain::commission::Commission;
use crate::domain::conversion::SaleChannel;
use crate::domain::coupon::{Coupon, CouponCount, CouponDetails, CouponRate, CouponState};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind, InProgram};
use crate::domain::id::{AccountId, CouponId, ItemId, OfferId, ProgramId};
use crate::domain::program::Program;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Adds the rows that [`make`] needs, except the count of the affiliate's coupons.
pub(super) fn needs_of_code(account: AccountId, code: &str, needs: &mut Needs) {
    needs.row::<Account>(account);
    needs.coupon_code(account, code);
}

/// The requested properties of a new coupon.
pub(super) struct NewCoupon<'request> {
    /// The field that has the code.
    pub(super) field: Field,
    pub(super) code: &'request str,
    pub(super) note: &'request str,
    pub(super) item_id: Option<ItemId>,
    pub(super) offer_id: Option<OfferId>,
    pub(super) validity: CouponValidity,
    pub(super) limits: UseLimits,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) rate: OwnRate,
    pub(super) dated_commission: Option<NewDatedCommission>,
}

/// A commission of a coupon's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnRate {
    /// `None`: the coupon has none.
    pub commission: Option<Commission>,
    /// The first moment at which it no longer counts.
    pub ends_at: Option<Time>,
}

impl<'request> NewCoupon<'request> {
    /// A coupon with a code and nothing else.
    pub(super) fn plain(field: Field, code: &'request str) -> Self {
        let (validity, limits, metadata) = (CouponValidity::default(), UseLimits::default(), BTreeMap::new());
        Self {
            field,
            code,
            note: "",
            item_id: None,
            offer_id: None,
            validity,
            limits,
            metadata,
            rate: OwnRate::default(),
            dated_commission: None,
        }
    }
}

/// When, and for which sales, a coupon is valid. The end is later than the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CouponValidity {
    /// From when on.
    pub starts_at: Option<Time>,
    /// Until when.
    pub ends_at: Option<Time>,
    /// In which channel; `None` for every channel.
    pub channel: Option<SaleChannel>,
}

/// How often a coupon may be used. 0: without limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UseLimits {
    /// In total.
    pub max_uses: i32,
    /// By one customer.
    pub max_uses_per_customer: i32,
}

/// Assigns a coupon to an enrollment.
pub(super) fn make(
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    wanted: NewCoupon<'_>,
) -> Result<Arc<Coupon>, Refusal> {
    code_is_free(context, wanted.field, wanted.code)?;
    check_rate(context, enrollment.program_id, wanted.rate)?;
    let mut dated_commissions = Vec::new();
    if let Some(dated) = &wanted.dated_commission {
        dated_commission::add(context, enrollment.program_id, &mut dated_commissions, dated)?;
    }
    let limit = context.set.account(context.account_id)?.max_active_coupons_per_affiliate;
    let count = context.set.coupon_count(context.account_id, enrollment.affiliate_id)?;
    if count.active_count >= limit {
        return Err(Refusal::CouponLimit { limit });
    }
    context.put(CouponCount { active_count: count.active_count + 1, ..count });
    let coupon = Coupon {
        id: CouponId::new(context.ids),
        account_id: context.account_id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        code: wanted.code.to_owned(),
        note: wanted.note.to_owned(),
        item_id: wanted.item_id,
        offer_id: wanted.offer_id,
        starts_at: wanted.validity.starts_at,
        ends_at: wanted.validity.ends_at,
        channel: wanted.validity.channel,
        max_uses: wanted.limits.max_uses,
        max_uses_per_customer: wanted.limits.max_uses_per_customer,
        details: CouponDetails { metadata: wanted.metadata, rates: first_rate(wanted.rate), dated_commissions },
        state: CouponState::Active,
        created_at: context.now,
        removed_at: None,
    };
    Ok(put(context, EventKind::CouponAssigned, coupon, enrollment.program_id))
}

/// The first version of a coupon's commission. It also counts for sales of before, as the coupon does.
fn first_rate(OwnRate { commission, ends_at }: OwnRate) -> Vec<CouponRate> {
    commission
        .map(|commission| CouponRate { starts_at: None, commission: Some(commission), ends_at })
        .into_iter()
        .collect()
}

/// Checks that a flat commission is in the currency of the program.
pub(super) fn check_rate(context: &Context<'_>, program_id: ProgramId, rate: OwnRate) -> Result<(), Refusal> {
    let Some(commission) = rate.commission else { return Ok(()) };
    check_commission(commission, context.get::<Program, _>(program_id)?.currency)
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

/// Writes a coupon and adds the event.
pub(super) fn put(context: &mut Context<'_>, kind: EventKind, coupon: Coupon, program_id: ProgramId) -> Arc<Coupon> {
    let coupon = context.put(coupon);
    context.tell(kind, EventImage::Coupon(InProgram { row: Arc::clone(&coupon), program_id }));
    coupon
}
