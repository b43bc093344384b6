"""`SqliteLedger`: what the event loop sees of the file."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import CoroutineType
from typing import Any
from weakref import WeakSet

from bailiwick.effects import Record
from bailiwick.errors import CorruptLedger, Fenced, LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.backends.sqlite.aside import Archive, folder_of, list_segments, read_asides
from bailiwick.ledger.backends.sqlite.erasing import write_out_logs
from bailiwick.ledger.backends.sqlite.file import (
    cannot_read,
    cannot_write,
    connect,
    entry_of,
    last_head,
    make_durable,
    read_entry,
    read_through,
)
from bailiwick.ledger.backends.sqlite.lock import WriterLock
from bailiwick.ledger.backends.sqlite.reader import SqliteReader, past, sealed
from bailiwick.ledger.backends.sqlite.rotation import SEGMENT_ENTRIES, Turn, check_segments, clear_up, flush_directory, has_segments
from bailiwick.ledger.backends.sqlite.schema import is_empty, migrate
from bailiwick.ledger.backends.sqlite.whereabouts import Whereabouts
from bailiwick.ledger.backends.sqlite.writer import Row, Rows, Writer
from bailiwick.ledger.chain import EMPTY, Entry, Head, link, verify
from bailiwick.ledger.group_commit import GroupCommit
from bailiwick.ledger.payload import commitment, split
from bailiwick.ledger.port import Ledger, Past, Sealed
from bailiwick.ledger.segmented import Segment, Segmented


class SqliteLedger(Ledger, Segmented):
    """The record in a SQLite file in WAL mode with ``synchronous=FULL``: what `barrier` acknowledged survives a power cut.

    One thread writes, everything that queued up while it wrote in one transaction. An append that no barrier follows is
    durable some 50 ms later. A full file is put aside, and another takes its place. All methods belong to the thread of one event
    loop; the child of a fork must open its own.
    """

    def __init__(
        self,
        path: Path,
        reading: sqlite3.Connection,
        writing: sqlite3.Connection,
        lock: WriterLock,
        max_batch: int | None,
        segment_entries: int,
    ) -> None:
        """For `open`."""
        self._path = path
        self._reading = reading
        self._open = True
        self._closed = False
        self._turns: deque[Turn] = deque()
        self._told_of_turns: list[Callable[[], None]] = []
        indexed_seq: int = self._query("SELECT upto FROM indexed", ())[0][0]
        self._archive = Archive(path, read_asides(self._query))
        self._whereabouts = Whereabouts(self._query, indexed_seq, self._archive)
        self._seq, self._hash = self._recall(indexed_seq)
        self._lock = lock
        base_seq = self._archive.base.seq
        self._writer = Writer(path, writing, lock, self._whereabouts, self._seq, base_seq=base_seq, segment_entries=segment_entries)
        self._turns = self._writer.turns
        self._commits: GroupCommit[Rows] = GroupCommit(self._writer, durable_seq=self._seq, max_batch=max_batch)
        _open_here.add(self)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False, max_batch: int | None = None, segment_entries: int = SEGMENT_ENTRIES) -> Ledger:
        """The ledger at ``path``, made if it is not there; with ``read_only`` a `SqliteReader`, which needs no lock and makes nothing.

        ``max_batch`` bounds how many appends share a transaction; it is for measurements. A file with ``segment_entries`` entries is
        put aside, into a folder beside it; 0: never. A ledger of an older version is brought up to date, for good.

        Raises `LedgerUnavailable` if another process writes it (fact ``pid``) or the place is not writable; `CorruptLedger` if
        it is something else, is damaged, older than its segments, or its newest entries do not fit their chain; `BadInput` if a later
        version wrote it.
        """
        if read_only:
            return SqliteReader(path)
        try:
            _make_directory(path.parent)
            lock = WriterLock.take(path)
        except OSError as error:
            raise cannot_write(path, error) from error
        opened: list[sqlite3.Connection] = []
        try:
            opened.append(_open_for_writing(path))
            opened.append(connect(path, "mode=ro"))
            return cls(path, opened[1], opened[0], lock, max_batch, segment_entries)
        except BaseException as error:
            for connection in opened:
                connection.close()
            lock.release()
            if isinstance(error, sqlite3.Error):
                found = cannot_read(path, error)
                raise (found if isinstance(found, CorruptLedger) else cannot_write(path, error)) from error
            raise

    def append(self, *records: Record) -> int:
        if not self._open or self._commits.failure is not None:
            raise self._refusal()
        seq, last_hash = self._seq, self._hash
        rows: list[Row] = []
        for record in records:
            body, payload = split(record)
            seq += 1
            last_hash = link(last_hash, body, commitment(payload))
            rows.append((seq, last_hash, body, payload))
        self._whereabouts.admit(records, self._seq)  # The last line that can refuse; until here nothing has changed.
        self._seq, self._hash = seq, last_hash
        if rows:
            self._commits.put(rows)
        return seq

    def barrier(self) -> CoroutineType[Any, Any, None]:
        if self._turns:
            self._follow()
        return self._commits.wait(self._seq) if self._open else self._refuse()

    def find(self, effect: EffectId) -> Past | None:
        return past(self._whereabouts.of_effect(effect), self._entry)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        return sealed(self._whereabouts.of_seal(agent), self._entry)

    def entries(self, after: int = 0) -> Iterator[Entry]:
        self._follow()
        last = last_head(self._query, self._archive.base).seq
        yield from read_through(self._page, after, last)

    async def erase(self, seqs: Sequence[int]) -> int:
        erased: int | None = None
        try:
            while erased is None:
                await self.barrier()
                self._follow()
                erased = await self._commits.between(partial(self._writer.erase, sorted(set(seqs))))
        finally:
            self._archive.close()  # What it remembers of its files may be gone.
        return erased

    def segments(self) -> Sequence[Segment]:
        self._follow()
        return list_segments(self._path, self._archive.asides, self._commits.durable_seq)

    async def rotate(self) -> bool:
        await self.barrier()
        return await self._commits.between(self._writer.rotate)

    def on_rotation(self, call: Callable[[], None]) -> None:
        self._told_of_turns.append(call)

    def head(self) -> Head:
        return Head(self._seq, self._hash)

    async def close(self) -> None:
        if self._closed or self not in _open_here:
            return
        self._open = False
        self._reading.close()
        await self._commits.close()
        while self._turns:
            self._turns.popleft().reading.close()
        self._archive.close()
        self._closed = True
        _open_here.discard(self)
        if self._commits.failure is not None:
            raise self._commits.refusal()

    def _disown(self) -> None:
        """In the child of a fork. What the parent has open is left alone there: to close it would disturb the parent's."""
        _left_alone.append(self)
        self._lock.release()
        why = f"{self._path}: was opened by process {os.getppid()}, which forked this one; open it anew here"
        self._commits.disown(LedgerUnavailable(why, path=str(self._path)))

    def _refusal(self) -> LedgerUnavailable | Fenced:
        if self._commits.failure is not None:
            return self._commits.refusal()
        return LedgerUnavailable(f"{self._path}: this ledger is closed; open it again", path=str(self._path))

    async def _refuse(self) -> None:
        raise self._refusal()

    def _entry(self, seq: int) -> Entry:
        if seq > self._commits.durable_seq:
            for rows in self._commits.unwritten():
                if rows[0][0] <= seq <= rows[-1][0]:
                    return entry_of((*rows[seq - rows[0][0]], None))
        self._follow()
        return self._archive.entry(seq) if seq <= self._archive.base.seq else read_entry(self._query, seq, self._path)

    def _page(self, after: int, last: int) -> list[Any]:
        self._follow()
        return self._archive.page(self._query, after, last)

    def _follow(self) -> None:
        """Read the file that is written now. Until this is called, what was asked for is found in the old one."""
        while self._turns and self._open:
            turn = self._turns.popleft()
            self._reading.close()
            self._reading = turn.reading
            self._archive = self._whereabouts.older = Archive(self._path, turn.asides, self._archive)
            for call in self._told_of_turns:
                call()

    def _query(self, sql: str, values: Sequence[Any]) -> list[Any]:
        if self._turns:
            self._follow()
        try:
            return self._reading.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise cannot_read(self._path, error) from error

    def _recall(self, indexed_seq: int) -> Head:
        """Read the entries that the index does not have yet, and at least the last one of the file; return the head they lead to."""
        base = self._archive.base
        last_seq = last_head(self._query, base).seq
        try:
            if last_seq < indexed_seq:
                raise CorruptLedger(f"entries {last_seq + 1} to {indexed_seq} are missing", seq=last_seq + 1)
            start = min(indexed_seq, max(last_seq - 1, base.seq))
            if start and start != base.seq:
                entry = self._archive.entry(start) if start < base.seq else read_entry(self._query, start, self._path)
                known = Head(start, entry.hash)
            else:
                known = base if start else EMPTY
            return verify(self._recalled(start, last_seq, indexed_seq), known)
        except CorruptLedger as error:
            facts = error.facts | {"path": str(self._path)}
            raise CorruptLedger(f"{self._path}: {error.message}; restore the file from a copy", **facts) from error

    def _recalled(self, start: int, last_seq: int, indexed_seq: int) -> Iterator[Entry]:
        for entry in read_through(self._page, start, last_seq):
            yield entry  # Whoever asks for the next one has found this one to be sound.
            if entry.seq > indexed_seq:
                self._whereabouts.recall(entry.record, entry.seq)


_open_here: WeakSet[SqliteLedger] = WeakSet()
_left_alone: list[SqliteLedger] = []


def _disown_all() -> None:
    for ledger in list(_open_here):
        ledger._disown()  # pyright: ignore[reportPrivateUsage]
    _open_here.clear()


os.register_at_fork(after_in_child=_disown_all)


def _make_directory(directory: Path) -> None:
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)


def _open_for_writing(path: Path) -> sqlite3.Connection:
    clear_up(path)
    write_out_logs(path)
    connection = connect(path, "mode=rwc")
    try:
        empty = is_empty(connection, path)
        if empty and has_segments(path):
            raise CorruptLedger(
                f"{path}: is not there or empty, though it has segments in {folder_of(path)}; restore it from a copy", path=str(path)
            )
        make_durable(connection, path)
        migrate(connection)
        if empty:
            flush_directory(path.parent)
        check_segments(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection
