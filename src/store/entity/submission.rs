//! Table `submission`: what affiliates submit to bounties. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "submission")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub bounty_id: Uuid,
    pub program_id: Uuid,
    pub affiliate_id: Uuid,
    pub enrollment_id: Uuid,
    pub note: String,
    pub url: String,
    pub state: String,
    pub reject_reason: String,
    pub place: i32,
    pub reward_id: Option<Uuid>,
    pub created_at: i64,
    pub decided_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
