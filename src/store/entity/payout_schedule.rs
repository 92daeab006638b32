//! Table `payout_schedule`: when payout runs are created. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout_schedule")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub state: String,
    pub display_name: String,
    pub timing: String,
    pub currency: String,
    pub affiliate_ids: Option<String>,
    pub minimum_minor: Option<i64>,
    pub maximum_total_minor: Option<i64>,
    pub provider: Option<String>,
    pub net_days: Option<i32>,
    pub pays_month_before: bool,
    pub needs_approval: bool,
    pub note: String,
    pub message: String,
    pub set_by: Option<Uuid>,
    pub next_run_at: Option<i64>,
    pub last_run_id: Option<Uuid>,
    pub created_at: i64,
    pub updated_at: i64,
    pub archived_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
