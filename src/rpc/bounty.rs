//! Bounties and contests on the wire.

use std::borrow::Cow;
use std::sync::Arc;

use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::{reward_value, timestamp};
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::bounty::{Bounty, BountyKind, BountyReward};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{ArchiveBounty, CreateBounty, NameContestWinners, UpdateBounty};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::store;
use crate::store::bounty::BountyQuery;

const SUBMISSIONS_MAX: std::ops::RangeInclusive<i32> = 0..=1_000_000_000;
const SUBMISSIONS_OF_ONE_MAX: std::ops::RangeInclusive<i32> = 0..=10_000;
/// The number of places that a contest may have.
const PLACES_MAX: usize = 100;

impl Change for pb::CreateBountyRequest {
    type Rule = CreateBounty;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateBountyRequest,
            self,
            kind: canonical::default_number(self.kind, BountyKind::Submission.number()),
            display_name: canonical::trimmed(&self.display_name),
            about: canonical::trimmed(&self.about),
            start_time: canonical::time(self.start_time.as_ref()),
            end_time: canonical::time(self.end_time.as_ref());
            as_sent: request_id, program_id, rewards, max_submissions, max_submissions_per_affiliate,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateBounty, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let kind = fields.optional_value("kind", self.kind).unwrap_or(BountyKind::Submission);
        let rule = CreateBounty {
            program_id: fields.optional_id("program_id", &self.program_id),
            kind,
            display_name: fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX),
            about: fields.paragraph("about", &self.about),
            rewards: rewards(&mut fields, kind, &self.rewards),
            starts_at: fields.time("start_time", self.start_time.as_ref()),
            ends_at: fields.time("end_time", self.end_time.as_ref()),
            max_submissions: fields.number("max_submissions", self.max_submissions, SUBMISSIONS_MAX),
            max_submissions_per_affiliate: fields.number(
                "max_submissions_per_affiliate",
                self.max_submissions_per_affiliate,
                SUBMISSIONS_OF_ONE_MAX,
            ),
        };
        fields.finish()?;
        Ok((rule, ()))
    }

    fn render(bounty: Arc<Bounty>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateBountyResponse {
        pb::CreateBountyResponse { bounty: Some(render(&bounty)), replayed }
    }
}

fn rewards(fields: &mut Fields, kind: BountyKind, sent: &[pb::RewardValue]) -> Vec<BountyReward> {
    let length_max = match kind {
        BountyKind::Submission => 1,
        BountyKind::Contest => PLACES_MAX,
    };
    if sent.is_empty() || sent.len() > length_max {
        let length = sent.len();
        fields.wrong(
            "rewards",
            format!(
                "has {length} rewards; send exactly one, or for a contest 1 to {PLACES_MAX}, the first place first"
            ),
        );
        return Vec::new();
    }
    let read = |(index, value)| fields.reward_value(&format!("rewards[{index}]"), Some(value));
    let rewards: Vec<_> = sent.iter().enumerate().filter_map(read).collect();
    rewards.into_iter().map(|(unit, value)| BountyReward { unit, value }).collect()
}

pub(super) async fn get(call: Call, message: pb::GetBountyRequest) -> Result<pb::GetBountyResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("bounty_id", &message.bounty_id);
    let id = fields.complete(id)?;
    let found = store::bounty::find(call.store(), call.account_id(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Bounty, id))?;
    Ok(pb::GetBountyResponse { bounty: Some(render(&found)) })
}

pub(super) async fn list(call: Call, message: pb::ListBountiesRequest) -> Result<pb::ListBountiesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let program_id = fields.optional_id("program_id", &message.program_id);
    let states = fields.values("states", &message.states);
    let kinds = fields.values("kinds", &message.kinds);
    fields.finish()?;
    let filter = pb::ListBountiesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let query = BountyQuery { program_id, states, kinds };
    let bounties = store::bounty::list(call.store(), call.account_id(), &query, page.walk()).await?;
    call.works_on(bounties.len()).await;
    let (bounties, next_page_token) = page.fill(bounties, |bounty| bounty.id.uuid(), |bounty| render(&bounty));
    Ok(pb::ListBountiesResponse { bounties, next_page_token })
}

/// The fields that UpdateBounty changes.
const UPDATED: [&str; 6] =
    ["display_name", "about", "start_time", "end_time", "max_submissions", "max_submissions_per_affiliate"];

impl Change for pb::UpdateBountyRequest {
    type Rule = UpdateBounty;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::BountyId, "bounty.id"), (Field::EndTime, "bounty.end_time")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateBountyRequest,
            self,
            bounty: canonical::inside(self.bounty.as_ref(), |bounty| canonical_update(bounty, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateBounty, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &UPDATED);
        let Some(values) = fields.required("bounty", self.bounty.as_ref()) else {
            return Err(fields.into_error());
        };
        let has = |path: &str| paths.contains(&path);
        let per_affiliate = values.max_submissions_per_affiliate;
        let rule = fields.within("bounty", |fields| {
            let id = fields.id("id", &values.id);
            let display_name = has("display_name")
                .then(|| fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let about = has("about").then(|| fields.paragraph("about", &values.about));
            let starts_at = has("start_time").then(|| fields.time("start_time", values.start_time.as_ref()));
            let ends_at = has("end_time").then(|| fields.time("end_time", values.end_time.as_ref()));
            let max_submissions = has("max_submissions")
                .then(|| fields.number("max_submissions", values.max_submissions, SUBMISSIONS_MAX));
            let max_submissions_per_affiliate = has("max_submissions_per_affiliate")
                .then(|| fields.number("max_submissions_per_affiliate", per_affiliate, SUBMISSIONS_OF_ONE_MAX));
            Some(UpdateBounty {
                id: id?,
                display_name,
                about,
                starts_at,
                ends_at,
                max_submissions,
                max_submissions_per_affiliate,
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(bounty: Arc<Bounty>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateBountyResponse {
        pb::UpdateBountyResponse { bounty: Some(render(&bounty)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Bounty, mask: Mask<'_>) -> Cow<'message, pb::Bounty> {
    let per_affiliate = &sent.max_submissions_per_affiliate;
    canonical!(
        pb::Bounty,
        sent,
        program_id: canonical::unread(&sent.program_id),
        kind: canonical::unread(&sent.kind),
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        about: mask.field("about", &sent.about, |text| canonical::trimmed(text)),
        rewards: canonical::unread(&sent.rewards),
        start_time: mask.field("start_time", &sent.start_time, |time| canonical::time(time.as_ref())),
        end_time: mask.field("end_time", &sent.end_time, |time| canonical::time(time.as_ref())),
        max_submissions: mask.field("max_submissions", &sent.max_submissions, |_| None),
        max_submissions_per_affiliate: mask.field("max_submissions_per_affiliate", per_affiliate, |_| None),
        submission_count: canonical::unread(&sent.submission_count),
        state: canonical::unread(&sent.state),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        archive_time: canonical::unread(&sent.archive_time),
        decide_time: canonical::unread(&sent.decide_time);
        as_sent: id,
    )
}

impl Change for pb::ArchiveBountyRequest {
    type Rule = ArchiveBounty;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::ArchiveBountyRequest, self; as_sent: request_id, bounty_id)
    }

    fn read(&self, _asking: &Asking) -> Result<(ArchiveBounty, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("bounty_id", &self.bounty_id);
        Ok((ArchiveBounty { id: fields.complete(id)? }, ()))
    }

    fn render(bounty: Arc<Bounty>, replayed: bool, (): (), _asking: &Asking) -> pb::ArchiveBountyResponse {
        pb::ArchiveBountyResponse { bounty: Some(render(&bounty)), replayed }
    }
}

impl Change for pb::NameContestWinnersRequest {
    type Rule = NameContestWinners;
    type Kept = ();

    const PATHS: FieldPaths =
        &[(Field::SubmissionId, "winner_submission_ids"), (Field::Amount, "winner_submission_ids")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::NameContestWinnersRequest, self; as_sent: request_id, bounty_id, winner_submission_ids)
    }

    fn read(&self, _asking: &Asking) -> Result<(NameContestWinners, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("bounty_id", &self.bounty_id);
        let winners = fields.ids("winner_submission_ids", &self.winner_submission_ids);
        Ok((NameContestWinners { id: fields.complete(id)?, winners }, ()))
    }

    fn render(bounty: Arc<Bounty>, replayed: bool, (): (), _asking: &Asking) -> pb::NameContestWinnersResponse {
        pb::NameContestWinnersResponse { bounty: Some(render(&bounty)), replayed }
    }
}

/// A bounty as a message. It has no personal data, so the feed has it whole.
pub(super) fn render(bounty: &Bounty) -> pb::Bounty {
    pb::Bounty {
        id: bounty.id.to_string(),
        program_id: bounty.program_id.to_string(),
        kind: bounty.kind.number(),
        display_name: bounty.display_name.clone(),
        about: bounty.about.clone(),
        rewards: bounty.rewards.iter().map(|reward| reward_value(reward.unit, reward.value)).collect(),
        start_time: bounty.starts_at.map(timestamp),
        end_time: bounty.ends_at.map(timestamp),
        max_submissions: bounty.max_submissions,
        max_submissions_per_affiliate: bounty.max_submissions_per_affiliate,
        submission_count: bounty.submission_count.into(),
        state: bounty.state.number(),
        create_time: Some(timestamp(bounty.created_at)),
        update_time: Some(timestamp(bounty.updated_at)),
        archive_time: bounty.archived_at.map(timestamp),
        decide_time: bounty.decided_at.map(timestamp),
    }
}
