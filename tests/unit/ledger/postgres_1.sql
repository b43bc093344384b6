-- A log as the first released version left it. Never edited: what later versions make of it is what is tested.
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

CREATE TABLE schema_version (version integer NOT NULL);
INSERT INTO schema_version VALUES (1);
INSERT INTO streams OVERRIDING SYSTEM VALUE VALUES (1, 'main', 2, 5, '\x34b3f030a39ddd15ac788db96b5caecb01affd1caa275413ac9fa548b9514e83');
INSERT INTO entries VALUES (1, 1, 1, 'i', '\x0123456789ab00000000000000000001', '\xdc7c4a891d863ee3dcf12ace16d15ee1249749d47dc118844548f959e98e3250', '\xde0009a474797065a6696e74656e74a26964d9246566665f3031323334353637383961623030303030303030303030303030303030303031a372756ed92472756e5f3031323334353637383961623030303030303030303030303030303030303031a56167656e74d9246167745f3031323334353637383961623030303030303030303030303030303030303030a8706f736974696f6ea131a46b696e64a4746f6f6ca4746f6f6ca570726f6265a6656666656374aa6964656d706f74656e74a561745f6e7301', '\xe5f8cec3e75edf3d48076eff21853cae6f6e65', NULL);
INSERT INTO entries VALUES (1, 2, 1, 'o', '\x0123456789ab00000000000000000001', '\xc18bfc3d54ebc476509de3068cc726c622e42bc9fbb148af6b99d8468762ea88', '\x83a474797065a76f7574636f6d65a26964d9246566665f3031323334353637383961623030303030303030303030303030303030303031a6737461747573a4646f6e65', NULL, NULL);
INSERT INTO entries VALUES (1, 3, 2, 'i', '\x0123456789ab00000000000000000002', '\xed375145c7ceac57a6a40f32bdd6c70bd2313a66cc2f5276b9eb7017ae7eb797', '\xde0009a474797065a6696e74656e74a26964d9246566665f3031323334353637383961623030303030303030303030303030303030303032a372756ed92472756e5f3031323334353637383961623030303030303030303030303030303030303032a56167656e74d9246167745f3031323334353637383961623030303030303030303030303030303030303030a8706f736974696f6ea132a46b696e64a4746f6f6ca4746f6f6ca570726f6265a6656666656374aa6964656d706f74656e74a561745f6e7302', NULL, NULL);
INSERT INTO entries VALUES (1, 4, 2, 'a', '\x0123456789ab00000000000000000002', '\x527fcc1834ff690bd4bb1fe1841c0083c805c83378bb6d1d70de667c7b377932', '\x84a474797065a7617474656d7074a26964d9246566665f3031323334353637383961623030303030303030303030303030303030303032a66e756d62657202aa736574746c656d656e7481a26279a57265747279', NULL, NULL);
INSERT INTO entries VALUES (1, 5, 3, 's', '\x0123456789ab00000000000000000000', '\x34b3f030a39ddd15ac788db96b5caecb01affd1caa275413ac9fa548b9514e83', '\x83a474797065a47365616ca56167656e74d9246167745f3031323334353637383961623030303030303030303030303030303030303030a57374617465c400', '\x15081fc790073a0a0948d089e0f3dd076d696e64', NULL);
INSERT INTO roots VALUES ('0123456789ab', 1);
SELECT setval(pg_get_serial_sequence('streams', 'number'), 2);
SELECT setval('batches', 4);
