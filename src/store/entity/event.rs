//! Table `event`: the feed. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub id: Uuid,
    pub event_type: String,
    pub subject_id: String,
    pub program_id: Option<Uuid>,
    pub affiliate_id: Option<Uuid>,
    pub occurred_at: i64,
    pub committed_at: i64,
    pub image: Option<String>,
    pub cause_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
