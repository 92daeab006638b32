//! Look-ups of bounties and submissions, and of the number of submissions that an affiliate has.

use std::sync::Arc;

use super::kind::{Key, Kind, Named};
use super::working_set::{WorkingSet, known};
use crate::domain::bounty::{Bounty, Submission, SubmissionCount};
use crate::domain::id::{AccountId, AffiliateId, BountyId};
use crate::domain::refusal::{Refusal, Resource};

impl Kind for Bounty {
    type Key = (AccountId, BountyId);

    const NAME: &'static str = "bounty";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for Bounty {
    const RESOURCE: Resource = Resource::Bounty;
}

impl Key for (AccountId, BountyId, AffiliateId) {
    fn account_id(&self) -> AccountId {
        self.0
    }
}

impl Kind for SubmissionCount {
    type Key = (AccountId, BountyId, AffiliateId);

    const NAME: &'static str = "submissions to a bounty";

    fn key(&self) -> Self::Key {
        (self.account_id, self.bounty_id, self.affiliate_id)
    }
}

impl Kind for Submission {
    type Key = (AccountId, crate::domain::id::SubmissionId);

    const NAME: &'static str = "submission";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}

impl Named for Submission {
    const RESOURCE: Resource = Resource::Submission;
}

impl WorkingSet {
    /// How many submissions to a bounty an affiliate has. If they were not looked up, they are wanted.
    pub fn submission_count(
        &mut self,
        account_id: AccountId,
        bounty_id: BountyId,
        affiliate_id: AffiliateId,
    ) -> Result<SubmissionCount, Refusal> {
        let key = (account_id, bounty_id, affiliate_id);
        let none = SubmissionCount { account_id, bounty_id, affiliate_id, submission_count: 0 };
        if let Some(found) = self.submission_counts.find(&key) {
            return Ok(found.map_or(none, |count| **count));
        }
        self.wanted().row::<SubmissionCount>(key);
        Err(Refusal::NotLoaded(SubmissionCount::NAME))
    }

    /// All submissions of an affiliate, in the order in which they were made. They are looked up with its links and coupons.
    pub fn submissions_of(&self, account_id: AccountId, id: AffiliateId) -> Result<Vec<Arc<Submission>>, Refusal> {
        known(self.names.code_holders.get(&(account_id, id)), "submissions")?;
        let submissions = self.submissions.iter();
        let submissions = submissions.filter(|row| (row.account_id, row.affiliate_id) == (account_id, id));
        let mut submissions: Vec<_> = submissions.cloned().collect();
        submissions.sort_unstable_by_key(|submission| submission.id);
        Ok(submissions)
    }
}
