//! Referral links. The ref_id of an enrollment is the code of a link too, so that one look-up serves both and a code is unique
//! among both.

use super::command::Outcome;
use super::decide::{About, Context};
use super::enrollment::{self, Enrollment};
use super::event::EventType;
use super::id::{AccountId, AffiliateId, EnrollmentId, LinkId};
use super::refusal::{Refusal, Resource};
use super::text_enum::text_enum;
use super::time::Time;
use super::working_set::Changes;

text_enum! {
    /// The state of a link.
    LinkState {
        /// Tracks.
        Active = "active",
        /// Tracks nothing.
        Revoked = "revoked",
    }
}

/// A referral link of an enrollment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The code in lower case, unique in the account for ever.
    pub code: String,
    /// Where it leads; empty for the enrollment's landing page.
    pub destination_url: String,
    /// Its state.
    pub state: LinkState,
    /// When it was made.
    pub created_at: Time,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
}

impl Link {
    /// Whether its code can be the ref_id of the enrollment: an active link of its own, that leads to its landing page.
    pub fn serves_as_ref_id_of(&self, enrollment: &Enrollment) -> bool {
        self.enrollment_id == enrollment.id && self.state == LinkState::Active && self.destination_url.is_empty()
    }
}

/// A link with the page that it leads to: what an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWithDestination {
    /// The link.
    pub link: Link,
    /// Where it leads.
    pub destination_url: String,
}

/// Make a link.
#[derive(Debug, Clone)]
pub struct CreateLink {
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The code in lower case; made outside when the caller names none.
    pub code: String,
    /// Where it leads; empty for the enrollment's landing page.
    pub destination_url: String,
}

/// Revoke a link.
#[derive(Debug, Clone)]
pub struct RevokeLink {
    /// Which link.
    pub id: LinkId,
}

pub(super) fn code_is_free(context: &Context<'_>, code: &str, field: &'static str) -> Result<(), Refusal> {
    context.set.link_with_code(context.account_id, code)?.map_or(Ok(()), |other| Err(taken(other, field)))
}

/// The refusal of a code that a link has.
pub(super) fn taken(other: &Link, field: &'static str) -> Refusal {
    Refusal::AlreadyExists {
        field,
        value: other.code.clone(),
        resource: Resource::Link,
        resource_id: other.id.to_string(),
    }
}

pub(super) fn for_code(context: &mut Context<'_>, enrollment: &Enrollment, code: &str, destination_url: &str) -> Link {
    Link {
        id: LinkId::new(context.ids),
        account_id: context.account_id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        code: code.to_owned(),
        destination_url: destination_url.to_owned(),
        state: LinkState::Active,
        created_at: context.now,
        revoked_at: None,
    }
}

/// Where a link leads: its own destination, else the enrollment's page, else the program's.
pub(super) fn destination(context: &Context<'_>, link: &Link, enrollment: &Enrollment) -> Result<String, Refusal> {
    if link.destination_url.is_empty() {
        return Ok(enrollment::with_landing(context, enrollment.clone())?.landing_url);
    }
    Ok(link.destination_url.clone())
}

fn finish(
    context: &mut Context<'_>,
    event_type: EventType,
    link: Link,
    enrollment: &Enrollment,
) -> Result<(Outcome, Changes), Refusal> {
    let about = About {
        subject_id: link.id.to_string(),
        program_id: Some(enrollment.program_id),
        affiliate_id: Some(link.affiliate_id),
    };
    let events = vec![context.event(event_type, about)];
    let destination_url = destination(context, &link, enrollment)?;
    let changes = Changes { links: vec![link.clone()], events, ..Changes::default() };
    Ok((Outcome::Link(Box::new(LinkWithDestination { link, destination_url })), changes))
}

pub(super) fn create(context: &mut Context<'_>, command: &CreateLink) -> Result<(Outcome, Changes), Refusal> {
    let enrollment = context.set.active_enrollment(context.account_id, command.enrollment_id)?.clone();
    code_is_free(context, &command.code, "code")?;
    let link = for_code(context, &enrollment, &command.code, &command.destination_url);
    finish(context, EventType::LinkCreated, link, &enrollment)
}

pub(super) fn revoke(context: &mut Context<'_>, command: &RevokeLink) -> Result<(Outcome, Changes), Refusal> {
    let link = context.set.link(context.account_id, command.id)?.clone();
    let enrollment = context.set.enrollment(context.account_id, link.enrollment_id)?.clone();
    if link.state == LinkState::Revoked {
        let destination_url = destination(context, &link, &enrollment)?;
        return Ok((Outcome::Link(Box::new(LinkWithDestination { link, destination_url })), Changes::default()));
    }
    let link = Link { state: LinkState::Revoked, revoked_at: Some(context.now), ..link };
    finish(context, EventType::LinkRevoked, link, &enrollment)
}
