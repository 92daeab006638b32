//! Table `program`: programs. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "program")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub display_name: String,
    pub currency: String,
    pub landing_url: String,
    pub hosts: String,
    pub is_default: bool,
    pub state: String,
    pub agreement: Option<String>,
    pub agreement_version: i32,
    pub questions: Option<String>,
    pub is_private: bool,
    pub invitations: Option<String>,
    pub welcome_mail: Option<String>,
    pub metadata: Option<String>,
    pub fraud_rules: Option<String>,
    pub terms_version: i32,
    pub version: i32,
    pub created_at: i64,
    pub updated_at: i64,
    pub archived_at: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
