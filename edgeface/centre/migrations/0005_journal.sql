-- Who did or saw what at the centre. Nothing personal: a person is the random number that says nothing once its key is gone.
CREATE TABLE journal (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at double precision NOT NULL,
    -- An account, "command-line", or a device; empty: the centre itself.
    by text NOT NULL,
    what text NOT NULL,
    -- Whoever may see one of these sites may see the row; none: only who may see all sites.
    sites text[] NOT NULL,
    person bytea CHECK (octet_length(person) = 16),
    facts jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX journal_by_person ON journal (person, n) WHERE person IS NOT NULL;

-- Rows are only added: no line of the centre changes one, and none may by mistake.
CREATE FUNCTION journal_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append-only';
END $$;
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE ON journal
    FOR EACH ROW EXECUTE FUNCTION journal_is_append_only();
