//! Table `enrollment`: affiliates in programs. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "enrollment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub affiliate_id: Uuid,
    pub program_id: Uuid,
    pub ref_id: String,
    pub landing_url: String,
    pub commission_override: Option<String>,
    pub state: String,
    pub affiliate_state: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub ended_at: Option<i64>,
    pub moved: Option<String>,
    pub awaits_agreement: bool,
    pub was_active: bool,
    pub acceptances: Option<String>,
    pub accepted_version: i32,
    pub metadata: Option<String>,
    pub dated_commissions: Option<String>,
    pub past: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
