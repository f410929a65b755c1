-- No earlier version has written events.
DROP TABLE events;

CREATE TABLE events (
    -- When it happened, as its id has it; 1970-01-01 if the device's clock was ahead by a month or more.
    at timestamptz NOT NULL,
    device text NOT NULL,
    id text NOT NULL,
    -- Whoever may see one of these sites may see the row. The key of the first one seals a row without a person.
    sites text[] NOT NULL CHECK (cardinality(sites) > 0),
    kind text NOT NULL,
    camera text,
    door text,
    -- Whose key has sealed it, if it is about a person.
    person bytea,
    -- All that the device has said; null if the person was forgotten or is not known.
    sealed bytea,
    received timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (at, device, id)
) PARTITION BY RANGE (at);
CREATE INDEX events_by_device ON events (device, at);
CREATE INDEX events_by_camera ON events (camera, at) WHERE camera IS NOT NULL;
CREATE INDEX events_by_door ON events (door, at) WHERE door IS NOT NULL;
CREATE INDEX events_by_person ON events (person, at) WHERE person IS NOT NULL;

CREATE TABLE events_undated PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01 00:00:00+00');

-- Wall seconds of the enrollment: a late event from before it is about someone else who had the same id.
ALTER TABLE people ADD COLUMN since double precision NOT NULL DEFAULT 0;
