//! Clicks: visits through a link.

use super::command::Outcome;
use super::decide::Context;
use super::enrollment::EnrollmentState;
use super::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId};
use super::link::{self, LinkState};
use super::program::ProgramState;
use super::refusal::{Refusal, Resource};
use super::time::Time;
use super::working_set::Changes;

/// One visit through a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Its id.
    pub id: ClickId,
    /// Whose it is.
    pub account_id: AccountId,
    /// The visitor's tracking id: the id of the visitor's first click.
    pub tid: ClickId,
    /// The link.
    pub link_id: LinkId,
    /// The enrollment.
    pub enrollment_id: EnrollmentId,
    /// The affiliate.
    pub affiliate_id: AffiliateId,
    /// The program.
    pub program_id: ProgramId,
    /// The page the visitor came from; may be empty.
    pub referrer_url: String,
    /// When it happened.
    pub occurred_at: Time,
    /// When it was recorded.
    pub created_at: Time,
}

/// Record a visit through a link.
#[derive(Debug, Clone)]
pub struct RecordClick {
    /// The code of the link, or a ref_id, in lower case.
    pub code: String,
    /// The tracking id that the visitor has already.
    pub tid: Option<ClickId>,
    /// The page the visitor came from.
    pub referrer_url: String,
    /// When it happened; none for now.
    pub occurred_at: Option<Time>,
}

/// What RecordClick answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickOutcome {
    /// The click.
    pub click_id: ClickId,
    /// The visitor's tracking id.
    pub tid: ClickId,
    /// Where to send the visitor.
    pub destination_url: String,
    /// Whose link it is.
    pub affiliate_id: AffiliateId,
}

pub(super) fn record(context: &mut Context<'_>, command: &RecordClick) -> Result<(Outcome, Changes), Refusal> {
    let account_id = context.account_id;
    // A link that is revoked or ended looks like one that never was: a visitor's browser need not know the difference.
    let unknown = || Refusal::not_found(Resource::Link, &command.code);
    let link = context.set.link_with_code(account_id, &command.code)?.ok_or_else(unknown)?;
    let enrollment = context.set.enrollment(account_id, link.enrollment_id)?;
    let program = context.set.program(account_id, enrollment.program_id)?;
    if link.state == LinkState::Revoked
        || enrollment.state == EnrollmentState::Ended
        || program.state == ProgramState::Archived
    {
        return Err(unknown());
    }
    let id = ClickId::new(context.ids);
    let known_visitor = match command.tid {
        Some(tid) if !context.set.clicks_of(account_id, tid)?.is_empty() => Some(tid),
        _ => None,
    };
    let click = Click {
        id,
        account_id,
        tid: known_visitor.unwrap_or(id),
        link_id: link.id,
        enrollment_id: enrollment.id,
        affiliate_id: enrollment.affiliate_id,
        program_id: enrollment.program_id,
        referrer_url: command.referrer_url.clone(),
        occurred_at: command.occurred_at.unwrap_or(context.now),
        created_at: context.now,
    };
    let outcome = ClickOutcome {
        click_id: id,
        tid: click.tid,
        destination_url: link::destination(context, link, enrollment)?,
        affiliate_id: click.affiliate_id,
    };
    Ok((Outcome::Click(outcome), Changes { clicks: vec![click], ..Changes::default() }))
}
