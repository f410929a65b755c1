-- The latest policy of a site, under a key of the site that only the keyring has. `listed` is the latest version before
-- or after which a device got only some of the people: a device that is below it lists again.
CREATE TABLE policies (
    site text PRIMARY KEY REFERENCES sites,
    seq bigint NOT NULL,
    listed bigint NOT NULL,
    sealed bytea NOT NULL
);

ALTER TABLE changes DROP CONSTRAINT changes_kind_check;
ALTER TABLE changes ADD CONSTRAINT changes_kind_check CHECK (kind IN ('put', 'forget', 'restore', 'policy'));

-- The version that the device applies.
ALTER TABLE receipts ADD COLUMN policy bigint NOT NULL DEFAULT 0;
