//! Table `coupon`: coupons. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "coupon")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub enrollment_id: Uuid,
    pub affiliate_id: Uuid,
    pub code: String,
    pub active_code: Option<String>,
    pub note: String,
    pub item_id: Option<Uuid>,
    pub offer_id: Option<Uuid>,
    pub starts_at: Option<i64>,
    pub ends_at: Option<i64>,
    pub channel: Option<String>,
    pub max_uses: i32,
    pub max_uses_per_customer: i32,
    pub details: Option<String>,
    pub state: String,
    pub created_at: i64,
    pub removed_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
