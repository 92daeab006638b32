//! Table `payout_method`: where the payouts of affiliates go. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payout_method")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub affiliate_id: Uuid,
    pub kind: Option<String>,
    pub hint: Option<String>,
    pub sealed: Option<Vec<u8>>,
    pub fingerprint: Option<Vec<u8>>,
    pub set_at: Option<i64>,
    pub pending_kind: Option<String>,
    pub pending_hint: Option<String>,
    pub pending_sealed: Option<Vec<u8>>,
    pub pending_fingerprint: Option<Vec<u8>>,
    pub pending_set_at: Option<i64>,
    pub effective_at: Option<i64>,
    pub override_reason: String,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
