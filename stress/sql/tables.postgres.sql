-- The tables of the plain service on PostgreSQL. They are those that Headwater had in November 2026, with plain indexes for lists
-- of sales, rewards and entries by affiliate and by customer. They do not follow Headwater's tables. The plain service therefore
-- does the same work beside every build of Headwater.

CREATE TABLE program (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    display_name text NOT NULL,
    currency varchar(32) NOT NULL,
    landing_url text NOT NULL,
    is_default boolean NOT NULL,
    state varchar(32) NOT NULL,
    terms_version integer NOT NULL,
    version integer NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    archived_at bigint,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE terms (
    account_id uuid NOT NULL,
    program_id uuid NOT NULL,
    version integer NOT NULL,
    starts_at bigint NOT NULL,
    rules text NOT NULL,
    PRIMARY KEY (account_id, program_id, version)
);

CREATE TABLE enrollment (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    affiliate_id uuid NOT NULL,
    program_id uuid NOT NULL,
    ref_id text NOT NULL,
    landing_url text NOT NULL,
    commission_override text,
    state varchar(32) NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    ended_at bigint,
    past text,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX enrollment_by_pair ON enrollment (account_id, affiliate_id, program_id);
CREATE INDEX enrollment_by_program ON enrollment (account_id, program_id, affiliate_id);
CREATE UNIQUE INDEX enrollment_by_ref_id ON enrollment (account_id, ref_id);

CREATE TABLE lead (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    email text,
    email_as_sent text NOT NULL,
    external_id text,
    first_name text NOT NULL,
    last_name text NOT NULL,
    state varchar(32) NOT NULL,
    sole_affiliate_id uuid,
    credits bytea NOT NULL,
    bound_at bigint,
    referred_at bigint,
    plan text NOT NULL,
    mrr_minor bigint,
    mrr_currency varchar(32),
    first_sale_at bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX lead_by_email ON lead (account_id, email) WHERE (email IS NOT NULL);
CREATE UNIQUE INDEX lead_by_external_id ON lead (account_id, external_id) WHERE (external_id IS NOT NULL);

CREATE TABLE account_head (
    account_id uuid NOT NULL,
    event_sequence bigint NOT NULL,
    pruned_sequence bigint NOT NULL,
    pruned_check bigint NOT NULL,
    ledger_sequence bigint NOT NULL,
    ledger_hash bytea NOT NULL,
    posted_minor bigint NOT NULL,
    catalogue_version bigint NOT NULL,
    waited_refund_count bigint NOT NULL,
    committed_at bigint NOT NULL,
    PRIMARY KEY (account_id)
);

CREATE TABLE request (
    account_id uuid NOT NULL,
    scope text NOT NULL,
    key text NOT NULL,
    content_hash bytea NOT NULL,
    effect uuid NOT NULL,
    outcome text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    PRIMARY KEY (account_id, scope, key)
);
CREATE INDEX request_by_expiry ON request (expires_at) WHERE (expires_at IS NOT NULL);

CREATE TABLE conversion (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    kind varchar(32) NOT NULL,
    event_id text NOT NULL,
    outcome varchar(32) NOT NULL,
    amount_minor bigint,
    currency varchar(32),
    refunded_minor bigint NOT NULL,
    refund_count integer NOT NULL,
    excess_minor bigint NOT NULL,
    sale_id uuid,
    sale_event_id text NOT NULL,
    lead_id uuid,
    tid uuid,
    sole_affiliate_id uuid,
    credits bytea NOT NULL,
    channel varchar(32) NOT NULL,
    order_details text NOT NULL,
    candidates text NOT NULL,
    occurred_at bigint NOT NULL,
    created_at bigint NOT NULL,
    is_told boolean NOT NULL,
    version integer NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX conversion_by_lead ON conversion (account_id, lead_id, occurred_at);
CREATE INDEX conversion_by_sole_affiliate ON conversion (account_id, sole_affiliate_id, id);
CREATE INDEX conversion_by_tid ON conversion (account_id, tid, occurred_at) WHERE (tid IS NOT NULL);

CREATE TABLE reward (
    account_id uuid NOT NULL,
    id uuid NOT NULL,
    conversion_id uuid NOT NULL,
    affiliate_id uuid NOT NULL,
    enrollment_id uuid NOT NULL,
    program_id uuid NOT NULL,
    unit varchar(32) NOT NULL,
    value_minor bigint NOT NULL,
    currency varchar(32) NOT NULL,
    reversed_minor bigint NOT NULL,
    reverses uuid,
    state varchar(32) NOT NULL,
    calculation text NOT NULL,
    auto_approve_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    deny_reason text NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX reward_by_affiliate ON reward (account_id, affiliate_id, id);
CREATE INDEX reward_by_approval ON reward (auto_approve_at) WHERE (state = 'pending');
CREATE INDEX reward_by_conversion ON reward (account_id, conversion_id);
CREATE INDEX reward_by_reversed ON reward (account_id, reverses) WHERE (reverses IS NOT NULL);

CREATE TABLE ledger_entry (
    account_id uuid NOT NULL,
    sequence bigint NOT NULL,
    debit varchar(32) NOT NULL,
    credit varchar(32) NOT NULL,
    unit varchar(32) NOT NULL,
    currency varchar(32) NOT NULL,
    amount_minor bigint NOT NULL,
    affiliate_id uuid NOT NULL,
    subject_kind varchar(32) NOT NULL,
    subject_id uuid NOT NULL,
    reason varchar(32) NOT NULL,
    posted_at bigint NOT NULL,
    hash_version integer NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (account_id, sequence)
);
CREATE INDEX ledger_entry_by_affiliate ON ledger_entry (account_id, affiliate_id, sequence);

CREATE TABLE balance (
    account_id uuid NOT NULL,
    affiliate_id uuid NOT NULL,
    unit varchar(32) NOT NULL,
    currency varchar(32) NOT NULL,
    pending_minor bigint NOT NULL CHECK (pending_minor BETWEEN -9000000000000000000 AND 9000000000000000000),
    owed_minor bigint NOT NULL CHECK (owed_minor BETWEEN -9000000000000000000 AND 9000000000000000000),
    paid_minor bigint NOT NULL CHECK (paid_minor BETWEEN -9000000000000000000 AND 9000000000000000000),
    PRIMARY KEY (account_id, affiliate_id, unit, currency)
);

CREATE TABLE event_segment (
    account_id uuid NOT NULL,
    last_sequence bigint NOT NULL,
    first_sequence bigint NOT NULL,
    committed_at bigint NOT NULL,
    events bytea NOT NULL,
    PRIMARY KEY (account_id, last_sequence)
);

-- LZ4 takes a fraction of the default's time, so a service would choose it where PostgreSQL has it.
DO $$
BEGIN
    IF EXISTS (SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE event_segment ALTER COLUMN events SET COMPRESSION lz4;
    END IF;
END $$;
