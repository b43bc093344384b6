-- The record. `entries` is the truth and is only ever appended to; the other tables are an index that could be made again from it.
-- The first version that was released; run on an empty database. There was a version 1 before, which no release reads.

CREATE TABLE entries (
    seq     INTEGER PRIMARY KEY,  -- 1, 2, 3 ... without gaps; the row id, so an append goes to the end of the file's last page
    hash    BLOB NOT NULL,        -- SHA-256 of the hash before it, the payload's commitment, and the body
    body    BLOB NOT NULL,        -- the record without its payload in MessagePack, as it was first written
    payload BLOB,                 -- 16 random bytes and what the record carries; NULL if it carries nothing, or was erased
    erased  BLOB                  -- the commitment of a payload that was erased; NULL if none was
);

-- Where the intent, the outcome and the newest further attempt of an effect stand; 0: none yet. The key is the 16 bytes that the id spells in hex, or the
-- id's text where it is not of that form. Without a row id the table is its own index: each key is stored once.
CREATE TABLE effects (
    id      PRIMARY KEY NOT NULL,
    intent  INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    attempt INTEGER NOT NULL
) WITHOUT ROWID;

-- Where the newest seal of an agent stands; the key is like that of effects.
CREATE TABLE seals (
    agent PRIMARY KEY NOT NULL,
    seq   INTEGER NOT NULL
) WITHOUT ROWID;

-- How far the index reaches. Ids are random, so keeping it up to date with each commit would write a page for almost each entry;
-- it is brought up to date thousands of entries at a time, and whoever opens the file reads the entries above this number.
CREATE TABLE indexed (
    upto INTEGER NOT NULL
);
INSERT INTO indexed VALUES (0);

PRAGMA application_id = 1111574860;  -- "BAIL" in ASCII
