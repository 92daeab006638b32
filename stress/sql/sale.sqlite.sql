-- One sale as a plain service would write it: one transaction per sale, a prepared statement for each step. For the loop in
-- src/side_by_side/plain/sqlite.rs, which keeps the columns of a SELECT's row for later statements, as pgbench's \gset does.
--
-- The tables are the plain service's own (tables.sqlite.sql) and do not follow Headwater's. Before measuring, `stress` checks
-- which rows a sale adds.
--
-- `INSERT INTO name LIKE SAMPLE` expands to an INSERT of all columns of the table, with the values below and, for all other
-- columns, those of a sale that Headwater recorded (sample.json), so that constants, JSON among them, have their true length.
-- Parameters of each sale: account_id, email, event_key, now, conversion_id, reward_id. Omitted, in favour of the plain service:
-- computing the commission and the ledger's hash, refunds that wait for their sale, and all checks of the request.
BEGIN IMMEDIATE;

-- The customer, whose credits become the sale's: the two differ in the source alone, and are as long. The service itself would
-- read the credits.
SELECT id AS lead_id, credits,
       substr(credits, 3, 16) AS affiliate_id,
       substr(credits, 19, 16) AS enrollment_id,
       substr(credits, 35, 16) AS program_id
FROM lead WHERE account_id = :account_id AND email = :email;

-- The terms.
SELECT terms.version AS terms_version, terms.rules, program.currency, enrollment.state, enrollment.commission_override
FROM enrollment
JOIN program ON program.account_id = enrollment.account_id AND program.id = enrollment.program_id
JOIN terms ON terms.account_id = program.account_id AND terms.program_id = program.id AND terms.version = program.terms_version
WHERE enrollment.account_id = :account_id AND enrollment.id = :enrollment_id;

-- Whether it was recorded before. If so, this violates the primary key, and the service would answer from that row.
INSERT INTO request LIKE SAMPLE
    account_id = :account_id,
    key = :event_key,
    effect = :conversion_id,
    created_at = :now;

INSERT INTO conversion LIKE SAMPLE
    account_id = :account_id,
    id = :conversion_id,
    event_id = :event_key,
    lead_id = :lead_id,
    sole_affiliate_id = :affiliate_id,
    credits = :credits,
    occurred_at = :now,
    created_at = :now;

INSERT INTO reward LIKE SAMPLE
    account_id = :account_id,
    id = :reward_id,
    conversion_id = :conversion_id,
    affiliate_id = :affiliate_id,
    enrollment_id = :enrollment_id,
    program_id = :program_id,
    auto_approve_at = :now + 2592000000000,
    created_at = :now,
    updated_at = :now;

SELECT event_sequence, ledger_sequence FROM account_head WHERE account_id = :account_id;

INSERT INTO ledger_entry LIKE SAMPLE
    account_id = :account_id,
    sequence = :ledger_sequence + 1,
    affiliate_id = :affiliate_id,
    subject_id = :reward_id,
    posted_at = :now;

INSERT INTO balance (account_id, affiliate_id, unit, currency, pending_minor, owed_minor, paid_minor)
VALUES (:account_id, :affiliate_id, 'cash', 'USD', 1000, 0, 0)
ON CONFLICT (account_id, affiliate_id, unit, currency)
DO UPDATE SET pending_minor = balance.pending_minor + excluded.pending_minor;

INSERT INTO event_segment LIKE SAMPLE
    account_id = :account_id,
    last_sequence = :event_sequence + 1,
    first_sequence = :event_sequence + 1,
    committed_at = :now;

UPDATE account_head SET event_sequence = event_sequence + 1, ledger_sequence = ledger_sequence + 1
WHERE account_id = :account_id;
COMMIT;
