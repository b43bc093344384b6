"""The record, for those who only look: the command line, a console, another program. Nothing here waits for the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from bailiwick.effects import Attempt, Intent, Outcome, Record, Seal
from bailiwick.errors import CorruptLedger, LedgerUnavailable, NotFound
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.backends.sqlite.aside import Archive, Aside, list_segments, read_asides
from bailiwick.ledger.backends.sqlite.file import cannot_read, entry_of, key, last_head, read_entry, read_through
from bailiwick.ledger.backends.sqlite.schema import is_empty
from bailiwick.ledger.backends.sqlite.still import StillFile
from bailiwick.ledger.backends.sqlite.whereabouts import Place, moved
from bailiwick.ledger.chain import Entry, Head
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of
from bailiwick.ledger.segmented import Segment, Segmented

T = TypeVar("T")


class SqliteReader(Ledger, Segmented):
    """The durable entries as they are at each question, also while another process appends, or puts the file aside for another.

    It makes no file, and it holds nobody up. Segments that were moved away are missed, with `LedgerUnavailable`, when something that
    they may hold is asked for.
    """

    def __init__(self, path: Path) -> None:
        """Raises `NotFound` if there is no record at ``path`` yet, `CorruptLedger`, `BadInput` or `LedgerUnavailable`."""
        self._path = path
        if not path.exists():
            raise NotFound(f"{path}: nothing has been recorded here yet; run something first, or name another `home`", path=str(path))
        self._file = StillFile(path)
        try:
            if is_empty(self._file.connection, path):
                raise NotFound(f"{path}: nothing has been recorded here yet; run something first, or name another `home`", path=str(path))
            self._archive = Archive(path, ())
            self._look_again()
        except sqlite3.Error as error:
            self._file.close()
            raise cannot_read(path, error) from error
        except BaseException:
            self._file.close()
            raise

    def append(self, *records: Record) -> int:
        raise LedgerUnavailable(f"{self._path}: was opened for reading only", path=str(self._path))

    async def barrier(self) -> None:
        """Return at once: everything that can be seen here is durable."""

    def find(self, effect: EffectId) -> Past | None:
        return self._settled(lambda: past(self._place(effect), self._entry))

    def last_seal(self, agent: AgentId) -> Sealed | None:
        return self._settled(lambda: self._sealed(agent))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        last = self.head().seq
        yield from read_through(lambda start, end: self._settled(lambda: self._archive.page(self._query, start, end)), after, last)

    def head(self) -> Head:
        """Number and hash of the newest durable entry."""
        return self._settled(lambda: last_head(self._query, self._archive.base))

    def segments(self) -> Sequence[Segment]:
        return self._settled(lambda: list_segments(self._path, self._archive.asides, last_head(self._query, self._archive.base).seq))

    async def rotate(self) -> bool:
        raise LedgerUnavailable(f"{self._path}: was opened for reading only", path=str(self._path))

    def on_rotation(self, call: Callable[[], None]) -> None:
        """Never: others put files aside, and who reads is not told."""

    async def erase(self, seqs: Sequence[int]) -> int:
        raise LedgerUnavailable(f"{self._path}: was opened for reading only", path=str(self._path))

    async def close(self) -> None:
        self._file.close()
        self._archive.close()

    def _place(self, effect: EffectId) -> Place:
        # First how far the index reaches, then the index, then the rest: what is indexed meanwhile is found twice, never missed.
        indexed = self._indexed_seq()
        rows = self._query("SELECT intent, outcome, attempt FROM effects WHERE id = ?", (key(effect),))
        place: Place = rows[0] if rows else self._archive.of_effect(effect)
        if place[1]:  # Nothing follows an outcome.
            return place
        for entry in self._mentions(effect, indexed):
            record = entry.record
            if isinstance(record, Intent | Outcome | Attempt) and record.id == effect:
                place = moved(place, record, entry.seq)
        return place

    def _sealed(self, agent: AgentId) -> Sealed | None:
        indexed = self._indexed_seq()
        for entry in reversed(self._mentions(agent, indexed)):
            record = entry.record
            if isinstance(record, Seal) and record.agent == agent:
                return Sealed(entry.seq, record)
        rows = self._query("SELECT seq FROM seals WHERE agent = ?", (key(agent),))
        return sealed(rows[0][0] if rows else self._archive.of_seal(agent), self._entry)

    def _entry(self, seq: int) -> Entry:
        return self._archive.entry(seq) if seq <= self._archive.base.seq else read_entry(self._query, seq, self._path)

    def _indexed_seq(self) -> int:
        return self._query("SELECT upto FROM indexed", ())[0][0]

    def _mentions(self, any_id: str, after: int) -> list[Entry]:
        """The entries above ``after`` that have ``any_id`` in them somewhere."""
        asked = "SELECT * FROM entries WHERE seq > ? AND instr(body, ?) ORDER BY seq", (after, any_id.encode())
        late = [aside for aside in self._archive.asides if aside.last > after]
        rows = [row for aside in late for row in self._archive.query(aside, *asked)]
        return [entry_of(row) for row in (*rows, *self._query(*asked))]

    def _query(self, sql: str, values: Sequence[Any]) -> list[Any]:
        return self._file.query(sql, values)

    def _settled(self, ask: Callable[[], T]) -> T:
        """The answer to a question of several steps, all of them about the same file."""
        while True:
            about = self._inode
            try:
                answer = ask()
            except (CorruptLedger, LedgerUnavailable):
                if self._file.inode == about:
                    raise
            else:
                if self._file.inode == about:
                    return answer
            self._look_again()

    def _look_again(self) -> None:
        """Another file has the name: find out what stands before it."""
        asides: Sequence[Aside] = ()
        self._inode = -1
        while self._inode != self._file.inode:
            self._inode = self._file.inode
            asides = read_asides(self._query)
        self._archive = Archive(self._path, asides, self._archive)


def past(place: Place, entry: Callable[[int], Entry]) -> Past | None:
    """What stands at this place; ``entry`` gives the entry with a number."""
    intent, outcome, attempt = place
    return past_of(entry(intent), entry(outcome) if outcome else None, entry(attempt) if attempt else None) if intent else None


def sealed(seq: int, entry: Callable[[int], Entry]) -> Sealed | None:
    """The seal that stands at ``seq``; None for 0."""
    return Sealed(seq, cast(Seal, entry(seq).record)) if seq else None
