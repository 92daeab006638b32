//! Table `offer`: deals that people claim. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "offer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub program_id: Uuid,
    pub display_name: String,
    pub about: String,
    pub item_id: Option<Uuid>,
    pub code_prefix: String,
    pub starts_at: Option<i64>,
    pub ends_at: Option<i64>,
    pub max_claims: i32,
    pub max_claims_per_affiliate: i32,
    pub max_uses_per_coupon: i32,
    pub claim_count: i32,
    pub state: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub archived_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
