//! Referral links on the wire.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::enrollment;
use crate::clock;
use crate::domain::id::EnrollmentId;
use crate::domain::link::{Link, LinkWithDestination};
use crate::domain::page::page_of;
use crate::domain::referral_link::referral_link;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{CreateLink, RevokeLink, UpdateLink};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::link::LinkQuery;

/// The number of characters in a generated code.
const CODE_LENGTH: usize = 8;

impl Change for pb::CreateLinkRequest {
    type Rule = CreateLink;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateLinkRequest,
            self,
            code: canonical::code(&self.code),
            destination_url: canonical::url(&self.destination_url),
            claimed_url: canonical::page(&self.claimed_url);
            as_sent: request_id, enrollment_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateLink, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let enrollment_id = fields.id("enrollment_id", &self.enrollment_id);
        let code = fields.new_code("code", &self.code).map(|code| code.to_ascii_lowercase());
        let destination_url = fields.optional_url("destination_url", &self.destination_url);
        let claimed_page = claimed_page(&mut fields, &self.claimed_url);
        let enrollment_id = fields.complete(enrollment_id)?;
        let code = code.unwrap_or_else(|| clock::random_code(CODE_LENGTH));
        Ok((CreateLink { enrollment_id, code, destination_url, claimed_page }, ()))
    }

    fn render(answer: Arc<LinkWithDestination>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateLinkResponse {
        pb::CreateLinkResponse { link: Some(render(&answer.link, answer.destination_url.clone())), replayed }
    }
}

/// The page of a URL; `None` when it is empty.
fn claimed_page(fields: &mut Fields, sent: &str) -> Option<String> {
    let url = fields.optional_url("claimed_url", sent);
    (!url.is_empty()).then(|| page_of(&url))
}

impl Change for pb::UpdateLinkRequest {
    type Rule = UpdateLink;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::LinkId, "link.id"),
        (Field::DestinationUrl, "link.destination_url"),
        (Field::ClaimedUrl, "link.claimed_url"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateLinkRequest,
            self,
            link: canonical::inside(self.link.as_ref(), |link| canonical_update(link, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateLink, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &["destination_url", "claimed_url"]);
        let Some(values) = fields.required("link", self.link.as_ref()) else { return Err(fields.into_error()) };
        let rule = fields.within("link", |fields| {
            let id = fields.id("id", &values.id);
            let destination = paths.contains(&"destination_url");
            let destination_url = destination.then(|| fields.optional_url("destination_url", &values.destination_url));
            let claimed_page = paths.contains(&"claimed_url").then(|| claimed_page(fields, &values.claimed_url));
            Some(UpdateLink { id: id?, destination_url, claimed_page })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(answer: Arc<LinkWithDestination>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateLinkResponse {
        pb::UpdateLinkResponse { link: Some(render(&answer.link, answer.destination_url.clone())), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Link, mask: Mask<'_>) -> Cow<'message, pb::Link> {
    canonical!(
        pb::Link,
        sent,
        enrollment_id: canonical::unread(&sent.enrollment_id),
        affiliate_id: canonical::unread(&sent.affiliate_id),
        code: canonical::unread(&sent.code),
        destination_url: mask.field("destination_url", &sent.destination_url, |url| canonical::url(url)),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        revoke_time: canonical::unread(&sent.revoke_time),
        claimed_url: mask.field("claimed_url", &sent.claimed_url, |url| canonical::page(url)),
        referral_link: canonical::unread(&sent.referral_link);
        as_sent: id,
    )
}

pub(super) async fn list(call: Call, message: pb::ListLinksRequest) -> Result<pb::ListLinksResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let enrollment_id = fields.optional_id("enrollment_id", &message.enrollment_id);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter =
        pb::ListLinksRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = LinkQuery { affiliate_id, enrollment_id, states };
    let links = store::link::list(call.store(), call.account_id(), &query, page.walk()).await?;
    let rows = with_destinations(&call, links).await?;
    call.works_on(rows.len()).await;
    let (links, next_page_token) = page.fill(rows, |(link, _)| link.id.uuid(), |(link, page)| render(&link, page));
    let total_count = if message.with_total_count {
        Some(store::link::count(call.store(), call.account_id(), &query).await?)
    } else {
        None
    };
    Ok(pb::ListLinksResponse { links, next_page_token, total_count })
}

pub(super) async fn get(call: Call, message: pb::GetLinkRequest) -> Result<pb::GetLinkResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("link_id", &message.link_id);
    let id = fields.complete(id)?;
    let found = store::link::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Link, id))?;
    let link = with_destinations(&call, vec![found]).await?.pop().map(|(link, page)| render(&link, page));
    Ok(pb::GetLinkResponse { link })
}

impl Change for pb::RevokeLinkRequest {
    type Rule = RevokeLink;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::RevokeLinkRequest, self; as_sent: request_id, link_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(RevokeLink, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("link_id", &self.link_id);
        Ok((RevokeLink { id: fields.complete(id)? }, ()))
    }

    fn render(answer: Arc<LinkWithDestination>, replayed: bool, (): (), _asking: &Asking) -> pb::RevokeLinkResponse {
        pb::RevokeLinkResponse { link: Some(render(&answer.link, answer.destination_url.clone())), replayed }
    }
}

/// Links, each with the page that it leads to: the link's own, or else the enrollment's.
async fn with_destinations(call: &Call, links: Vec<Link>) -> Result<Vec<(Link, String)>, Error> {
    let without_own: BTreeSet<EnrollmentId> =
        links.iter().filter(|link| link.destination_url.is_empty()).map(|link| link.enrollment_id).collect();
    let without_own: Vec<EnrollmentId> = without_own.into_iter().collect();
    let enrollments = store::enrollment::by_ids(call.store(), call.account_id(), &without_own).await?;
    let shown = enrollment::with_landings(call, enrollments).await?;
    let pages: HashMap<EnrollmentId, String> =
        shown.into_iter().map(|shown| (shown.enrollment.id, shown.landing_url)).collect();
    let destination = |link: &Link| {
        if link.destination_url.is_empty() {
            let missing = || Error::Internal(format!("link {} has no enrollment", link.id));
            pages.get(&link.enrollment_id).cloned().ok_or_else(missing)
        } else {
            Ok(link.destination_url.clone())
        }
    };
    links.into_iter().map(|link| destination(&link).map(|page| (link, page))).collect()
}

/// The link as stored in the feed, without personal data.
pub(super) fn image(link: &Link) -> pb::Link {
    let (code, claimed_url, referral_link) = Default::default();
    pb::Link { code, claimed_url, referral_link, ..render(link, String::new()) }
}

fn render(link: &Link, destination_url: String) -> pb::Link {
    pb::Link {
        id: link.id.to_string(),
        enrollment_id: link.enrollment_id.to_string(),
        affiliate_id: link.affiliate_id.to_string(),
        code: link.code.clone(),
        referral_link: referral_link(&destination_url, &link.code),
        claimed_url: link.claimed_page.as_ref().map(|page| format!("https://{page}")).unwrap_or_default(),
        destination_url,
        state: link.state.number(),
        create_time: Some(timestamp(link.created_at)),
        revoke_time: link.revoked_at.map(timestamp),
    }
}
