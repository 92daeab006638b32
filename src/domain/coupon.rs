//! Coupons: codes that credit an affiliate.

use std::collections::BTreeMap;

use super::attribution::CandidateResult;
use super::commission::Commission;
use super::conversion::SaleChannel;
use super::dated_commission::{self, DatedCommission, OwnCommission};
use super::id::{AccountId, AffiliateId, CouponId, EnrollmentId, ItemId, LeadId, OfferId};
use super::item::Item;
use super::offer::Offer;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a coupon.
    CouponState {
        /// The coupon credits its affiliate.
        Active = "active",
        /// The coupon credits nobody.
        Removed = "removed",
    }
}

/// What few coupons have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CouponDetails {
    /// The merchant's own texts by key.
    pub metadata: BTreeMap<String, String>,
    /// The versions of the coupon's own commission, earliest first. Sales are judged by that of their time.
    pub rates: Vec<CouponRate>,
    /// The commissions of the coupon's own for a time, in the order in which they were made.
    pub dated_commissions: Vec<DatedCommission>,
}

/// How many versions of a commission are kept. When there are more, the oldest one is dropped, and the next one counts for its time too.
const RATES_MAX: usize = 500;

/// A version of a coupon's own commission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CouponRate {
    /// `None`: from the beginning.
    pub starts_at: Option<Time>,
    /// `None`: the coupon has none.
    pub commission: Option<Commission>,
    /// The first moment at which the commission no longer counts.
    pub ends_at: Option<Time>,
}

impl CouponDetails {
    /// The coupon's own commission at a time, with its number and times.
    pub fn own_commission_at(&self, time: Time) -> OwnCommission {
        dated_commission::own_at(&self.dated_commissions, time, self.rate_at(time))
    }

    /// The commission without dates at a time. One that has ended counts as none that was there from the beginning, so that it gives way to all others.
    fn rate_at(&self, time: Time) -> OwnCommission {
        let place = self.rates.partition_point(|rate| rate.starts_at.is_none_or(|start| start <= time));
        let rate = place.checked_sub(1).and_then(|place| self.rates.get(place));
        let Some(rate) = rate.filter(|rate| rate.ends_at.is_none_or(|end| time < end)) else {
            return OwnCommission::default();
        };
        let next_at = self.rates.get(place).and_then(|next| next.starts_at);
        let ends_at = [rate.ends_at, next_at].into_iter().flatten().min();
        OwnCommission { commission: rate.commission, number: 0, starts_at: rate.starts_at, ends_at }
    }

    /// The newest version. It may have ended.
    pub fn newest_rate(&self) -> Option<&CouponRate> {
        self.rates.last()
    }

    /// Adds a version that counts from now on, unless it is the one that counts.
    pub fn change_rate(&mut self, commission: Option<Commission>, ends_at: Option<Time>, now: Time) {
        let newest = self.rates.last().map_or((None, None), |rate| (rate.commission, rate.ends_at));
        if newest == (commission, ends_at) {
            return;
        }
        // The server's clock may have been set back, and the versions must stay in order.
        let starts_at = self.rates.last().and_then(|rate| rate.starts_at).map_or(now, |last| last.max(now));
        self.rates.push(CouponRate { starts_at: Some(starts_at), commission, ends_at });
        if self.rates.len() > RATES_MAX {
            self.rates.remove(0);
            if let Some(first) = self.rates.first_mut() {
                first.starts_at = None;
            }
        }
    }
}

/// A code that credits an affiliate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Coupon {
    pub id: CouponId,
    pub account_id: AccountId,
    /// The enrollment that the coupon credits.
    pub enrollment_id: EnrollmentId,
    /// The affiliate that the coupon credits.
    pub affiliate_id: AffiliateId,
    /// The code, folded: in capitals and in one spelling. Unique among the account's active coupons.
    pub code: String,
    pub note: String,
    /// The item that the coupon is tied to. It never changes, because sales that are told late are judged by it.
    pub item_id: Option<ItemId>,
    /// The offer that was claimed with the coupon.
    pub offer_id: Option<OfferId>,
    /// The time from which on the coupon is valid. Like the next two fields it never changes.
    pub starts_at: Option<Time>,
    /// The time from which on the coupon is no longer valid.
    pub ends_at: Option<Time>,
    /// The channel of the sales that the coupon credits; `None` for every channel.
    pub channel: Option<SaleChannel>,
    /// The limit of uses in total. 0: none.
    pub max_uses: i32,
    /// The limit of uses by one customer. 0: none.
    pub max_uses_per_customer: i32,
    pub details: CouponDetails,
    pub state: CouponState,
    pub created_at: Time,
    pub removed_at: Option<Time>,
}

impl Coupon {
    /// The coupon as it is kept in answers, see `Affiliate::without_personal_data`.
    pub fn without_personal_data(&self) -> Self {
        Self { note: String::new(), details: CouponDetails::default(), ..self.clone() }
    }

    /// Whether the coupon has a limit of uses, so that they are counted.
    pub const fn has_limit(&self) -> bool {
        self.max_uses > 0 || self.max_uses_per_customer > 0
    }

    /// The limit that the coupon has reached if it was used so often, in total and by the customer.
    pub const fn reached_limit(&self, use_count: i32, use_count_of_customer: i32) -> Option<CandidateResult> {
        if self.max_uses > 0 && use_count >= self.max_uses {
            Some(CandidateResult::CouponExhausted)
        } else if self.max_uses_per_customer > 0 && use_count_of_customer >= self.max_uses_per_customer {
            Some(CandidateResult::CouponUsedByCustomer)
        } else {
            None
        }
    }

    /// The commission of the coupon's own at a time, of the coupons that have or had one code, in the order in which they were made: that of
    /// the one that had it then, if it is this affiliate's.
    pub fn own_commission<'row>(
        coupons: impl IntoIterator<Item = &'row Self>,
        affiliate_id: AffiliateId,
        time: Time,
    ) -> Option<OwnCommission> {
        let had_it = coupons.into_iter().find(|coupon| !coupon.is_removed_at(time))?;
        (had_it.affiliate_id == affiliate_id).then(|| had_it.details.own_commission_at(time))
    }

    /// Whether the coupon was removed at a time.
    pub fn is_removed_at(&self, time: Time) -> bool {
        self.removed_at.is_some_and(|removed_at| removed_at <= time)
    }
}

/// What a coupon is tied to.
#[derive(Debug, Clone, Copy, Default)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponTies<'row> {
    pub item: Option<&'row Item>,
    pub offer: Option<&'row Offer>,
}

/// The sale that a coupon is used for.
#[derive(Debug, Clone, Copy)]
pub struct Purchase<'sale> {
    /// The SKU of the item; empty if none was named.
    pub item_sku: &'sale str,
    /// The SKUs of its lines.
    pub line_skus: &'sale [String],
    /// The channel; `None` for events that are no sales.
    pub channel: Option<SaleChannel>,
    /// When it happened.
    pub sold_at: Time,
}

impl Purchase<'_> {
    /// Whether the sale names items, and this is none of them.
    fn is_of_others(&self, sku: &str) -> bool {
        if self.item_sku.is_empty() {
            !self.line_skus.is_empty() && !self.line_skus.iter().any(|of_line| of_line == sku)
        } else {
            self.item_sku != sku
        }
    }
}

impl Coupon {
    /// Why the coupon, which has these ties, does not credit a sale, if so. A sale that names no item counts as one of the coupon's item,
    /// because the code itself says which item it is for.
    pub fn why_not_crediting(&self, ties: CouponTies<'_>, purchase: Purchase<'_>) -> Option<CandidateResult> {
        let Purchase { channel, sold_at, .. } = purchase;
        if self.starts_at.is_some_and(|starts_at| sold_at < starts_at) {
            Some(CandidateResult::CouponNotYetValid)
        } else if self.ends_at.is_some_and(|ends_at| ends_at <= sold_at) {
            Some(CandidateResult::CouponExpired)
        } else if ties.item.is_some_and(|item| purchase.is_of_others(&item.sku)) {
            Some(CandidateResult::CouponOfOtherItem)
        } else if self.channel.zip(channel).is_some_and(|(own, of_sale)| own != of_sale) {
            Some(CandidateResult::CouponOfOtherChannel)
        } else if ties.offer.is_some_and(|offer| offer.is_over_at(sold_at)) {
            Some(CandidateResult::OfferOver)
        } else {
            None
        }
    }
}

/// How many active coupons an affiliate has. It is a row, so that assigning a coupon counts none of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponCount {
    pub account_id: AccountId,
    pub affiliate_id: AffiliateId,
    pub active_count: i32,
}

/// How often a coupon was used. It is a row, so that a sale counts none of the others. It is not in the coupon's own row, which is
/// cached and would have to be read again after each use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct CouponUses {
    pub account_id: AccountId,
    pub coupon_id: CouponId,
    /// By this customer; `None` for the number in total.
    pub lead_id: Option<LeadId>,
    pub use_count: i32,
}
