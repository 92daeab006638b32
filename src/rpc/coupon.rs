//! Coupons on the wire.

use super::parse::{Fields, KEY_LENGTH_MAX};
use super::render::timestamp;
use super::wire_enum::WireEnum;
use super::{Call, page, selector, unexpected_outcome};
use crate::domain::command::{Command, Outcome};
use crate::domain::coupon::{AssignCoupon, Coupon, RemoveCoupon};
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::coupon::CouponQuery;

pub(super) async fn assign(call: Call, message: pb::AssignCouponRequest) -> Result<pb::AssignCouponResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let affiliate = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let program_id = fields.optional_id("program_id", &message.program_id);
    let code = fields.new_code("code", &message.code).map(|code| code.to_ascii_uppercase());
    if message.code.trim().is_empty() {
        fields.wrong("code", "is required");
    }
    let description = fields.paragraph("description", &message.description);
    let (Some(affiliate), Some(code)) = (affiliate, code) else { return Err(fields.into_error()) };
    fields.finish()?;
    let command = AssignCoupon { affiliate, program_id, code, description };
    let answer = call.submit(fingerprint, Command::AssignCoupon(command)).await?;
    let Outcome::Coupon(coupon) = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::AssignCouponResponse { coupon: Some(render(&coupon)), replayed: answer.replayed })
}

pub(super) async fn list(call: Call, message: pb::ListCouponsRequest) -> Result<pb::ListCouponsResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let code = fields.line("code", &message.code, KEY_LENGTH_MAX).to_uppercase();
    let state = fields.optional_value("state", message.state);
    fields.finish()?;
    let filter = pb::ListCouponsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, size, &message.page_token)?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = CouponQuery { affiliate_id, code: (!code.is_empty()).then_some(code), state };
    let mut coupons = store::coupon::list(call.store(), call.account_id(), &query, page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut coupons, |coupon| coupon.id.uuid());
    Ok(pb::ListCouponsResponse { coupons: coupons.iter().map(render).collect(), next_page_token })
}

pub(super) async fn remove(call: Call, message: pb::RemoveCouponRequest) -> Result<pb::RemoveCouponResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let Some(id) = fields.id("coupon_id", &message.coupon_id) else { return Err(fields.into_error()) };
    fields.finish()?;
    let answer = call.submit(fingerprint, Command::RemoveCoupon(RemoveCoupon { id })).await?;
    let Outcome::Coupon(coupon) = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::RemoveCouponResponse { coupon: Some(render(&coupon)), replayed: answer.replayed })
}

/// A coupon as it stands in messages.
pub(super) fn render(coupon: &Coupon) -> pb::Coupon {
    pb::Coupon {
        id: coupon.id.to_string(),
        enrollment_id: coupon.enrollment_id.to_string(),
        affiliate_id: coupon.affiliate_id.to_string(),
        code: coupon.code.clone(),
        description: coupon.description.clone(),
        state: coupon.state.number(),
        create_time: Some(timestamp(coupon.created_at)),
        remove_time: coupon.removed_at.map(timestamp),
    }
}
