//! The tables of bounties in the schema of the first release. A part of the first migration, which is long.

use sea_orm_migration::prelude::*;

use crate::column::{count, id, id_null, index, json, state, table, text, time, time_null};

/// Bounties, what was submitted to them, and the numbers that their limits are compared with.
pub fn tables() -> Vec<TableCreateStatement> {
    vec![
        table("bounty", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("program_id"))
            .col(state("kind"))
            .col(text("display_name"))
            .col(text("about"))
            .col(json("rewards"))
            .col(time_null("starts_at"))
            .col(time_null("ends_at"))
            .col(count("max_submissions"))
            .col(count("max_submissions_per_affiliate"))
            .col(count("submission_count"))
            .col(state("state"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("archived_at"))
            .col(time_null("decided_at"))
            .take(),
        table("submission", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("bounty_id"))
            .col(id("program_id"))
            .col(id("affiliate_id"))
            .col(id("enrollment_id"))
            .col(text("note"))
            .col(text("url"))
            .col(state("state"))
            .col(text("reject_reason"))
            .col(count("place"))
            .col(id_null("reward_id"))
            .col(time("created_at"))
            .col(time_null("decided_at"))
            .take(),
        table("submission_count", &["account_id", "bounty_id", "affiliate_id"])
            .col(id("account_id"))
            .col(id("bounty_id"))
            .col(id("affiliate_id"))
            .col(count("submission_count"))
            .take(),
    ]
}

/// The indexes of these tables.
pub fn indexes() -> Vec<IndexCreateStatement> {
    vec![
        index("submission_by_bounty", "submission", &["account_id", "bounty_id", "id"]),
        index("submission_by_affiliate", "submission", &["account_id", "affiliate_id", "id"]),
    ]
}
