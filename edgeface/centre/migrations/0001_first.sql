-- Nothing personal in clear: `sealed` is under the person's own key, which only the keyring has. Times are wall seconds.

-- Which keyring belongs to this database, and how far it was: an older copy of it would know destroyed keys.
CREATE TABLE centre (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    ring bytea NOT NULL,
    counter bigint NOT NULL
);

CREATE TABLE sites (
    site text PRIMARY KEY,
    seq bigint NOT NULL DEFAULT 0,
    epoch bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0,
    digest bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
    count integer NOT NULL DEFAULT 0
);

CREATE TABLE epochs (
    site text NOT NULL REFERENCES sites,
    epoch bigint NOT NULL,
    at double precision NOT NULL,
    by text NOT NULL,
    PRIMARY KEY (site, epoch)
);

CREATE TABLE people (
    person bytea PRIMARY KEY CHECK (octet_length(person) = 16),
    site text NOT NULL REFERENCES sites,
    seq bigint NOT NULL,
    sealed bytea,
    gone boolean NOT NULL DEFAULT false,
    CHECK (gone = (sealed IS NULL)),
    UNIQUE (site, seq)
);

CREATE TABLE templates (
    person bytea NOT NULL REFERENCES people,
    model text NOT NULL,
    sealed bytea NOT NULL,
    PRIMARY KEY (person, model)
);

-- The history, and the digest after each change, with which receipts are compared.
CREATE TABLE changes (
    site text NOT NULL REFERENCES sites,
    seq bigint NOT NULL,
    person bytea NOT NULL,
    kind text NOT NULL CHECK (kind IN ('put', 'forget', 'restore')),
    at double precision NOT NULL,
    by text NOT NULL,
    digest bytea NOT NULL,
    count integer NOT NULL,
    PRIMARY KEY (site, seq)
);

CREATE TABLE devices (
    device text PRIMARY KEY,
    fingerprint bytea NOT NULL UNIQUE,
    -- Of the certificate before, until the new one is first used.
    earlier bytea UNIQUE,
    certificate_ends double precision NOT NULL,
    sealing_key bytea NOT NULL,
    receipt_key bytea NOT NULL,
    grant_keys bytea[] NOT NULL,
    joined double precision NOT NULL,
    seen double precision NOT NULL,
    revoked double precision,
    revoked_by text
);

CREATE TABLE device_sites (
    device text NOT NULL REFERENCES devices ON DELETE CASCADE,
    site text NOT NULL REFERENCES sites,
    lease_ends double precision,
    PRIMARY KEY (device, site)
);

-- The latest of each device.
CREATE TABLE receipts (
    device text NOT NULL,
    site text NOT NULL,
    seq bigint NOT NULL,
    digest bytea NOT NULL,
    count integer NOT NULL,
    at bigint NOT NULL,
    signature bytea NOT NULL,
    fits boolean NOT NULL,
    received double precision NOT NULL,
    PRIMARY KEY (device, site),
    FOREIGN KEY (device, site) REFERENCES device_sites ON DELETE CASCADE
);

CREATE TABLE join_codes (
    hash bytea PRIMARY KEY,
    device text NOT NULL,
    sites text[] NOT NULL,
    ends double precision NOT NULL,
    by text NOT NULL
);

CREATE TABLE proposals (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    number bytea NOT NULL UNIQUE CHECK (octet_length(number) = 16),
    site text NOT NULL REFERENCES sites,
    device text NOT NULL,
    person bytea NOT NULL,
    seq bigint NOT NULL,
    forget boolean NOT NULL,
    -- Under a key of the proposal's own, which the keyring has until it is decided.
    sealed bytea,
    at double precision NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'accepted', 'declined')),
    became bigint NOT NULL DEFAULT 0,
    by text,
    CHECK (state = 'waiting' OR sealed IS NULL)
);
CREATE INDEX proposals_by_person ON proposals (person) WHERE state = 'waiting';

CREATE TABLE events (
    at timestamptz NOT NULL,
    site text NOT NULL,
    device text NOT NULL,
    n bigint NOT NULL,
    kind text NOT NULL,
    -- Under the key of the person in it, if there is one.
    person bytea,
    sealed bytea,
    facts jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (at, device, n)
) PARTITION BY RANGE (at);
