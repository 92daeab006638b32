//! ValidateCoupon, and why a coupon credits nobody.

use crate::domain::attribution::CandidateResult;
use crate::domain::conversion::SaleChannel;
use crate::domain::coupon::{Coupon, CouponTies, Purchase};
use crate::domain::item::ItemSelector;
use crate::domain::lead::{Lead, LeadSelector};
use crate::domain::upline_standing::why_not_earning;
use crate::error::Error;
use crate::pb;
use crate::rpc::call::parse::Fields;
use crate::rpc::call::{Call, selector};
use crate::store;

/// Judges a code as RecordSale would judge it now.
pub(in crate::rpc) async fn validate(
    call: Call,
    message: pb::ValidateCouponRequest,
) -> Result<pb::ValidateCouponResponse, Error> {
    let mut fields = Fields::default();
    let code = fields.wanted_coupon_code("code", &message.code);
    if code.is_none() {
        fields.wrong("code", "is required");
    }
    let item_sku = fields.key("item_sku", &message.item_sku).unwrap_or_default();
    let channel = fields.optional_value("channel", message.channel);
    let lead = selector::optional_lead(&mut fields, "lead", message.lead.as_ref());
    let code = fields.complete(code)?;
    let coupon = store::coupon::with_code(call.store(), call.account_id(), &code).await?;
    let fault = match &coupon {
        Some(coupon) => match fault_of(&call, coupon, &item_sku, channel).await? {
            None if coupon.has_limit() => reached_limit(&call, coupon, lead.as_ref()).await?,
            fault => fault,
        },
        None => Some(CandidateResult::Unknown),
    };
    Ok(pb::ValidateCouponResponse {
        valid: fault.is_none(),
        fault: fault.map_or(pb::CouponFault::Unspecified, fault_value).into(),
        coupon: coupon.as_ref().map(super::render),
    })
}

/// Why a coupon would not credit its affiliate with a sale now, if so.
async fn fault_of(
    call: &Call,
    coupon: &Coupon,
    item_sku: &str,
    channel: Option<SaleChannel>,
) -> Result<Option<CandidateResult>, Error> {
    let (store, account_id, now) = (call.store(), call.account_id(), call.asking().now);
    if coupon.is_removed_at(now) {
        return Ok(Some(CandidateResult::CouponRemoved));
    }
    let missing = || Error::Internal(format!("coupon {} leads to a row that is missing", coupon.id));
    let serving = store::enrollment::serving(store, account_id, coupon.enrollment_id, now).await?;
    let enrollment = serving.ok_or_else(missing)?;
    let program = store::program::find(store, account_id, enrollment.program_id).await?.ok_or_else(missing)?;
    if let Some(result) = why_not_earning(enrollment.standing_at(now), &program, now) {
        return Ok(Some(result));
    }
    let item = match coupon.item_id {
        Some(id) => store::item::find(store, account_id, &ItemSelector::Id(id)).await?,
        None => None,
    };
    let offer = match coupon.offer_id {
        Some(id) => store::offer::find(store, account_id, id).await?,
        None => None,
    };
    let ties = CouponTies { item: item.as_ref(), offer: offer.as_ref() };
    Ok(coupon.why_not_crediting(ties, Purchase { item_sku, line_skus: &[], channel, sold_at: now }))
}

/// The limit of uses that a coupon has reached, if so. A customer who is unknown has not used it.
async fn reached_limit(
    call: &Call,
    coupon: &Coupon,
    customer: Option<&LeadSelector>,
) -> Result<Option<CandidateResult>, Error> {
    let (store, account_id) = (call.store(), call.account_id());
    let in_total = store::coupon::use_count(store, account_id, coupon.id, None).await?;
    let lead = match customer {
        Some(customer) => store::lead::find(store, account_id, customer).await?,
        None => None,
    };
    let leads: Vec<_> = lead.iter().flat_map(Lead::own_and_merged_ids).collect();
    let of_customer = store::coupon::use_count(store, account_id, coupon.id, Some(&leads)).await?;
    Ok(coupon.reached_limit(in_total, of_customer))
}

/// The fault with which a coupon lost. The other results are none of a coupon; they say that it is not good now.
fn fault_value(result: CandidateResult) -> pb::CouponFault {
    match result {
        CandidateResult::CouponRemoved => pb::CouponFault::Removed,
        CandidateResult::CouponOfOtherItem => pb::CouponFault::OtherItem,
        CandidateResult::ProgramArchived => pb::CouponFault::ProgramArchived,
        CandidateResult::EnrollmentEnded => pb::CouponFault::EnrollmentEnded,
        CandidateResult::AffiliateNotActive => pb::CouponFault::AffiliateNotActive,
        CandidateResult::AgreementNotAccepted => pb::CouponFault::AgreementNotAccepted,
        CandidateResult::OfferOver => pb::CouponFault::OfferOver,
        CandidateResult::CouponNotYetValid => pb::CouponFault::NotYetValid,
        CandidateResult::CouponExpired => pb::CouponFault::Expired,
        CandidateResult::CouponOfOtherChannel => pb::CouponFault::OtherChannel,
        CandidateResult::CouponExhausted => pb::CouponFault::Exhausted,
        CandidateResult::CouponUsedByCustomer => pb::CouponFault::UsedByCustomer,
        CandidateResult::Unknown
        | CandidateResult::NotYetMade
        | CandidateResult::KindNotDeclared
        | CandidateResult::Won
        | CandidateResult::LowerPrecedence
        | CandidateResult::OtherClick
        | CandidateResult::OutsideWindow
        | CandidateResult::AfterConversion
        | CandidateResult::NotANewCustomer
        | CandidateResult::LinkRevoked => pb::CouponFault::Unknown,
    }
}

/// Why a coupon credits nobody with a sale, for people.
pub(in crate::rpc) const fn fault_text(result: CandidateResult) -> &'static str {
    match result {
        CandidateResult::CouponRemoved => "credits nobody, because the coupon was removed before the sale",
        CandidateResult::CouponOfOtherItem => "credits nobody, because the coupon is for another item than item_sku",
        CandidateResult::ProgramArchived => "credits nobody, because the coupon's program was archived before the sale",
        CandidateResult::EnrollmentEnded => "credits nobody, because the affiliate's enrollment ended before the sale",
        CandidateResult::AffiliateNotActive => {
            "credits nobody, because the affiliate was not active at the time of the sale"
        }
        CandidateResult::OfferOver => "credits nobody, because the coupon's offer was over before the sale",
        CandidateResult::NotYetMade => "credits nobody, because the coupon was assigned after the sale",
        CandidateResult::CouponNotYetValid => {
            "credits nobody, because the coupon was not yet valid at the time of the sale"
        }
        CandidateResult::CouponExpired => {
            "credits nobody, because the coupon was no longer valid at the time of the sale"
        }
        CandidateResult::CouponOfOtherChannel => {
            "credits nobody, because the coupon is for another channel than the sale's"
        }
        CandidateResult::CouponExhausted => "credits nobody, because the coupon was used as often as max_uses allows",
        CandidateResult::CouponUsedByCustomer => {
            "credits nobody, because the customer used the coupon as often as max_uses_per_customer allows"
        }
        CandidateResult::NotANewCustomer => {
            "credits nobody, because the customer had bought before, and the coupon's program pays for new customers only"
        }
        _ => "credits nobody, because no coupon of the account has this code",
    }
}
