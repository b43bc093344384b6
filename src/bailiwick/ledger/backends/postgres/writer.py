"""What the writing thread does with the database: each batch in one transaction, which fails unless this writer's epoch still counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from struct import Struct
from typing import NamedTuple

import psycopg

from bailiwick.errors import Fenced, LedgerUnavailable
from bailiwick.ledger.backends.postgres.session import Connection, Session
from bailiwick.ledger.backends.postgres.streams import Row, root_of
from bailiwick.ledger.backends.postgres.whereabouts import MOST_ROOTS
from bailiwick.ledger.chain import Head
from bailiwick.ledger.group_commit import Medium

Rows = tuple[Row, ...]
"""What one append puts into `entries`."""

COPIED_ROWS = 1_000
"""From so many rows on a batch goes by COPY, which then is the faster way; a smaller one goes as a single statement."""

# The update is the fence: it finds its row only while the epoch is ours and the stream ends where we left it; then the row stays
# locked until the commit, so that nobody can take the stream over in between. Numbers travel as one string of hashes and one of
# kinds: that is a third cheaper than arrays of them.
_BATCH = """
WITH fence AS (
    UPDATE streams SET seq = %(last)s, hash = %(hash)s WHERE number = %(stream)s AND epoch = %(epoch)s AND seq = %(after)s RETURNING number
)
INSERT INTO entries (stream, seq, batch, kind, subject, hash, body, payload)
SELECT number, %(after)s + n, (SELECT nextval('batches')), substr(%(kinds)s, n::integer, 1)::"char", nullif(subject, ''),
       substr(%(hashes)b, 32 * n::integer - 31, 32), body, nullif(payload, '')
FROM fence, unnest(%(subjects)b::bytea[], %(bodies)b::bytea[], %(payloads)b::bytea[]) WITH ORDINALITY AS given (subject, body, payload, n)
"""

_FENCE = "UPDATE streams SET seq = %s, hash = %s WHERE number = %s AND epoch = %s AND seq = %s RETURNING nextval('batches')"

_COPY = "COPY entries (stream, seq, batch, kind, subject, hash, body, payload) FROM STDIN (FORMAT BINARY)"
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_END = b"\xff\xff"
_FIXED = Struct(">hiiiqiqic")
_LENGTH = Struct(">i")
_NULL = _LENGTH.pack(-1)

_ERASE = """
WITH fence AS (SELECT number FROM streams WHERE number = %s AND epoch = %s FOR SHARE), erased AS (
    UPDATE entries SET erased = sha256(payload), payload = NULL FROM fence
    WHERE entries.stream = fence.number AND entries.seq = ANY (%s) AND entries.payload IS NOT NULL RETURNING 1
)
SELECT (SELECT count(*) FROM fence), (SELECT count(*) FROM erased)
"""


class Claim(NamedTuple):
    """What a writer has of a stream from the moment it opened it."""

    stream: int
    name: str
    epoch: int
    head: Head


def claim(session: Session, name: str) -> Claim:
    """Take the stream called ``name`` for writing, made if it is not there: its epoch is raised, and whoever wrote it is fenced off."""

    def work(connection: Connection) -> Claim:
        # Waits for a batch that is being committed: after this, none of an older epoch can be.
        row = connection.execute(
            "INSERT INTO streams (name) VALUES (%s) ON CONFLICT (name) DO UPDATE SET epoch = streams.epoch + 1"
            " RETURNING number, epoch, seq, hash",
            (name,),
            binary=True,
        ).fetchone()
        assert row is not None
        number, epoch, seq, last_hash = row
        return Claim(number, name, epoch, Head(seq, last_hash))

    return session.run(work)


class Writer(Medium[Rows]):
    """The only connection that writes for this process."""

    def __init__(self, session: Session, claimed: Claim) -> None:
        self._session = session
        self._claim = claimed
        self._durable_seq = claimed.head.seq
        self._roots: set[str] = set()

    def write(self, items: list[Rows]) -> int:
        rows = list(chain.from_iterable(items))
        self._session.run(lambda connection: self._put(connection, rows))
        self._durable_seq = rows[-1].seq
        return self._durable_seq

    def tidy(self, *, last: bool) -> None:
        """Nothing: the index is part of every transaction."""

    def release(self) -> None:
        self._session.close()

    def erase(self, seqs: Sequence[int]) -> int:
        """Put commitments in the place of payloads; called between two writes."""

        def work(connection: Connection) -> int:
            row = connection.execute(_ERASE, (self._claim.stream, self._claim.epoch, list(seqs))).fetchone()
            assert row is not None
            if not row[0]:
                raise self._refused(connection, self._durable_seq)
            return row[1]

        return self._session.run(work)

    def _put(self, connection: Connection, rows: list[Row]) -> None:
        """Called again after a lost connection, when the rows may be there already: then the stream does not end where it should
        before them, nothing is written twice, and `_landed` sees that they are there."""
        put = self._copy if len(rows) >= COPIED_ROWS else self._insert
        roots = {root_of(row.subject) for row in rows if row.kind == "i"} - self._roots
        try:
            if roots:
                done = self._with_roots(connection, roots, lambda: put(connection, rows))
            else:
                done = put(connection, rows)
            if not done and not self._landed(connection, rows[-1]):
                raise self._refused(connection, rows[-1].seq)
        except psycopg.errors.UniqueViolation as error:
            if error.diag.constraint_name != "entries_of_effects":
                raise
            raise self._taken(connection, rows) from error

    def _with_roots(self, connection: Connection, roots: set[str], put: Callable[[], bool]) -> bool:
        """Note, in the same transaction, that this stream has effects of these trees. That is once for each tree."""
        with connection.transaction():
            sql = "INSERT INTO roots (stream, root) SELECT %s, root FROM unnest(%s::text[]) AS given (root) ON CONFLICT DO NOTHING"
            connection.execute(sql, (self._claim.stream, list(roots)))
            done = put()
            if not done:
                raise psycopg.Rollback
        if not done:
            return False
        self._roots = roots if len(self._roots) > MOST_ROOTS else self._roots | roots
        return True

    def _insert(self, connection: Connection, rows: list[Row]) -> bool:
        seqs, kinds, subjects, hashes, bodies, payloads = zip(*rows, strict=True)
        done = connection.execute(
            _BATCH,
            {
                "stream": self._claim.stream,
                "epoch": self._claim.epoch,
                "after": seqs[0] - 1,
                "last": seqs[-1],
                "hash": hashes[-1],
                "kinds": "".join(kinds),
                "hashes": b"".join(hashes),
                "subjects": list(subjects),
                "bodies": list(bodies),
                "payloads": list(payloads),
            },
            prepare=True,
        )
        return done.rowcount == len(rows)

    def _copy(self, connection: Connection, rows: list[Row]) -> bool:
        last = rows[-1]
        with connection.transaction():
            fence = (last.seq, last.hash, self._claim.stream, self._claim.epoch, rows[0].seq - 1)
            found = connection.execute(_FENCE, fence, prepare=True).fetchone()
            if found is None:
                return False
            with connection.cursor().copy(_COPY) as copy:
                copy.write(_copied(rows, self._claim.stream, found[0]))
        return True

    def _landed(self, connection: Connection, last: Row) -> bool:
        sql = "SELECT hash FROM entries WHERE stream = %s AND seq = %s"
        found = connection.execute(sql, (self._claim.stream, last.seq), binary=True).fetchone()
        if found is None or found[0] != last.hash:
            return False
        # Committed, but perhaps not yet by the copies that the server waits for: this commit waits for all that came before it.
        connection.execute("UPDATE streams SET seq = seq WHERE number = %s", (self._claim.stream,))
        return True

    def _refused(self, connection: Connection, last_seq: int) -> Fenced | LedgerUnavailable:
        """Why the fence let nothing through."""
        mine = self._claim
        found = connection.execute("SELECT epoch, seq FROM streams WHERE number = %s", (mine.stream,)).fetchone()
        holder, seq = found or (0, 0)
        where = self._session.where
        if holder > mine.epoch:
            return Fenced(
                f"{where}: stream `{mine.name}` was opened by another writer (epoch {holder}, this one has {mine.epoch}); entries after"
                f" {self._durable_seq} were not written. Let that one go on, or stop it and run again with --resume",
                stream=mine.name,
                epoch=mine.epoch,
                holder=holder,
            )
        return LedgerUnavailable(
            f"{where}: stream `{mine.name}` ends with entry {seq} of epoch {holder}, and should with {self._durable_seq} of {mine.epoch}:"
            " the server has lost what it acknowledged, as after a fail-over to a copy that lagged; restore it before anything is resumed",
            stream=mine.name,
            seq=seq,
            expected_seq=last_seq,
        )

    def _taken(self, connection: Connection, rows: list[Row]) -> Fenced:
        """Which effect is on record from another stream."""
        found = connection.execute(
            """
            SELECT streams.name, entries.body FROM entries JOIN streams ON streams.number = entries.stream
            WHERE (subject, kind) IN (SELECT * FROM unnest(%b::bytea[], %b::text[]) AS given (subject, kind)) AND kind IN ('i', 'o')
            """,
            ([row.subject for row in rows], [row.kind for row in rows]),
            binary=True,
        ).fetchone()
        other = found[0] if found else "another"
        return Fenced(
            f"{self._session.where}: an effect of this batch is on record in stream `{other}`: another incarnation of its agent acts"
            f" there; entries of `{self._claim.name}` after {self._durable_seq} were not written. Stop one of the two, then run again with"
            " --resume",
            stream=self._claim.name,
            epoch=self._claim.epoch,
            other=other,
        )


def _copied(rows: list[Row], stream: int, batch: int) -> bytes:
    """``rows`` in PostgreSQL's binary COPY format. Made by hand, because psycopg's ``write_row`` takes three times as long."""
    parts = [_COPY_BEGIN]
    for seq, kind, subject, hash_, body, payload in rows:
        parts.append(_FIXED.pack(8, 4, stream, 8, seq, 8, batch, 1, kind.encode()))
        for value in (subject, hash_, body, payload):
            parts += (_LENGTH.pack(len(value)), value) if value else (_NULL,)
    parts.append(_COPY_END)
    return b"".join(parts)
