-- One sale as a plain service would write it: one transaction per sale, a prepared statement for each step. For pgbench.
--
-- The tables are the plain service's own (tables.postgres.sql) and do not follow Headwater's. Before measuring, `stress` checks
-- which rows a sale adds.
--
-- `INSERT INTO name LIKE SAMPLE` expands to an INSERT of all columns of the table, with the values below and, for all other
-- columns, those of a sale that Headwater recorded (sample.json), so that constants, JSON among them, have their true length.
-- `ACCOUNTS` is the array of the accounts' ids. Omitted, in favour of the plain service: computing the commission and the ledger's
-- hash, refunds that wait for their sale, and all checks of the request.
\set account random(1, :accounts)
\set customer random(0, :customers - 1)
\set unique random(1, 9000000000000000000)
\set number :number + 1
BEGIN;

-- The customer, whose credits become the sale's: the two differ in the source alone, and are as long. The service itself would
-- read the credits, and would have the clock and the ids, which grow with it.
SELECT lead.account_id, lead.id AS lead_id, lead.credits, clock.now,
       encode(substring(lead.credits FROM 3 FOR 16), 'hex')::uuid AS affiliate_id,
       encode(substring(lead.credits FROM 19 FOR 16), 'hex')::uuid AS enrollment_id,
       encode(substring(lead.credits FROM 35 FOR 16), 'hex')::uuid AS program_id,
       (lpad(to_hex(clock.now), 16, '0') || lpad(to_hex(:unique::bigint), 16, '0'))::uuid AS conversion_id,
       (lpad(to_hex(clock.now), 16, '0') || lpad(to_hex(:unique::bigint + 1), 16, '0'))::uuid AS reward_id
FROM lead, (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
WHERE lead.account_id = (ACCOUNTS)[:account::integer]
  AND lead.email = 'customer-' || lpad(:customer::text, 5, '0') || '@customers.example' \gset

-- The terms.
SELECT terms.version AS terms_version, terms.rules, program.currency, enrollment.state, enrollment.commission_override
FROM enrollment
JOIN program ON program.account_id = enrollment.account_id AND program.id = enrollment.program_id
JOIN terms ON terms.account_id = program.account_id AND terms.program_id = program.id AND terms.version = program.terms_version
WHERE enrollment.account_id = :account_id AND enrollment.id = :enrollment_id \gset

-- Whether it was recorded before. If so, this violates the primary key, and the service would answer from that row.
INSERT INTO request LIKE SAMPLE
    account_id = :account_id,
    key = :run::text || '-' || :client_id::text || '-' || :number::text,
    effect = :conversion_id,
    created_at = :now;

INSERT INTO conversion LIKE SAMPLE
    account_id = :account_id,
    id = :conversion_id,
    event_id = :run::text || '-' || :client_id::text || '-' || :number::text,
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
    auto_approve_at = :now::bigint + 2592000000000,
    created_at = :now,
    updated_at = :now;

-- From here on nobody else writes to the account's ledger and feed. The lock is taken as late as possible.
SELECT event_sequence, ledger_sequence FROM account_head WHERE account_id = :account_id FOR UPDATE \gset

INSERT INTO ledger_entry LIKE SAMPLE
    account_id = :account_id,
    sequence = :ledger_sequence::bigint + 1,
    affiliate_id = :affiliate_id,
    subject_id = :reward_id,
    posted_at = :now;

INSERT INTO balance AS kept (account_id, affiliate_id, unit, currency, pending_minor, owed_minor, paid_minor)
VALUES (:account_id, :affiliate_id, 'cash', 'USD', 1000, 0, 0)
ON CONFLICT (account_id, affiliate_id, unit, currency)
DO UPDATE SET pending_minor = kept.pending_minor + excluded.pending_minor;

INSERT INTO event_segment LIKE SAMPLE
    account_id = :account_id,
    last_sequence = :event_sequence::bigint + 1,
    first_sequence = :event_sequence::bigint + 1,
    committed_at = :now;

UPDATE account_head SET event_sequence = event_sequence + 1, ledger_sequence = ledger_sequence + 1
WHERE account_id = :account_id;
COMMIT;
