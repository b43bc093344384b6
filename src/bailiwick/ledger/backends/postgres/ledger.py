"""`PostgresLedger`: what the event loop sees of the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from weakref import WeakSet

from bailiwick.effects import Record
from bailiwick.errors import Fenced, LedgerUnavailable
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.backends.postgres.readahead import ReadAhead
from bailiwick.ledger.backends.postgres.reader import PostgresReader, past_in, sealed_in
from bailiwick.ledger.backends.postgres.schema import migrate
from bailiwick.ledger.backends.postgres.session import PATIENCE, Session
from bailiwick.ledger.backends.postgres.streams import (
    Row,
    check_end,
    key,
    kind_and_subject,
    listed,
    newest_seal,
    parts_of_effect,
    read_entries,
)
from bailiwick.ledger.backends.postgres.whereabouts import Whereabouts
from bailiwick.ledger.backends.postgres.writer import Claim, Rows, Writer, claim
from bailiwick.ledger.chain import Entry, Head, link
from bailiwick.ledger.group_commit import GroupCommit
from bailiwick.ledger.payload import commitment, split
from bailiwick.ledger.port import Ledger, Past, Sealed
from bailiwick.ledger.shared import Shared, Stream


class PostgresLedger(Ledger, Shared):
    """One stream of a log in PostgreSQL: what `barrier` acknowledged survives what the server's disks and copies survive.

    Many hosts write one log, each a stream of its own, and share no lock. An agent lives on one host at a time, so what it does
    stands in the order of that host's stream. Numbers, `entries` and `head` are those of the stream; `find` and `last_seal` look in
    the whole log, so they know an agent that came from another host, and a number they tell is one of the stream where the entry
    stands. They ask the server, which takes some 0.1 to 0.3 ms, during which the event loop waits; what has just been appended here,
    and what is known to be new, they answer from memory. Whoever brings an agent to life here asks for its last seal first: from then
    on all that it did elsewhere is found, and else some 250 ms later.

    When the connection is lost it is made again, and a batch that was on its way is written if it is not there yet, never twice;
    who reads meanwhile waits, and the event loop too. If the server stays away longer than the patience, the ledger stops. `Fenced`
    is raised instead of `LedgerUnavailable` when another writer has opened the same stream, or recorded the same effect. All methods
    belong to the thread of one event loop; the child of a fork must open its own.
    """

    def __init__(self, url: str, reading: Session, writing: Session, claimed: Claim, max_batch: int | None) -> None:
        """For `open`."""
        self._url = url
        self._reading = reading
        self._writing = writing
        self._claim = claimed
        self._open = True
        self._closed = False
        self._seq, self._hash = claimed.head
        self._whereabouts = Whereabouts(reading, claimed.stream)
        self._ahead = ReadAhead(reading, claimed.stream)
        self._writer = Writer(writing, claimed)
        self._commits: GroupCommit[Rows] = GroupCommit(self._writer, durable_seq=self._seq, max_batch=max_batch)
        _open_here.add(self)

    @classmethod
    def open(
        cls, url: str, *, stream: str = "main", read_only: bool = False, patience: timedelta = PATIENCE, max_batch: int | None = None
    ) -> PostgresLedger | PostgresReader:
        """The stream called ``stream`` of the log at ``url`` (``postgresql://USER@HOST/DATABASE``), both made if they are not there;
        with ``read_only`` a `PostgresReader`, which makes nothing and fences nobody.

        Opening a stream fences off whoever wrote it before, at once and for good. The tables stand in the first schema of the search
        path; older ones are brought up to date. ``patience`` is how long a lost connection is tried again. ``max_batch`` bounds how
        many appends share a transaction; it is for measurements.

        Raises `LedgerUnavailable` if the server cannot be reached or refuses; `BadInput` if ``url`` is none, or a later version wrote
        the log; `CorruptLedger` if the tables are not ours, or the stream's newest entries do not fit their chain.
        """
        if read_only:
            return PostgresReader(url, stream=stream, patience=patience)
        reading, writing = Session(url, patience=patience), Session(url, patience=patience, writes=stream)
        try:
            writing.connect()
            migrate(writing)
            claimed = claim(writing, stream)
            reading.connect()
            check_end(reading, claimed.stream, claimed.head)
            return cls(url, reading, writing, claimed, max_batch)
        except BaseException:
            reading.close()
            writing.close()
            raise

    @property
    def stream(self) -> Stream:
        """The stream, the epoch under which it is written here, and where it ends, durable or not."""
        return Stream(self._claim.name, self._claim.epoch, self.head())

    def streams(self) -> list[Stream]:
        return listed(self._reading)

    def append(self, *records: Record) -> int:
        if not self._open or self._commits.failure is not None:
            raise self._refusal()
        seq, last_hash = self._seq, self._hash
        rows: list[Row] = []
        for record in records:
            body, payload = split(record)
            seq += 1
            last_hash = link(last_hash, body, commitment(payload))
            kind, subject = kind_and_subject(record)
            rows.append(Row(seq, kind, subject, last_hash, body, payload))
        # The last line that can refuse; until here nothing has changed.
        self._whereabouts.admit(records, self._seq, self._commits.durable_seq)
        self._seq, self._hash = seq, last_hash
        if rows:
            self._commits.put(tuple(rows))
        return seq

    async def barrier(self) -> None:
        if not self._open:
            raise self._refusal()
        await self._commits.wait(self._seq)

    def find(self, effect: EffectId) -> Past | None:
        place = self._whereabouts.recent(effect)
        if place is None:
            if self._whereabouts.is_new(effect):
                return None
            return self._ahead.find(effect) or self._asked(effect)
        # First what is not durable, then the database: what becomes durable meanwhile is found twice, never missed.
        unwritten = self._unwritten(place)
        parts = {} if place[0] in unwritten else parts_of_effect(self._reading, key(effect))
        for kind, seq in zip("ioa", place, strict=True):
            if seq in unwritten:
                parts[kind] = unwritten[seq]
        return past_in(parts)

    def last_seal(self, agent: AgentId) -> Sealed | None:
        self._whereabouts.look_again()
        seq = self._whereabouts.seals.get(agent, 0)
        unwritten = self._unwritten((seq,))
        return sealed_in(unwritten[seq] if seq in unwritten else newest_seal(self._reading, self._claim.stream, agent))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        return read_entries(self._reading, self._claim.stream, after)

    async def erase(self, seqs: Sequence[int]) -> int:
        """The old rows stay on the server's disk until its vacuum, which is asked for here, and its write-ahead log have gone over them;
        copies and archives are the server's keeper's."""
        await self.barrier()
        erased = await self._commits.between(partial(self._writer.erase, sorted(set(seqs))))
        self._ahead.forget()
        if erased:
            await asyncio.to_thread(self._vacuum)
        return erased

    def head(self) -> Head:
        return Head(self._seq, self._hash)

    async def close(self) -> None:
        if self._closed or self not in _open_here:
            return
        self._open = False
        await self._commits.close()
        self._reading.close()
        self._closed = True
        _open_here.discard(self)
        if self._commits.failure is not None:
            raise self._commits.refusal()

    def _disown(self) -> None:
        """In the child of a fork. The connections are the parent's: to use or close them would disturb it."""
        _left_alone.append(self)
        self._reading.abandon()
        self._writing.abandon()
        why = f"{self._reading.where}: was opened by process {os.getppid()}, which forked this one; open it anew here"
        self._commits.disown(LedgerUnavailable(why))

    def _refusal(self) -> Fenced | LedgerUnavailable:
        if self._commits.failure is not None:
            return self._commits.refusal()
        return LedgerUnavailable(f"{self._reading.where}: this ledger is closed; open it again")

    def _asked(self, effect: EffectId) -> Past | None:
        parts = parts_of_effect(self._reading, key(effect))
        if "i" in parts:
            self._ahead.follow(parts["i"])
        else:
            self._whereabouts.note_absence(effect)
        return past_in(parts)

    def _unwritten(self, seqs: Sequence[int]) -> dict[int, Entry]:
        """Those of the entries ``seqs`` that may not be durable yet, by number."""
        if max(seqs) <= self._commits.durable_seq:
            return {}
        found = [row for rows in self._commits.unwritten() for row in rows if row.seq in seqs]
        return {row.seq: row.entry for row in found}

    def _vacuum(self) -> None:
        """On a connection of its own, in a thread of its own: nobody waits for it but who erases."""
        session = Session(self._url)
        try:
            session.run(lambda connection: connection.execute("VACUUM (ANALYZE FALSE) entries"))
        finally:
            session.close()


_open_here: WeakSet[PostgresLedger] = WeakSet()
_left_alone: list[PostgresLedger] = []


def _disown_all() -> None:
    for ledger in list(_open_here):
        ledger._disown()  # pyright: ignore[reportPrivateUsage]
    _open_here.clear()


os.register_at_fork(after_in_child=_disown_all)
