//! The indexes of the first schema. Tables with many writes have only those that their reads need.

use sea_orm_migration::prelude::*;

use crate::column::{index, partial_index, unique_index, unique_index_of_named};

/// Every index that is no primary key.
pub(super) fn all() -> Vec<IndexCreateStatement> {
    vec![
        unique_index("account_by_email", "account", &["email"]),
        unique_index("api_key_by_text_prefix", "api_key", &["text_prefix"]),
        partial_index(
            "api_key_by_kind",
            "api_key",
            &["account_id", "kind", "expires_at"],
            Expr::col("revoked_at").is_null(),
        ),
        index("audit_entry_by_key", "audit_entry", &["account_id", "key_id", "id"]),
        index("mail_by_due_at", "mail", &["due_at"]),
        unique_index_of_named("item_by_active_sku", "item", &["account_id", "active_sku"], "active_sku"),
        unique_index_of_named("affiliate_by_email", "affiliate", &["account_id", "email"], "email"),
        unique_index_of_named("affiliate_by_external_id", "affiliate", &["account_id", "external_id"], "external_id"),
        unique_index("affiliate_by_token", "affiliate", &["account_id", "token_hash"]),
        index("affiliate_by_state", "affiliate", &["account_id", "state", "id"]),
        index("affiliate_by_email_verified", "affiliate", &["account_id", "email_verified", "id"]),
        // Not unique, because a batch may give a group the name that another one gives up. The rule of groups keeps it unique.
        partial_index(
            "affiliate_group_by_active_name",
            "affiliate_group",
            &["account_id", "active_name"],
            Expr::col("active_name").is_not_null(),
        ),
        partial_index(
            "affiliate_by_group",
            "affiliate",
            &["account_id", "group_id", "id"],
            Expr::col("group_id").is_not_null(),
        ),
        // Most affiliates were brought by nobody.
        partial_index(
            "affiliate_by_upline",
            "affiliate",
            &["account_id", "upline_id", "id"],
            Expr::col("upline_id").is_not_null(),
        ),
        unique_index("enrollment_by_pair", "enrollment", &["account_id", "affiliate_id", "program_id"]),
        unique_index("enrollment_by_ref_id", "enrollment", &["account_id", "ref_id"]),
        index("enrollment_by_program", "enrollment", &["account_id", "program_id", "affiliate_id"]),
        unique_index("link_by_code", "link", &["account_id", "code"]),
        index("link_by_enrollment", "link", &["account_id", "enrollment_id"]),
        index("link_by_affiliate", "link", &["account_id", "affiliate_id"]),
        // Not unique, because a batch may move a page from one link to another. The rule of links keeps it unique.
        partial_index(
            "link_by_claimed_page",
            "link",
            &["account_id", "claimed_page"],
            Expr::col("claimed_page").is_not_null(),
        ),
        unique_index_of_named("coupon_by_active_code", "coupon", &["account_id", "active_code"], "active_code"),
        index("coupon_by_code", "coupon", &["account_id", "code"]),
        index("coupon_by_affiliate", "coupon", &["account_id", "affiliate_id"]),
        // Most coupons are tied to nothing.
        partial_index("coupon_by_item", "coupon", &["account_id", "item_id", "id"], Expr::col("item_id").is_not_null()),
        partial_index(
            "coupon_by_offer",
            "coupon",
            &["account_id", "offer_id", "id"],
            Expr::col("offer_id").is_not_null(),
        ),
        // The clicks of visitors who came back, in the order of the list of clicks.
        partial_index("click_of_known_visitor", "click", &["account_id", "id"], Expr::col("tid").ne(Expr::col("id"))),
        unique_index_of_named("lead_by_email", "lead", &["account_id", "email"], "email"),
        unique_index_of_named("lead_by_external_id", "lead", &["account_id", "external_id"], "external_id"),
        // Only requests from a visitor's browser have a tracking id; renewals have none.
        partial_index(
            "conversion_by_tid",
            "conversion",
            &["account_id", "tid", "occurred_at"],
            Expr::col("tid").is_not_null(),
        ),
        partial_index(
            "unmatched_sale_by_email",
            "unmatched_sale",
            &["account_id", "email", "occurred_at"],
            Expr::col("email").is_not_null(),
        ),
        partial_index(
            "unmatched_sale_by_external_id",
            "unmatched_sale",
            &["account_id", "external_id", "occurred_at"],
            Expr::col("external_id").is_not_null(),
        ),
        index("reward_by_conversion", "reward", &["account_id", "conversion_id"]),
        partial_index("reward_by_reversed", "reward", &["account_id", "reverses"], Expr::col("reverses").is_not_null()),
        partial_index(
            "reward_by_approval",
            "reward",
            &["auto_approve_at"],
            Expr::col("state").eq(Expr::Constant("pending".into())),
        ),
        // The rewards that payouts can pay.
        partial_index(
            "reward_approved",
            "reward",
            &["account_id", "affiliate_id", "currency", "id"],
            Expr::col("state").eq(Expr::Constant("approved".into())),
        ),
        // Held rewards are few.
        partial_index(
            "reward_held",
            "reward",
            &["account_id", "auto_approve_at"],
            Expr::col("state").eq(Expr::Constant("held".into())),
        ),
        // Most rewards are not paid yet, or never.
        partial_index(
            "reward_by_payout",
            "reward",
            &["account_id", "payout_id", "id"],
            Expr::col("payout_id").is_not_null(),
        ),
        // Files are kept for some days.
        partial_index("payout_export_kept", "payout_export", &["created_at"], Expr::col("file").is_not_null()),
        // Few runs are unfinished at a time.
        partial_index(
            "payout_run_unfinished",
            "payout_run",
            &["id"],
            Expr::col("state").eq(Expr::Constant("creating".into())),
        ),
        partial_index(
            "payout_run_cancelling",
            "payout_run",
            &["id"],
            Expr::col("state").eq(Expr::Constant("cancelling".into())),
        ),
        // Few reconciliations are running at a time, and few accounts have connections.
        partial_index(
            "payout_reconciliation_due",
            "payout_reconciliation",
            &["next_at", "id"],
            Expr::col("next_at").is_not_null(),
        ),
        partial_index(
            "payout_connection_due",
            "payout_connection",
            &["next_reconciliation_at"],
            Expr::col("next_reconciliation_at").is_not_null(),
        ),
        // Few accounts have schedules, and only those whose time has come are looked for.
        partial_index(
            "payout_schedule_next",
            "payout_schedule",
            &["next_run_at", "id"],
            Expr::col("next_run_at").is_not_null(),
        ),
        partial_index("payout_by_run", "payout", &["account_id", "run_id", "id"], Expr::col("run_id").is_not_null()),
        partial_index(
            "payout_attempt_due",
            "payout_attempt",
            &["next_at", "payout_id"],
            Expr::col("next_at").is_not_null(),
        ),
        partial_index(
            "payout_attempt_by_purse",
            "payout_attempt",
            &["account_id", "provider", "seen_wake"],
            Expr::col("next_at").is_not_null(),
        ),
        unique_index_of_named(
            "payout_document_by_number",
            "payout_document",
            &["account_id", "number_sequence", "number_year"],
            "number_year",
        ),
        partial_index(
            "payout_document_by_year",
            "payout_document",
            &["account_id", "number_year", "id"],
            Expr::col("number_year").is_not_null(),
        ),
        index("payout_document_by_affiliate", "payout_document", &["account_id", "affiliate_id", "id"]),
        index("payout_by_affiliate", "payout", &["account_id", "affiliate_id", "id"]),
        index("payout_by_state", "payout", &["account_id", "state", "id"]),
        partial_index("request_by_expiry", "request", &["expires_at"], Expr::col("expires_at").is_not_null()),
    ]
}
