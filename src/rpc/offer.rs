//! Offers on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::coupon::{self, Absence, USES_MAX};
use crate::clock;
use crate::domain::claim::ClaimOutcome;
use crate::domain::offer::Offer;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ArchiveOffer, ClaimOffer, CreateOffer, UpdateOffer};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::offer::OfferQuery;

const CLAIMS_MAX: std::ops::RangeInclusive<i32> = 0..=1_000_000_000;
/// No affiliate can have more active coupons.
const CLAIMS_OF_ONE_MAX: std::ops::RangeInclusive<i32> = 0..=10_000;
/// The number of random characters in a generated code.
const CODE_SUFFIX_LENGTH: usize = 8;

impl Change for pb::CreateOfferRequest {
    type Rule = CreateOffer;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateOfferRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            about: canonical::trimmed(&self.about),
            code_prefix: canonical::coupon_code(&self.code_prefix),
            start_time: canonical::time(self.start_time.as_ref()),
            end_time: canonical::time(self.end_time.as_ref());
            as_sent: request_id, program_id, item, max_claims, max_claims_per_affiliate, max_uses_per_coupon,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateOffer, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let rule = CreateOffer {
            program_id: fields.optional_id("program_id", &self.program_id),
            display_name: fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX),
            about: fields.paragraph("about", &self.about),
            item: selector::optional_item(&mut fields, "item", self.item.as_ref()),
            code_prefix: fields.coupon_code_prefix("code_prefix", &self.code_prefix),
            starts_at: fields.time("start_time", self.start_time.as_ref()),
            ends_at: fields.time("end_time", self.end_time.as_ref()),
            max_claims: fields.number("max_claims", self.max_claims, CLAIMS_MAX),
            max_claims_per_affiliate: fields.number(
                "max_claims_per_affiliate",
                self.max_claims_per_affiliate,
                CLAIMS_OF_ONE_MAX,
            ),
            max_uses_per_coupon: fields.number("max_uses_per_coupon", self.max_uses_per_coupon, USES_MAX),
        };
        fields.finish()?;
        Ok((rule, ()))
    }

    fn render(offer: Arc<Offer>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateOfferResponse {
        pb::CreateOfferResponse { offer: Some(render(&offer)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetOfferRequest) -> Result<pb::GetOfferResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("offer_id", &message.offer_id);
    let id = fields.complete(id)?;
    let found = store::offer::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Offer, id))?;
    Ok(pb::GetOfferResponse { offer: Some(render(&found)) })
}

pub(super) async fn list(call: Call, message: pb::ListOffersRequest) -> Result<pb::ListOffersResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let program_id = fields.optional_id("program_id", &message.program_id);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter =
        pb::ListOffersRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let query = OfferQuery { program_id, states };
    let offers = store::offer::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(offers.len()).await;
    let (offers, next_page_token) = page.fill(offers, |offer| offer.id.uuid(), |offer| render(&offer));
    let total_count = if message.with_total_count {
        Some(store::offer::count(call.store(), call.account_id(), &query).await?)
    } else {
        None
    };
    Ok(pb::ListOffersResponse { offers, next_page_token, total_count })
}

/// The fields that UpdateOffer changes.
const UPDATED: [&str; 7] = [
    "display_name",
    "about",
    "start_time",
    "end_time",
    "max_claims",
    "max_claims_per_affiliate",
    "max_uses_per_coupon",
];

impl Change for pb::UpdateOfferRequest {
    type Rule = UpdateOffer;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::OfferId, "offer.id"), (Field::EndTime, "offer.end_time")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateOfferRequest,
            self,
            offer: canonical::inside(self.offer.as_ref(), |offer| canonical_update(offer, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateOffer, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &UPDATED);
        let Some(values) = fields.required("offer", self.offer.as_ref()) else {
            return Err(fields.into_error());
        };
        let has = |path: &str| paths.contains(&path);
        let rule = fields.within("offer", |fields| {
            let id = fields.id("id", &values.id);
            let display_name = has("display_name")
                .then(|| fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let about = has("about").then(|| fields.paragraph("about", &values.about));
            let starts_at = has("start_time").then(|| fields.time("start_time", values.start_time.as_ref()));
            let ends_at = has("end_time").then(|| fields.time("end_time", values.end_time.as_ref()));
            let max_claims = has("max_claims").then(|| fields.number("max_claims", values.max_claims, CLAIMS_MAX));
            let max_claims_per_affiliate = has("max_claims_per_affiliate")
                .then(|| fields.number("max_claims_per_affiliate", values.max_claims_per_affiliate, CLAIMS_OF_ONE_MAX));
            let max_uses_per_coupon = has("max_uses_per_coupon")
                .then(|| fields.number("max_uses_per_coupon", values.max_uses_per_coupon, USES_MAX));
            Some(UpdateOffer {
                id: id?,
                display_name,
                about,
                starts_at,
                ends_at,
                max_claims,
                max_claims_per_affiliate,
                max_uses_per_coupon,
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(offer: Arc<Offer>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateOfferResponse {
        pb::UpdateOfferResponse { offer: Some(render(&offer)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Offer, mask: Mask<'_>) -> Cow<'message, pb::Offer> {
    let per_affiliate = &sent.max_claims_per_affiliate;
    canonical!(
        pb::Offer,
        sent,
        program_id: canonical::unread(&sent.program_id),
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        about: mask.field("about", &sent.about, |text| canonical::trimmed(text)),
        item_id: canonical::unread(&sent.item_id),
        code_prefix: canonical::unread(&sent.code_prefix),
        start_time: mask.field("start_time", &sent.start_time, |time| canonical::time(time.as_ref())),
        end_time: mask.field("end_time", &sent.end_time, |time| canonical::time(time.as_ref())),
        max_claims: mask.field("max_claims", &sent.max_claims, |_| None),
        max_claims_per_affiliate: mask.field("max_claims_per_affiliate", per_affiliate, |_| None),
        max_uses_per_coupon: mask.field("max_uses_per_coupon", &sent.max_uses_per_coupon, |_| None),
        claim_count: canonical::unread(&sent.claim_count),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        archive_time: canonical::unread(&sent.archive_time);
        as_sent: id,
    )
}

impl Change for pb::ClaimOfferRequest {
    type Rule = ClaimOffer;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::EnrollmentId, "affiliate"), (Field::ProgramId, "offer_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ClaimOfferRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            code: canonical::coupon_code(&self.code),
            note: canonical::trimmed(&self.note);
            as_sent: request_id, offer_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ClaimOffer, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("offer_id", &self.offer_id);
        let recipient = coupon::recipient(&mut fields, self.affiliate.as_ref(), Absence::MadeGood);
        let code = fields.new_coupon_code("code", &self.code);
        let note = fields.paragraph("note", &self.note);
        let code_suffix = clock::random_code(CODE_SUFFIX_LENGTH).to_ascii_uppercase();
        let (id, recipient) = fields.complete((id, recipient))?;
        Ok((ClaimOffer { id, recipient, code, code_suffix, note }, ()))
    }

    fn render(claim: Arc<ClaimOutcome>, replayed: bool, (): (), _asking: &Asking) -> pb::ClaimOfferResponse {
        pb::ClaimOfferResponse {
            coupon: Some(coupon::render(&claim.coupon)),
            replayed,
            offer: Some(render(&claim.offer)),
        }
    }
}

impl Change for pb::ArchiveOfferRequest {
    type Rule = ArchiveOffer;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ArchiveOfferRequest, self; as_sent: request_id, offer_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(ArchiveOffer, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("offer_id", &self.offer_id);
        Ok((ArchiveOffer { id: fields.complete(id)? }, ()))
    }

    fn render(offer: Arc<Offer>, replayed: bool, (): (), _asking: &Asking) -> pb::ArchiveOfferResponse {
        pb::ArchiveOfferResponse { offer: Some(render(&offer)), replayed }
    }
}

/// An offer as a message. It has no personal data, so the feed has it whole.
pub(super) fn render(offer: &Offer) -> pb::Offer {
    pb::Offer {
        id: offer.id.to_string(),
        program_id: offer.program_id.to_string(),
        display_name: offer.display_name.clone(),
        about: offer.about.clone(),
        item_id: id_or_empty(offer.item_id),
        code_prefix: offer.code_prefix.clone(),
        start_time: offer.starts_at.map(timestamp),
        end_time: offer.ends_at.map(timestamp),
        max_claims: offer.max_claims,
        max_claims_per_affiliate: offer.max_claims_per_affiliate,
        max_uses_per_coupon: offer.max_uses_per_coupon,
        claim_count: offer.claim_count.into(),
        state: offer.state.number(),
        create_time: Some(timestamp(offer.created_at)),
        update_time: Some(timestamp(offer.updated_at)),
        archive_time: offer.archived_at.map(timestamp),
    }
}
