//! Look-ups of enrollments by their affiliate. Their ref_ids identify the affiliate.

use std::sync::Arc;

use super::kind::{Kind, Named};
use super::names::Names;
use super::working_set::{WorkingSet, known};
use crate::domain::affiliate::AffiliateSelector;
use crate::domain::enrollment::{Enrollment, EnrollmentStanding, EnrollmentState, EnrollmentWithLanding};
use crate::domain::id::{AccountId, AffiliateId, EnrollmentId, ProgramId};
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::time::Time;

/// How many moves are followed from one enrollment: more than an account has programs between which it moves affiliates.
const MOVES_MAX: usize = 100;

impl Kind for Enrollment {
    type Key = (AccountId, EnrollmentId);

    const NAME: &'static str = "enrollment";
    const IN_CATALOGUE: bool = true;

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }

    fn index(before: Option<&Self>, after: Option<&Self>, names: &mut Names) {
        let name = |row: &Self| (row.account_id, AffiliateSelector::RefId(row.ref_id.clone()));
        if let Some(before) = before
            && after.is_none_or(|after| after.ref_id != before.ref_id)
        {
            names.affiliates.insert(name(before), None);
        }
        if let Some(after) = after {
            names.affiliates.insert(name(after), Some(after.affiliate_id));
            names.enrollments_of.add((after.account_id, after.affiliate_id), after.id);
        }
    }
}

impl Named for Enrollment {
    const RESOURCE: Resource = Resource::Enrollment;
}

impl WorkingSet {
    /// The enrollment with this id, active or ended.
    pub fn enrollment(&self, account_id: AccountId, id: EnrollmentId) -> Result<&Arc<Enrollment>, Refusal> {
        self.get(account_id, id)
    }

    /// The enrollment with this id. Refuses if it has ended.
    pub fn active_enrollment(&self, account_id: AccountId, id: EnrollmentId) -> Result<&Arc<Enrollment>, Refusal> {
        let enrollment = self.enrollment(account_id, id)?;
        match enrollment.state {
            EnrollmentState::Active => Ok(enrollment),
            EnrollmentState::Ended => Err(Refusal::EnrollmentEnded { enrollment_id: id }),
        }
    }

    /// The enrollment that earns in place of this one at a time: the one to which the affiliate was moved by then, or else itself.
    pub fn serving<'set>(
        &'set self,
        enrollment: &'set Arc<Enrollment>,
        time: Time,
    ) -> Result<&'set Arc<Enrollment>, Refusal> {
        self.moved_to(enrollment, |row| row.standing_at(time))
    }

    /// The enrollment that earns at a time from the customers who are bound to this one.
    pub fn serving_bound<'set>(
        &'set self,
        enrollment: &'set Arc<Enrollment>,
        time: Time,
    ) -> Result<&'set Arc<Enrollment>, Refusal> {
        self.moved_to(enrollment, |row| row.standing_of_bound_at(time))
    }

    /// The enrollment that earns from now on in place of this one.
    pub fn serving_now<'set>(&'set self, enrollment: &'set Arc<Enrollment>) -> Result<&'set Arc<Enrollment>, Refusal> {
        self.moved_to(enrollment, Enrollment::standing)
    }

    fn moved_to<'set>(
        &'set self,
        enrollment: &'set Arc<Enrollment>,
        standing: impl Fn(&Enrollment) -> EnrollmentStanding,
    ) -> Result<&'set Arc<Enrollment>, Refusal> {
        let mut serving = enrollment;
        // Each move leads to an enrollment that was active then, so the moves of one time make no circle. A clock that was set back may
        // say otherwise.
        for _ in 0..MOVES_MAX {
            let Some(moved) = standing(serving).moved else { break };
            serving = self.existing::<Enrollment>(&(enrollment.account_id, moved.to))?;
        }
        Ok(serving)
    }

    /// The affiliate's enrollments, ended or not, in no order.
    pub fn enrollments_of(
        &self,
        account_id: AccountId,
        affiliate_id: AffiliateId,
    ) -> Result<Vec<&Arc<Enrollment>>, Refusal> {
        let ids = known(self.names.enrollments_of.get(&(account_id, affiliate_id)), "enrollments")?;
        ids.iter().map(|id| self.existing(&(account_id, *id))).collect()
    }

    /// The affiliate's enrollment in a program, ended or not.
    pub fn enrollment_in(
        &self,
        account_id: AccountId,
        affiliate_id: AffiliateId,
        program_id: ProgramId,
    ) -> Result<Option<&Arc<Enrollment>>, Refusal> {
        let ids = known(self.names.enrollments_of.get(&(account_id, affiliate_id)), "enrollments")?;
        let mut rows = ids.iter().filter_map(|id| self.enrollments.get(&(account_id, *id)));
        Ok(rows.find(|enrollment| enrollment.program_id == program_id))
    }

    /// The enrollment that has this ref_id now, active or ended. Its affiliate must have been looked up by the ref_id.
    pub fn enrollment_with_ref_id(
        &self,
        account_id: AccountId,
        ref_id: &str,
    ) -> Result<Option<&Arc<Enrollment>>, Refusal> {
        let Some(affiliate) = self.find_affiliate(account_id, &AffiliateSelector::RefId(ref_id.to_owned()))? else {
            return Ok(None);
        };
        let ids = known(self.names.enrollments_of.get(&(account_id, affiliate.id)), "enrollments")?;
        let mut rows = ids.iter().filter_map(|id| self.enrollments.get(&(account_id, *id)));
        Ok(rows.find(|enrollment| enrollment.ref_id == ref_id))
    }

    /// An enrollment as answers show it.
    pub fn with_landing(&self, enrollment: Arc<Enrollment>) -> Result<EnrollmentWithLanding, Refusal> {
        let agreement_version = self.program(enrollment.account_id, enrollment.program_id)?.agreement_version();
        // The one of a kept answer is older than the row, and its links lead to where they lead now.
        let present = self.existing::<Enrollment>(&(enrollment.account_id, enrollment.id))?;
        let landing_url = self.landing_url(self.serving_now(present)?)?.to_owned();
        Ok(EnrollmentWithLanding::new(enrollment, landing_url, agreement_version))
    }

    /// The page that an enrollment's links lead to: its own, or else the program's.
    pub fn landing_url<'set>(&'set self, enrollment: &'set Enrollment) -> Result<&'set str, Refusal> {
        if enrollment.landing_url.is_empty() {
            return Ok(&self.program(enrollment.account_id, enrollment.program_id)?.landing_url);
        }
        Ok(&enrollment.landing_url)
    }
}
