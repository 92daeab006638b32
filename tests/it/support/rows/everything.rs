//! One row of every kind, in a set.

use super::*;

/// Puts in one row of each kind except the account, a refund of the sale, and a refund that waits.
pub(crate) fn put_everything(set: &mut WorkingSet) {
    let (sold, refunded) = (sale(1), refund(2, ConversionOutcome::Attributed));
    let earned = reward(1, &sold, None);
    set.put(api_key());
    set.put(mail());
    set.put(audit_entry());
    set.put(program());
    set.put(terms());
    set.put(inactive_affiliate());
    set.put(enrollment());
    set.put(link());
    set.put(coupon(1, "ADA10", CouponState::Active));
    set.put(tied_coupon(2));
    set.put(coupon_count());
    set.put(limited_coupon(3));
    set.put(coupon_uses());
    set.put(CouponUses { lead_id: None, ..coupon_uses() });
    set.put(tallies::tally());
    set.put(tallies::tally_of_program());
    set.put(ladders::tally());
    set.put(sales::tally());
    set.put(affiliate_group());
    set.put(item());
    set.put(offer());
    set.put(payout());
    set.put(payout_attempt());
    set.put(payout_purse());
    set.put(reopened_payout());
    set.put(payout_document());
    set.put(draft_document());
    set.put(payout_document_count());
    set.put(invoiced_payout());
    set.put(payout_run());
    set.put(planned_payout_run());
    set.put(payout_schedule());
    set.put(archived_payout_schedule());
    set.put(payout_export());
    set.put(cancelled_payout_run());
    set.put(payout_method());
    set.put(payout_connection());
    set.put(tax_profile());
    set.put(billing_profile());
    set.put(offer_claims());
    set.put(bounty());
    set.put(submission());
    set.put(submission_count());
    set.put(click(1, ClickId::from_uuid(uuid(1))));
    set.put(click(1, ClickId::from_uuid(uuid(1))).as_first());
    set.put(paid_click());
    set.put(counted_click());
    set.put(fraud_note());
    set.put(reward_of_click(4));
    set.put(lead());
    set.put(unmatched_sale(&sold));
    set.put(request("sale", "order-1", sold.id.uuid()));
    set.put(reward(2, &refunded, Some(earned.id)));
    set.put(earned);
    set.put(Reward { payout_id: Some(payout().id), ..reward_by_hand(3) });
    set.put(sold);
    set.put(refunded);
    let waiting = refund(3, ConversionOutcome::Waiting);
    set.put(waiting_refund(&waiting));
    set.put(waiting);
}
