//! Table `payout_run`: payouts to many affiliates. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout_run")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub state: String,
    pub currency: String,
    pub affiliate_ids: Option<String>,
    pub minimum_minor: Option<i64>,
    pub maximum_total_minor: Option<i64>,
    pub provider: Option<String>,
    pub schedule_id: Option<Uuid>,
    pub planned_at: Option<i64>,
    pub due_until: Option<i64>,
    pub needs_approval: bool,
    pub note: String,
    pub message: String,
    pub cursor: Option<Uuid>,
    pub payout_count: i64,
    pub total_minor: i64,
    pub created_by: Option<Uuid>,
    pub cancelled_by: Option<Uuid>,
    pub cancelled_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
