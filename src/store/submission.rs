//! Submissions to bounties: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait};

use super::entity::submission as table;
use super::entity::submission_count as count_table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::Loading;
use super::set::stored::{SqlKey, Stored};
use super::{Store, StoreError};
use crate::domain::bounty::{Bounty, Submission, SubmissionCount, SubmissionState};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, BountyId, EnrollmentId, ProgramId, RewardId, SubmissionId};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for Submission {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            bounty_id: self.bounty_id.uuid(),
            program_id: self.program_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            enrollment_id: self.enrollment_id.uuid(),
            note: self.note.clone(),
            url: self.url.clone(),
            state: self.state.as_str().to_owned(),
            reject_reason: self.reject_reason.clone(),
            place: self.place,
            reward_id: self.reward_id.map(RewardId::uuid),
            created_at: self.created_at.micros(),
            decided_at: self.decided_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("submission", row.id);
        Ok(Self {
            id: SubmissionId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            bounty_id: BountyId::from_uuid(row.bounty_id),
            program_id: ProgramId::from_uuid(row.program_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
            note: row.note,
            url: row.url,
            state: name.parse(&row.state)?,
            reject_reason: row.reject_reason,
            place: row.place,
            reward_id: row.reward_id.map(RewardId::from_uuid),
            created_at: Time::from_micros(row.created_at),
            decided_at: row.decided_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Bounty>((self.account_id, self.bounty_id));
        needs.row::<SubmissionCount>((self.account_id, self.bounty_id, self.affiliate_id));
        needs.row::<Enrollment>((self.account_id, self.enrollment_id));
    }

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let affiliates = std::mem::take(&mut loading.needs.names.submissions_of);
        let columns = [table::Column::AccountId, table::Column::AffiliateId];
        loading.by::<Self, _>(&columns, affiliates.iter().map(SqlKey::values)).await?;
        loading.by_key::<Self>().await
    }
}

impl Stored for SubmissionCount {
    type Table = count_table::Entity;

    const GROWS: bool = false;

    fn to_row(&self) -> Result<count_table::Model, StoreError> {
        Ok(count_table::Model {
            account_id: self.account_id.uuid(),
            bounty_id: self.bounty_id.uuid(),
            affiliate_id: self.affiliate_id.uuid(),
            submission_count: self.submission_count,
        })
    }

    fn from_row(row: count_table::Model) -> Result<Self, StoreError> {
        Ok(Self {
            account_id: AccountId::from_uuid(row.account_id),
            bounty_id: BountyId::from_uuid(row.bounty_id),
            affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
            submission_count: row.submission_count,
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}
}

/// A filter of submissions. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct SubmissionQuery {
    /// Only submissions to this bounty.
    pub bounty_id: Option<BountyId>,
    /// Only submissions of this affiliate.
    pub affiliate_id: Option<AffiliateId>,
    /// Only submissions in one of these states.
    pub states: Vec<SubmissionState>,
}

/// The submission with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: SubmissionId) -> Result<Option<Submission>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Submission::from_row).transpose()
}

/// One page of submissions.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &SubmissionQuery,
    walk: Walk,
) -> Result<Vec<Submission>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.bounty_id, |query, id| query.filter(table::Column::BountyId.eq(id.uuid())))
        .apply_if(wanted.affiliate_id, |query, id| query.filter(table::Column::AffiliateId.eq(id.uuid())));
    let query = list::one_of(query, table::Column::State, &wanted.states);
    list::read(walk.cut(query, table::Column::Id), store.read()).await
}
