//! The schema of the first release.
//!
//! Every primary key starts with the account, so that the rows of an account are stored together and a database can be split by
//! account. Tables with many writes have only the indexes that their reads need.

mod indexes;
mod payouts;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::column::{
    balance, bytes, count, flag, hash, hash_null, id, id_null, json, json_null, money, money_null, sequence, state,
    state_null, table, text, text_null, time, time_null,
};

/// See the head of the file.
#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let is_sqlite = manager.get_database_backend() == DbBackend::Sqlite;
        let narrow = [
            accounts(),
            programs(),
            offers(),
            payouts::payouts(),
            payouts::tax_data(),
            crate::bounty::tables(),
            tracking(),
            balances(),
            heads(),
            lists(),
            statistics(),
        ];
        for mut statement in narrow.into_iter().flatten() {
            if is_sqlite {
                // SQLite then stores the rows in the order of the primary key, as the head of the file says. It needs one tree
                // for this instead of two.
                statement.extra("WITHOUT ROWID");
            }
            manager.create_table(statement).await?;
        }
        // A tree by primary key would be inefficient for these rows, because they are long and few fit into a page. SQLite stores
        // them in the order of insertion.
        for statement in [conversions(), rewards_and_entries(), requests_and_segments(), blocks()].into_iter().flatten()
        {
            manager.create_table(statement).await?;
        }
        for statement in indexes::all().into_iter().chain(crate::bounty::indexes()) {
            manager.create_index(statement).await?;
        }
        make_search(manager, is_sqlite).await?;
        if is_sqlite { set_statistics(manager).await } else { store_segments_as_they_are(manager).await }
    }
}

/// Tells SQLite's planner how many rows each part of an index has, as in a database with ten large accounts. Without this it takes an
/// account for ten rows, and reads all rows of the account where an index has the few that are wanted. The numbers never change, so that
/// a query has the same plan in every database.
#[expect(clippy::disallowed_methods, reason = "the library has no word for statistics")]
async fn set_statistics(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    // This makes the table of statistics, and looks at no row.
    const MAKE: &str = "ANALYZE sqlite_schema";
    // A table without rowid has its statistics under its own name. A state has so many rows that a list of several states is read in
    // the order of ids.
    const FILL: &str = "INSERT INTO sqlite_stat1 (tbl, idx, stat) \
        SELECT list.name, \
            CASE WHEN indexes.origin = 'pk' AND list.wr THEN list.name ELSE indexes.name END, \
            '10000000 ' || ( \
                SELECT group_concat( \
                    CASE \
                        WHEN parts.seqno = (SELECT max(seqno) FROM pragma_index_info(indexes.name)) AND indexes.\"unique\" THEN 1 \
                        WHEN parts.name = 'account_id' THEN 1000000 \
                        WHEN parts.seqno > 1 THEN 10 \
                        WHEN parts.name IN ('state', 'email_verified', 'program_id') THEN 250000 \
                        WHEN parts.name IN ('item_id', 'offer_id') THEN 10000 \
                        ELSE 10 \
                    END, ' ' ORDER BY parts.seqno) \
                FROM pragma_index_info(indexes.name) AS parts) \
        FROM pragma_table_list AS list, pragma_index_list(list.name) AS indexes \
        WHERE list.schema = 'main' AND list.type = 'table' AND list.name NOT LIKE 'sqlite%'";
    // Reads the statistics.
    let connection = manager.get_connection();
    for sql in [MAKE, FILL, MAKE] {
        connection.execute_unprepared(sql).await?;
    }
    Ok(())
}

/// Makes the index by which affiliates are found by a part of a name: see docs/adr/0023. Each database has one of its own.
#[expect(clippy::disallowed_methods, reason = "the library has no word for either index")]
async fn make_search(manager: &SchemaManager<'_>, is_sqlite: bool) -> Result<(), DbErr> {
    // The grams themselves are not stored, nor how often each occurs. The index of prefixes serves texts of two characters: four
    // digits of the account, and two for each.
    const SQLITE: &str = "CREATE VIRTUAL TABLE affiliate_search USING fts5(account_id UNINDEXED, id UNINDEXED, grams, \
        content='', contentless_delete=1, contentless_unindexed=1, detail=none, tokenize='ascii', prefix='8')";
    const POSTGRES: &str = "CREATE TABLE affiliate_search (account_id uuid NOT NULL, id uuid NOT NULL, grams tsvector NOT NULL, \
        PRIMARY KEY (account_id, id)); \
        CREATE INDEX affiliate_search_by_gram ON affiliate_search USING gin (grams)";
    let connection = manager.get_connection();
    connection.execute_unprepared(if is_sqlite { SQLITE } else { POSTGRES }).await.map(|_| ())
}

/// Keeps PostgreSQL from compressing segments, because the server has compressed them already.
#[expect(clippy::disallowed_methods, reason = "the library has no word for how a column is stored")]
async fn store_segments_as_they_are(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    const EXTERNAL: &str = "ALTER TABLE event_segment ALTER COLUMN events SET STORAGE EXTERNAL";
    manager.get_connection().execute_unprepared(EXTERNAL).await.map(|_| ())
}

fn accounts() -> Vec<TableCreateStatement> {
    vec![
        table("store_identity", &["id"]).col(count("id")).col(id("database_id")).col(hash("secret")).take(),
        table("account", &["id"])
            .col(id("id"))
            .col(text("display_name"))
            .col(text("email"))
            .col(count("max_active_coupons_per_affiliate"))
            .col(json_null("payout_policy"))
            .col(json_null("time_zones"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("suspended_at"))
            .col(text("suspension_reason"))
            .col(time_null("email_verified_at"))
            .col(text_null("verification_email"))
            .col(hash_null("verification_hash"))
            .col(time_null("verification_expires_at"))
            .col(count("calls_per_minute"))
            .col(flag("is_test"))
            .take(),
        table("api_key", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text("text_prefix"))
            .col(state("kind"))
            .col(text("display_name"))
            .col(hash("secret_hash"))
            .col(time("created_at"))
            .col(time_null("expires_at"))
            .col(time_null("revoked_at"))
            .col(time_null("updated_at"))
            .col(text_null("allowed_networks"))
            .col(text_null("allowed_origins"))
            .take(),
        table("audit_entry", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("key_id"))
            .col(state("key_kind"))
            .col(text_null("address"))
            .col(text("method"))
            .col(text("subject_id"))
            .col(text("call_id"))
            .col(time("created_at"))
            .take(),
        table("mail", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text("recipient"))
            .col(text("subject"))
            .col(text("body"))
            .col(id_null("affiliate_id"))
            .col(time("created_at"))
            .col(time("due_at"))
            .col(count("tries"))
            .take(),
        // One row, which is written only during an outage.
        table("write_trial", &["id"]).col(count("id")).col(bytes("content")).take(),
        // A table of its own, so that the use of a key is recorded without a lock on the account.
        table("api_key_use", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(time("last_used_at"))
            .take(),
    ]
}

fn programs() -> Vec<TableCreateStatement> {
    vec![
        table("program", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text("display_name"))
            .col(state("currency"))
            .col(text("landing_url"))
            .col(text("hosts"))
            .col(flag("is_default"))
            .col(state("state"))
            .col(json_null("agreement"))
            // Also in the agreement, for comparison with the versions that affiliates have accepted.
            .col(count("agreement_version"))
            .col(json_null("questions"))
            .col(flag("is_private"))
            .col(json_null("invitations"))
            .col(json_null("welcome_mail"))
            .col(json_null("metadata"))
            .col(json_null("fraud_rules"))
            .col(count("terms_version"))
            .col(count("version"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("archived_at"))
            .take(),
        table("terms", &["account_id", "program_id", "version"])
            .col(id("account_id"))
            .col(id("program_id"))
            .col(count("version"))
            .col(time("starts_at"))
            .col(time_null("ends_at"))
            .col(time_null("scheduled_at"))
            .col(time_null("withdrawn_at"))
            .col(json_null("yields_to"))
            .col(json("rules"))
            .take(),
        table("item", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text("sku"))
            .col(text_null("active_sku"))
            .col(text("display_name"))
            .col(text("note"))
            .col(state("state"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("archived_at"))
            .take(),
        table("affiliate_group", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text("display_name"))
            .col(text_null("active_name"))
            .col(text("note"))
            .col(state("state"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("archived_at"))
            .take(),
        table("affiliate", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text_null("external_id"))
            .col(text_null("email"))
            .col(text("first_name"))
            .col(text("last_name"))
            .col(json("profile"))
            .col(hash("token_hash"))
            .col(text_null("password_hash"))
            .col(flag("password_is_temporary"))
            .col(state("state"))
            .col(text("state_reason"))
            .col(time_null("state_changed_at"))
            .col(state_null("pending_rewards"))
            .col(flag("email_verified"))
            .col(text_null("former_email"))
            .col(time_null("email_changed_at"))
            .col(id_null("upline_id"))
            .col(id_null("group_id"))
            .col(json_null("past_uplines"))
            .col(flag("awaits_welcome"))
            .col(count("version"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .take(),
        table("enrollment", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("affiliate_id"))
            .col(id("program_id"))
            .col(text("ref_id"))
            .col(text("landing_url"))
            .col(json_null("commission_override"))
            .col(state("state"))
            .col(state("affiliate_state"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("ended_at"))
            .col(json_null("moved"))
            .col(flag("awaits_agreement"))
            .col(flag("was_active"))
            .col(json_null("acceptances"))
            .col(count("accepted_version"))
            .col(json_null("metadata"))
            .col(json_null("dated_commissions"))
            .col(json_null("past"))
            .take(),
        table("link", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("enrollment_id"))
            .col(id("affiliate_id"))
            .col(text("code"))
            .col(text("destination_url"))
            .col(text_null("claimed_page"))
            .col(state("state"))
            .col(time("created_at"))
            .col(time_null("revoked_at"))
            .take(),
        table("coupon", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("enrollment_id"))
            .col(id("affiliate_id"))
            .col(text("code"))
            .col(text_null("active_code"))
            .col(text("note"))
            .col(id_null("item_id"))
            .col(id_null("offer_id"))
            .col(time_null("starts_at"))
            .col(time_null("ends_at"))
            .col(state_null("channel"))
            .col(count("max_uses"))
            .col(count("max_uses_per_customer"))
            .col(json_null("details"))
            .col(state("state"))
            .col(time("created_at"))
            .col(time_null("removed_at"))
            .take(),
    ]
}

/// Offers, and the numbers that limits are compared with: a limit is exact, and never found by a scan.
fn offers() -> Vec<TableCreateStatement> {
    vec![
        table("coupon_count", &["account_id", "affiliate_id"])
            .col(id("account_id"))
            .col(id("affiliate_id"))
            .col(count("active_count"))
            .take(),
        // The number in total has a lead_id of zeros, because no part of a primary key may be null.
        table("coupon_use", &["account_id", "coupon_id", "lead_id"])
            .col(id("account_id"))
            .col(id("coupon_id"))
            .col(id("lead_id"))
            .col(count("use_count"))
            .take(),
        // The ids of the affiliate and the customer are zeros if the tally is of none.
        table("tally", &["account_id", "program_id", "affiliate_id", "lead_id", "period", "starts_on"])
            .col(id("account_id"))
            .col(id("program_id"))
            .col(id("affiliate_id"))
            .col(id("lead_id"))
            .col(state("period"))
            .col(count("starts_on"))
            .col(money("earned_minor"))
            .col(money("paid_minor"))
            .take(),
        table("ladder_tally", &["account_id", "program_id", "affiliate_id", "since_version", "period", "starts_on"])
            .col(id("account_id"))
            .col(id("program_id"))
            .col(id("affiliate_id"))
            .col(count("since_version"))
            .col(state("period"))
            .col(count("starts_on"))
            .col(money("sale_count"))
            .col(money("amount_minor"))
            .col(money("share_ppm"))
            .col(json_null("step_values"))
            .col(money("paid_minor"))
            .take(),
        table("sales_tally", &["account_id", "program_id", "affiliate_id", "since_version", "period", "starts_on"])
            .col(id("account_id"))
            .col(id("program_id"))
            .col(id("affiliate_id"))
            .col(count("since_version"))
            .col(state("period"))
            .col(count("starts_on"))
            .col(money("sale_count"))
            .col(money("amount_minor"))
            .col(json("bonuses"))
            .take(),
        table("offer", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id("program_id"))
            .col(text("display_name"))
            .col(text("about"))
            .col(id_null("item_id"))
            .col(text("code_prefix"))
            .col(time_null("starts_at"))
            .col(time_null("ends_at"))
            .col(count("max_claims"))
            .col(count("max_claims_per_affiliate"))
            .col(count("max_uses_per_coupon"))
            .col(count("claim_count"))
            .col(state("state"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(time_null("archived_at"))
            .take(),
        table("offer_claim", &["account_id", "offer_id", "affiliate_id"])
            .col(id("account_id"))
            .col(id("offer_id"))
            .col(id("affiliate_id"))
            .col(count("claim_count"))
            .take(),
    ]
}

fn tracking() -> Vec<TableCreateStatement> {
    vec![
        // Look-ups by tid need no index of their own, because a visitor's clicks are stored together and most visitors click
        // once. A visitor's first click has the visitor's tid as its id, so the list of clicks reads first clicks by the primary key.
        table("click", &["account_id", "tid", "id"])
            .col(id("account_id"))
            .col(id("tid"))
            .col(id("id"))
            .col(id("link_id"))
            .col(id("enrollment_id"))
            .col(id("affiliate_id"))
            .col(id("program_id"))
            .col(text("referrer_url"))
            .col(text("sub_id"))
            .col(time("occurred_at"))
            .col(time("created_at"))
            .col(state_null("payment"))
            .col(id_null("reward_id"))
            .take(),
        // The clicks that count, one of each visitor for each affiliate and day.
        table("counted_click", &["account_id", "tid", "affiliate_id", "day"])
            .col(id("account_id"))
            .col(id("tid"))
            .col(id("affiliate_id"))
            .col(count("day"))
            .col(id("click_id"))
            .col(id_null("reward_id"))
            .col(json_null("counted"))
            .take(),
        // The memory of fraud rules, by a text that says what it is about.
        table("fraud_note", &["account_id", "name"])
            .col(id("account_id"))
            .col(text("name"))
            .col(json("content"))
            .take(),
        table("first_click", &["account_id", "tid", "program_id", "day"])
            .col(id("account_id"))
            .col(id("tid"))
            .col(id("program_id"))
            .col(count("day"))
            .col(id("click_id"))
            .col(time("occurred_at"))
            .take(),
        table("lead", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(text_null("email"))
            .col(text("email_as_sent"))
            .col(text_null("external_id"))
            .col(text("first_name"))
            .col(text("last_name"))
            .col(state("state"))
            .col(bytes("credits"))
            .col(time_null("bound_at"))
            .col(time_null("referred_at"))
            .col(text("plan"))
            .col(money_null("mrr_minor"))
            .col(state_null("mrr_currency"))
            .col(time_null("first_sale_at"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(id_null("merged_into"))
            .col(time_null("deleted_at"))
            .col(json_null("details"))
            .take(),
        table("waiting_refund", &["account_id", "sale_event_id", "conversion_id"])
            .col(id("account_id"))
            .col(text("sale_event_id"))
            .col(id("conversion_id"))
            .take(),
        table("unmatched_sale", &["account_id", "conversion_id"])
            .col(id("account_id"))
            .col(id("conversion_id"))
            .col(text_null("email"))
            .col(text_null("external_id"))
            .col(time("occurred_at"))
            .take(),
    ]
}

fn conversions() -> Vec<TableCreateStatement> {
    vec![
        table("conversion", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(state("kind"))
            .col(text("event_id"))
            .col(state("outcome"))
            .col(money_null("amount_minor"))
            .col(state_null("currency"))
            .col(money("refunded_minor"))
            .col(count("refund_count"))
            .col(money("excess_minor"))
            .col(id_null("sale_id"))
            .col(text("sale_event_id"))
            .col(id_null("lead_id"))
            .col(id_null("tid"))
            .col(bytes("credits"))
            .col(state("channel"))
            .col(json("order_details"))
            .col(json("candidates"))
            .col(time("occurred_at"))
            .col(time("created_at"))
            .col(flag("is_told"))
            .col(count("version"))
            .col(json_null("as_recorded"))
            .take(),
    ]
}

fn rewards_and_entries() -> Vec<TableCreateStatement> {
    vec![
        table("reward", &["account_id", "id"])
            .col(id("account_id"))
            .col(id("id"))
            .col(id_null("conversion_id"))
            .col(id("affiliate_id"))
            .col(id("enrollment_id"))
            .col(id("program_id"))
            .col(state("unit"))
            .col(money("value_minor"))
            .col(state("currency"))
            .col(money("reversed_minor"))
            .col(id_null("reverses"))
            .col(state("state"))
            .col(json_null("calculation"))
            .col(json_null("by_hand"))
            .col(json_null("click"))
            .col(json_null("review"))
            .col(time("auto_approve_at"))
            .col(time("created_at"))
            .col(time("updated_at"))
            .col(text("deny_reason"))
            .col(id_null("payout_id"))
            .col(time_null("approved_at"))
            .col(json_null("dispute"))
            .take(),
        table("ledger_entry", &["account_id", "sequence"])
            .col(id("account_id"))
            .col(sequence("sequence"))
            .col(state("debit"))
            .col(state("credit"))
            .col(state("unit"))
            .col(state("currency"))
            .col(money("amount_minor"))
            .col(id("affiliate_id"))
            .col(state("subject_kind"))
            .col(id("subject_id"))
            .col(state("reason"))
            .col(time("posted_at"))
            .col(count("hash_version"))
            .col(hash("hash"))
            .take(),
    ]
}

fn balances() -> Vec<TableCreateStatement> {
    vec![
        table("balance", &["account_id", "affiliate_id", "unit", "currency"])
            .col(id("account_id"))
            .col(id("affiliate_id"))
            .col(state("unit"))
            .col(state("currency"))
            .col(balance("pending_minor"))
            .col(balance("owed_minor"))
            .col(balance("in_flight_minor"))
            .col(balance("frozen_minor"))
            .col(balance("paid_minor"))
            .col(sequence("sale_reward_count"))
            .take(),
        // Balances as they were after some entries: see docs/adr/0034.
        table("balance_checkpoint", &["account_id", "key"])
            .col(id("account_id"))
            .col(bytes("key"))
            .col(balance("pending_minor"))
            .col(balance("owed_minor"))
            .col(balance("in_flight_minor"))
            .col(balance("frozen_minor"))
            .col(balance("paid_minor"))
            .take(),
        // One number could not hold the sum of many revenues of the largest size, and the database itself adds to it.
        table("program_mrr", &["account_id", "program_id", "currency"])
            .col(id("account_id"))
            .col(id("program_id"))
            .col(state("currency"))
            .col(sequence("mrr_billions"))
            .col(sequence("mrr_rest_minor"))
            .col(sequence("customer_count"))
            .take(),
    ]
}

fn heads() -> Vec<TableCreateStatement> {
    vec![
        table("account_head", &["account_id"])
            .col(id("account_id"))
            .col(sequence("event_sequence"))
            .col(sequence("pruned_sequence"))
            .col(sequence("pruned_check"))
            .col(sequence("ledger_sequence"))
            .col(hash("ledger_hash"))
            .col(money("posted_minor"))
            .col(sequence("catalogue_version"))
            .col(sequence("waited_refund_count"))
            .col(sequence("click_terms_count"))
            .col(sequence("listed_count"))
            .col(sequence("folded_count"))
            .col(time("committed_at"))
            .take(),
    ]
}

/// The lists by affiliate and by lead: see docs/adr/0019.
fn lists() -> Vec<TableCreateStatement> {
    vec![
        table("list_tail", &["account_id", "last_number"])
            .col(id("account_id"))
            .col(sequence("last_number"))
            .col(bytes("entries"))
            .col(bytes("figures"))
            .take(),
        table("list_block", &["account_id", "key"]).col(id("account_id")).col(bytes("key")).col(bytes("places")).take(),
    ]
}

/// The newest figures of QueryStats: see docs/adr/0027.
fn statistics() -> Vec<TableCreateStatement> {
    // Its key has no account, so that the rows of a commit are neighbours.
    vec![table("statistic_tail", &["id"]).col(id("id")).col(id("account_id")).col(bytes("figures")).take()]
}

/// All other figures.
fn blocks() -> Vec<TableCreateStatement> {
    vec![
        table("statistic_block", &["account_id", "key"])
            .col(id("account_id"))
            .col(bytes("key"))
            .col(bytes("figures"))
            .take(),
    ]
}

fn requests_and_segments() -> Vec<TableCreateStatement> {
    vec![
        table("request", &["account_id", "scope", "key"])
            .col(id("account_id"))
            .col(text("scope"))
            .col(text("key"))
            .col(hash("content_hash"))
            .col(id("effect"))
            .col(json("outcome"))
            .col(time("created_at"))
            .col(time_null("expires_at"))
            .take(),
        table("event_segment", &["account_id", "last_sequence"])
            .col(id("account_id"))
            .col(sequence("last_sequence"))
            .col(sequence("first_sequence"))
            .col(time("committed_at"))
            .col(bytes("events"))
            .take(),
    ]
}
