//! Table `payout`: money that one affiliate gets in one currency. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub affiliate_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    pub provider: String,
    pub destination_kind: Option<String>,
    pub destination_hint: Option<String>,
    pub destination_sealed: Option<Vec<u8>>,
    pub is_test: bool,
    pub state: String,
    pub reward_count: i32,
    pub reference: String,
    pub note: String,
    pub message: String,
    pub paid_at: Option<i64>,
    pub run_id: Option<Uuid>,
    pub created_by: Option<Uuid>,
    pub approved_by: Option<Uuid>,
    pub approved_at: Option<i64>,
    pub cancelled_at: Option<i64>,
    pub sending: Option<String>,
    pub export_id: Option<Uuid>,
    pub document_id: Option<Uuid>,
    pub document_number: String,
    pub reopenings: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
