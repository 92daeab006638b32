//! Submissions to bounties on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::Fields;
use super::call::render::{id_or_empty, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page, selector};
use crate::domain::bounty::Submission;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ApproveSubmission, RejectSubmission, SubmitToBounty};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::submission::SubmissionQuery;

/// The maximum length of the reason of a rejection, as of the denial of a reward.
const REASON_LENGTH_MAX: usize = 500;

impl Change for pb::SubmitToBountyRequest {
    type Rule = SubmitToBounty;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::EnrollmentId, "affiliate"), (Field::ProgramId, "bounty_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SubmitToBountyRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            note: canonical::trimmed(&self.note),
            url: canonical::url(&self.url);
            as_sent: request_id, bounty_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(SubmitToBounty, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let bounty_id = fields.id("bounty_id", &self.bounty_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let note = fields.paragraph("note", &self.note);
        if self.note.trim().is_empty() && self.url.trim().is_empty() {
            fields.wrong("note", "is required, or url in its place");
        }
        let url = fields.optional_url("url", &self.url);
        let (bounty_id, affiliate) = fields.complete((bounty_id, affiliate))?;
        Ok((SubmitToBounty { bounty_id, affiliate, note, url }, ()))
    }

    fn render(submission: Arc<Submission>, replayed: bool, (): (), _asking: &Asking) -> pb::SubmitToBountyResponse {
        pb::SubmitToBountyResponse { submission: Some(render(&submission)), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetSubmissionRequest) -> Result<pb::GetSubmissionResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("submission_id", &message.submission_id);
    let id = fields.complete(id)?;
    let found = store::submission::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Submission, id))?;
    Ok(pb::GetSubmissionResponse { submission: Some(render(&found)) })
}

pub(super) async fn list(
    call: Call,
    message: pb::ListSubmissionsRequest,
) -> Result<pb::ListSubmissionsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let bounty_id = fields.optional_id("bounty_id", &message.bounty_id);
    let affiliate = selector::optional_affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListSubmissionsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let affiliate_id = call.affiliate_id(affiliate.as_ref()).await?;
    let query = SubmissionQuery { bounty_id, affiliate_id, states };
    let submissions = store::submission::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(submissions.len()).await;
    let render = |submission: Submission| render(&submission);
    let (submissions, next_page_token) = page.fill(submissions, |submission| submission.id.uuid(), render);
    Ok(pb::ListSubmissionsResponse { submissions, next_page_token })
}

impl Change for pb::ApproveSubmissionRequest {
    type Rule = ApproveSubmission;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Amount, "submission_id"), (Field::BountyId, "submission_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ApproveSubmissionRequest, self; as_sent: request_id, submission_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(ApproveSubmission, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("submission_id", &self.submission_id);
        Ok((ApproveSubmission { id: fields.complete(id)? }, ()))
    }

    fn render(submission: Arc<Submission>, replayed: bool, (): (), _asking: &Asking) -> pb::ApproveSubmissionResponse {
        pb::ApproveSubmissionResponse { submission: Some(render(&submission)), replayed }
    }
}

impl Change for pb::RejectSubmissionRequest {
    type Rule = RejectSubmission;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RejectSubmissionRequest,
            self,
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, submission_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(RejectSubmission, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("submission_id", &self.submission_id);
        let reason = fields.paragraph_up_to("reason", &self.reason, REASON_LENGTH_MAX);
        if reason.is_empty() {
            let length = REASON_LENGTH_MAX;
            fields.wrong("reason", format!("is required, up to {length} characters: the affiliate will ask"));
        }
        Ok((RejectSubmission { id: fields.complete(id)?, reason }, ()))
    }

    fn render(submission: Arc<Submission>, replayed: bool, (): (), _asking: &Asking) -> pb::RejectSubmissionResponse {
        pb::RejectSubmissionResponse { submission: Some(render(&submission)), replayed }
    }
}

/// The submission as stored in the feed, without personal data.
pub(super) fn image(submission: &Submission) -> pb::Submission {
    render(&submission.without_personal_data())
}

/// A submission as a message.
pub(super) fn render(submission: &Submission) -> pb::Submission {
    pb::Submission {
        id: submission.id.to_string(),
        bounty_id: submission.bounty_id.to_string(),
        program_id: submission.program_id.to_string(),
        affiliate_id: submission.affiliate_id.to_string(),
        enrollment_id: submission.enrollment_id.to_string(),
        note: submission.note.clone(),
        url: submission.url.clone(),
        state: submission.state.number(),
        reject_reason: submission.reject_reason.clone(),
        place: submission.place,
        reward_id: id_or_empty(submission.reward_id),
        create_time: Some(timestamp(submission.created_at)),
        decide_time: submission.decided_at.map(timestamp),
    }
}
