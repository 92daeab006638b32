//! Table `affiliate`: affiliates. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "affiliate")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub external_id: Option<String>,
    pub email: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub profile: String,
    pub token_hash: Vec<u8>,
    pub password_hash: Option<String>,
    pub password_is_temporary: bool,
    pub state: String,
    pub state_reason: String,
    pub state_changed_at: Option<i64>,
    pub pending_rewards: Option<String>,
    pub email_verified: bool,
    pub former_email: Option<String>,
    pub email_changed_at: Option<i64>,
    pub upline_id: Option<Uuid>,
    pub group_id: Option<Uuid>,
    pub past_uplines: Option<String>,
    pub awaits_welcome: bool,
    pub version: i32,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
