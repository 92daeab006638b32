//! Coupons on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use crate::domain::coupon::Coupon;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{AssignCoupon, RemoveCoupon};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::coupon::CouponQuery;

impl Change for pb::AssignCouponRequest {
    type Rule = AssignCoupon;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::EnrollmentId, "affiliate")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::AssignCouponRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            code: canonical::coupon_code(&self.code),
            note: canonical::trimmed(&self.note);
            as_sent: request_id, program_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(AssignCoupon, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let program_id = fields.optional_id("program_id", &self.program_id);
        let code = fields.new_coupon_code("code", &self.code);
        if self.code.trim().is_empty() {
            fields.wrong("code", "is required");
        }
        let note = fields.paragraph("note", &self.note);
        let (affiliate, code) = fields.complete((affiliate, code))?;
        Ok((AssignCoupon { affiliate, program_id, code, note }, ()))
    }

    fn render(coupon: Arc<Coupon>, replayed: bool, (): (), _asking: &Asking) -> pb::AssignCouponResponse {
        pb::AssignCouponResponse { coupon: Some(render(&coupon)), replayed }
    }
}

pub(super) async fn list(call: Call, message: pb::ListCouponsRequest) -> Result<pb::ListCouponsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let code = fields.wanted_coupon_code("code", &message.code);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListCouponsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = CouponQuery { affiliate_id, code, states };
    let coupons = store::coupon::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(coupons.len()).await;
    let (coupons, next_page_token) = page.fill(coupons, |coupon| coupon.id.uuid(), |coupon| render(&coupon));
    Ok(pb::ListCouponsResponse { coupons, next_page_token })
}

pub(super) async fn get(call: Call, message: pb::GetCouponRequest) -> Result<pb::GetCouponResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("coupon_id", &message.coupon_id);
    let id = fields.complete(id)?;
    let found = store::coupon::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Coupon, id))?;
    Ok(pb::GetCouponResponse { coupon: Some(render(&found)) })
}

impl Change for pb::RemoveCouponRequest {
    type Rule = RemoveCoupon;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::RemoveCouponRequest, self; as_sent: request_id, coupon_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(RemoveCoupon, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("coupon_id", &self.coupon_id);
        Ok((RemoveCoupon { id: fields.complete(id)? }, ()))
    }

    fn render(coupon: Arc<Coupon>, replayed: bool, (): (), _asking: &Asking) -> pb::RemoveCouponResponse {
        pb::RemoveCouponResponse { coupon: Some(render(&coupon)), replayed }
    }
}

/// The coupon as stored in the feed, without personal data.
pub(super) fn image(coupon: &Coupon) -> pb::Coupon {
    pb::Coupon { code: String::new(), note: String::new(), ..render(coupon) }
}

/// A coupon as a message.
pub(super) fn render(coupon: &Coupon) -> pb::Coupon {
    pb::Coupon {
        id: coupon.id.to_string(),
        enrollment_id: coupon.enrollment_id.to_string(),
        affiliate_id: coupon.affiliate_id.to_string(),
        code: coupon.code.clone(),
        note: coupon.note.clone(),
        state: coupon.state.number(),
        create_time: Some(timestamp(coupon.created_at)),
        remove_time: coupon.removed_at.map(timestamp),
    }
}
