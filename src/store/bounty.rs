//! Bounties: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryTrait};

use super::entity::bounty as table;
use super::list::{self, Walk};
use super::row::{RowName, to_json};
use super::set::stored::Stored;
use super::{Store, StoreError};
use crate::domain::bounty::{Bounty, BountyKind, BountyState};
use crate::domain::id::{AccountId, BountyId, ProgramId};
use crate::domain::program::Program;
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for Bounty {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            program_id: self.program_id.uuid(),
            kind: self.kind.as_str().to_owned(),
            display_name: self.display_name.clone(),
            about: self.about.clone(),
            rewards: to_json(&self.rewards)?,
            starts_at: self.starts_at.map(Time::micros),
            ends_at: self.ends_at.map(Time::micros),
            max_submissions: self.max_submissions,
            max_submissions_per_affiliate: self.max_submissions_per_affiliate,
            submission_count: self.submission_count,
            state: self.state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            archived_at: self.archived_at.map(Time::micros),
            decided_at: self.decided_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("bounty", row.id);
        Ok(Self {
            id: BountyId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            program_id: ProgramId::from_uuid(row.program_id),
            kind: name.parse(&row.kind)?,
            display_name: row.display_name,
            about: row.about,
            rewards: name.json(&row.rewards)?,
            starts_at: row.starts_at.map(Time::from_micros),
            ends_at: row.ends_at.map(Time::from_micros),
            max_submissions: row.max_submissions,
            max_submissions_per_affiliate: row.max_submissions_per_affiliate,
            submission_count: row.submission_count,
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            archived_at: row.archived_at.map(Time::from_micros),
            decided_at: row.decided_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, needs: &mut Needs) {
        needs.row::<Program>((self.account_id, self.program_id));
    }
}

/// A filter of bounties. All fields that are set must match.
#[derive(Debug, Clone, Default)]
pub struct BountyQuery {
    /// Only bounties of this program.
    pub program_id: Option<ProgramId>,
    /// Only bounties in one of these states.
    pub states: Vec<BountyState>,
    /// Only bounties of one of these kinds.
    pub kinds: Vec<BountyKind>,
}

/// The bounty with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(store: &Store, account_id: AccountId, id: BountyId) -> Result<Option<Bounty>, StoreError> {
    let row = table::Entity::find_by_id((account_id.uuid(), id.uuid())).one(store.read()).await?;
    row.map(Bounty::from_row).transpose()
}

/// One page of bounties.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    wanted: &BountyQuery,
    walk: Walk,
) -> Result<Vec<Bounty>, StoreError> {
    let query = table::Entity::find()
        .filter(table::Column::AccountId.eq(account_id.uuid()))
        .apply_if(wanted.program_id, |query, id| query.filter(table::Column::ProgramId.eq(id.uuid())));
    let query = list::one_of(query, table::Column::State, &wanted.states);
    let query = list::one_of(query, table::Column::Kind, &wanted.kinds);
    list::read(walk.cut(query, table::Column::Id), store.read()).await
}
