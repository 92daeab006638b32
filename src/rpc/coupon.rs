//! Coupons on the wire. The folder has the call that judges a code.

mod validate;

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::dated_commission;
use super::enrollment;
use super::program::terms::{commission, optional_commission};
use crate::clock;
use crate::domain::affiliate::{AffiliateSelector, AffiliateState, Profile};
use crate::domain::coupon::Coupon;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{
    AssignCoupon, CodeHolder, CouponValidity, CreateAffiliate, IfMissing, NewEnrollment, OwnRate, RemoveCoupon,
    UpdateCoupon, UseLimits,
};
use crate::error::{Error, FieldPaths};
use crate::pb::{self, affiliate_selector::Selector};
use crate::store;
use crate::store::coupon::CouponQuery;
pub(super) use validate::{fault_text, validate};

/// The limits of uses that a coupon may have. Zero means none.
pub(super) const USES_MAX: RangeInclusive<i32> = 0..=1_000_000_000;
/// The same for the uses by one customer.
const USES_OF_ONE_MAX: RangeInclusive<i32> = 0..=10_000;

impl Change for pb::AssignCouponRequest {
    type Rule = AssignCoupon;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::EnrollmentId, "affiliate"),
        (Field::CommissionCurrency, "commission.flat.currency_code"),
        (Field::DatedCommissionCurrency, "dated_commission.commission.flat.currency_code"),
        (Field::DatedCommissionStartTime, "dated_commission.start_time"),
        (Field::DatedCommissionEndTime, "dated_commission.end_time"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::AssignCouponRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            code: canonical::coupon_code(&self.code),
            note: canonical::trimmed(&self.note),
            start_time: canonical::time(self.start_time.as_ref()),
            end_time: canonical::time(self.end_time.as_ref()),
            metadata: canonical::trimmed_values(&self.metadata),
            commission_end_time: canonical::time(self.commission_end_time.as_ref()),
            dated_commission: canonical::inside(self.dated_commission.as_ref(), dated_commission::canonical);
            as_sent: request_id, program_id, item, commission, create_affiliate_if_missing, channel, max_uses, max_uses_per_customer,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(AssignCoupon, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let absence = if self.create_affiliate_if_missing { Absence::MadeGoodOrWrong } else { Absence::Refused };
        let recipient = recipient(&mut fields, self.affiliate.as_ref(), absence);
        let program_id = fields.optional_id("program_id", &self.program_id);
        let item = selector::optional_item(&mut fields, "item", self.item.as_ref());
        let code = fields.new_coupon_code("code", &self.code);
        if self.code.trim().is_empty() {
            fields.wrong("code", "is required");
        }
        let note = fields.paragraph("note", &self.note);
        let validity = validity(&mut fields, self);
        let limits = UseLimits {
            max_uses: fields.number("max_uses", self.max_uses, USES_MAX),
            max_uses_per_customer: fields.number("max_uses_per_customer", self.max_uses_per_customer, USES_OF_ONE_MAX),
        };
        let metadata = fields.metadata("metadata", &self.metadata);
        let rate = own_rate(&mut fields, self.commission.as_ref(), self.commission_end_time.as_ref());
        let dated_commission = self.dated_commission.as_ref();
        let dated_commission = dated_commission.map(|sent| dated_commission::read(&mut fields, sent, "commission"));
        let (recipient, code) = fields.complete((recipient, code))?;
        let rule = AssignCoupon {
            recipient,
            program_id,
            item,
            code,
            note,
            validity,
            limits,
            metadata,
            rate,
            dated_commission,
        };
        Ok((rule, ()))
    }

    fn render(coupon: Arc<Coupon>, replayed: bool, (): (), _asking: &Asking) -> pb::AssignCouponResponse {
        pb::AssignCouponResponse { coupon: Some(render(&coupon)), replayed }
    }
}

fn validity(fields: &mut Fields, message: &pb::AssignCouponRequest) -> CouponValidity {
    let starts_at = fields.time("start_time", message.start_time.as_ref());
    let ends_at = fields.time("end_time", message.end_time.as_ref());
    if starts_at.zip(ends_at).is_some_and(|(starts_at, ends_at)| ends_at <= starts_at) {
        fields.wrong("end_time", "must be later than start_time");
    }
    CouponValidity { starts_at, ends_at, channel: fields.optional_value("channel", message.channel) }
}

/// The commission of a coupon's own.
fn own_rate(
    fields: &mut Fields,
    commission: Option<&pb::Commission>,
    end_time: Option<&prost_types::Timestamp>,
) -> OwnRate {
    let ends_at = fields.time("commission_end_time", end_time);
    if ends_at.is_some() && commission.is_none() {
        fields.wrong("commission_end_time", "needs a commission; send one, or leave this out");
    }
    OwnRate { commission: optional_commission(fields, "commission", commission), ends_at }
}

/// The words of a request about an affiliate that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absence {
    /// It is refused.
    Refused,
    /// It is created if it is named by external_id or email, and enrolled.
    MadeGood,
    /// The same, and the request must name it in one of these ways.
    MadeGoodOrWrong,
}

/// The affiliate that gets a coupon. It is required.
pub(super) fn recipient(
    fields: &mut Fields,
    sent: Option<&pb::AffiliateSelector>,
    absence: Absence,
) -> Option<CodeHolder> {
    let name = sent.and_then(|sent| sent.selector.as_ref());
    let may_be_new = matches!(name, None | Some(Selector::ExternalId(_) | Selector::Email(_)));
    if absence == Absence::MadeGoodOrWrong && !may_be_new {
        fields.wrong("create_affiliate_if_missing", "needs an affiliate that is named by external_id or email");
    }
    let affiliate = selector::affiliate(fields, "affiliate", sent)?;
    let if_missing = match (absence, &affiliate) {
        (Absence::Refused, _) => IfMissing::Refuse,
        (_, AffiliateSelector::ExternalId(external_id)) => newcomer(Some(external_id), ""),
        (_, AffiliateSelector::Email(email)) => newcomer(None, email),
        (Absence::MadeGood | Absence::MadeGoodOrWrong, _) => IfMissing::Enroll(Box::new(plain_enrollment())),
    };
    Some(CodeHolder { affiliate, if_missing })
}

/// The affiliate to create. Nobody gets its token, so the token is random and forgotten.
fn newcomer(external_id: Option<&String>, email: &str) -> IfMissing {
    let mut enrollment = plain_enrollment();
    enrollment.ref_id_stem = enrollment::ref_id_stem("", email);
    IfMissing::Create(Box::new(CreateAffiliate {
        external_id: external_id.cloned(),
        email: email.to_owned(),
        first_name: String::new(),
        last_name: String::new(),
        profile: Profile::default(),
        token_hash: clock::random_bytes(),
        password: None,
        state: AffiliateState::Active,
        email_verified: false,
        upline: None,
        group_id: None,
        skip_welcome: false,
        enrollment,
    }))
}

/// An enrollment with a generated ref_id.
fn plain_enrollment() -> NewEnrollment {
    enrollment::read_new(&mut Fields::default(), "", "", "", "", None, None)
}

pub(super) async fn list(call: Call, message: pb::ListCouponsRequest) -> Result<pb::ListCouponsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let code = fields.wanted_coupon_code("code", &message.code);
    let states = fields.values("states", &message.states);
    let item = selector::optional_item(&mut fields, "item", message.item.as_ref());
    let offer_id = fields.optional_id("offer_id", &message.offer_id);
    let metadata = fields.wanted_metadata("metadata", &message.metadata);
    if message.with_total_count && !message.metadata.is_empty() {
        fields.wrong("with_total_count", "cannot be sent with metadata, because all coupons would have to be read");
    }
    fields.finish()?;
    let filter =
        pb::ListCouponsRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let page = call.page_with(&metadata, &filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let item_id = match &item {
        Some(item) => Some(call.item(item).await?.id),
        None => None,
    };
    let query = CouponQuery { affiliate_id, code, item_id, offer_id, states, metadata };
    let found = store::coupon::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(found.rows.len()).await;
    let (coupons, next_page_token) =
        page.fill_until(found.rows, found.ended_at, |coupon| coupon.id.uuid(), |coupon| render(&coupon));
    let total_count = if message.with_total_count {
        Some(store::coupon::count(call.store(), call.account_id(), &query).await?)
    } else {
        None
    };
    Ok(pb::ListCouponsResponse { coupons, next_page_token, total_count })
}

pub(super) async fn get(call: Call, message: pb::GetCouponRequest) -> Result<pb::GetCouponResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("coupon_id", &message.coupon_id);
    let id = fields.complete(id)?;
    let found = store::coupon::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Coupon, id))?;
    let use_count = store::coupon::use_count(call.store(), call.account_id(), id, None).await?;
    Ok(pb::GetCouponResponse { coupon: Some(render(&found)), use_count: use_count.into() })
}

/// The fields that UpdateCoupon changes.
const UPDATED: [&str; 5] = ["note", "metadata", "max_uses", "max_uses_per_customer", "commission"];

impl Change for pb::UpdateCouponRequest {
    type Rule = UpdateCoupon;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::CouponId, "coupon.id"),
        (Field::CommissionCurrency, "coupon.commission.flat.currency_code"),
        (Field::DatedCommissionCurrency, "dated_commission.commission.flat.currency_code"),
        (Field::DatedCommissionStartTime, "dated_commission.start_time"),
        (Field::DatedCommissionEndTime, "dated_commission.end_time"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateCouponRequest,
            self,
            coupon: canonical::inside(self.coupon.as_ref(), |coupon| canonical_update(coupon, mask)),
            update_mask: mask.canonical(),
            dated_commission: canonical::inside(self.dated_commission.as_ref(), dated_commission::canonical);
            as_sent: request_id, withdraw_dated_commission,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateCoupon, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let withdraw_dated_commission =
            fields.number("withdraw_dated_commission", self.withdraw_dated_commission, 0..=i32::MAX);
        let dated_commission = self.dated_commission.as_ref();
        let dated_commission = dated_commission.map(|sent| dated_commission::read(&mut fields, sent, "commission"));
        let mask = self.update_mask.as_ref().filter(|mask| !mask.paths.is_empty());
        let paths = match mask {
            None if withdraw_dated_commission > 0 || dated_commission.is_some() => Vec::new(),
            mask => fields.update_mask(mask, &UPDATED),
        };
        let Some(values) = fields.required("coupon", self.coupon.as_ref()) else {
            return Err(fields.into_error());
        };
        let rule = fields.within("coupon", |fields| {
            let id = fields.id("id", &values.id);
            let note = paths.contains(&"note").then(|| fields.paragraph("note", &values.note));
            let has_metadata = paths.contains(&"metadata");
            let metadata = has_metadata.then(|| fields.metadata("metadata", &values.metadata));
            let has_max_uses = paths.contains(&"max_uses");
            let max_uses = has_max_uses.then(|| fields.number("max_uses", values.max_uses, USES_MAX));
            let of_one = values.max_uses_per_customer;
            let has_of_one = paths.contains(&"max_uses_per_customer");
            let max_uses_per_customer =
                has_of_one.then(|| fields.number("max_uses_per_customer", of_one, USES_OF_ONE_MAX));
            let has_rate = paths.contains(&"commission");
            let rate =
                has_rate.then(|| own_rate(fields, values.commission.as_ref(), values.commission_end_time.as_ref()));
            Some(UpdateCoupon {
                id: id?,
                note,
                metadata,
                max_uses,
                max_uses_per_customer,
                rate,
                dated_commission,
                withdraw_dated_commission,
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(coupon: Arc<Coupon>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateCouponResponse {
        pb::UpdateCouponResponse { coupon: Some(render(&coupon)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Coupon, mask: Mask<'_>) -> Cow<'message, pb::Coupon> {
    canonical!(
        pb::Coupon,
        sent,
        enrollment_id: canonical::unread(&sent.enrollment_id),
        affiliate_id: canonical::unread(&sent.affiliate_id),
        code: canonical::unread(&sent.code),
        note: mask.field("note", &sent.note, |text| canonical::trimmed(text)),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        remove_time: canonical::unread(&sent.remove_time),
        item_id: canonical::unread(&sent.item_id),
        offer_id: canonical::unread(&sent.offer_id),
        start_time: canonical::unread(&sent.start_time),
        end_time: canonical::unread(&sent.end_time),
        channel: canonical::unread(&sent.channel),
        max_uses: mask.field("max_uses", &sent.max_uses, |_| None),
        max_uses_per_customer: mask.field("max_uses_per_customer", &sent.max_uses_per_customer, |_| None),
        metadata: mask.field("metadata", &sent.metadata, canonical::trimmed_values),
        commission: mask.field("commission", &sent.commission, |_| None),
        commission_end_time: mask.field("commission", &sent.commission_end_time, |time| canonical::time(time.as_ref())),
        dated_commissions: canonical::unread(&sent.dated_commissions);
        as_sent: id,
    )
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
    pb::Coupon { code: String::new(), note: String::new(), metadata: Default::default(), ..render(coupon) }
}

/// A coupon as a message.
pub(super) fn render(coupon: &Coupon) -> pb::Coupon {
    let rate = coupon.details.newest_rate();
    pb::Coupon {
        id: coupon.id.to_string(),
        enrollment_id: coupon.enrollment_id.to_string(),
        affiliate_id: coupon.affiliate_id.to_string(),
        code: coupon.code.clone(),
        note: coupon.note.clone(),
        state: coupon.state.number(),
        create_time: Some(timestamp(coupon.created_at)),
        remove_time: coupon.removed_at.map(timestamp),
        item_id: id_or_empty(coupon.item_id),
        offer_id: id_or_empty(coupon.offer_id),
        start_time: coupon.starts_at.map(timestamp),
        end_time: coupon.ends_at.map(timestamp),
        channel: coupon.channel.map_or(0, WireEnum::number),
        metadata: coupon.details.metadata.clone(),
        max_uses: coupon.max_uses,
        max_uses_per_customer: coupon.max_uses_per_customer,
        commission: rate.and_then(|rate| rate.commission).map(commission),
        commission_end_time: rate.and_then(|rate| rate.ends_at).map(timestamp),
        dated_commissions: coupon.details.dated_commissions.iter().map(dated_commission::render).collect(),
    }
}
