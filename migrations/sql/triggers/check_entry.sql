-- Nothing is ever taken away from an entry, so each row is checked for what its coming may break.
CREATE OR REPLACE FUNCTION check_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $body$
DECLARE
    entry uuid;
    lines integer;
    difference numeric;
    strangers integer;
BEGIN
    -- One branch is planned per table: a journal entry has no field entry_id.
    IF TG_ARGV[0] = 'source' THEN
        IF NOT EXISTS (SELECT FROM journal_entries WHERE id = NEW.entry_id
                       AND company_id = NEW.company_id AND source = NEW.source) THEN
            RAISE EXCEPTION 'journal entry % is missing', NEW.entry_id USING ERRCODE = 'PC003';
        END IF;
        RETURN NULL;
    END IF;
    IF TG_ARGV[0] = 'entry' THEN
        entry := NEW.id;
        IF NOT EXISTS (SELECT FROM journal_sources WHERE company_id = NEW.company_id
                       AND source = NEW.source AND entry_id = NEW.id) THEN
            RAISE EXCEPTION 'journal entry % has no source', entry USING ERRCODE = 'PC003';
        END IF;
    ELSE
        -- Its foreign key says that the entry is there, and of the same company.
        entry := NEW.entry_id;
    END IF;
    SELECT count(*), sum(CASE side WHEN 'debit' THEN amount ELSE -amount END),
           count(*) FILTER (WHERE company_id <> NEW.company_id OR currency <> NEW.currency)
        INTO lines, difference, strangers FROM postings WHERE entry_id = entry;
    IF lines < 2 OR difference IS DISTINCT FROM 0 OR strangers > 0 THEN
        RAISE EXCEPTION 'journal entry % does not balance: % postings, difference %',
            entry, lines, difference USING ERRCODE = 'PC003';
    END IF;
    RETURN NULL;
END
$body$;

REVOKE ALL ON FUNCTION check_entry FROM PUBLIC;

DROP TRIGGER IF EXISTS entry_balances ON journal_entries;
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON journal_entries
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION check_entry('entry');
DROP TRIGGER IF EXISTS entry_balances ON journal_sources;
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON journal_sources
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION check_entry('source');
DROP TRIGGER IF EXISTS entry_balances ON postings;
CREATE CONSTRAINT TRIGGER entry_balances AFTER INSERT ON postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION check_entry('posting');
