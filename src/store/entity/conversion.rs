//! Table `conversion`: accepted events. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversion")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: String,
    pub event_id: String,
    pub outcome: String,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    pub refunded_minor: i64,
    pub refund_count: i32,
    pub excess_minor: i64,
    pub sale_id: Option<Uuid>,
    pub sale_event_id: String,
    pub lead_id: Option<Uuid>,
    pub tid: Option<Uuid>,
    pub credits: Vec<u8>,
    pub channel: String,
    pub order_details: String,
    pub candidates: String,
    pub occurred_at: i64,
    pub created_at: i64,
    pub is_told: bool,
    pub version: i32,
    pub as_recorded: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
