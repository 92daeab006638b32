//! Table `reward`: what affiliates get for conversions and clicks, or by hand. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "reward")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub conversion_id: Option<Uuid>,
    pub affiliate_id: Uuid,
    pub enrollment_id: Uuid,
    pub program_id: Uuid,
    pub unit: String,
    pub value_minor: i64,
    pub currency: String,
    pub reversed_minor: i64,
    pub reverses: Option<Uuid>,
    pub state: String,
    pub calculation: Option<String>,
    pub by_hand: Option<String>,
    pub click: Option<String>,
    pub review: Option<String>,
    pub auto_approve_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub deny_reason: String,
    pub payout_id: Option<Uuid>,
    pub approved_at: Option<i64>,
    pub dispute: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
