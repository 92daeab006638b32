//! Groups of affiliates: rows and reads.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, Select};

use super::entity::affiliate_group as table;
use super::list::{self, Walk};
use super::row::RowName;
use super::set::Loading;
use super::set::stored::{SqlKey, Stored};
use super::{Store, StoreError};
use crate::domain::affiliate_group::{AffiliateGroup, AffiliateGroupState};
use crate::domain::id::{AccountId, AffiliateGroupId};
use crate::domain::set::Needs;
use crate::domain::time::Time;

impl Stored for AffiliateGroup {
    type Table = table::Entity;

    const GROWS: bool = true;

    fn to_row(&self) -> Result<table::Model, StoreError> {
        Ok(table::Model {
            account_id: self.account_id.uuid(),
            id: self.id.uuid(),
            display_name: self.display_name.clone(),
            // Null for an archived group, whose name is free again.
            active_name: (self.state == AffiliateGroupState::Active).then(|| self.display_name.clone()),
            note: self.note.clone(),
            state: self.state.as_str().to_owned(),
            created_at: self.created_at.micros(),
            updated_at: self.updated_at.micros(),
            archived_at: self.archived_at.map(Time::micros),
        })
    }

    fn from_row(row: table::Model) -> Result<Self, StoreError> {
        let name = RowName::new("affiliate_group", row.id);
        Ok(Self {
            id: AffiliateGroupId::from_uuid(row.id),
            account_id: AccountId::from_uuid(row.account_id),
            display_name: row.display_name,
            note: row.note,
            state: name.parse(&row.state)?,
            created_at: Time::from_micros(row.created_at),
            updated_at: Time::from_micros(row.updated_at),
            archived_at: row.archived_at.map(Time::from_micros),
        })
    }

    fn leads_to(&self, _needs: &mut Needs) {}

    async fn load(loading: &mut Loading<'_>) -> Result<(), StoreError> {
        let group_names = std::mem::take(&mut loading.needs.names.group_names);
        let columns = [table::Column::AccountId, table::Column::ActiveName];
        loading.by::<Self, _>(&columns, group_names.iter().map(SqlKey::values)).await?;
        group_names.into_iter().for_each(|name| loading.set.names.group_names.insert_absent(name));
        loading.by_key::<Self>().await
    }
}

/// The group with this id.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    store: &Store,
    account_id: AccountId,
    id: AffiliateGroupId,
) -> Result<Option<AffiliateGroup>, StoreError> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    let found = mine.filter(table::Column::Id.eq(id.uuid())).one(store.read()).await?;
    found.map(AffiliateGroup::from_row).transpose()
}

/// One page of groups. If states are given, only groups in one of them.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    account_id: AccountId,
    states: &[AffiliateGroupState],
    walk: Walk,
) -> Result<Vec<AffiliateGroup>, StoreError> {
    list::read(walk.cut(filtered(account_id, states), table::Column::Id), store.read()).await
}

/// How many groups a list has in all.
///
/// # Errors
/// [`StoreError`].
pub async fn count(store: &Store, account_id: AccountId, states: &[AffiliateGroupState]) -> Result<i64, StoreError> {
    list::count(filtered(account_id, states), table::Column::Id, store.read()).await
}

fn filtered(account_id: AccountId, states: &[AffiliateGroupState]) -> Select<table::Entity> {
    let mine = table::Entity::find().filter(table::Column::AccountId.eq(account_id.uuid()));
    list::one_of(mine, table::Column::State, states)
}
