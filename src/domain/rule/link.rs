//! The rules of links.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind, InProgram};
use crate::domain::id::{AccountId, EnrollmentId, LinkId};
use crate::domain::link::{Link, LinkState, LinkWithDestination};
use crate::domain::page::host_of;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Make a link.
#[derive(Debug, Clone)]
pub struct CreateLink {
    /// The enrollment that the link belongs to.
    pub enrollment_id: EnrollmentId,
    /// The code in lower case. The server generates it if the caller sent none.
    pub code: String,
    /// The page that the link leads to. Empty: the enrollment's landing page.
    pub destination_url: String,
    /// The page that the link claims.
    pub claimed_page: Option<String>,
}

impl Rule for CreateLink {
    type Answer = Arc<LinkWithDestination>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Enrollment>((account, self.enrollment_id));
        needs.link_code(account, &self.code);
        needs.names.claimed_pages.extend(self.claimed_page.clone().map(|page| (account, page)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let enrollment = Arc::clone(context.set.active_enrollment(context.account_id, self.enrollment_id)?);
        code_is_free(context, Field::Code, &self.code)?;
        check_destination(context, &enrollment, &self.destination_url)?;
        if let Some(page) = &self.claimed_page {
            check_claim(context, &enrollment, page, None)?;
        }
        let link = new(context, &enrollment, &self.code, &self.destination_url);
        let link = Link { claimed_page: self.claimed_page.clone(), ..link };
        let link = put(context, EventKind::LinkCreated, link, &enrollment);
        answer(context, link)
    }
}

/// Change a link. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateLink {
    /// The link to change.
    pub id: LinkId,
    /// The page that the link leads to. Empty: the enrollment's landing page.
    pub destination_url: Option<String>,
    /// The page that the link claims, or none.
    pub claimed_page: Option<Option<String>>,
}

impl Rule for UpdateLink {
    type Answer = Arc<LinkWithDestination>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Link>((account, self.id));
        needs.names.claimed_pages.extend(self.claimed_page.clone().flatten().map(|page| (account, page)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let known = Arc::clone(context.get::<Link, _>(self.id)?);
        let enrollment = Arc::clone(context.get::<Enrollment, _>(known.enrollment_id)?);
        // The hosts are those of the program that gets the clicks.
        let serving = Arc::clone(context.set.serving_now(&enrollment)?);
        let mut link = known.as_ref().clone();
        if let Some(destination_url) = &self.destination_url {
            check_destination(context, &serving, destination_url)?;
            if link.code == enrollment.ref_id && !destination_url.is_empty() {
                let problem = "must be empty, because the code is the enrollment's ref_id; change its landing_url";
                return Err(refused(Field::DestinationUrl, problem));
            }
            link.destination_url.clone_from(destination_url);
        }
        if let Some(claimed_page) = &self.claimed_page {
            if let Some(page) = claimed_page {
                if link.state == LinkState::Revoked {
                    return Err(refused(Field::ClaimedUrl, "must be empty, because the link is revoked"));
                }
                check_claim(context, &serving, page, Some(link.id))?;
            }
            link.claimed_page.clone_from(claimed_page);
        }
        let link = if link == *known { known } else { put(context, EventKind::LinkUpdated, link, &enrollment) };
        answer(context, link)
    }
}

fn refused(field: Field, problem: &str) -> Refusal {
    Refusal::InvalidField { field, problem: problem.to_owned() }
}

/// A link leads to the program's hosts only, if the program names any.
fn check_destination(context: &Context<'_>, enrollment: &Enrollment, destination_url: &str) -> Result<(), Refusal> {
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    if destination_url.is_empty() || program.may_lead_to(destination_url) {
        return Ok(());
    }
    Err(refused(Field::DestinationUrl, "must be on one of the program's hosts"))
}

/// A page can be claimed if it is on a host of the program and no other active link claims it.
fn check_claim(
    context: &Context<'_>,
    enrollment: &Enrollment,
    page: &str,
    claimant: Option<LinkId>,
) -> Result<(), Refusal> {
    let program = context.set.program(context.account_id, enrollment.program_id)?;
    if !program.has_host(host_of(page)) {
        return Err(refused(
            Field::ClaimedUrl,
            "must be on one of the program's hosts, or on that of its landing page",
        ));
    }
    match context.set.link_claiming(context.account_id, page)? {
        Some(other) if Some(other.id) != claimant => Err(Refusal::AlreadyExists {
            field: Field::ClaimedUrl,
            value: page.to_owned(),
            resource: Resource::Link,
            resource_id: other.id.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Revoke a link.
#[derive(Debug, Clone)]
pub struct RevokeLink {
    /// The link to revoke.
    pub id: LinkId,
}

impl Rule for RevokeLink {
    type Answer = Arc<LinkWithDestination>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Link>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let link = Arc::clone(context.get::<Link, _>(self.id)?);
        let enrollment = Arc::clone(context.get::<Enrollment, _>(link.enrollment_id)?);
        if link.state == LinkState::Revoked {
            return answer(context, link);
        }
        let link = revoke(context, &link, &enrollment);
        answer(context, link)
    }
}

/// Revokes a link that is active.
pub(super) fn revoke(context: &mut Context<'_>, link: &Link, enrollment: &Enrollment) -> Arc<Link> {
    let revoked = Link {
        state: LinkState::Revoked,
        revoked_at: Some(context.now),
        // Another link may claim the page now.
        claimed_page: None,
        ..link.clone()
    };
    put(context, EventKind::LinkRevoked, revoked, enrollment)
}

pub(super) fn code_is_free(context: &Context<'_>, field: Field, code: &str) -> Result<(), Refusal> {
    context.set.link_with_code(context.account_id, code)?.map_or(Ok(()), |other| Err(taken(other, field)))
}

/// The refusal when a link already has the code.
pub(super) fn taken(other: &Link, field: Field) -> Refusal {
    Refusal::AlreadyExists {
        field,
        value: other.code.clone(),
        resource: Resource::Link,
        resource_id: other.id.to_string(),
    }
}

/// Creates a link of an enrollment.
pub(super) fn put_new(
    context: &mut Context<'_>,
    enrollment: &Enrollment,
    code: &str,
    destination_url: &str,
) -> Arc<Link> {
    let link = new(context, enrollment, code, destination_url);
    put(context, EventKind::LinkCreated, link, enrollment)
}

fn new(context: &mut Context<'_>, enrollment: &Enrollment, code: &str, destination_url: &str) -> Link {
    Link {
        id: LinkId::new(context.ids),
        account_id: context.account_id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        code: code.to_owned(),
        destination_url: destination_url.to_owned(),
        claimed_page: None,
        state: LinkState::Active,
        created_at: context.now,
        revoked_at: None,
    }
}

fn put(context: &mut Context<'_>, kind: EventKind, link: Link, enrollment: &Enrollment) -> Arc<Link> {
    let link = context.put(link);
    context.tell(kind, EventImage::Link(InProgram { row: Arc::clone(&link), program_id: enrollment.program_id }));
    link
}

fn answer(context: &Context<'_>, link: Arc<Link>) -> Result<Arc<LinkWithDestination>, Refusal> {
    let destination_url = context.set.present_destination(&link)?.to_owned();
    Ok(Arc::new(LinkWithDestination { link, destination_url }))
}
