CREATE TABLE "account" (
  "id" uuid_text NOT NULL,
  "display_name" text NOT NULL,
  "email" text NOT NULL,
  "max_active_coupons_per_affiliate" integer NOT NULL,
  "payout_policy" text NULL,
  "time_zones" text NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "suspended_at" integer NULL,
  "suspension_reason" text NOT NULL,
  "email_verified_at" integer NULL,
  "verification_email" text NULL,
  "verification_hash" blob NULL,
  "verification_expires_at" integer NULL,
  "calls_per_minute" integer NOT NULL,
  "is_test" boolean NOT NULL, PRIMARY KEY ("id") ) WITHOUT ROWID
CREATE UNIQUE INDEX "account_by_email" ON "account" ("email")
CREATE TABLE "account_head" (
  "account_id" uuid_text NOT NULL,
  "event_sequence" integer NOT NULL,
  "pruned_sequence" integer NOT NULL,
  "pruned_check" integer NOT NULL,
  "ledger_sequence" integer NOT NULL,
  "ledger_hash" blob NOT NULL,
  "posted_minor" integer NOT NULL,
  "catalogue_version" integer NOT NULL,
  "waited_refund_count" integer NOT NULL,
  "click_terms_count" integer NOT NULL,
  "listed_count" integer NOT NULL,
  "folded_count" integer NOT NULL,
  "committed_at" integer NOT NULL, PRIMARY KEY ("account_id") ) WITHOUT ROWID
CREATE TABLE "affiliate" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "external_id" text NULL,
  "email" text NULL,
  "first_name" text NOT NULL,
  "last_name" text NOT NULL,
  "profile" text NOT NULL,
  "token_hash" blob NOT NULL,
  "password_hash" text NULL,
  "password_is_temporary" boolean NOT NULL,
  "state" varchar(32) NOT NULL,
  "state_reason" text NOT NULL,
  "state_changed_at" integer NULL,
  "pending_rewards" varchar(32) NULL,
  "email_verified" boolean NOT NULL,
  "former_email" text NULL,
  "email_changed_at" integer NULL,
  "upline_id" uuid_text NULL,
  "group_id" uuid_text NULL,
  "past_uplines" text NULL,
  "awaits_welcome" boolean NOT NULL,
  "version" integer NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE UNIQUE INDEX "affiliate_by_email" ON "affiliate" ("account_id", "email") WHERE "email" IS NOT NULL
CREATE INDEX "affiliate_by_email_verified" ON "affiliate" ("account_id", "email_verified", "id")
CREATE UNIQUE INDEX "affiliate_by_external_id" ON "affiliate" ("account_id", "external_id") WHERE "external_id" IS NOT NULL
CREATE INDEX "affiliate_by_group" ON "affiliate" ("account_id", "group_id", "id") WHERE "group_id" IS NOT NULL
CREATE INDEX "affiliate_by_state" ON "affiliate" ("account_id", "state", "id")
CREATE UNIQUE INDEX "affiliate_by_token" ON "affiliate" ("account_id", "token_hash")
CREATE INDEX "affiliate_by_upline" ON "affiliate" ("account_id", "upline_id", "id") WHERE "upline_id" IS NOT NULL
CREATE TABLE "affiliate_group" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "display_name" text NOT NULL,
  "active_name" text NULL,
  "note" text NOT NULL,
  "state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "archived_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "affiliate_group_by_active_name" ON "affiliate_group" ("account_id", "active_name") WHERE "active_name" IS NOT NULL
CREATE VIRTUAL TABLE affiliate_search USING fts5(account_id UNINDEXED, id UNINDEXED, grams, content='', contentless_delete=1, contentless_unindexed=1, detail=none, tokenize='ascii', prefix='8')
CREATE TABLE 'affiliate_search_config'(k PRIMARY KEY, v) WITHOUT ROWID
CREATE TABLE 'affiliate_search_content'(id INTEGER PRIMARY KEY, c0, c1)
CREATE TABLE 'affiliate_search_data'(id INTEGER PRIMARY KEY, block BLOB)
CREATE TABLE 'affiliate_search_docsize'(id INTEGER PRIMARY KEY, sz BLOB, origin INTEGER)
CREATE TABLE 'affiliate_search_idx'(segid, term, pgno, PRIMARY KEY(segid, term)) WITHOUT ROWID
CREATE TABLE "api_key" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "text_prefix" text NOT NULL,
  "kind" varchar(32) NOT NULL,
  "display_name" text NOT NULL,
  "secret_hash" blob NOT NULL,
  "created_at" integer NOT NULL,
  "expires_at" integer NULL,
  "revoked_at" integer NULL,
  "updated_at" integer NULL,
  "allowed_networks" text NULL,
  "allowed_origins" text NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "api_key_by_kind" ON "api_key" ("account_id", "kind", "expires_at") WHERE "revoked_at" IS NULL
CREATE UNIQUE INDEX "api_key_by_text_prefix" ON "api_key" ("text_prefix")
CREATE TABLE "api_key_use" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "last_used_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE TABLE "audit_entry" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "key_id" uuid_text NOT NULL,
  "key_kind" varchar(32) NOT NULL,
  "address" text NULL,
  "method" text NOT NULL,
  "subject_id" text NOT NULL,
  "call_id" text NOT NULL,
  "created_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "audit_entry_by_key" ON "audit_entry" ("account_id", "key_id", "id")
CREATE TABLE "balance" (
  "account_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "unit" varchar(32) NOT NULL,
  "currency" varchar(32) NOT NULL,
  "pending_minor" integer NOT NULL CHECK ("pending_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "owed_minor" integer NOT NULL CHECK ("owed_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "in_flight_minor" integer NOT NULL CHECK ("in_flight_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "frozen_minor" integer NOT NULL CHECK ("frozen_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "paid_minor" integer NOT NULL CHECK ("paid_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "sale_reward_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "affiliate_id",
  "unit",
  "currency") ) WITHOUT ROWID
CREATE TABLE "balance_checkpoint" (
  "account_id" uuid_text NOT NULL,
  "key" blob NOT NULL,
  "pending_minor" integer NOT NULL CHECK ("pending_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "owed_minor" integer NOT NULL CHECK ("owed_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "in_flight_minor" integer NOT NULL CHECK ("in_flight_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "frozen_minor" integer NOT NULL CHECK ("frozen_minor" BETWEEN -9000000000000000000 AND 9000000000000000000),
  "paid_minor" integer NOT NULL CHECK ("paid_minor" BETWEEN -9000000000000000000 AND 9000000000000000000), PRIMARY KEY ("account_id",
  "key") ) WITHOUT ROWID
CREATE TABLE "billing_profile" (
  "account_id" uuid_text NOT NULL,
  "legal_name" text NOT NULL,
  "street" text NOT NULL,
  "city" text NOT NULL,
  "region" text NOT NULL,
  "postal_code" text NOT NULL,
  "country_code" text NOT NULL,
  "vat_id" text NOT NULL,
  "tax_number" text NOT NULL,
  "invoice_prefix" text NOT NULL,
  "payment_terms" text NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id") ) WITHOUT ROWID
CREATE TABLE "bounty" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "kind" varchar(32) NOT NULL,
  "display_name" text NOT NULL,
  "about" text NOT NULL,
  "rewards" text NOT NULL,
  "starts_at" integer NULL,
  "ends_at" integer NULL,
  "max_submissions" integer NOT NULL,
  "max_submissions_per_affiliate" integer NOT NULL,
  "submission_count" integer NOT NULL,
  "state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "archived_at" integer NULL,
  "decided_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE TABLE "click" (
  "account_id" uuid_text NOT NULL,
  "tid" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "link_id" uuid_text NOT NULL,
  "enrollment_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "referrer_url" text NOT NULL,
  "sub_id" text NOT NULL,
  "occurred_at" integer NOT NULL,
  "created_at" integer NOT NULL,
  "payment" varchar(32) NULL,
  "reward_id" uuid_text NULL, PRIMARY KEY ("account_id",
  "tid",
  "id") ) WITHOUT ROWID
CREATE INDEX "click_of_known_visitor" ON "click" ("account_id", "id") WHERE "tid" <> "id"
CREATE TABLE "conversion" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "kind" varchar(32) NOT NULL,
  "event_id" text NOT NULL,
  "outcome" varchar(32) NOT NULL,
  "amount_minor" integer NULL,
  "currency" varchar(32) NULL,
  "refunded_minor" integer NOT NULL,
  "refund_count" integer NOT NULL,
  "excess_minor" integer NOT NULL,
  "sale_id" uuid_text NULL,
  "sale_event_id" text NOT NULL,
  "lead_id" uuid_text NULL,
  "tid" uuid_text NULL,
  "credits" blob NOT NULL,
  "channel" varchar(32) NOT NULL,
  "order_details" text NOT NULL,
  "candidates" text NOT NULL,
  "occurred_at" integer NOT NULL,
  "created_at" integer NOT NULL,
  "is_told" boolean NOT NULL,
  "version" integer NOT NULL,
  "as_recorded" text NULL, PRIMARY KEY ("account_id",
  "id") )
CREATE INDEX "conversion_by_tid" ON "conversion" ("account_id", "tid", "occurred_at") WHERE "tid" IS NOT NULL
CREATE TABLE "counted_click" (
  "account_id" uuid_text NOT NULL,
  "tid" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "day" integer NOT NULL,
  "click_id" uuid_text NOT NULL,
  "reward_id" uuid_text NULL,
  "counted" text NULL, PRIMARY KEY ("account_id",
  "tid",
  "affiliate_id",
  "day") ) WITHOUT ROWID
CREATE TABLE "coupon" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "enrollment_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "code" text NOT NULL,
  "active_code" text NULL,
  "note" text NOT NULL,
  "item_id" uuid_text NULL,
  "offer_id" uuid_text NULL,
  "starts_at" integer NULL,
  "ends_at" integer NULL,
  "channel" varchar(32) NULL,
  "max_uses" integer NOT NULL,
  "max_uses_per_customer" integer NOT NULL,
  "details" text NULL,
  "state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "removed_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE UNIQUE INDEX "coupon_by_active_code" ON "coupon" ("account_id", "active_code") WHERE "active_code" IS NOT NULL
CREATE INDEX "coupon_by_affiliate" ON "coupon" ("account_id", "affiliate_id")
CREATE INDEX "coupon_by_code" ON "coupon" ("account_id", "code")
CREATE INDEX "coupon_by_item" ON "coupon" ("account_id", "item_id", "id") WHERE "item_id" IS NOT NULL
CREATE INDEX "coupon_by_offer" ON "coupon" ("account_id", "offer_id", "id") WHERE "offer_id" IS NOT NULL
CREATE TABLE "coupon_count" (
  "account_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "active_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "affiliate_id") ) WITHOUT ROWID
CREATE TABLE "coupon_use" (
  "account_id" uuid_text NOT NULL,
  "coupon_id" uuid_text NOT NULL,
  "lead_id" uuid_text NOT NULL,
  "use_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "coupon_id",
  "lead_id") ) WITHOUT ROWID
CREATE TABLE "enrollment" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "ref_id" text NOT NULL,
  "landing_url" text NOT NULL,
  "commission_override" text NULL,
  "state" varchar(32) NOT NULL,
  "affiliate_state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "ended_at" integer NULL,
  "moved" text NULL,
  "awaits_agreement" boolean NOT NULL,
  "was_active" boolean NOT NULL,
  "acceptances" text NULL,
  "accepted_version" integer NOT NULL,
  "metadata" text NULL,
  "dated_commissions" text NULL,
  "past" text NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE UNIQUE INDEX "enrollment_by_pair" ON "enrollment" ("account_id", "affiliate_id", "program_id")
CREATE INDEX "enrollment_by_program" ON "enrollment" ("account_id", "program_id", "affiliate_id")
CREATE UNIQUE INDEX "enrollment_by_ref_id" ON "enrollment" ("account_id", "ref_id")
CREATE TABLE "event_segment" (
  "account_id" uuid_text NOT NULL,
  "last_sequence" integer NOT NULL,
  "first_sequence" integer NOT NULL,
  "committed_at" integer NOT NULL,
  "events" blob NOT NULL, PRIMARY KEY ("account_id",
  "last_sequence") )
CREATE TABLE "first_click" (
  "account_id" uuid_text NOT NULL,
  "tid" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "day" integer NOT NULL,
  "click_id" uuid_text NOT NULL,
  "occurred_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "tid",
  "program_id",
  "day") ) WITHOUT ROWID
CREATE TABLE "fraud_note" (
  "account_id" uuid_text NOT NULL,
  "name" text NOT NULL,
  "content" text NOT NULL, PRIMARY KEY ("account_id",
  "name") ) WITHOUT ROWID
CREATE TABLE "item" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "sku" text NOT NULL,
  "active_sku" text NULL,
  "display_name" text NOT NULL,
  "note" text NOT NULL,
  "state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "archived_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE UNIQUE INDEX "item_by_active_sku" ON "item" ("account_id", "active_sku") WHERE "active_sku" IS NOT NULL
CREATE TABLE "ladder_tally" (
  "account_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "since_version" integer NOT NULL,
  "period" varchar(32) NOT NULL,
  "starts_on" integer NOT NULL,
  "sale_count" integer NOT NULL,
  "amount_minor" integer NOT NULL,
  "share_ppm" integer NOT NULL,
  "step_values" text NULL,
  "paid_minor" integer NOT NULL, PRIMARY KEY ("account_id",
  "program_id",
  "affiliate_id",
  "since_version",
  "period",
  "starts_on") ) WITHOUT ROWID
CREATE TABLE "lead" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "email" text NULL,
  "email_as_sent" text NOT NULL,
  "external_id" text NULL,
  "first_name" text NOT NULL,
  "last_name" text NOT NULL,
  "state" varchar(32) NOT NULL,
  "credits" blob NOT NULL,
  "bound_at" integer NULL,
  "referred_at" integer NULL,
  "plan" text NOT NULL,
  "mrr_minor" integer NULL,
  "mrr_currency" varchar(32) NULL,
  "first_sale_at" integer NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "merged_into" uuid_text NULL,
  "deleted_at" integer NULL,
  "details" text NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE UNIQUE INDEX "lead_by_email" ON "lead" ("account_id", "email") WHERE "email" IS NOT NULL
CREATE UNIQUE INDEX "lead_by_external_id" ON "lead" ("account_id", "external_id") WHERE "external_id" IS NOT NULL
CREATE TABLE "ledger_entry" (
  "account_id" uuid_text NOT NULL,
  "sequence" integer NOT NULL,
  "debit" varchar(32) NOT NULL,
  "credit" varchar(32) NOT NULL,
  "unit" varchar(32) NOT NULL,
  "currency" varchar(32) NOT NULL,
  "amount_minor" integer NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "subject_kind" varchar(32) NOT NULL,
  "subject_id" uuid_text NOT NULL,
  "reason" varchar(32) NOT NULL,
  "posted_at" integer NOT NULL,
  "hash_version" integer NOT NULL,
  "hash" blob NOT NULL, PRIMARY KEY ("account_id",
  "sequence") )
CREATE TABLE "link" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "enrollment_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "code" text NOT NULL,
  "destination_url" text NOT NULL,
  "claimed_page" text NULL,
  "state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "revoked_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "link_by_affiliate" ON "link" ("account_id", "affiliate_id")
CREATE INDEX "link_by_claimed_page" ON "link" ("account_id", "claimed_page") WHERE "claimed_page" IS NOT NULL
CREATE UNIQUE INDEX "link_by_code" ON "link" ("account_id", "code")
CREATE INDEX "link_by_enrollment" ON "link" ("account_id", "enrollment_id")
CREATE TABLE "list_block" (
  "account_id" uuid_text NOT NULL,
  "key" blob NOT NULL,
  "places" blob NOT NULL, PRIMARY KEY ("account_id",
  "key") ) WITHOUT ROWID
CREATE TABLE "list_tail" (
  "account_id" uuid_text NOT NULL,
  "last_number" integer NOT NULL,
  "entries" blob NOT NULL,
  "figures" blob NOT NULL, PRIMARY KEY ("account_id",
  "last_number") ) WITHOUT ROWID
CREATE TABLE "mail" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "recipient" text NOT NULL,
  "subject" text NOT NULL,
  "body" text NOT NULL,
  "affiliate_id" uuid_text NULL,
  "created_at" integer NOT NULL,
  "due_at" integer NOT NULL,
  "tries" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "mail_by_due_at" ON "mail" ("due_at")
CREATE TABLE "offer" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "display_name" text NOT NULL,
  "about" text NOT NULL,
  "item_id" uuid_text NULL,
  "code_prefix" text NOT NULL,
  "starts_at" integer NULL,
  "ends_at" integer NULL,
  "max_claims" integer NOT NULL,
  "max_claims_per_affiliate" integer NOT NULL,
  "max_uses_per_coupon" integer NOT NULL,
  "claim_count" integer NOT NULL,
  "state" varchar(32) NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "archived_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE TABLE "offer_claim" (
  "account_id" uuid_text NOT NULL,
  "offer_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "claim_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "offer_id",
  "affiliate_id") ) WITHOUT ROWID
CREATE TABLE "payout" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "amount_minor" integer NOT NULL,
  "currency" varchar(32) NOT NULL,
  "provider" varchar(32) NOT NULL,
  "destination_kind" varchar(32) NULL,
  "destination_hint" text NULL,
  "destination_sealed" blob NULL,
  "is_test" boolean NOT NULL,
  "state" varchar(32) NOT NULL,
  "reward_count" integer NOT NULL,
  "reference" text NOT NULL,
  "note" text NOT NULL,
  "message" text NOT NULL,
  "paid_at" integer NULL,
  "run_id" uuid_text NULL,
  "created_by" uuid_text NULL,
  "approved_by" uuid_text NULL,
  "approved_at" integer NULL,
  "cancelled_at" integer NULL,
  "sending" text NULL,
  "export_id" uuid_text NULL,
  "document_id" uuid_text NULL,
  "document_number" text NOT NULL,
  "reopenings" text NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "payout_by_affiliate" ON "payout" ("account_id", "affiliate_id", "id")
CREATE INDEX "payout_by_run" ON "payout" ("account_id", "run_id", "id") WHERE "run_id" IS NOT NULL
CREATE INDEX "payout_by_state" ON "payout" ("account_id", "state", "id")
CREATE TABLE "payout_attempt" (
  "account_id" uuid_text NOT NULL,
  "payout_id" uuid_text NOT NULL,
  "provider" varchar(32) NOT NULL,
  "number" integer NOT NULL,
  "next_step" varchar(32) NOT NULL,
  "first_try_at" integer NULL,
  "last_try_at" integer NULL,
  "provider_payment_id" text NOT NULL,
  "is_probe" boolean NOT NULL,
  "tries" integer NOT NULL,
  "lease_id" uuid_text NOT NULL,
  "next_at" integer NULL,
  "is_under_way" boolean NOT NULL,
  "seen_wake" integer NOT NULL,
  "doubt_code" text NOT NULL,
  "doubt_debug_id" text NOT NULL, PRIMARY KEY ("account_id",
  "payout_id") ) WITHOUT ROWID
CREATE INDEX "payout_attempt_by_purse" ON "payout_attempt" ("account_id", "provider", "seen_wake") WHERE "next_at" IS NOT NULL
CREATE INDEX "payout_attempt_due" ON "payout_attempt" ("next_at", "payout_id") WHERE "next_at" IS NOT NULL
CREATE TABLE "payout_connection" (
  "account_id" uuid_text NOT NULL,
  "provider" varchar(32) NOT NULL,
  "hint" text NOT NULL,
  "sealed" blob NOT NULL,
  "next_reconciliation_at" integer NULL,
  "open_reconciliation_id" uuid_text NULL,
  "last_reconciliation_id" uuid_text NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "provider") ) WITHOUT ROWID
CREATE INDEX "payout_connection_due" ON "payout_connection" ("next_reconciliation_at") WHERE "next_reconciliation_at" IS NOT NULL
CREATE TABLE "payout_document" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "payout_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "amount_minor" integer NOT NULL,
  "currency" varchar(32) NOT NULL,
  "state" varchar(32) NOT NULL,
  "number_year" integer NULL,
  "number_sequence" integer NULL,
  "number_prefix" text NULL,
  "content" text NULL,
  "payee_tax_number" blob NULL,
  "finalized_at" integer NULL,
  "voided_at" integer NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "payout_document_by_affiliate" ON "payout_document" ("account_id", "affiliate_id", "id")
CREATE UNIQUE INDEX "payout_document_by_number" ON "payout_document" ("account_id", "number_sequence", "number_year") WHERE "number_year" IS NOT NULL
CREATE INDEX "payout_document_by_year" ON "payout_document" ("account_id", "number_year", "id") WHERE "number_year" IS NOT NULL
CREATE TABLE "payout_document_count" (
  "account_id" uuid_text NOT NULL,
  "year" integer NOT NULL,
  "last_sequence" integer NOT NULL, PRIMARY KEY ("account_id",
  "year") ) WITHOUT ROWID
CREATE TABLE "payout_export" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "format" varchar(32) NOT NULL,
  "payout_ids" text NOT NULL,
  "currency" varchar(32) NOT NULL,
  "total_minor" integer NOT NULL,
  "sha256" text NOT NULL,
  "file" blob NULL,
  "created_by" uuid_text NULL,
  "created_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "payout_export_kept" ON "payout_export" ("created_at") WHERE "file" IS NOT NULL
CREATE TABLE "payout_method" (
  "account_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "kind" varchar(32) NULL,
  "hint" text NULL,
  "sealed" blob NULL,
  "fingerprint" blob NULL,
  "set_at" integer NULL,
  "pending_kind" varchar(32) NULL,
  "pending_hint" text NULL,
  "pending_sealed" blob NULL,
  "pending_fingerprint" blob NULL,
  "pending_set_at" integer NULL,
  "effective_at" integer NULL,
  "override_reason" text NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "affiliate_id") ) WITHOUT ROWID
CREATE TABLE "payout_purse" (
  "account_id" uuid_text NOT NULL,
  "provider" varchar(32) NOT NULL,
  "wake_count" integer NOT NULL,
  "waits" text NULL, PRIMARY KEY ("account_id",
  "provider") ) WITHOUT ROWID
CREATE TABLE "payout_reconciliation" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "provider" varchar(32) NOT NULL,
  "state" varchar(32) NOT NULL,
  "start_at" integer NOT NULL,
  "end_at" integer NOT NULL,
  "payment_count" integer NOT NULL,
  "payout_count" integer NOT NULL,
  "unread_count" integer NOT NULL,
  "looked_at_count" integer NOT NULL,
  "difference_count" integer NOT NULL,
  "new_difference_count" integer NOT NULL,
  "differences" text NULL,
  "problem_code" text NOT NULL,
  "tries" integer NOT NULL,
  "lease_id" uuid_text NOT NULL,
  "next_at" integer NULL,
  "created_by" uuid_text NULL,
  "created_at" integer NOT NULL,
  "ended_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "payout_reconciliation_due" ON "payout_reconciliation" ("next_at", "id") WHERE "next_at" IS NOT NULL
CREATE TABLE "payout_run" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "state" varchar(32) NOT NULL,
  "currency" varchar(32) NOT NULL,
  "affiliate_ids" text NULL,
  "minimum_minor" integer NULL,
  "maximum_total_minor" integer NULL,
  "provider" varchar(32) NULL,
  "schedule_id" uuid_text NULL,
  "planned_at" integer NULL,
  "due_until" integer NULL,
  "needs_approval" boolean NOT NULL,
  "note" text NOT NULL,
  "message" text NOT NULL,
  "cursor" uuid_text NULL,
  "payout_count" integer NOT NULL,
  "total_minor" integer NOT NULL,
  "created_by" uuid_text NULL,
  "cancelled_by" uuid_text NULL,
  "cancelled_at" integer NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "payout_run_cancelling" ON "payout_run" ("id") WHERE "state" = 'cancelling'
CREATE INDEX "payout_run_unfinished" ON "payout_run" ("id") WHERE "state" = 'creating'
CREATE TABLE "payout_schedule" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "state" varchar(32) NOT NULL,
  "display_name" text NOT NULL,
  "timing" text NOT NULL,
  "currency" varchar(32) NOT NULL,
  "affiliate_ids" text NULL,
  "minimum_minor" integer NULL,
  "maximum_total_minor" integer NULL,
  "provider" varchar(32) NULL,
  "net_days" integer NULL,
  "pays_month_before" boolean NOT NULL,
  "needs_approval" boolean NOT NULL,
  "note" text NOT NULL,
  "message" text NOT NULL,
  "set_by" uuid_text NULL,
  "next_run_at" integer NULL,
  "last_run_id" uuid_text NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "archived_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "payout_schedule_next" ON "payout_schedule" ("next_run_at", "id") WHERE "next_run_at" IS NOT NULL
CREATE TABLE "program" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "display_name" text NOT NULL,
  "currency" varchar(32) NOT NULL,
  "landing_url" text NOT NULL,
  "hosts" text NOT NULL,
  "is_default" boolean NOT NULL,
  "state" varchar(32) NOT NULL,
  "agreement" text NULL,
  "agreement_version" integer NOT NULL,
  "questions" text NULL,
  "is_private" boolean NOT NULL,
  "invitations" text NULL,
  "welcome_mail" text NULL,
  "metadata" text NULL,
  "fraud_rules" text NULL,
  "terms_version" integer NOT NULL,
  "version" integer NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "archived_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE TABLE "program_mrr" (
  "account_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "currency" varchar(32) NOT NULL,
  "mrr_billions" integer NOT NULL,
  "mrr_rest_minor" integer NOT NULL,
  "customer_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "program_id",
  "currency") ) WITHOUT ROWID
CREATE TABLE "request" (
  "account_id" uuid_text NOT NULL,
  "scope" text NOT NULL,
  "key" text NOT NULL,
  "content_hash" blob NOT NULL,
  "effect" uuid_text NOT NULL,
  "outcome" text NOT NULL,
  "created_at" integer NOT NULL,
  "expires_at" integer NULL, PRIMARY KEY ("account_id",
  "scope",
  "key") )
CREATE INDEX "request_by_expiry" ON "request" ("expires_at") WHERE "expires_at" IS NOT NULL
CREATE TABLE "reward" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "conversion_id" uuid_text NULL,
  "affiliate_id" uuid_text NOT NULL,
  "enrollment_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "unit" varchar(32) NOT NULL,
  "value_minor" integer NOT NULL,
  "currency" varchar(32) NOT NULL,
  "reversed_minor" integer NOT NULL,
  "reverses" uuid_text NULL,
  "state" varchar(32) NOT NULL,
  "calculation" text NULL,
  "by_hand" text NULL,
  "click" text NULL,
  "review" text NULL,
  "auto_approve_at" integer NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL,
  "deny_reason" text NOT NULL,
  "payout_id" uuid_text NULL,
  "approved_at" integer NULL,
  "dispute" text NULL, PRIMARY KEY ("account_id",
  "id") )
CREATE INDEX "reward_approved" ON "reward" ("account_id", "affiliate_id", "currency", "id") WHERE "state" = 'approved'
CREATE INDEX "reward_by_approval" ON "reward" ("auto_approve_at") WHERE "state" = 'pending'
CREATE INDEX "reward_by_conversion" ON "reward" ("account_id", "conversion_id")
CREATE INDEX "reward_by_payout" ON "reward" ("account_id", "payout_id", "id") WHERE "payout_id" IS NOT NULL
CREATE INDEX "reward_by_reversed" ON "reward" ("account_id", "reverses") WHERE "reverses" IS NOT NULL
CREATE INDEX "reward_held" ON "reward" ("account_id", "auto_approve_at") WHERE "state" = 'held'
CREATE TABLE "sales_tally" (
  "account_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "since_version" integer NOT NULL,
  "period" varchar(32) NOT NULL,
  "starts_on" integer NOT NULL,
  "sale_count" integer NOT NULL,
  "amount_minor" integer NOT NULL,
  "bonuses" text NOT NULL, PRIMARY KEY ("account_id",
  "program_id",
  "affiliate_id",
  "since_version",
  "period",
  "starts_on") ) WITHOUT ROWID
CREATE TABLE sqlite_stat1(tbl,idx,stat)
CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)
CREATE TABLE "statistic_block" (
  "account_id" uuid_text NOT NULL,
  "key" blob NOT NULL,
  "figures" blob NOT NULL, PRIMARY KEY ("account_id",
  "key") )
CREATE TABLE "statistic_tail" (
  "id" uuid_text NOT NULL,
  "account_id" uuid_text NOT NULL,
  "figures" blob NOT NULL, PRIMARY KEY ("id") ) WITHOUT ROWID
CREATE TABLE "store_identity" (
  "id" integer NOT NULL,
  "database_id" uuid_text NOT NULL,
  "secret" blob NOT NULL, PRIMARY KEY ("id") ) WITHOUT ROWID
CREATE TABLE "submission" (
  "account_id" uuid_text NOT NULL,
  "id" uuid_text NOT NULL,
  "bounty_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "enrollment_id" uuid_text NOT NULL,
  "note" text NOT NULL,
  "url" text NOT NULL,
  "state" varchar(32) NOT NULL,
  "reject_reason" text NOT NULL,
  "place" integer NOT NULL,
  "reward_id" uuid_text NULL,
  "created_at" integer NOT NULL,
  "decided_at" integer NULL, PRIMARY KEY ("account_id",
  "id") ) WITHOUT ROWID
CREATE INDEX "submission_by_affiliate" ON "submission" ("account_id", "affiliate_id", "id")
CREATE INDEX "submission_by_bounty" ON "submission" ("account_id", "bounty_id", "id")
CREATE TABLE "submission_count" (
  "account_id" uuid_text NOT NULL,
  "bounty_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "submission_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "bounty_id",
  "affiliate_id") ) WITHOUT ROWID
CREATE TABLE "tally" (
  "account_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "lead_id" uuid_text NOT NULL,
  "period" varchar(32) NOT NULL,
  "starts_on" integer NOT NULL,
  "earned_minor" integer NOT NULL,
  "paid_minor" integer NOT NULL, PRIMARY KEY ("account_id",
  "program_id",
  "affiliate_id",
  "lead_id",
  "period",
  "starts_on") ) WITHOUT ROWID
CREATE TABLE "tax_profile" (
  "account_id" uuid_text NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "details" text NULL,
  "number_sealed" blob NULL,
  "version" integer NOT NULL,
  "created_at" integer NOT NULL,
  "updated_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "affiliate_id") ) WITHOUT ROWID
CREATE TABLE "terms" (
  "account_id" uuid_text NOT NULL,
  "program_id" uuid_text NOT NULL,
  "version" integer NOT NULL,
  "starts_at" integer NOT NULL,
  "ends_at" integer NULL,
  "scheduled_at" integer NULL,
  "withdrawn_at" integer NULL,
  "yields_to" text NULL,
  "rules" text NOT NULL, PRIMARY KEY ("account_id",
  "program_id",
  "version") ) WITHOUT ROWID
CREATE TABLE "unmatched_sale" (
  "account_id" uuid_text NOT NULL,
  "conversion_id" uuid_text NOT NULL,
  "email" text NULL,
  "external_id" text NULL,
  "occurred_at" integer NOT NULL, PRIMARY KEY ("account_id",
  "conversion_id") ) WITHOUT ROWID
CREATE INDEX "unmatched_sale_by_email" ON "unmatched_sale" ("account_id", "email", "occurred_at") WHERE "email" IS NOT NULL
CREATE INDEX "unmatched_sale_by_external_id" ON "unmatched_sale" ("account_id", "external_id", "occurred_at") WHERE "external_id" IS NOT NULL
CREATE TABLE "waiting_refund" (
  "account_id" uuid_text NOT NULL,
  "sale_event_id" text NOT NULL,
  "conversion_id" uuid_text NOT NULL, PRIMARY KEY ("account_id",
  "sale_event_id",
  "conversion_id") ) WITHOUT ROWID
CREATE TABLE "write_trial" (
  "id" integer NOT NULL,
  "content" blob NOT NULL, PRIMARY KEY ("id") ) WITHOUT ROWID
CREATE TABLE "yearly_total" (
  "account_id" uuid_text NOT NULL,
  "year" integer NOT NULL,
  "affiliate_id" uuid_text NOT NULL,
  "currency" varchar(32) NOT NULL,
  "paid_billions" integer NOT NULL,
  "paid_rest_minor" integer NOT NULL,
  "returned_billions" integer NOT NULL,
  "returned_rest_minor" integer NOT NULL,
  "fee_billions" integer NOT NULL,
  "fee_rest_minor" integer NOT NULL,
  "payout_count" integer NOT NULL, PRIMARY KEY ("account_id",
  "year",
  "affiliate_id",
  "currency") ) WITHOUT ROWID
