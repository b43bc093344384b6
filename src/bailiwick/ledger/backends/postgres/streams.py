"""Streams and entries as the tables have them, and the statements that read them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import CorruptLedger
from bailiwick.ids import AgentId, root_key
from bailiwick.ledger.backends.postgres.session import Session
from bailiwick.ledger.chain import EMPTY, Entry, Head, verify
from bailiwick.ledger.shared import Stream

PAGE_ENTRIES = 1_000
"""How many entries are read at a time."""

KEY_BYTES = 16
_ID_CHARACTERS = 36


_PARTS = b"""
SELECT kind::text, seq, hash, body, payload, erased FROM entries WHERE subject = $1 AND kind IN ('i', 'o')
UNION ALL
(SELECT kind::text, seq, hash, body, payload, erased FROM entries WHERE subject = $1 AND kind = 'a' ORDER BY batch DESC, seq DESC LIMIT 1)
"""


class Row(NamedTuple):
    """An entry as it goes into the table."""

    seq: int
    kind: str
    subject: bytes
    hash: bytes
    body: bytes
    payload: bytes

    @property
    def entry(self) -> Entry:
        """The entry it makes."""
        return Entry(seq=self.seq, hash=self.hash, body=self.body, payload=self.payload)


def key(any_id: str) -> bytes:
    """What stands in the column ``subject``: the 16 bytes that an id spells in hex; if it is not of that form, something longer."""
    digits = any_id[4:]
    try:
        spelt = bytes.fromhex(digits)
    except ValueError:
        spelt = b""
    # Spelt back: `fromhex` takes capitals and spaces too, and two ids must never have one key.
    if len(any_id) == _ID_CHARACTERS and spelt.hex() == digits:
        return spelt
    return any_id.encode() + bytes(KEY_BYTES + 1)


def root_of(subject: bytes) -> str:
    """`root_key` of the id whose `key` this is."""
    return subject[:6].hex() if len(subject) == KEY_BYTES else root_key(subject[: -KEY_BYTES - 1].decode())


def kind_and_subject(record: Record) -> tuple[str, bytes]:
    """What the index knows a record by."""
    match record:
        case Intent():
            return "i", key(record.id)
        case Outcome():
            return "o", key(record.id)
        case Attempt():
            return "a", key(record.id)
        case Seal():
            return "s", key(record.agent)
        case _:
            return "x", b""


def listed(session: Session) -> list[Stream]:
    """Every stream of the log, by name."""
    return [
        Stream(name, epoch, Head(*head)) for name, epoch, *head in session.query("SELECT name, epoch, seq, hash FROM streams ORDER BY name")
    ]


def number_of(session: Session, name: str) -> int | None:
    """The number of the stream called ``name``; None if there is none."""
    rows = session.query("SELECT number FROM streams WHERE name = %s", name)
    return rows[0][0] if rows else None


def last_head(session: Session, stream: int) -> Head:
    """The newest durable entry of a stream."""
    rows = session.query("SELECT seq, hash FROM streams WHERE number = %s", stream)
    return Head(*rows[0]) if rows else EMPTY


def read_entries(session: Session, stream: int, after: int) -> Iterator[Entry]:
    """The entries of a stream above ``after`` that are durable when the iteration starts, a page at a time."""
    last = last_head(session, stream).seq
    while after < last:
        page = read_page(session, stream, after, min(PAGE_ENTRIES, last - max(after, 0)))
        if not page:
            return
        yield from page
        after = page[-1].seq


def read_page(session: Session, stream: int, after: int, most: int) -> list[Entry]:
    """The first ``most`` durable entries of a stream above ``after``."""
    sql = "SELECT seq, hash, body, payload, erased FROM entries WHERE stream = %s AND seq > %s ORDER BY seq LIMIT %s"
    return [entry_of(row) for row in session.query(sql, stream, after, most)]


def parts_of_effect(session: Session, subject: bytes) -> dict[str, Entry]:
    """The durable intent (``i``), outcome (``o``) and newest attempt (``a``) of an effect, in whichever streams they stand."""
    found: dict[str, Entry] = {}
    for kind, seq, hash_, body, payload, erased in session.look_up(_PARTS, subject):
        found[(kind or b"").decode()] = entry_of((int.from_bytes(seq or b"", "big"), hash_, body, payload, erased))
    return found


def newest_seal(session: Session, stream: int, agent: AgentId) -> Entry | None:
    """The newest durable seal of an agent, in whichever stream it stands.

    What is sealed under a name that is no agent's id, such as what a gateway keeps for itself, is the stream's own: only ``stream`` is
    looked at.
    """
    subject = key(agent)
    anywhere = len(subject) == KEY_BYTES
    rows = session.query(
        "SELECT seq, hash, body, payload, erased FROM entries WHERE subject = %s AND kind = 's' AND (%s OR stream = %s)"
        " ORDER BY batch DESC, seq DESC LIMIT 1",
        subject,
        anywhere,
        stream,
    )
    return entry_of(rows[0]) if rows else None


def check_end(session: Session, stream: int, head: Head) -> None:
    """Raises `CorruptLedger` unless the newest two entries of a stream are there, are chained, and lead to ``head``."""
    entries = list(read_entries(session, stream, max(head.seq - 2, 0)))
    if [entry.seq for entry in entries] != list(range(max(head.seq - 1, 1), head.seq + 1)):
        raise CorruptLedger(
            f"{session.where}: entry {head.seq - 1} or {head.seq} is missing; restore the database from a copy", seq=head.seq
        )
    start = Head(entries[0].seq, entries[0].hash) if head.seq > 1 else EMPTY
    try:
        found = verify(entries[-1:], start)
    except CorruptLedger as error:
        raise CorruptLedger(f"{session.where}: {error.message}; restore the database from a copy", **error.facts) from error
    if found != head:
        raise CorruptLedger(
            f"{session.where}: the stream does not end with entry {head.seq}; restore the database from a copy", seq=head.seq
        )


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in columns ``seq, hash, body, payload, erased``."""
    seq, hash_, body, payload, erased = row
    return Entry(seq=seq, hash=hash_, body=body, payload=payload or b"", erased=erased or b"")
