//! Table `payout_document`: self-billing invoices of payouts. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout_document")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub payout_id: Uuid,
    pub affiliate_id: Uuid,
    pub amount_minor: i64,
    pub currency: String,
    pub state: String,
    pub number_year: Option<i32>,
    pub number_sequence: Option<i64>,
    pub number_prefix: Option<String>,
    pub content: Option<String>,
    pub payee_tax_number: Option<Vec<u8>>,
    pub finalized_at: Option<i64>,
    pub voided_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
