//! Table `account`: merchants. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub display_name: String,
    pub email: String,
    pub max_active_coupons_per_affiliate: i32,
    pub payout_policy: Option<String>,
    pub time_zones: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub suspended_at: Option<i64>,
    pub suspension_reason: String,
    pub email_verified_at: Option<i64>,
    pub verification_email: Option<String>,
    pub verification_hash: Option<Vec<u8>>,
    pub verification_expires_at: Option<i64>,
    pub calls_per_minute: i32,
    pub is_test: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
