"""What only somebody past every guard could do to the books, and the check that sees it."""

CALLBACK = (
    "INSERT INTO callbacks (id, company_id, attempt_id, purpose, dedup_key, body, deliveries)"
    " VALUES (:callback, :company, :attempt, 'result', '', '', 1)"
)
"""A callback that was stored, and that no outbox message processes."""

BELOW_ITS_FLOOR = "UPDATE ledger_accounts SET floor = balance - held + 1 WHERE id = :account"

CASE = (
    "INSERT INTO cases (id, company_id, kind, severity, status, object_type, object_id,"
    " summary, evidence, version) VALUES (new_key(), :company, 'below_floor', 'warning',"
    " '{status}', 'store', :store, 'x', '{{}}', 1)"
)

RESTORED = (
    "WITH stamped AS (INSERT INTO restores"
    " SELECT 1, created_at - interval '1 hour', created_at - interval '1 second',"
    " now(), '{{}}', 'root' FROM payment_attempts WHERE id = :attempt RETURNING 1)"
    " UPDATE payment_attempts SET {what} WHERE id = :attempt AND EXISTS (SELECT FROM stamped)"
)

HOLDER = (
    "(SELECT user_id FROM role_assignments WHERE company_id = :company AND role = '{0}' LIMIT 1)"
)
"""Somebody who holds a role."""

APPROVER = (
    "(SELECT user_id FROM decisions WHERE subject_id = :requisition AND verdict = 'approved'"
    " LIMIT 1)"
)

CFO, TREASURY_3 = HOLDER.format("cfo"), "(SELECT id FROM users WHERE username = 'treasury_3')"
ESCALATION = "(SELECT id FROM users WHERE username = 'escalation')"
AUDITOR, ADMIN, CEO = (HOLDER.format(role) for role in ("auditor", "admin", "ceo"))
FINANCE_MANAGER = HOLDER.format("group_finance_manager")

APPROVED = (
    "UPDATE replenishments SET status = 'approved', approved_amount = {0}, decided_at = now(),"
    " decided_by = {1} WHERE id = :replenishment"
)
"""A replenishment that somebody has approved for an amount, just now."""

UNJUDGED = "DELETE FROM cases WHERE company_id = :company; "

ORDINARY = UNJUDGED + APPROVED.format(1, FINANCE_MANAGER)

GIVEN = (
    "INSERT INTO role_assignments (id, company_id, user_id, role, scope_kind, valid_from,"
    " proposed_by, confirmed_by, is_bootstrap)"
    f" VALUES (:key, :company, {HOLDER.format('auditor')}, 'staff', 'company', now(), {{0}})"
)

MOVED = (
    "UPDATE contacts SET held_until = now() WHERE user_id = {0} AND kind = 'email';"
    " INSERT INTO contacts (id, company_id, user_id, kind, value, held_from)"
    " VALUES (:key, :company, {0}, 'email', 'mine@evil.example', now())"
)
"""A person is reached elsewhere from now on, and nobody has said so."""

DAMAGE: tuple[tuple[str, str, str], ...] = (
    (
        "balance_is_sum_of_postings",
        "account",
        "UPDATE ledger_accounts SET balance = balance + 1 WHERE id = :account",
    ),
    (
        "balance_is_sum_of_postings",
        "account",
        "UPDATE ledger_accounts SET sequence = sequence + 1 WHERE id = :account",
    ),
    (
        "balance_is_sum_of_postings",
        "account",
        "DELETE FROM postings WHERE account_id = :account AND entry_id = :entry",
    ),
    (
        "balance_after_is_the_chain",
        "account",
        (
            "UPDATE postings SET balance_after = balance_after + 1 WHERE account_id = "
            ":account AND entry_id = :entry"
        ),
    ),
    (
        "balance_after_is_the_chain",
        "account",
        (
            "UPDATE postings SET sequence = sequence + 1 WHERE account_id = :account AND "
            "entry_id = :entry"
        ),
    ),
    (
        "held_is_sum_of_open_holds",
        "account",
        "UPDATE ledger_accounts SET held = held + 1 WHERE id = :account",
    ),
    (
        "held_is_sum_of_open_holds",
        "account",
        "UPDATE holds SET state = 'voided' WHERE source = :hold",
    ),
    (
        "entries_balance",
        "entry",
        ("UPDATE postings SET amount = amount + 1 WHERE entry_id = :entry AND side = 'debit'"),
    ),
    ("entries_balance", "entry", "DELETE FROM postings WHERE entry_id = :entry"),
    ("restored_attempts_ask_first", "going", RESTORED.format(what="tries = tries")),
    ("restored_attempts_were_not_known", "going", RESTORED.format(what="asks_first = true")),
    (
        "entries_balance",
        "entry",
        "UPDATE postings SET currency = 'USD' WHERE entry_id = :entry AND side = 'debit'",
    ),
    (
        "open_holds_are_live_attempts",
        "hold_id",
        "UPDATE payment_attempts SET state = 'rejected' WHERE id = :attempt",
    ),
    (
        "open_holds_are_live_attempts",
        "hold_id",
        "UPDATE payments SET status = 'failed' WHERE id = :going",
    ),
    ("open_holds_are_live_attempts", "hold_id", "DELETE FROM payment_attempts WHERE id = :attempt"),
    (
        "open_holds_are_live_attempts",
        "hold_id",
        "UPDATE holds SET amount = amount + 1 WHERE source = :hold",
    ),
    ("payments_on_the_way_are_held", "going", "DELETE FROM holds WHERE source = :hold"),
    (
        "payments_on_the_way_are_held",
        "going",
        "UPDATE payments SET amount = amount - 1 WHERE id = :going",
    ),
    (
        "successes_are_posted",
        "going",
        (
            "UPDATE payments SET status = 'success', paid_at = now(), paid_amount = amount, "
            "provider_reference = 'R' WHERE id = :going"
        ),
    ),
    (
        "successes_are_posted",
        "paid",
        "UPDATE payments SET status = 'failed', paid_at = NULL WHERE id = :paid",
    ),
    ("successes_are_posted", "paid", "DELETE FROM journal_entries WHERE id = :entry"),
    (
        "one_settled_attempt_each",
        "paid",
        "UPDATE payment_attempts SET state = 'rejected' WHERE payment_id = :paid",
    ),
    (
        "one_settled_attempt_each",
        "paid",
        (
            "UPDATE payment_attempts SET state = 'settled', payment_id = :paid, number = 2 "
            "WHERE id = :attempt"
        ),
    ),
    (
        "payments_within_approval",
        "requisition",
        ("UPDATE requisitions SET approved_amount = approved_amount - 1 WHERE id = :requisition"),
    ),
    (
        "below_floor_has_a_case",
        "store",
        "UPDATE ledger_accounts SET floor = balance - held + 1 WHERE id = :account",
    ),
    (
        "attempts_are_what_was_released",
        "paid",
        "UPDATE payment_attempts SET originator_reference = 'x' WHERE payment_id = :paid",
    ),
    (
        "releases_go_where_it_was_approved",
        "going",
        "UPDATE payment_attempts SET destination = '254799999999' WHERE id = :attempt",
    ),
    (
        "releases_go_where_it_was_approved",
        "paid",
        "UPDATE payments SET method = 'cash' WHERE id = :paid",
    ),
    (
        "releases_go_where_it_was_approved",
        "paid",
        (
            "DELETE FROM decisions USING payments p WHERE p.id = :paid"
            " AND decisions.subject_id = p.requisition_id"
        ),
    ),
    (
        "redirects_hold_what_they_are_about",
        "key",
        (
            "INSERT INTO changes (id, company_id, kind, object_id, payload, reason, status,"
            " proposed_by) SELECT :key, company_id, 'redirect', id, '{}', 'x', 'proposed',"
            " maker_id FROM payments WHERE id = :going"
        ),
    ),
    (
        "redirects_hold_what_they_are_about",
        "key",
        (
            "INSERT INTO changes (id, company_id, kind, object_id, payload, reason, status,"
            " proposed_by, decided_by) SELECT :key, company_id, 'redirect', id, '{}', 'x',"
            " 'withdrawn', maker_id, maker_id FROM payments WHERE id = :going;"
            " UPDATE payments SET open_redirect_id = :key WHERE id = :going"
        ),
    ),
    ("attempts_are_what_was_released", "going", "DELETE FROM payment_attempts WHERE id = :attempt"),
    (
        "attempts_are_what_was_released",
        "going",
        "UPDATE payment_executions SET amount = amount + 1 WHERE payment_id = :going",
    ),
    (
        "what_was_proven_is_posted",
        "paid",
        "UPDATE payments SET paid_amount = paid_amount - 1 WHERE id = :paid",
    ),
    (
        "what_was_proven_is_posted",
        "paid",
        ("UPDATE postings SET side = 'debit' WHERE entry_id = :entry AND account_id = :account"),
    ),
    (
        "what_was_proven_is_posted",
        "paid",
        ("UPDATE journal_entries SET payment_id = :paid, rule = 'expense' WHERE id = :opening"),
    ),
    (
        "fees_are_posted_once",
        "paid",
        "UPDATE payment_attempts SET fee = 7 WHERE payment_id = :paid",
    ),
    (
        "fees_are_posted_once",
        "paid",
        "UPDATE journal_entries SET payment_id = :paid, rule = 'fee' WHERE id = :opening",
    ),
    (
        "transfers_are_posted",
        "replenishment",
        (
            "UPDATE replenishments SET status = 'funded', approved_amount = requested_amount "
            "WHERE id = :replenishment"
        ),
    ),
    (
        "transfers_are_posted",
        "replenishment",
        "UPDATE replenishments SET received_amount = 5 WHERE id = :replenishment",
    ),
    (
        "transfers_are_posted",
        "replenishment",
        "UPDATE replenishments SET lost_amount = 5 WHERE id = :replenishment",
    ),
    (
        "imprest_identity",
        "fund",
        "UPDATE payments SET paid_amount = paid_amount + 1 WHERE id = :paid",
    ),
    (
        "imprest_identity",
        "fund",
        (
            "UPDATE funds SET target_balance = target_balance WHERE id = :fund; UPDATE "
            "ledger_accounts SET balance = balance - 1 WHERE id = :account"
        ),
    ),
    (
        "decided_payments_have_an_exchange",
        "paid",
        "DELETE FROM payment_transactions WHERE payment_id = :paid",
    ),
    (
        "answers_of_releases_are_true",
        "key",
        (
            "INSERT INTO idempotency_keys (id, company_id, principal, method, route, key, "
            "fingerprint, status, headers, body) VALUES (:key, :company, 'x', 'POST', "
            "'/api/payments/<uuid:payment_id>/execute/', 'x', '', 202, '{}', "
            "convert_to('{\"id\"\\: \"' || :company || '\"}', 'UTF8'))"
        ),
    ),
    ("entries_keep_their_source", "entry", "DELETE FROM journal_entries WHERE id = :entry"),
    (
        "entries_keep_their_source",
        "entry",
        "UPDATE journal_sources SET source = 'x' WHERE entry_id = :entry",
    ),
    ("entries_keep_their_source", "entry", "DELETE FROM journal_sources WHERE entry_id = :entry"),
    (
        "releases_are_numbered_without_a_gap",
        "paid",
        "UPDATE payment_executions SET attempt_number = 2 WHERE payment_id = :paid",
    ),
    (
        "settings_are_numbered_without_a_gap",
        "company",
        "DELETE FROM company_settings WHERE version = 1 AND company_id = :company",
    ),
    (
        "approved_requisitions_have_their_trail",
        "requisition",
        "DELETE FROM approval_trail WHERE subject_id = :requisition",
    ),
    ("triggers_are_in_force", "postings", "ALTER TABLE postings DISABLE TRIGGER append_only"),
    (
        "triggers_are_in_force",
        "postings_rest",
        "ALTER TABLE postings_rest DISABLE TRIGGER append_only_rows",
    ),
    ("triggers_are_in_force", "payments", "DROP TRIGGER duties ON payments"),
    (
        "months_hold_their_rows",
        "payment_transactions_rest",
        (
            "UPDATE payment_transactions SET id = key_after(id, uuid_of_instant(now() + "
            "interval '200 days')) WHERE payment_id = :paid"
        ),
    ),
    ("privileges_are_narrow", "postings", "GRANT UPDATE ON postings TO pettycash_app"),
    (
        "privileges_are_narrow",
        "ledger_accounts.balance",
        "GRANT UPDATE (balance) ON ledger_accounts TO pettycash_system",
    ),
    ("privileges_are_narrow", "holds", "ALTER TABLE holds OWNER TO pettycash_app"),
    ("row_security_is_forced", "payments", "ALTER TABLE payments NO FORCE ROW LEVEL SECURITY"),
    ("row_security_is_forced", "cases", "ALTER TABLE cases DISABLE ROW LEVEL SECURITY"),
    (
        "live_attempts_are_enqueued",
        "going",
        (
            "UPDATE outbox_messages SET completed_at = now() WHERE key = :attempt AND topic = "
            "'payments.resolve'"
        ),
    ),
    (
        "live_attempts_are_enqueued",
        "going",
        "UPDATE payment_attempts SET state = 'queued' WHERE id = :attempt",
    ),
    (
        "doubts_are_asked_about",
        "going",
        (
            "UPDATE payments SET status = 'in_doubt' WHERE id = :going; UPDATE "
            "payment_attempts SET next_query_at = NULL WHERE id = :attempt"
        ),
    ),
    (
        "refused_accounts_have_a_case",
        "rail_account",
        "UPDATE provider_accounts SET reported_refused_in_row = 2 WHERE id = :rail_account",
    ),
    (
        "callbacks_alone_are_asked_about",
        "paid",
        (
            "UPDATE outbox_messages SET completed_at = now()"
            " WHERE topic = 'payments.resolve'"
            " AND key IN (SELECT id FROM payment_attempts WHERE payment_id = :paid)"
        ),
    ),
    (
        "unconfirmed_failures_are_owed",
        "going",
        (
            "UPDATE outbox_messages SET completed_at = now() WHERE key = :attempt; UPDATE "
            "payment_attempts SET state = 'rejected' WHERE id = :attempt; UPDATE payments SET"
            " status = 'failed', failure_confirmed = false WHERE id = :going"
        ),
    ),
    ("callbacks_are_owed", "callback", CALLBACK),
    (
        "outbox_is_on_time",
        "outbox_message",
        (
            "UPDATE outbox_messages SET due_at = now() - interval '2 minutes', lane = company_id"
            " WHERE id = :outbox_message"
        ),
    ),
    (
        "dead_letters_are_known",
        "outbox_message",
        (
            "UPDATE outbox_messages SET dead_lettered_at = now() - interval '2 minutes'"
            " WHERE id = :outbox_message"
        ),
    ),
    (
        "notices_are_enqueued",
        "key",
        (
            "INSERT INTO notices (id, company_id, user_id, kind, about_id, subject, sentence, path,"
            f" timing) VALUES (:key, :company, {CFO}, 'x', :key, 'x', 'x', '/', 'at_once')"
        ),
    ),
    (
        "alerts_reach_people",
        "key",
        (
            "INSERT INTO outbox_messages"
            " (id, company_id, topic, key, lane, due_at, attempts, failures)"
            " VALUES (:key, :company, 'notifications.alert', :key, :company, now(), 1, 5)"
        ),
    ),
    (
        "periodic_jobs_end",
        "outbox.sweep_out",
        "INSERT INTO periodic_jobs VALUES ('outbox.sweep_out', now(), 3)",
    ),
    (
        "executing_is_decided_in_time",
        "going",
        (
            "UPDATE payment_attempts SET decide_by = now() - interval '2 minutes' WHERE id = "
            ":attempt"
        ),
    ),
    (
        "nothing_is_undecided",
        "paid",
        (
            "UPDATE payments SET status = 'failed', paid_at = NULL, failure_confirmed = false"
            " WHERE id = :paid"
        ),
    ),
    (
        "nothing_waits_for_who_left",
        "key",
        (
            "INSERT INTO changes (id, company_id, kind, object_id, payload, reason, status,"
            " proposed_by, decider_id) SELECT :key, company_id, 'redirect', id, '{}', 'x',"
            " 'proposed', maker_id, :requester FROM payments WHERE id = :going"
        ),
    ),
    (
        "nothing_waits_for_who_left",
        "key",
        (
            "INSERT INTO cases (id, company_id, kind, severity, status, object_type, object_id,"
            " summary, evidence, version, owner_id) VALUES (:key, :company, 'below_floor',"
            " 'warning', 'open', 'store', :store, 'x', '{}', 1, :requester)"
        ),
    ),
    (
        "nothing_waits_for_who_left",
        "requisition",
        (
            "UPDATE requisitions SET status = 'draft' WHERE id = :requisition; UPDATE memberships"
            " SET is_active = false WHERE company_id = :company"
        ),
    ),
    (
        "nothing_waits_for_who_left",
        "replenishment",
        (
            "UPDATE replenishments SET status = 'funded' WHERE id = :replenishment; UPDATE"
            " role_assignments SET valid_until = now() WHERE role = 'custodian'"
        ),
    ),
    (
        "nothing_waits_for_who_left",
        "going",
        ("UPDATE payments SET status = 'pending', executor_id = :requester WHERE id = :going"),
    ),
    ("every_callback_was_read", "callback", CALLBACK),
    (
        "floors_are_the_funds",
        "store",
        "UPDATE ledger_accounts SET floor = floor + 1 WHERE id = :account",
    ),
    ("below_floor_has_a_case", "store", f"{BELOW_ITS_FLOOR}; {CASE.format(status='resolved')}"),
    (
        "roles_are_compatible",
        "requester",
        (
            "INSERT INTO role_assignments (id, company_id, user_id, role, scope_kind, valid_from,"
            " is_bootstrap) SELECT new_key(), company_id, requester_id, role, 'company', now(),"
            " true FROM requisitions CROSS JOIN (VALUES ('treasury'), ('cfo')) AS r (role)"
            " WHERE id = :requisition"
        ),
    ),
    (
        "short_deliveries_are_cases",
        "replenishment",
        (
            "UPDATE replenishments SET status = 'received', approved_amount = 10, "
            "received_amount = 9 WHERE id = :replenishment"
        ),
    ),
    (
        "what_was_paid_was_approved",
        "paid",
        "UPDATE payments SET destination = '254700000001' WHERE id = :paid",
    ),
    (
        "what_was_paid_was_approved",
        "paid",
        "UPDATE requisitions SET approved_amount = approved_amount * 10 WHERE id = :requisition",
    ),
    (
        "what_was_paid_was_approved",
        "paid",
        "DELETE FROM approval_rounds WHERE subject_id = :requisition",
    ),
    (
        "what_was_paid_was_approved",
        "paid",
        "DELETE FROM decisions WHERE subject_id = :requisition",
    ),
    (
        "what_was_paid_was_approved",
        "said_paid_payment",
        (
            "UPDATE decisions SET user_id = (SELECT maker_id FROM payments WHERE id ="
            " :said_paid_payment) WHERE subject_id = (SELECT requisition_id FROM payments WHERE"
            " id = :said_paid_payment)"
        ),
    ),
    (
        "releases_were_proven",
        "paid",
        "UPDATE release_grants SET spent_at = NULL WHERE subject_id = :paid",
    ),
    (
        "releases_were_proven",
        "paid",
        (
            "UPDATE payment_executions SET grant_id = NULL, proof = 'policy' WHERE payment_id ="
            " :paid"
        ),
    ),
    (
        "releases_were_proven",
        "paid",
        f"UPDATE payment_executions SET executor_id = {CFO} WHERE payment_id = :paid",
    ),
    ("releases_were_proven", "paid", "UPDATE payments SET digest = 'x' WHERE id = :paid"),
    (
        "duties_were_apart",
        "requisition",
        f"UPDATE payments SET maker_id = {APPROVER} WHERE id = :paid",
    ),
    (
        "duties_were_apart",
        "requisition",
        f"UPDATE payments SET payee_user_id = {APPROVER} WHERE id = :paid",
    ),
    (
        "duties_were_apart",
        "requisition",
        (
            "UPDATE contacts SET value = (SELECT ltrim(destination, '+') FROM payments WHERE id ="
            f" :paid), held_from = '2000-01-01' WHERE kind = 'phone' AND user_id = {APPROVER}"
        ),
    ),
    (
        "duties_were_apart",
        "requisition",
        (
            "INSERT INTO changes (id, company_id, kind, object_id, payload, reason, status,"
            " proposed_by, decided_by, decided_at) VALUES (:key, :company, 'redirect', :paid,"
            f" '{{}}', 'x', 'effective', {APPROVER}, {CFO}, now())"
        ),
    ),
    (
        "duties_were_apart",
        "requisition",
        (
            "UPDATE payment_executions SET executor_id = (SELECT maker_id FROM payments WHERE id ="
            " :paid) WHERE payment_id = :paid"
        ),
    ),
    (
        "duties_were_apart",
        "unpaid_requisition",
        (
            "UPDATE cases SET decided_by = (SELECT maker_id FROM payments WHERE id = :unpaid)"
            " WHERE id = :said_unpaid"
        ),
    ),
    (
        "duties_were_apart",
        "unpaid_requisition",
        "UPDATE attachments SET uploaded_by = :requester WHERE case_id = :said_unpaid",
    ),
    (
        "what_was_paid_was_validated",
        "small",
        "UPDATE payments SET standing_validation_id = NULL WHERE id = :small",
    ),
    (
        "standing_validations_covered_what_was_paid",
        "small",
        "UPDATE standing_validations SET valid_until = '2000-01-01' WHERE id = :validation",
    ),
    (
        "standing_validations_were_agreed_to",
        "validation",
        (
            f"UPDATE changes SET decided_by = {TREASURY_3} WHERE id = (SELECT change_id FROM"
            " standing_validations WHERE id = :validation)"
        ),
    ),
    (
        "cash_of_a_requisition_was_within_its_limit",
        "signed_requisition",
        "UPDATE payment_executions SET cash_limit = 1499.99 WHERE payment_id = :signed",
    ),
    (
        "payees_got_no_more_in_a_day_than_the_limit",
        "small",
        "UPDATE payment_executions SET cash_limit = 1699.99 WHERE payment_id = :small",
    ),
    (
        "endings_were_judged",
        "said_paid",
        f"UPDATE cases SET decided_by = {AUDITOR} WHERE id = :said_paid",
    ),
    (
        "late_truths_are_cases",
        "late",
        "DELETE FROM cases WHERE object_id = :late AND id <> :said_unpaid_of_late",
    ),
    (
        "late_truths_are_cases",
        "late",
        (
            "UPDATE cases SET severity = 'notice' WHERE object_id = :late AND id <>"
            " :said_unpaid_of_late"
        ),
    ),
    (
        "unpaid_by_people_is_asked_about",
        "unpaid",
        "UPDATE outbox_messages SET completed_at = now() WHERE key = :unpaid_attempt",
    ),
    *(
        (
            "signatures_were_witnessed",
            "signed",
            f"UPDATE cash_acknowledgements SET {change} WHERE payment_id = :signed",
        )
        for change in (
            "witness_id = (SELECT custodian_id FROM funds WHERE id = :fund)",
            "witness_id = :requester",
            "witnessed_at = acknowledged_at + interval '1 second'",
            "attachment_id = NULL",
        )
    ),
    (
        "signatures_were_witnessed",
        "signed",
        (
            "UPDATE payments SET payee_user_id = k.witness_id FROM cash_acknowledgements k"
            " WHERE k.payment_id = payments.id AND payments.id = :signed"
        ),
    ),
    (
        "signatures_were_witnessed",
        "signed",
        (
            "UPDATE contacts SET value = (SELECT ltrim(destination, '+') FROM payments WHERE id ="
            " :signed), held_from = '2000-01-01' WHERE kind = 'phone' AND user_id = (SELECT"
            " witness_id FROM cash_acknowledgements WHERE payment_id = :signed)"
        ),
    ),
    *(
        ("replenishments_were_decided_apart", "replenishment", statement)
        for statement in (
            UNJUDGED + APPROVED.format(1, AUDITOR),
            UNJUDGED + APPROVED.format(1000000, FINANCE_MANAGER),
            UNJUDGED + APPROVED.format(1, CEO),
            (
                "ALTER TABLE replenishments DROP CONSTRAINT ck_replenishments_two_people; "
                + UNJUDGED
                + APPROVED.format(1, "proposed_by")
            ),
            # People have judged one of its vouchers: nobody but cfo or ceo, and neither of them.
            APPROVED.format(1, CFO),
            (
                f"UPDATE cases SET proposed_by = {AUDITOR}, decided_by = {ADMIN}; "
                + APPROVED.format(1, FINANCE_MANAGER)
            ),
            (
                "UPDATE payments SET paid_amount = paid_amount + 1 WHERE id = :paid; "
                + UNJUDGED
                + APPROVED.format(1, FINANCE_MANAGER)
            ),
            (
                "INSERT INTO variance_adjustments (id, company_id, number, kind, store_id,"
                " counter_account_id, currency, original_amount, adjusted_amount, reason, status,"
                " proposed_by, decided_by, decided_at, version) SELECT :key, :company, 'V',"
                " 'count', :store, :account, 'KES', 1, 2, 'x', 'approved',"
                f" {TREASURY_3}, {CFO}, now(), 1; " + UNJUDGED + APPROVED.format(1, FINANCE_MANAGER)
            ),
        )
    ),
    ("roles_were_given_by_two", "key", GIVEN.format("NULL, NULL, true")),
    (
        "roles_were_given_by_two",
        "key",
        GIVEN.format(f"{HOLDER.format('admin')}, {CFO}, false"),
    ),
    (
        "changes_were_decided_by_two",
        "key",
        (
            "ALTER TABLE changes DROP CONSTRAINT ck_changes_two_people; INSERT INTO changes (id,"
            " company_id, kind, payload, reason, status, proposed_by, decided_by, decided_at)"
            f" VALUES (:key, :company, 'x', '{{}}', 'x', 'effective', {CFO}, {CFO}, now())"
        ),
    ),
    (
        "settings_of_two_were_set_by_two",
        "key",
        (
            "INSERT INTO company_settings (id, company_id, version, data, changed_by) SELECT :key,"
            " company_id, version + 1, data || jsonb_build_object('escalation_approver_id',"
            f" {TREASURY_3}), {CFO} FROM company_settings WHERE company_id = :company ORDER BY"
            " version DESC LIMIT 1"
        ),
    ),
    (
        "settings_of_two_were_set_by_two",
        "key",
        (
            "INSERT INTO company_settings (id, company_id, version, data, changed_by) SELECT :key,"
            ' company_id, version + 1, data || \'{"otp_floor": {"KES": "1000000.00"}}\','
            f" {CFO} FROM company_settings WHERE company_id = :company ORDER BY version DESC"
            " LIMIT 1"
        ),
    ),
    (
        "settings_of_two_were_set_by_two",
        "key",
        (
            "INSERT INTO company_settings (id, company_id, version, data, changed_by) SELECT :key,"
            ' company_id, version + 1, data || \'{"cfo_limit": {"KES": "1000000.00"}}\','
            f" {CFO} FROM company_settings WHERE company_id = :company ORDER BY version DESC"
            " LIMIT 1"
        ),
    ),
    (
        "keys_were_confirmed_by_two",
        "key",
        (
            "INSERT INTO api_keys (id, company_id, name, prefix, digest, scopes, expires_at,"
            " created_by, confirmed_by, confirmed_at) VALUES (:key, :company, 'x', 'x', 'x',"
            f" '{{}}', now(), {HOLDER.format('admin')}, {CFO}, now())"
        ),
    ),
    ("deciders_are_reached_where_two_said", "key", MOVED.format(TREASURY_3)),
    ("deciders_are_reached_where_two_said", "key", MOVED.format(ESCALATION)),
)
"""The check, the thing that it names, and the damage."""

SAID = "UPDATE cases SET {0} WHERE id = :said_{1}"
TRIED = "UPDATE payment_attempts SET {0} WHERE id = :unpaid_attempt"

UNRULY: tuple[tuple[str, str, str], ...] = (
    ("two who judge", "said_paid", SAID.format(f"decided_by = {AUDITOR}", "paid")),
    (
        "two who judge",
        "said_paid",
        (
            "ALTER TABLE cases DROP CONSTRAINT ck_cases_two_people; "
            + SAID.format("decided_by = proposed_by", "paid")
        ),
    ),
    (
        "one who had not approved it",
        "said_paid",
        (
            "UPDATE decisions SET user_id = CASE role WHEN 'branch_manager' THEN c.proposed_by ELSE"
            " c.decided_by END FROM cases c, payments p WHERE c.id = :said_paid AND p.id ="
            " c.object_id AND p.requisition_id = decisions.subject_id"
        ),
    ),
    ("a doubt about money", "said_paid", SAID.format("kind = 'mismatch'", "paid")),
    (
        "the attempt's own amount",
        "said_paid",
        (
            "UPDATE payment_attempts SET settled_amount = settled_amount + 1 WHERE payment_id ="
            " :said_paid_payment"
        ),
    ),
    (
        "the attempt's own amount",
        "said_back",
        (
            "DELETE FROM payment_transactions WHERE payment_id = :said_back_payment AND code ="
            " 'people.returned'"
        ),
    ),
    (
        "the attempt's own amount",
        "said_paid",
        SAID.format("""proposal = proposal || '{"amount": "1500.00"}'""", "paid"),
    ),
    (
        "a time that has passed",
        "said_paid",
        SAID.format("""proposal = proposal || '{"occurred_at": "2999-01-01"}'""", "paid"),
    ),
    (
        "a reference of its own",
        "said_paid",
        "UPDATE payments SET return_reference = 'RKT7654321' WHERE id = :said_back_payment",
    ),
    (
        "a reference of its own",
        "said_back",
        SAID.format("""proposal = proposal || '{"provider_reference": " "}'""", "back"),
    ),
    (
        "a file that the second did not record",
        "said_paid",
        f"UPDATE attachments SET uploaded_by = {FINANCE_MANAGER} WHERE case_id = :said_paid",
    ),
    (
        "a file that the second did not record",
        "said_unpaid",
        "DELETE FROM attachments WHERE case_id = :said_unpaid",
    ),
    *(
        ("the cfo or ceo", f"said_{which}", SAID.format(f"proposed_by = {TREASURY_3}", which))
        for which in ("paid", "unpaid", "back")
    ),
    (
        "paid after it was sent",
        "said_paid",
        SAID.format("""proposal = proposal || '{"occurred_at": "2000-01-01"}'""", "paid"),
    ),
    *(
        ("unpaid after a day of trying", "said_unpaid", TRIED.format(change))
        for change in (
            "decide_by = decide_by + interval '2 days'",
            "last_sent_at = last_sent_at + interval '2 days'",
        )
    ),
    (
        "unpaid after a day of trying",
        "said_unpaid",
        (
            "UPDATE payment_transactions SET request = request - 'asked_at' WHERE attempt_id ="
            " :unpaid_attempt AND code = 'people.not_paid'"
        ),
    ),
    (
        "no other release for a day",
        "said_unpaid",
        (
            "INSERT INTO payment_executions SELECT (jsonb_populate_record(e, jsonb_build_object("
            "'id', new_key(), 'grant_id', NULL, 'attempt_number', 2, 'created_at', c.decided_at"
            " + interval '23 hours'))).* FROM payment_executions e JOIN cases c ON c.object_id ="
            " e.payment_id WHERE c.id = :said_unpaid"
        ),
    ),
)
"""The condition that an ending by people lacks, the ending, and the damage."""
