-- Of whoever has consented to it: the aligned face of each photo, and as number 0 the consent; under the person's key.
CREATE TABLE crops (
    person bytea NOT NULL REFERENCES people,
    n integer NOT NULL CHECK (n >= 0),
    sealed bytea NOT NULL,
    PRIMARY KEY (person, n)
);

-- The model that a device is to use: a WantedModel, which the enrolling key of the site has signed.
CREATE TABLE rings (
    device text NOT NULL,
    site text NOT NULL,
    wanted bytea NOT NULL,
    at double precision NOT NULL,
    by text NOT NULL,
    PRIMARY KEY (device, site),
    FOREIGN KEY (device, site) REFERENCES device_sites ON DELETE CASCADE
);

-- Rises with each change of `rings`, so that devices ask for it.
ALTER TABLE sites ADD COLUMN ring bigint NOT NULL DEFAULT 0;

-- The model that the device has signed.
ALTER TABLE receipts ADD COLUMN model text;
