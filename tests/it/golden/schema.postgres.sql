account.id uuid NOT NULL
account.display_name text NOT NULL
account.email text NOT NULL
account.max_active_coupons_per_affiliate integer NOT NULL
account.payout_policy text
account.time_zones text
account.created_at bigint NOT NULL
account.updated_at bigint NOT NULL
account.suspended_at bigint
account.suspension_reason text NOT NULL
account.email_verified_at bigint
account.verification_email text
account.verification_hash bytea
account.verification_expires_at bigint
account.calls_per_minute integer NOT NULL
account.is_test boolean NOT NULL
CREATE UNIQUE INDEX account_by_email ON public.account USING btree (email)
CREATE UNIQUE INDEX account_pkey ON public.account USING btree (id)
account_head.account_id uuid NOT NULL
account_head.event_sequence bigint NOT NULL
account_head.pruned_sequence bigint NOT NULL
account_head.pruned_check bigint NOT NULL
account_head.ledger_sequence bigint NOT NULL
account_head.ledger_hash bytea NOT NULL
account_head.posted_minor bigint NOT NULL
account_head.catalogue_version bigint NOT NULL
account_head.waited_refund_count bigint NOT NULL
account_head.click_terms_count bigint NOT NULL
account_head.listed_count bigint NOT NULL
account_head.folded_count bigint NOT NULL
account_head.committed_at bigint NOT NULL
CREATE UNIQUE INDEX account_head_pkey ON public.account_head USING btree (account_id)
affiliate.account_id uuid NOT NULL
affiliate.id uuid NOT NULL
affiliate.external_id text
affiliate.email text
affiliate.first_name text NOT NULL
affiliate.last_name text NOT NULL
affiliate.profile text NOT NULL
affiliate.token_hash bytea NOT NULL
affiliate.password_hash text
affiliate.password_is_temporary boolean NOT NULL
affiliate.state character varying(32) NOT NULL
affiliate.state_reason text NOT NULL
affiliate.state_changed_at bigint
affiliate.pending_rewards character varying(32)
affiliate.email_verified boolean NOT NULL
affiliate.former_email text
affiliate.email_changed_at bigint
affiliate.upline_id uuid
affiliate.group_id uuid
affiliate.past_uplines text
affiliate.awaits_welcome boolean NOT NULL
affiliate.version integer NOT NULL
affiliate.created_at bigint NOT NULL
affiliate.updated_at bigint NOT NULL
CREATE UNIQUE INDEX affiliate_by_email ON public.affiliate USING btree (account_id, email) WHERE (email IS NOT NULL)
CREATE INDEX affiliate_by_email_verified ON public.affiliate USING btree (account_id, email_verified, id)
CREATE UNIQUE INDEX affiliate_by_external_id ON public.affiliate USING btree (account_id, external_id) WHERE (external_id IS NOT NULL)
CREATE INDEX affiliate_by_group ON public.affiliate USING btree (account_id, group_id, id) WHERE (group_id IS NOT NULL)
CREATE INDEX affiliate_by_state ON public.affiliate USING btree (account_id, state, id)
CREATE UNIQUE INDEX affiliate_by_token ON public.affiliate USING btree (account_id, token_hash)
CREATE INDEX affiliate_by_upline ON public.affiliate USING btree (account_id, upline_id, id) WHERE (upline_id IS NOT NULL)
CREATE UNIQUE INDEX affiliate_pkey ON public.affiliate USING btree (account_id, id)
affiliate_group.account_id uuid NOT NULL
affiliate_group.id uuid NOT NULL
affiliate_group.display_name text NOT NULL
affiliate_group.active_name text
affiliate_group.note text NOT NULL
affiliate_group.state character varying(32) NOT NULL
affiliate_group.created_at bigint NOT NULL
affiliate_group.updated_at bigint NOT NULL
affiliate_group.archived_at bigint
CREATE INDEX affiliate_group_by_active_name ON public.affiliate_group USING btree (account_id, active_name) WHERE (active_name IS NOT NULL)
CREATE UNIQUE INDEX affiliate_group_pkey ON public.affiliate_group USING btree (account_id, id)
affiliate_search.account_id uuid NOT NULL
affiliate_search.id uuid NOT NULL
affiliate_search.grams tsvector NOT NULL
CREATE INDEX affiliate_search_by_gram ON public.affiliate_search USING gin (grams)
CREATE UNIQUE INDEX affiliate_search_pkey ON public.affiliate_search USING btree (account_id, id)
api_key.account_id uuid NOT NULL
api_key.id uuid NOT NULL
api_key.text_prefix text NOT NULL
api_key.kind character varying(32) NOT NULL
api_key.display_name text NOT NULL
api_key.secret_hash bytea NOT NULL
api_key.created_at bigint NOT NULL
api_key.expires_at bigint
api_key.revoked_at bigint
api_key.updated_at bigint
api_key.allowed_networks text
api_key.allowed_origins text
CREATE INDEX api_key_by_kind ON public.api_key USING btree (account_id, kind, expires_at) WHERE (revoked_at IS NULL)
CREATE UNIQUE INDEX api_key_by_text_prefix ON public.api_key USING btree (text_prefix)
CREATE UNIQUE INDEX api_key_pkey ON public.api_key USING btree (account_id, id)
api_key_use.account_id uuid NOT NULL
api_key_use.id uuid NOT NULL
api_key_use.last_used_at bigint NOT NULL
CREATE UNIQUE INDEX api_key_use_pkey ON public.api_key_use USING btree (account_id, id)
audit_entry.account_id uuid NOT NULL
audit_entry.id uuid NOT NULL
audit_entry.key_id uuid NOT NULL
audit_entry.key_kind character varying(32) NOT NULL
audit_entry.address text
audit_entry.method text NOT NULL
audit_entry.subject_id text NOT NULL
audit_entry.call_id text NOT NULL
audit_entry.created_at bigint NOT NULL
CREATE INDEX audit_entry_by_key ON public.audit_entry USING btree (account_id, key_id, id)
CREATE UNIQUE INDEX audit_entry_pkey ON public.audit_entry USING btree (account_id, id)
balance.account_id uuid NOT NULL
balance.affiliate_id uuid NOT NULL
balance.unit character varying(32) NOT NULL
balance.currency character varying(32) NOT NULL
balance.pending_minor bigint NOT NULL
balance.owed_minor bigint NOT NULL
balance.in_flight_minor bigint NOT NULL
balance.frozen_minor bigint NOT NULL
balance.paid_minor bigint NOT NULL
balance.sale_reward_count bigint NOT NULL
CREATE UNIQUE INDEX balance_pkey ON public.balance USING btree (account_id, affiliate_id, unit, currency)
balance: CHECK (((frozen_minor >= '-9000000000000000000'::bigint) AND (frozen_minor <= '9000000000000000000'::bigint)))
balance: CHECK (((in_flight_minor >= '-9000000000000000000'::bigint) AND (in_flight_minor <= '9000000000000000000'::bigint)))
balance: CHECK (((owed_minor >= '-9000000000000000000'::bigint) AND (owed_minor <= '9000000000000000000'::bigint)))
balance: CHECK (((paid_minor >= '-9000000000000000000'::bigint) AND (paid_minor <= '9000000000000000000'::bigint)))
balance: CHECK (((pending_minor >= '-9000000000000000000'::bigint) AND (pending_minor <= '9000000000000000000'::bigint)))
balance_checkpoint.account_id uuid NOT NULL
balance_checkpoint.key bytea NOT NULL
balance_checkpoint.pending_minor bigint NOT NULL
balance_checkpoint.owed_minor bigint NOT NULL
balance_checkpoint.in_flight_minor bigint NOT NULL
balance_checkpoint.frozen_minor bigint NOT NULL
balance_checkpoint.paid_minor bigint NOT NULL
CREATE UNIQUE INDEX balance_checkpoint_pkey ON public.balance_checkpoint USING btree (account_id, key)
balance_checkpoint: CHECK (((frozen_minor >= '-9000000000000000000'::bigint) AND (frozen_minor <= '9000000000000000000'::bigint)))
balance_checkpoint: CHECK (((in_flight_minor >= '-9000000000000000000'::bigint) AND (in_flight_minor <= '9000000000000000000'::bigint)))
balance_checkpoint: CHECK (((owed_minor >= '-9000000000000000000'::bigint) AND (owed_minor <= '9000000000000000000'::bigint)))
balance_checkpoint: CHECK (((paid_minor >= '-9000000000000000000'::bigint) AND (paid_minor <= '9000000000000000000'::bigint)))
balance_checkpoint: CHECK (((pending_minor >= '-9000000000000000000'::bigint) AND (pending_minor <= '9000000000000000000'::bigint)))
billing_profile.account_id uuid NOT NULL
billing_profile.legal_name text NOT NULL
billing_profile.street text NOT NULL
billing_profile.city text NOT NULL
billing_profile.region text NOT NULL
billing_profile.postal_code text NOT NULL
billing_profile.country_code text NOT NULL
billing_profile.vat_id text NOT NULL
billing_profile.tax_number text NOT NULL
billing_profile.invoice_prefix text NOT NULL
billing_profile.payment_terms text NOT NULL
billing_profile.created_at bigint NOT NULL
billing_profile.updated_at bigint NOT NULL
CREATE UNIQUE INDEX billing_profile_pkey ON public.billing_profile USING btree (account_id)
bounty.account_id uuid NOT NULL
bounty.id uuid NOT NULL
bounty.program_id uuid NOT NULL
bounty.kind character varying(32) NOT NULL
bounty.display_name text NOT NULL
bounty.about text NOT NULL
bounty.rewards text NOT NULL
bounty.starts_at bigint
bounty.ends_at bigint
bounty.max_submissions integer NOT NULL
bounty.max_submissions_per_affiliate integer NOT NULL
bounty.submission_count integer NOT NULL
bounty.state character varying(32) NOT NULL
bounty.created_at bigint NOT NULL
bounty.updated_at bigint NOT NULL
bounty.archived_at bigint
bounty.decided_at bigint
CREATE UNIQUE INDEX bounty_pkey ON public.bounty USING btree (account_id, id)
click.account_id uuid NOT NULL
click.tid uuid NOT NULL
click.id uuid NOT NULL
click.link_id uuid NOT NULL
click.enrollment_id uuid NOT NULL
click.affiliate_id uuid NOT NULL
click.program_id uuid NOT NULL
click.referrer_url text NOT NULL
click.sub_id text NOT NULL
click.occurred_at bigint NOT NULL
click.created_at bigint NOT NULL
click.payment character varying(32)
click.reward_id uuid
CREATE INDEX click_of_known_visitor ON public.click USING btree (account_id, id) WHERE (tid <> id)
CREATE UNIQUE INDEX click_pkey ON public.click USING btree (account_id, tid, id)
conversion.account_id uuid NOT NULL
conversion.id uuid NOT NULL
conversion.kind character varying(32) NOT NULL
conversion.event_id text NOT NULL
conversion.outcome character varying(32) NOT NULL
conversion.amount_minor bigint
conversion.currency character varying(32)
conversion.refunded_minor bigint NOT NULL
conversion.refund_count integer NOT NULL
conversion.excess_minor bigint NOT NULL
conversion.sale_id uuid
conversion.sale_event_id text NOT NULL
conversion.lead_id uuid
conversion.tid uuid
conversion.credits bytea NOT NULL
conversion.channel character varying(32) NOT NULL
conversion.order_details text NOT NULL
conversion.candidates text NOT NULL
conversion.occurred_at bigint NOT NULL
conversion.created_at bigint NOT NULL
conversion.is_told boolean NOT NULL
conversion.version integer NOT NULL
conversion.as_recorded text
CREATE INDEX conversion_by_tid ON public.conversion USING btree (account_id, tid, occurred_at) WHERE (tid IS NOT NULL)
CREATE UNIQUE INDEX conversion_pkey ON public.conversion USING btree (account_id, id)
counted_click.account_id uuid NOT NULL
counted_click.tid uuid NOT NULL
counted_click.affiliate_id uuid NOT NULL
counted_click.day integer NOT NULL
counted_click.click_id uuid NOT NULL
counted_click.reward_id uuid
counted_click.counted text
CREATE UNIQUE INDEX counted_click_pkey ON public.counted_click USING btree (account_id, tid, affiliate_id, day)
coupon.account_id uuid NOT NULL
coupon.id uuid NOT NULL
coupon.enrollment_id uuid NOT NULL
coupon.affiliate_id uuid NOT NULL
coupon.code text NOT NULL
coupon.active_code text
coupon.note text NOT NULL
coupon.item_id uuid
coupon.offer_id uuid
coupon.starts_at bigint
coupon.ends_at bigint
coupon.channel character varying(32)
coupon.max_uses integer NOT NULL
coupon.max_uses_per_customer integer NOT NULL
coupon.details text
coupon.state character varying(32) NOT NULL
coupon.created_at bigint NOT NULL
coupon.removed_at bigint
CREATE UNIQUE INDEX coupon_by_active_code ON public.coupon USING btree (account_id, active_code) WHERE (active_code IS NOT NULL)
CREATE INDEX coupon_by_affiliate ON public.coupon USING btree (account_id, affiliate_id)
CREATE INDEX coupon_by_code ON public.coupon USING btree (account_id, code)
CREATE INDEX coupon_by_item ON public.coupon USING btree (account_id, item_id, id) WHERE (item_id IS NOT NULL)
CREATE INDEX coupon_by_offer ON public.coupon USING btree (account_id, offer_id, id) WHERE (offer_id IS NOT NULL)
CREATE UNIQUE INDEX coupon_pkey ON public.coupon USING btree (account_id, id)
coupon_count.account_id uuid NOT NULL
coupon_count.affiliate_id uuid NOT NULL
coupon_count.active_count integer NOT NULL
CREATE UNIQUE INDEX coupon_count_pkey ON public.coupon_count USING btree (account_id, affiliate_id)
coupon_use.account_id uuid NOT NULL
coupon_use.coupon_id uuid NOT NULL
coupon_use.lead_id uuid NOT NULL
coupon_use.use_count integer NOT NULL
CREATE UNIQUE INDEX coupon_use_pkey ON public.coupon_use USING btree (account_id, coupon_id, lead_id)
enrollment.account_id uuid NOT NULL
enrollment.id uuid NOT NULL
enrollment.affiliate_id uuid NOT NULL
enrollment.program_id uuid NOT NULL
enrollment.ref_id text NOT NULL
enrollment.landing_url text NOT NULL
enrollment.commission_override text
enrollment.state character varying(32) NOT NULL
enrollment.affiliate_state character varying(32) NOT NULL
enrollment.created_at bigint NOT NULL
enrollment.updated_at bigint NOT NULL
enrollment.ended_at bigint
enrollment.moved text
enrollment.awaits_agreement boolean NOT NULL
enrollment.was_active boolean NOT NULL
enrollment.acceptances text
enrollment.accepted_version integer NOT NULL
enrollment.metadata text
enrollment.dated_commissions text
enrollment.past text
CREATE UNIQUE INDEX enrollment_by_pair ON public.enrollment USING btree (account_id, affiliate_id, program_id)
CREATE INDEX enrollment_by_program ON public.enrollment USING btree (account_id, program_id, affiliate_id)
CREATE UNIQUE INDEX enrollment_by_ref_id ON public.enrollment USING btree (account_id, ref_id)
CREATE UNIQUE INDEX enrollment_pkey ON public.enrollment USING btree (account_id, id)
event_segment.account_id uuid NOT NULL
event_segment.last_sequence bigint NOT NULL
event_segment.first_sequence bigint NOT NULL
event_segment.committed_at bigint NOT NULL
event_segment.events bytea NOT NULL
CREATE UNIQUE INDEX event_segment_pkey ON public.event_segment USING btree (account_id, last_sequence)
first_click.account_id uuid NOT NULL
first_click.tid uuid NOT NULL
first_click.program_id uuid NOT NULL
first_click.day integer NOT NULL
first_click.click_id uuid NOT NULL
first_click.occurred_at bigint NOT NULL
CREATE UNIQUE INDEX first_click_pkey ON public.first_click USING btree (account_id, tid, program_id, day)
fraud_note.account_id uuid NOT NULL
fraud_note.name text NOT NULL
fraud_note.content text NOT NULL
CREATE UNIQUE INDEX fraud_note_pkey ON public.fraud_note USING btree (account_id, name)
item.account_id uuid NOT NULL
item.id uuid NOT NULL
item.sku text NOT NULL
item.active_sku text
item.display_name text NOT NULL
item.note text NOT NULL
item.state character varying(32) NOT NULL
item.created_at bigint NOT NULL
item.updated_at bigint NOT NULL
item.archived_at bigint
CREATE UNIQUE INDEX item_by_active_sku ON public.item USING btree (account_id, active_sku) WHERE (active_sku IS NOT NULL)
CREATE UNIQUE INDEX item_pkey ON public.item USING btree (account_id, id)
ladder_tally.account_id uuid NOT NULL
ladder_tally.program_id uuid NOT NULL
ladder_tally.affiliate_id uuid NOT NULL
ladder_tally.since_version integer NOT NULL
ladder_tally.period character varying(32) NOT NULL
ladder_tally.starts_on integer NOT NULL
ladder_tally.sale_count bigint NOT NULL
ladder_tally.amount_minor bigint NOT NULL
ladder_tally.share_ppm bigint NOT NULL
ladder_tally.step_values text
ladder_tally.paid_minor bigint NOT NULL
CREATE UNIQUE INDEX ladder_tally_pkey ON public.ladder_tally USING btree (account_id, program_id, affiliate_id, since_version, period, starts_on)
lead.account_id uuid NOT NULL
lead.id uuid NOT NULL
lead.email text
lead.email_as_sent text NOT NULL
lead.external_id text
lead.first_name text NOT NULL
lead.last_name text NOT NULL
lead.state character varying(32) NOT NULL
lead.credits bytea NOT NULL
lead.bound_at bigint
lead.referred_at bigint
lead.plan text NOT NULL
lead.mrr_minor bigint
lead.mrr_currency character varying(32)
lead.first_sale_at bigint
lead.created_at bigint NOT NULL
lead.updated_at bigint NOT NULL
lead.merged_into uuid
lead.deleted_at bigint
lead.details text
CREATE UNIQUE INDEX lead_by_email ON public.lead USING btree (account_id, email) WHERE (email IS NOT NULL)
CREATE UNIQUE INDEX lead_by_external_id ON public.lead USING btree (account_id, external_id) WHERE (external_id IS NOT NULL)
CREATE UNIQUE INDEX lead_pkey ON public.lead USING btree (account_id, id)
ledger_entry.account_id uuid NOT NULL
ledger_entry.sequence bigint NOT NULL
ledger_entry.debit character varying(32) NOT NULL
ledger_entry.credit character varying(32) NOT NULL
ledger_entry.unit character varying(32) NOT NULL
ledger_entry.currency character varying(32) NOT NULL
ledger_entry.amount_minor bigint NOT NULL
ledger_entry.affiliate_id uuid NOT NULL
ledger_entry.subject_kind character varying(32) NOT NULL
ledger_entry.subject_id uuid NOT NULL
ledger_entry.reason character varying(32) NOT NULL
ledger_entry.posted_at bigint NOT NULL
ledger_entry.hash_version integer NOT NULL
ledger_entry.hash bytea NOT NULL
CREATE UNIQUE INDEX ledger_entry_pkey ON public.ledger_entry USING btree (account_id, sequence)
link.account_id uuid NOT NULL
link.id uuid NOT NULL
link.enrollment_id uuid NOT NULL
link.affiliate_id uuid NOT NULL
link.code text NOT NULL
link.destination_url text NOT NULL
link.claimed_page text
link.state character varying(32) NOT NULL
link.created_at bigint NOT NULL
link.revoked_at bigint
CREATE INDEX link_by_affiliate ON public.link USING btree (account_id, affiliate_id)
CREATE INDEX link_by_claimed_page ON public.link USING btree (account_id, claimed_page) WHERE (claimed_page IS NOT NULL)
CREATE UNIQUE INDEX link_by_code ON public.link USING btree (account_id, code)
CREATE INDEX link_by_enrollment ON public.link USING btree (account_id, enrollment_id)
CREATE UNIQUE INDEX link_pkey ON public.link USING btree (account_id, id)
list_block.account_id uuid NOT NULL
list_block.key bytea NOT NULL
list_block.places bytea NOT NULL
CREATE UNIQUE INDEX list_block_pkey ON public.list_block USING btree (account_id, key)
list_tail.account_id uuid NOT NULL
list_tail.last_number bigint NOT NULL
list_tail.entries bytea NOT NULL
list_tail.figures bytea NOT NULL
CREATE UNIQUE INDEX list_tail_pkey ON public.list_tail USING btree (account_id, last_number)
mail.account_id uuid NOT NULL
mail.id uuid NOT NULL
mail.recipient text NOT NULL
mail.subject text NOT NULL
mail.body text NOT NULL
mail.affiliate_id uuid
mail.created_at bigint NOT NULL
mail.due_at bigint NOT NULL
mail.tries integer NOT NULL
CREATE INDEX mail_by_due_at ON public.mail USING btree (due_at)
CREATE UNIQUE INDEX mail_pkey ON public.mail USING btree (account_id, id)
offer.account_id uuid NOT NULL
offer.id uuid NOT NULL
offer.program_id uuid NOT NULL
offer.display_name text NOT NULL
offer.about text NOT NULL
offer.item_id uuid
offer.code_prefix text NOT NULL
offer.starts_at bigint
offer.ends_at bigint
offer.max_claims integer NOT NULL
offer.max_claims_per_affiliate integer NOT NULL
offer.max_uses_per_coupon integer NOT NULL
offer.claim_count integer NOT NULL
offer.state character varying(32) NOT NULL
offer.created_at bigint NOT NULL
offer.updated_at bigint NOT NULL
offer.archived_at bigint
CREATE UNIQUE INDEX offer_pkey ON public.offer USING btree (account_id, id)
offer_claim.account_id uuid NOT NULL
offer_claim.offer_id uuid NOT NULL
offer_claim.affiliate_id uuid NOT NULL
offer_claim.claim_count integer NOT NULL
CREATE UNIQUE INDEX offer_claim_pkey ON public.offer_claim USING btree (account_id, offer_id, affiliate_id)
payout.account_id uuid NOT NULL
payout.id uuid NOT NULL
payout.affiliate_id uuid NOT NULL
payout.amount_minor bigint NOT NULL
payout.currency character varying(32) NOT NULL
payout.provider character varying(32) NOT NULL
payout.destination_kind character varying(32)
payout.destination_hint text
payout.destination_sealed bytea
payout.is_test boolean NOT NULL
payout.state character varying(32) NOT NULL
payout.reward_count integer NOT NULL
payout.reference text NOT NULL
payout.note text NOT NULL
payout.message text NOT NULL
payout.paid_at bigint
payout.run_id uuid
payout.created_by uuid
payout.approved_by uuid
payout.approved_at bigint
payout.cancelled_at bigint
payout.sending text
payout.export_id uuid
payout.document_id uuid
payout.document_number text NOT NULL
payout.reopenings text
payout.created_at bigint NOT NULL
payout.updated_at bigint NOT NULL
CREATE INDEX payout_by_affiliate ON public.payout USING btree (account_id, affiliate_id, id)
CREATE INDEX payout_by_run ON public.payout USING btree (account_id, run_id, id) WHERE (run_id IS NOT NULL)
CREATE INDEX payout_by_state ON public.payout USING btree (account_id, state, id)
CREATE UNIQUE INDEX payout_pkey ON public.payout USING btree (account_id, id)
payout_attempt.account_id uuid NOT NULL
payout_attempt.payout_id uuid NOT NULL
payout_attempt.provider character varying(32) NOT NULL
payout_attempt.number integer NOT NULL
payout_attempt.next_step character varying(32) NOT NULL
payout_attempt.first_try_at bigint
payout_attempt.last_try_at bigint
payout_attempt.provider_payment_id text NOT NULL
payout_attempt.is_probe boolean NOT NULL
payout_attempt.tries integer NOT NULL
payout_attempt.lease_id uuid NOT NULL
payout_attempt.next_at bigint
payout_attempt.is_under_way boolean NOT NULL
payout_attempt.seen_wake bigint NOT NULL
payout_attempt.doubt_code text NOT NULL
payout_attempt.doubt_debug_id text NOT NULL
CREATE INDEX payout_attempt_by_purse ON public.payout_attempt USING btree (account_id, provider, seen_wake) WHERE (next_at IS NOT NULL)
CREATE INDEX payout_attempt_due ON public.payout_attempt USING btree (next_at, payout_id) WHERE (next_at IS NOT NULL)
CREATE UNIQUE INDEX payout_attempt_pkey ON public.payout_attempt USING btree (account_id, payout_id)
payout_connection.account_id uuid NOT NULL
payout_connection.provider character varying(32) NOT NULL
payout_connection.hint text NOT NULL
payout_connection.sealed bytea NOT NULL
payout_connection.next_reconciliation_at bigint
payout_connection.open_reconciliation_id uuid
payout_connection.last_reconciliation_id uuid
payout_connection.created_at bigint NOT NULL
payout_connection.updated_at bigint NOT NULL
CREATE INDEX payout_connection_due ON public.payout_connection USING btree (next_reconciliation_at) WHERE (next_reconciliation_at IS NOT NULL)
CREATE UNIQUE INDEX payout_connection_pkey ON public.payout_connection USING btree (account_id, provider)
payout_document.account_id uuid NOT NULL
payout_document.id uuid NOT NULL
payout_document.payout_id uuid NOT NULL
payout_document.affiliate_id uuid NOT NULL
payout_document.amount_minor bigint NOT NULL
payout_document.currency character varying(32) NOT NULL
payout_document.state character varying(32) NOT NULL
payout_document.number_year integer
payout_document.number_sequence bigint
payout_document.number_prefix text
payout_document.content text
payout_document.payee_tax_number bytea
payout_document.finalized_at bigint
payout_document.voided_at bigint
payout_document.created_at bigint NOT NULL
payout_document.updated_at bigint NOT NULL
CREATE INDEX payout_document_by_affiliate ON public.payout_document USING btree (account_id, affiliate_id, id)
CREATE UNIQUE INDEX payout_document_by_number ON public.payout_document USING btree (account_id, number_sequence, number_year) WHERE (number_year IS NOT NULL)
CREATE INDEX payout_document_by_year ON public.payout_document USING btree (account_id, number_year, id) WHERE (number_year IS NOT NULL)
CREATE UNIQUE INDEX payout_document_pkey ON public.payout_document USING btree (account_id, id)
payout_document_count.account_id uuid NOT NULL
payout_document_count.year integer NOT NULL
payout_document_count.last_sequence bigint NOT NULL
CREATE UNIQUE INDEX payout_document_count_pkey ON public.payout_document_count USING btree (account_id, year)
payout_export.account_id uuid NOT NULL
payout_export.id uuid NOT NULL
payout_export.format character varying(32) NOT NULL
payout_export.payout_ids text NOT NULL
payout_export.currency character varying(32) NOT NULL
payout_export.total_minor bigint NOT NULL
payout_export.sha256 text NOT NULL
payout_export.file bytea
payout_export.created_by uuid
payout_export.created_at bigint NOT NULL
CREATE INDEX payout_export_kept ON public.payout_export USING btree (created_at) WHERE (file IS NOT NULL)
CREATE UNIQUE INDEX payout_export_pkey ON public.payout_export USING btree (account_id, id)
payout_method.account_id uuid NOT NULL
payout_method.affiliate_id uuid NOT NULL
payout_method.kind character varying(32)
payout_method.hint text
payout_method.sealed bytea
payout_method.fingerprint bytea
payout_method.set_at bigint
payout_method.pending_kind character varying(32)
payout_method.pending_hint text
payout_method.pending_sealed bytea
payout_method.pending_fingerprint bytea
payout_method.pending_set_at bigint
payout_method.effective_at bigint
payout_method.override_reason text NOT NULL
payout_method.created_at bigint NOT NULL
payout_method.updated_at bigint NOT NULL
CREATE UNIQUE INDEX payout_method_pkey ON public.payout_method USING btree (account_id, affiliate_id)
payout_purse.account_id uuid NOT NULL
payout_purse.provider character varying(32) NOT NULL
payout_purse.wake_count bigint NOT NULL
payout_purse.waits text
CREATE UNIQUE INDEX payout_purse_pkey ON public.payout_purse USING btree (account_id, provider)
payout_reconciliation.account_id uuid NOT NULL
payout_reconciliation.id uuid NOT NULL
payout_reconciliation.provider character varying(32) NOT NULL
payout_reconciliation.state character varying(32) NOT NULL
payout_reconciliation.start_at bigint NOT NULL
payout_reconciliation.end_at bigint NOT NULL
payout_reconciliation.payment_count bigint NOT NULL
payout_reconciliation.payout_count bigint NOT NULL
payout_reconciliation.unread_count bigint NOT NULL
payout_reconciliation.looked_at_count bigint NOT NULL
payout_reconciliation.difference_count bigint NOT NULL
payout_reconciliation.new_difference_count bigint NOT NULL
payout_reconciliation.differences text
payout_reconciliation.problem_code text NOT NULL
payout_reconciliation.tries integer NOT NULL
payout_reconciliation.lease_id uuid NOT NULL
payout_reconciliation.next_at bigint
payout_reconciliation.created_by uuid
payout_reconciliation.created_at bigint NOT NULL
payout_reconciliation.ended_at bigint
CREATE INDEX payout_reconciliation_due ON public.payout_reconciliation USING btree (next_at, id) WHERE (next_at IS NOT NULL)
CREATE UNIQUE INDEX payout_reconciliation_pkey ON public.payout_reconciliation USING btree (account_id, id)
payout_run.account_id uuid NOT NULL
payout_run.id uuid NOT NULL
payout_run.state character varying(32) NOT NULL
payout_run.currency character varying(32) NOT NULL
payout_run.affiliate_ids text
payout_run.minimum_minor bigint
payout_run.maximum_total_minor bigint
payout_run.provider character varying(32)
payout_run.schedule_id uuid
payout_run.planned_at bigint
payout_run.due_until bigint
payout_run.needs_approval boolean NOT NULL
payout_run.note text NOT NULL
payout_run.message text NOT NULL
payout_run.cursor uuid
payout_run.payout_count bigint NOT NULL
payout_run.total_minor bigint NOT NULL
payout_run.created_by uuid
payout_run.cancelled_by uuid
payout_run.cancelled_at bigint
payout_run.created_at bigint NOT NULL
payout_run.updated_at bigint NOT NULL
CREATE INDEX payout_run_cancelling ON public.payout_run USING btree (id) WHERE ((state)::text = 'cancelling'::text)
CREATE UNIQUE INDEX payout_run_pkey ON public.payout_run USING btree (account_id, id)
CREATE INDEX payout_run_unfinished ON public.payout_run USING btree (id) WHERE ((state)::text = 'creating'::text)
payout_schedule.account_id uuid NOT NULL
payout_schedule.id uuid NOT NULL
payout_schedule.state character varying(32) NOT NULL
payout_schedule.display_name text NOT NULL
payout_schedule.timing text NOT NULL
payout_schedule.currency character varying(32) NOT NULL
payout_schedule.affiliate_ids text
payout_schedule.minimum_minor bigint
payout_schedule.maximum_total_minor bigint
payout_schedule.provider character varying(32)
payout_schedule.net_days integer
payout_schedule.pays_month_before boolean NOT NULL
payout_schedule.needs_approval boolean NOT NULL
payout_schedule.note text NOT NULL
payout_schedule.message text NOT NULL
payout_schedule.set_by uuid
payout_schedule.next_run_at bigint
payout_schedule.last_run_id uuid
payout_schedule.created_at bigint NOT NULL
payout_schedule.updated_at bigint NOT NULL
payout_schedule.archived_at bigint
CREATE INDEX payout_schedule_next ON public.payout_schedule USING btree (next_run_at, id) WHERE (next_run_at IS NOT NULL)
CREATE UNIQUE INDEX payout_schedule_pkey ON public.payout_schedule USING btree (account_id, id)
program.account_id uuid NOT NULL
program.id uuid NOT NULL
program.display_name text NOT NULL
program.currency character varying(32) NOT NULL
program.landing_url text NOT NULL
program.hosts text NOT NULL
program.is_default boolean NOT NULL
program.state character varying(32) NOT NULL
program.agreement text
program.agreement_version integer NOT NULL
program.questions text
program.is_private boolean NOT NULL
program.invitations text
program.welcome_mail text
program.metadata text
program.fraud_rules text
program.terms_version integer NOT NULL
program.version integer NOT NULL
program.created_at bigint NOT NULL
program.updated_at bigint NOT NULL
program.archived_at bigint
CREATE UNIQUE INDEX program_pkey ON public.program USING btree (account_id, id)
program_mrr.account_id uuid NOT NULL
program_mrr.program_id uuid NOT NULL
program_mrr.currency character varying(32) NOT NULL
program_mrr.mrr_billions bigint NOT NULL
program_mrr.mrr_rest_minor bigint NOT NULL
program_mrr.customer_count bigint NOT NULL
CREATE UNIQUE INDEX program_mrr_pkey ON public.program_mrr USING btree (account_id, program_id, currency)
request.account_id uuid NOT NULL
request.scope text NOT NULL
request.key text NOT NULL
request.content_hash bytea NOT NULL
request.effect uuid NOT NULL
request.outcome text NOT NULL
request.created_at bigint NOT NULL
request.expires_at bigint
CREATE INDEX request_by_expiry ON public.request USING btree (expires_at) WHERE (expires_at IS NOT NULL)
CREATE UNIQUE INDEX request_pkey ON public.request USING btree (account_id, scope, key)
reward.account_id uuid NOT NULL
reward.id uuid NOT NULL
reward.conversion_id uuid
reward.affiliate_id uuid NOT NULL
reward.enrollment_id uuid NOT NULL
reward.program_id uuid NOT NULL
reward.unit character varying(32) NOT NULL
reward.value_minor bigint NOT NULL
reward.currency character varying(32) NOT NULL
reward.reversed_minor bigint NOT NULL
reward.reverses uuid
reward.state character varying(32) NOT NULL
reward.calculation text
reward.by_hand text
reward.click text
reward.review text
reward.auto_approve_at bigint NOT NULL
reward.created_at bigint NOT NULL
reward.updated_at bigint NOT NULL
reward.deny_reason text NOT NULL
reward.payout_id uuid
reward.approved_at bigint
reward.dispute text
CREATE INDEX reward_approved ON public.reward USING btree (account_id, affiliate_id, currency, id) WHERE ((state)::text = 'approved'::text)
CREATE INDEX reward_by_approval ON public.reward USING btree (auto_approve_at) WHERE ((state)::text = 'pending'::text)
CREATE INDEX reward_by_conversion ON public.reward USING btree (account_id, conversion_id)
CREATE INDEX reward_by_payout ON public.reward USING btree (account_id, payout_id, id) WHERE (payout_id IS NOT NULL)
CREATE INDEX reward_by_reversed ON public.reward USING btree (account_id, reverses) WHERE (reverses IS NOT NULL)
CREATE INDEX reward_held ON public.reward USING btree (account_id, auto_approve_at) WHERE ((state)::text = 'held'::text)
CREATE UNIQUE INDEX reward_pkey ON public.reward USING btree (account_id, id)
sales_tally.account_id uuid NOT NULL
sales_tally.program_id uuid NOT NULL
sales_tally.affiliate_id uuid NOT NULL
sales_tally.since_version integer NOT NULL
sales_tally.period character varying(32) NOT NULL
sales_tally.starts_on integer NOT NULL
sales_tally.sale_count bigint NOT NULL
sales_tally.amount_minor bigint NOT NULL
sales_tally.bonuses text NOT NULL
CREATE UNIQUE INDEX sales_tally_pkey ON public.sales_tally USING btree (account_id, program_id, affiliate_id, since_version, period, starts_on)
statistic_block.account_id uuid NOT NULL
statistic_block.key bytea NOT NULL
statistic_block.figures bytea NOT NULL
CREATE UNIQUE INDEX statistic_block_pkey ON public.statistic_block USING btree (account_id, key)
statistic_tail.id uuid NOT NULL
statistic_tail.account_id uuid NOT NULL
statistic_tail.figures bytea NOT NULL
CREATE UNIQUE INDEX statistic_tail_pkey ON public.statistic_tail USING btree (id)
store_identity.id integer NOT NULL
store_identity.database_id uuid NOT NULL
store_identity.secret bytea NOT NULL
CREATE UNIQUE INDEX store_identity_pkey ON public.store_identity USING btree (id)
submission.account_id uuid NOT NULL
submission.id uuid NOT NULL
submission.bounty_id uuid NOT NULL
submission.program_id uuid NOT NULL
submission.affiliate_id uuid NOT NULL
submission.enrollment_id uuid NOT NULL
submission.note text NOT NULL
submission.url text NOT NULL
submission.state character varying(32) NOT NULL
submission.reject_reason text NOT NULL
submission.place integer NOT NULL
submission.reward_id uuid
submission.created_at bigint NOT NULL
submission.decided_at bigint
CREATE INDEX submission_by_affiliate ON public.submission USING btree (account_id, affiliate_id, id)
CREATE INDEX submission_by_bounty ON public.submission USING btree (account_id, bounty_id, id)
CREATE UNIQUE INDEX submission_pkey ON public.submission USING btree (account_id, id)
submission_count.account_id uuid NOT NULL
submission_count.bounty_id uuid NOT NULL
submission_count.affiliate_id uuid NOT NULL
submission_count.submission_count integer NOT NULL
CREATE UNIQUE INDEX submission_count_pkey ON public.submission_count USING btree (account_id, bounty_id, affiliate_id)
tally.account_id uuid NOT NULL
tally.program_id uuid NOT NULL
tally.affiliate_id uuid NOT NULL
tally.lead_id uuid NOT NULL
tally.period character varying(32) NOT NULL
tally.starts_on integer NOT NULL
tally.earned_minor bigint NOT NULL
tally.paid_minor bigint NOT NULL
CREATE UNIQUE INDEX tally_pkey ON public.tally USING btree (account_id, program_id, affiliate_id, lead_id, period, starts_on)
tax_profile.account_id uuid NOT NULL
tax_profile.affiliate_id uuid NOT NULL
tax_profile.details text
tax_profile.number_sealed bytea
tax_profile.version integer NOT NULL
tax_profile.created_at bigint NOT NULL
tax_profile.updated_at bigint NOT NULL
CREATE UNIQUE INDEX tax_profile_pkey ON public.tax_profile USING btree (account_id, affiliate_id)
terms.account_id uuid NOT NULL
terms.program_id uuid NOT NULL
terms.version integer NOT NULL
terms.starts_at bigint NOT NULL
terms.ends_at bigint
terms.scheduled_at bigint
terms.withdrawn_at bigint
terms.yields_to text
terms.rules text NOT NULL
CREATE UNIQUE INDEX terms_pkey ON public.terms USING btree (account_id, program_id, version)
unmatched_sale.account_id uuid NOT NULL
unmatched_sale.conversion_id uuid NOT NULL
unmatched_sale.email text
unmatched_sale.external_id text
unmatched_sale.occurred_at bigint NOT NULL
CREATE INDEX unmatched_sale_by_email ON public.unmatched_sale USING btree (account_id, email, occurred_at) WHERE (email IS NOT NULL)
CREATE INDEX unmatched_sale_by_external_id ON public.unmatched_sale USING btree (account_id, external_id, occurred_at) WHERE (external_id IS NOT NULL)
CREATE UNIQUE INDEX unmatched_sale_pkey ON public.unmatched_sale USING btree (account_id, conversion_id)
waiting_refund.account_id uuid NOT NULL
waiting_refund.sale_event_id text NOT NULL
waiting_refund.conversion_id uuid NOT NULL
CREATE UNIQUE INDEX waiting_refund_pkey ON public.waiting_refund USING btree (account_id, sale_event_id, conversion_id)
write_trial.id integer NOT NULL
write_trial.content bytea NOT NULL
CREATE UNIQUE INDEX write_trial_pkey ON public.write_trial USING btree (id)
yearly_total.account_id uuid NOT NULL
yearly_total.year integer NOT NULL
yearly_total.affiliate_id uuid NOT NULL
yearly_total.currency character varying(32) NOT NULL
yearly_total.paid_billions bigint NOT NULL
yearly_total.paid_rest_minor bigint NOT NULL
yearly_total.returned_billions bigint NOT NULL
yearly_total.returned_rest_minor bigint NOT NULL
yearly_total.fee_billions bigint NOT NULL
yearly_total.fee_rest_minor bigint NOT NULL
yearly_total.payout_count bigint NOT NULL
CREATE UNIQUE INDEX yearly_total_pkey ON public.yearly_total USING btree (account_id, year, affiliate_id, currency)
