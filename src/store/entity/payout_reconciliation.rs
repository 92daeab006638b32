//! Table `payout_reconciliation`: comparisons of payouts with the payments at their provider. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout_reconciliation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub provider: String,
    pub state: String,
    pub start_at: i64,
    pub end_at: i64,
    pub payment_count: i64,
    pub payout_count: i64,
    pub unread_count: i64,
    pub looked_at_count: i64,
    pub difference_count: i64,
    pub new_difference_count: i64,
    pub differences: Option<String>,
    pub problem_code: String,
    pub tries: i32,
    pub lease_id: Uuid,
    pub next_at: Option<i64>,
    pub created_by: Option<Uuid>,
    pub created_at: i64,
    pub ended_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
