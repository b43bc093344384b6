"""The record, for those who only look: the command line, a console, another program. Nothing here waits for the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import LedgerUnavailable, NotFound
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.backends.sqlite.file import cannot_read, connect, entry_of, is_empty, key, last_head, read_entries, read_entry
from bailiwick.ledger.backends.sqlite.whereabouts import NOWHERE, Place, moved
from bailiwick.ledger.chain import Entry, Head
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of


class _Stamp(NamedTuple):
    """What changes when somebody opens the file for writing, or writes it."""

    modified_ns: int
    size_bytes: int
    inode: int
    has_log: bool


class SqliteReader(Ledger):
    """The durable entries as they are at each question, also while another process appends.

    It makes no file. SQLite would, to look at a file that nobody has open; such a file is read as immutable instead, and when it
    turns out to have changed meanwhile, the question is asked again in the ordinary way.
    """

    def __init__(self, path: Path) -> None:
        """Raises `NotFound` if there is no record at ``path`` yet, `CorruptLedger`, `BadInput` or `LedgerUnavailable`."""
        self._path = path
        if not path.exists():
            raise NotFound(f"{path}: nothing has been recorded here yet; run something first, or name another `home`", path=str(path))
        self._closed = False
        self._connect()
        try:
            empty = is_empty(self._connection, path)
        except sqlite3.Error as error:
            self._connection.close()
            raise cannot_read(path, error) from error
        except BaseException:
            self._connection.close()
            raise
        if empty:
            self._connection.close()
            raise NotFound(f"{path}: nothing has been recorded here yet; run something first, or name another `home`", path=str(path))

    def append(self, *records: Record) -> int:
        raise LedgerUnavailable(f"{self._path}: was opened for reading only", path=str(self._path))

    async def barrier(self) -> None:
        """Return at once: everything that can be seen here is durable."""

    def find(self, effect: EffectId) -> Past | None:
        place = NOWHERE
        # First how far the index reaches, then the index, then the rest: what is indexed meanwhile is found twice, never missed.
        indexed = self._indexed_seq()
        for row in self._query("SELECT intent, outcome, attempt FROM effects WHERE id = ?", (key(effect),)):
            place = row
        for entry in self._mentions(effect, indexed):
            record = entry.record
            if isinstance(record, Intent | Outcome | Attempt) and record.id == effect:
                place = moved(place, record, entry.seq)
        return past(place, self._entry)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        indexed = self._indexed_seq()
        for entry in reversed(self._mentions(agent, indexed)):
            record = entry.record
            if isinstance(record, Seal) and record.agent == agent:
                return Sealed(entry.seq, record)
        rows = self._query("SELECT seq FROM seals WHERE agent = ?", (key(agent),))
        return sealed(rows[0][0], self._entry) if rows else None

    def entries(self, after: int = 0) -> Iterator[Entry]:
        return read_entries(self._query, after)

    def head(self) -> Head:
        """Number and hash of the newest durable entry."""
        return last_head(self._query)

    async def erase(self, seqs: Sequence[int]) -> int:
        raise LedgerUnavailable(f"{self._path}: was opened for reading only", path=str(self._path))

    async def close(self) -> None:
        self._closed = True
        self._connection.close()

    def _entry(self, seq: int) -> Entry:
        return read_entry(self._query, seq, self._path)

    def _indexed_seq(self) -> int:
        return self._query("SELECT upto FROM indexed", ())[0][0]

    def _mentions(self, any_id: str, after: int) -> list[Entry]:
        """The entries above ``after`` that have ``any_id`` in them somewhere."""
        sql = "SELECT * FROM entries WHERE seq > ? AND instr(body, ?) ORDER BY seq"
        return [entry_of(row) for row in self._query(sql, (after, any_id.encode()))]

    def _query(self, sql: str, values: Sequence[Any]) -> list[Any]:
        while True:
            try:
                rows = self._connection.execute(sql, values).fetchall()
            except sqlite3.Error as error:
                if self._closed or not self._changed():
                    raise cannot_read(self._path, error) from error
            else:
                if not self._changed():
                    return rows
            self._connection.close()
            self._connect()

    def _connect(self) -> None:
        stamp = self._stamp()
        self._taken_as: _Stamp | None = None if stamp.has_log else stamp
        try:
            self._connection = connect(self._path, "mode=ro" if stamp.has_log else "immutable=1")
        except sqlite3.Error as error:
            raise cannot_read(self._path, error) from error

    def _changed(self) -> bool:
        """Whether a file that was taken as immutable is not."""
        return self._taken_as is not None and self._stamp() != self._taken_as

    def _stamp(self) -> _Stamp:
        try:
            found = self._path.stat()
        except OSError as error:
            raise LedgerUnavailable(f"{self._path}: cannot be read ({error.strerror})", path=str(self._path)) from error
        return _Stamp(found.st_mtime_ns, found.st_size, found.st_ino, self._path.with_name(f"{self._path.name}-wal").exists())


def past(place: Place, entry: Callable[[int], Entry]) -> Past | None:
    """What stands at this place; ``entry`` gives the entry with a number."""
    intent, outcome, attempt = place
    return past_of(entry(intent), entry(outcome) if outcome else None, entry(attempt) if attempt else None) if intent else None


def sealed(seq: int, entry: Callable[[int], Entry]) -> Sealed | None:
    """The seal that stands at ``seq``; None for 0."""
    return Sealed(seq, cast(Seal, entry(seq).record)) if seq else None
