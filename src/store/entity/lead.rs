//! Table `lead`: leads. Columns alone; `migration` makes them.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "lead")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: Option<String>,
    pub email_as_sent: String,
    pub external_id: Option<String>,
    pub first_name: String,
    pub last_name: String,
    pub state: String,
    pub credits: Vec<u8>,
    pub bound_at: Option<i64>,
    pub referred_at: Option<i64>,
    pub plan: String,
    pub mrr_minor: Option<i64>,
    pub mrr_currency: Option<String>,
    pub first_sale_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    pub merged_into: Option<Uuid>,
    pub deleted_at: Option<i64>,
    pub details: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
