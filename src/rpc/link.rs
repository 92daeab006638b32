//! Referral links on the wire.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use super::enrollment;
use crate::clock;
use crate::domain::id::EnrollmentId;
use crate::domain::link::{Link, LinkWithDestination};
use crate::domain::rule::{CreateLink, RevokeLink};
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::link::LinkQuery;

/// Characters of a code that the server makes.
const CODE_LENGTH: usize = 8;

impl Change for pb::CreateLinkRequest {
    type Rule = CreateLink;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateLink, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let enrollment_id = fields.id("enrollment_id", &self.enrollment_id);
        let code = fields.new_code("code", &self.code).map(|code| code.to_ascii_lowercase());
        let destination_url = fields.optional_url("destination_url", &self.destination_url);
        let enrollment_id = fields.complete(enrollment_id)?;
        let code = code.unwrap_or_else(|| clock::random_code(CODE_LENGTH));
        Ok((CreateLink { enrollment_id, code, destination_url }, ()))
    }

    fn render(answer: Arc<LinkWithDestination>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateLinkResponse {
        pb::CreateLinkResponse { link: Some(render(&answer.link, answer.destination_url.clone())), replayed }
    }
}

pub(super) async fn list(call: Call, message: pb::ListLinksRequest) -> Result<pb::ListLinksResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let enrollment_id = fields.optional_id("enrollment_id", &message.enrollment_id);
    let state = fields.optional_value("state", message.state);
    fields.finish()?;
    let filter = pb::ListLinksRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, size, &message.page_token)?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = LinkQuery { affiliate_id, enrollment_id, state };
    let mut links = store::link::list(call.store(), call.account_id(), &query, page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut links, |link| link.id.uuid());
    Ok(pb::ListLinksResponse { links: render_all(&call, links).await?, next_page_token })
}

impl Change for pb::RevokeLinkRequest {
    type Rule = RevokeLink;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
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

/// Links as messages, each with the page that it leads to: its own, or else its enrollment's.
async fn render_all(call: &Call, links: Vec<Link>) -> Result<Vec<pb::Link>, Error> {
    let without_own: BTreeSet<EnrollmentId> =
        links.iter().filter(|link| link.destination_url.is_empty()).map(|link| link.enrollment_id).collect();
    let without_own: Vec<EnrollmentId> = without_own.into_iter().collect();
    let enrollments = store::enrollment::by_ids(call.store(), call.account_id(), &without_own).await?;
    let pages = enrollment::landing_urls(call, &enrollments).await?;
    let pages: HashMap<EnrollmentId, String> = enrollments.iter().map(|enrollment| enrollment.id).zip(pages).collect();
    let destination = |link: &Link| {
        if link.destination_url.is_empty() {
            let missing = || Error::Internal(format!("link {} has no enrollment", link.id));
            pages.get(&link.enrollment_id).cloned().ok_or_else(missing)
        } else {
            Ok(link.destination_url.clone())
        }
    };
    links.iter().map(|link| Ok(render(link, destination(link)?))).collect()
}

fn render(link: &Link, destination_url: String) -> pb::Link {
    pb::Link {
        id: link.id.to_string(),
        enrollment_id: link.enrollment_id.to_string(),
        affiliate_id: link.affiliate_id.to_string(),
        code: link.code.clone(),
        destination_url,
        state: link.state.number(),
        create_time: Some(timestamp(link.created_at)),
        revoke_time: link.revoked_at.map(timestamp),
    }
}
