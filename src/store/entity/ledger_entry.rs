//! Table `ledger_entry`: the ledger. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub debit: String,
    pub credit: String,
    pub unit: String,
    pub currency: String,
    pub amount_minor: i64,
    pub affiliate_id: Uuid,
    pub subject_kind: String,
    pub subject_id: Uuid,
    pub reason: String,
    pub posted_at: i64,
    pub hash_version: i32,
    pub hash: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
