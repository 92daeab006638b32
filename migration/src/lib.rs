//! The database schema, one file per released change. A released file never changes; a change of the schema is a new file.
//! Knows nothing of the server's entities: `tests/it/schema.rs` compares the two.

pub mod bounty;
pub mod column;
mod m20261120_000001_initial;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// Every migration, the oldest first.
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m20261120_000001_initial::Migration)]
    }
}
