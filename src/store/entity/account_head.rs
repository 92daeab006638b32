//! Table `account_head`: the newest numbers of accounts' feeds and ledgers. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_head")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    pub event_sequence: i64,
    pub pruned_sequence: i64,
    pub pruned_check: i64,
    pub ledger_sequence: i64,
    pub ledger_hash: Vec<u8>,
    pub posted_minor: i64,
    pub catalogue_version: i64,
    pub waited_refund_count: i64,
    pub click_terms_count: i64,
    pub listed_count: i64,
    pub folded_count: i64,
    pub committed_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
