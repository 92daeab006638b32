//! Table `payout_attempt`: the present attempt to send each payout. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout_attempt")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub payout_id: Uuid,
    pub provider: String,
    pub number: i32,
    pub next_step: String,
    pub first_try_at: Option<i64>,
    pub last_try_at: Option<i64>,
    pub provider_payment_id: String,
    pub is_probe: bool,
    pub tries: i32,
    pub lease_id: Uuid,
    pub next_at: Option<i64>,
    pub is_under_way: bool,
    pub seen_wake: i64,
    pub doubt_code: String,
    pub doubt_debug_id: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
