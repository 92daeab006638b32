//! Uses of coupons that have a limit. A use is a sale that was told with the code while the coupon could credit it, whoever got the
//! credit. It is counted once, when the sale is told, and never given back, so the number only grows and never passes the limit. A sale
//! that found the coupon exhausted is never credited by it, however often it is judged again.

use std::sync::Arc;

use super::attribution::{self, Referral};
use super::context::Context;
use crate::domain::attribution::CandidateResult;
use crate::domain::conversion::Conversion;
use crate::domain::coupon::{Coupon, CouponUses};
use crate::domain::lead::Lead;
use crate::domain::refusal::Refusal;
use crate::domain::time::Time;

/// Whether the limits of a sale's coupon let the sale use it.
pub(super) enum Allowance {
    /// There is no coupon with a limit that could credit the sale.
    Unlimited,
    /// The sale may use the coupon.
    Free(Arc<Coupon>),
    /// The coupon has reached this limit.
    Spent(CandidateResult),
}

/// Compares the limits of a sale's coupon with its uses. `known` is the lead of the customer.
pub(super) fn allowance(
    context: &mut Context<'_>,
    referral: &Referral,
    known: Option<&Lead>,
    occurred_at: Time,
) -> Result<Allowance, Refusal> {
    let coupon = attribution::limited_coupon(context.set, context.account_id, referral, occurred_at)?;
    let Some(coupon) = coupon else { return Ok(Allowance::Unlimited) };
    let in_total = context.set.coupon_uses(&coupon, None)?.use_count;
    let mut of_customer = 0;
    if let Some(lead) = known.filter(|_| coupon.max_uses_per_customer > 0) {
        // The uses of leads that were merged into this one were its own.
        for lead_id in lead.own_and_merged_ids() {
            context.set.wanted().row::<CouponUses>((coupon.account_id, coupon.id, Some(lead_id)));
        }
        for lead_id in lead.own_and_merged_ids() {
            of_customer = context.set.coupon_uses(&coupon, Some(lead_id))?.use_count.saturating_add(of_customer);
        }
    }
    Ok(match coupon.reached_limit(in_total, of_customer) {
        Some(result) => Allowance::Spent(result),
        None => Allowance::Free(coupon),
    })
}

/// Counts the use of a sale's coupon, if it has a limit. The sale's customer must be known by now, and the sale not be written yet,
/// because its event has all of it.
pub(super) fn count(context: &mut Context<'_>, sale: &mut Conversion) -> Result<(), Refusal> {
    let Some(coupon_use) = &mut sale.order.coupon_use else { return Ok(()) };
    let coupon = Arc::clone(context.get::<Coupon, _>(coupon_use.coupon_id)?);
    coupon_use.lead_id = sale.lead_id.filter(|_| coupon.max_uses_per_customer > 0);
    for counted in [Some(None), coupon_use.lead_id.map(Some)].into_iter().flatten() {
        let uses = context.set.coupon_uses(&coupon, counted)?;
        context.put(CouponUses { use_count: uses.use_count.saturating_add(1), ..uses });
    }
    Ok(())
}
