-- One database (to be exact: one schema, the first of the search path) is one log of many streams. Everything is run in one transaction.

-- A stream is what one writer, such as a host, appends to: a hash chain of its own. Streams share no lock and no counter that anybody waits for.
CREATE TABLE streams (
    number integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,  -- what stands in `entries` for the name
    name   text    NOT NULL UNIQUE,
    epoch  bigint  NOT NULL DEFAULT 1,   -- raised by whoever opens the stream for writing; only the writer that has it may append
    seq    bigint  NOT NULL DEFAULT 0,   -- the newest entry: every batch moves this on in its own transaction, and checks where it was
    hash   bytea   NOT NULL DEFAULT decode(repeat('00', 32), 'hex')
) WITH (fillfactor = 50);                -- room for the next versions of a row on its own page, so that no index is touched

-- Numbers batches in an order that agrees with cause and effect: a batch that was written because of another has a larger number.
CREATE SEQUENCE batches;

CREATE TABLE entries (
    stream  integer NOT NULL,
    seq     bigint  NOT NULL,  -- 1, 2, 3 ... in each stream, without gaps
    batch   bigint  NOT NULL,  -- what was appended together with it; orders entries of several streams
    kind    "char"  NOT NULL,  -- i intent, o outcome, a attempt, s seal, x anything else
    subject bytea,             -- whose: the 16 bytes that the id of the effect or agent spells in hex, or its text and 17 zeros
    hash    bytea   NOT NULL,  -- SHA-256 of the hash before it, the payload's commitment, and the body
    body    bytea   NOT NULL,  -- the record without its payload in MessagePack, as it was first written
    payload bytea,             -- 16 random bytes and what the record carries; NULL if it carries nothing, or was erased
    erased  bytea,             -- the commitment of a payload that was erased; NULL if none was
    PRIMARY KEY (stream, seq)
);

-- What is salted and encoded does not get smaller.
ALTER TABLE entries ALTER COLUMN payload SET STORAGE EXTERNAL;
ALTER TABLE entries ALTER COLUMN body SET STORAGE EXTERNAL;

-- An effect has one intent and one outcome in the whole log, whoever writes them.
CREATE UNIQUE INDEX entries_of_effects ON entries (subject, kind) WHERE kind IN ('i', 'o');

-- Attempts and seals are many; the newest counts.
CREATE INDEX entries_by_age ON entries (subject, kind, batch, seq) WHERE kind IN ('a', 's');

-- Which streams have effects of which tree of runs: a writer that is alone with a tree need not ask for what is new in it.
CREATE TABLE roots (
    root   text    COLLATE "C" NOT NULL,  -- what the ids of a tree have in common
    stream integer NOT NULL,
    PRIMARY KEY (root, stream)
);
