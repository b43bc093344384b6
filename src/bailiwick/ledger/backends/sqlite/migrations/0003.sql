-- Segments: when the file is full it is put aside, and the record goes on in a new one, which knows all those before it.
-- `entries` then begins behind the newest of these; `effects` and `seals` point across files, because the index lags behind.
CREATE TABLE segments (
    first        INTEGER PRIMARY KEY,  -- the numbers of its first and its last entry
    last         INTEGER NOT NULL,
    hash         BLOB NOT NULL,        -- the hash of its last entry: the first entry of the next file is chained to it
    effects_low  BLOB,                 -- the smallest and the largest key in its `effects`; NULL if there is none that was spelt in hex
    effects_high BLOB,
    seals_low    BLOB,                 -- the same of its `seals`
    seals_high   BLOB
);
