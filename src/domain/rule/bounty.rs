//! The rules of bounties and contests. A submission is paid once, when it is approved or named a winner; see `submission.rs`.

use std::sync::Arc;

use super::context::{Context, Rule};
use super::submission;
use crate::domain::bounty::{Bounty, BountyKind, BountyReward, BountyState, Submission};
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, BountyId, ProgramId, SubmissionId};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Create a bounty.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the bounty")]
pub struct CreateBounty {
    /// The program; `None` for the account's default program.
    pub program_id: Option<ProgramId>,
    pub kind: BountyKind,
    pub display_name: String,
    pub about: String,
    pub rewards: Vec<BountyReward>,
    pub starts_at: Option<Time>,
    pub ends_at: Option<Time>,
    pub max_submissions: i32,
    pub max_submissions_per_affiliate: i32,
}

impl Rule for CreateBounty {
    type Answer = Arc<Bounty>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.program(account, self.program_id);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let program_id = context.set.active_program(context.account_id, self.program_id)?.id;
        let bounty = Bounty {
            id: BountyId::new(context.ids),
            account_id: context.account_id,
            program_id,
            kind: self.kind,
            display_name: self.display_name.clone(),
            about: self.about.clone(),
            rewards: self.rewards.clone(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            max_submissions: self.max_submissions,
            max_submissions_per_affiliate: self.max_submissions_per_affiliate,
            submission_count: 0,
            state: BountyState::Active,
            created_at: context.now,
            updated_at: context.now,
            archived_at: None,
            decided_at: None,
        };
        check_end(&bounty, context.now)?;
        Ok(put(context, EventKind::BountyCreated, bounty))
    }
}

/// Checks a new window: its end is later than now and later than its start.
fn check_end(bounty: &Bounty, now: Time) -> Result<(), Refusal> {
    let Some(ends_at) = bounty.ends_at else { return Ok(()) };
    let problem = if ends_at <= now {
        "must be in the future"
    } else if bounty.starts_at.is_some_and(|starts_at| ends_at <= starts_at) {
        "must be later than start_time"
    } else {
        return Ok(());
    };
    Err(Refusal::InvalidField { field: Field::EndTime, problem: problem.to_owned() })
}

fn put(context: &mut Context<'_>, kind: EventKind, bounty: Bounty) -> Arc<Bounty> {
    let bounty = context.put(Bounty { updated_at: context.now, ..bounty });
    context.tell(kind, EventImage::Bounty(Arc::clone(&bounty)));
    bounty
}

/// Change a bounty. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "fields are those of the bounty")]
pub struct UpdateBounty {
    /// The bounty to change.
    pub id: BountyId,
    pub display_name: Option<String>,
    pub about: Option<String>,
    /// `Some(None)`: from its creation on.
    pub starts_at: Option<Option<Time>>,
    /// `Some(None)`: without end.
    pub ends_at: Option<Option<Time>>,
    pub max_submissions: Option<i32>,
    pub max_submissions_per_affiliate: Option<i32>,
}

impl Rule for UpdateBounty {
    type Answer = Arc<Bounty>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Bounty>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.get::<Bounty, _>(self.id)?);
        let mut bounty = before.as_ref().clone();
        if let Some(display_name) = &self.display_name {
            bounty.display_name.clone_from(display_name);
        }
        if let Some(about) = &self.about {
            bounty.about.clone_from(about);
        }
        bounty.starts_at = self.starts_at.unwrap_or(bounty.starts_at);
        bounty.ends_at = self.ends_at.unwrap_or(bounty.ends_at);
        if (bounty.starts_at, bounty.ends_at) != (before.starts_at, before.ends_at) {
            check_end(&bounty, context.now)?;
        }
        bounty.max_submissions = self.max_submissions.unwrap_or(bounty.max_submissions);
        let per_affiliate = self.max_submissions_per_affiliate;
        bounty.max_submissions_per_affiliate = per_affiliate.unwrap_or(bounty.max_submissions_per_affiliate);
        Ok(put(context, EventKind::BountyUpdated, bounty))
    }
}

/// Archive a bounty. Submissions that it has can still be approved and rejected.
#[derive(Debug, Clone)]
pub struct ArchiveBounty {
    /// The bounty to archive.
    pub id: BountyId,
}

impl Rule for ArchiveBounty {
    type Answer = Arc<Bounty>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Bounty>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let bounty = context.get::<Bounty, _>(self.id)?;
        if bounty.state == BountyState::Archived {
            return Ok(Arc::clone(bounty));
        }
        let archived =
            Bounty { state: BountyState::Archived, archived_at: Some(context.now), ..bounty.as_ref().clone() };
        Ok(put(context, EventKind::BountyArchived, archived))
    }
}

/// Name the winners of a contest, once, and pay them.
#[derive(Debug, Clone)]
pub struct NameContestWinners {
    /// The contest.
    pub id: BountyId,
    /// The submissions that win, the first place first, without repeats.
    pub winners: Vec<SubmissionId>,
}

impl Rule for NameContestWinners {
    type Answer = Arc<Bounty>;

    fn weight(&self) -> usize {
        self.winners.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Bounty>((account, self.id));
        self.winners.iter().for_each(|id| needs.row::<Submission>((account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let contest = Arc::clone(context.get::<Bounty, _>(self.id)?);
        if contest.kind != BountyKind::Contest {
            return Err(Refusal::BountyKind { bounty_id: contest.id, kind: contest.kind });
        }
        if contest.decided_at.is_some() {
            return Err(Refusal::ContestDecided { bounty_id: contest.id });
        }
        if self.winners.len() > contest.rewards.len() {
            let (winners, places) = (self.winners.len(), contest.rewards.len());
            let problem = format!("names {winners} winners; the contest has {places} places");
            return Err(Refusal::InvalidField { field: Field::Winners, problem });
        }
        for ((id, reward), place) in self.winners.iter().zip(&contest.rewards).zip(1..) {
            let winner = Arc::clone(context.get::<Submission, _>(*id)?);
            if winner.bounty_id != contest.id {
                let problem = format!("{id} was submitted to another bounty");
                return Err(Refusal::InvalidField { field: Field::Winners, problem });
            }
            submission::pay(context, &winner, *reward, place)?;
        }
        let decided = Bounty { decided_at: Some(context.now), ..contest.as_ref().clone() };
        Ok(put(context, EventKind::ContestDecided, decided))
    }
}
