//! Referral links on the wire.

use std::collections::{BTreeSet, HashMap};

use super::parse::Fields;
use super::render::timestamp;
use super::wire_enum::WireEnum;
use super::{Call, enrollment, page, selector, unexpected_outcome};
use crate::clock;
use crate::domain::command::{Command, Outcome};
use crate::domain::id::EnrollmentId;
use crate::domain::link::{CreateLink, Link, RevokeLink};
use crate::error::Error;
use crate::pb;
use crate::store;
use crate::store::link::LinkQuery;

/// Characters of a code that the server makes.
const CODE_LENGTH: usize = 8;

pub(super) async fn create(call: Call, message: pb::CreateLinkRequest) -> Result<pb::CreateLinkResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let enrollment_id = fields.id("enrollment_id", &message.enrollment_id);
    let code = fields.new_code("code", &message.code).map(|code| code.to_ascii_lowercase());
    let destination_url = fields.optional_url("destination_url", &message.destination_url);
    let Some(enrollment_id) = enrollment_id else { return Err(fields.into_error()) };
    fields.finish()?;
    let code = code.unwrap_or_else(|| clock::random_code(CODE_LENGTH));
    let command = CreateLink { enrollment_id, code, destination_url };
    let answer = call.submit(fingerprint, Command::CreateLink(command)).await?;
    let Outcome::Link(made) = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::CreateLinkResponse {
        link: Some(render(&made.link, made.destination_url.clone())),
        replayed: answer.replayed,
    })
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

pub(super) async fn revoke(call: Call, message: pb::RevokeLinkRequest) -> Result<pb::RevokeLinkResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let Some(id) = fields.id("link_id", &message.link_id) else { return Err(fields.into_error()) };
    fields.finish()?;
    let answer = call.submit(fingerprint, Command::RevokeLink(RevokeLink { id })).await?;
    let Outcome::Link(revoked) = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::RevokeLinkResponse {
        link: Some(render(&revoked.link, revoked.destination_url.clone())),
        replayed: answer.replayed,
    })
}

/// Links as they stand in messages, each with the page that it leads to: its own, or else its enrollment's.
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
