//! The rules of links.

use std::sync::Arc;

use super::context::{Context, Rule};
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind, InProgram};
use crate::domain::id::{AccountId, EnrollmentId, LinkId};
use crate::domain::link::{Link, LinkState, LinkWithDestination};
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
}

impl Rule for CreateLink {
    type Answer = Arc<LinkWithDestination>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Enrollment>((account, self.enrollment_id));
        needs.link_code(account, &self.code);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let enrollment = Arc::clone(context.set.active_enrollment(context.account_id, self.enrollment_id)?);
        code_is_free(context, Field::Code, &self.code)?;
        let link = put_new(context, &enrollment, &self.code, &self.destination_url);
        answer(context, link, &enrollment)
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
            return answer(context, link, &enrollment);
        }
        let link = revoke(context, &link, &enrollment);
        answer(context, link, &enrollment)
    }
}

/// Revokes a link that is active.
pub(super) fn revoke(context: &mut Context<'_>, link: &Link, enrollment: &Enrollment) -> Arc<Link> {
    let revoked = Link { state: LinkState::Revoked, revoked_at: Some(context.now), ..link.clone() };
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
    let link = Link {
        id: LinkId::new(context.ids),
        account_id: context.account_id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        code: code.to_owned(),
        destination_url: destination_url.to_owned(),
        state: LinkState::Active,
        created_at: context.now,
        revoked_at: None,
    };
    put(context, EventKind::LinkCreated, link, enrollment)
}

fn put(context: &mut Context<'_>, kind: EventKind, link: Link, enrollment: &Enrollment) -> Arc<Link> {
    let link = context.put(link);
    context.tell(kind, EventImage::Link(InProgram { row: Arc::clone(&link), program_id: enrollment.program_id }));
    link
}

fn answer(
    context: &Context<'_>,
    link: Arc<Link>,
    enrollment: &Enrollment,
) -> Result<Arc<LinkWithDestination>, Refusal> {
    let destination_url = context.set.destination(&link, enrollment)?.to_owned();
    Ok(Arc::new(LinkWithDestination { link, destination_url }))
}
