"""The record, for those who only look: the command line, a console, another program. Nothing here waits for a writer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import cast

from bailiwick.effects import Record, Seal
from bailiwick.errors import LedgerUnavailable, NotFound
from bailiwick.ids import AgentId, EffectId
from bailiwick.ledger.backends.postgres.schema import check
from bailiwick.ledger.backends.postgres.session import PATIENCE, Session
from bailiwick.ledger.backends.postgres.streams import key, last_head, listed, newest_seal, number_of, parts_of_effect, read_entries
from bailiwick.ledger.chain import Entry, Head
from bailiwick.ledger.port import Ledger, Past, Sealed, past_of
from bailiwick.ledger.shared import Shared, Stream


class PostgresReader(Ledger, Shared):
    """The durable entries of one stream as they are at each question; `find` and `last_seal` look in the whole log.

    A lost connection is made again, up to the patience. The user of the URL needs no right but to read.
    """

    def __init__(self, url: str, *, stream: str = "main", patience: timedelta = PATIENCE) -> None:
        """Raises `NotFound` if there is no log, or no such stream in it, `BadInput`, `CorruptLedger` or `LedgerUnavailable`."""
        self._session = Session(url, patience=patience)
        try:
            self._session.connect()
            check(self._session)
            number = number_of(self._session, stream)
            if number is None:
                known = ", ".join(f"`{found.name}`" for found in self.streams()) or "none yet"
                raise NotFound(f"{self._session.where}: no stream `{stream}` in this log; there are: {known}", stream=stream)
        except BaseException:
            self._session.close()
            raise
        self._stream = number

    def streams(self) -> list[Stream]:
        return listed(self._session)

    def append(self, *records: Record) -> int:
        raise self._refusal()

    async def barrier(self) -> None:
        """Return at once: everything that can be seen here is durable."""

    def find(self, effect: EffectId) -> Past | None:
        return past_in(parts_of_effect(self._session, key(effect)))

    def last_seal(self, agent: AgentId) -> Sealed | None:
        return sealed_in(newest_seal(self._session, self._stream, agent))

    def entries(self, after: int = 0) -> Iterator[Entry]:
        return read_entries(self._session, self._stream, after)

    def head(self) -> Head:
        """Number and hash of the newest durable entry."""
        return last_head(self._session, self._stream)

    async def erase(self, seqs: Sequence[int]) -> int:
        raise self._refusal()

    async def close(self) -> None:
        self._session.close()

    def _refusal(self) -> LedgerUnavailable:
        return LedgerUnavailable(f"{self._session.where}: was opened for reading only")


def is_written(url: str, *, stream: str = "main") -> bool:
    """Whether somebody, on whichever host, has the stream open for writing. One that vanished without a word counts for half a minute.

    Raises `LedgerUnavailable` or `BadInput`.
    """
    session = Session(url)
    try:
        session.connect()
        return session.is_written(stream)
    finally:
        session.close()


def past_in(parts: dict[str, Entry]) -> Past | None:
    """What an intent, an outcome and an attempt say of their effect; None without an intent."""
    intent = parts.get("i")
    return past_of(intent, parts.get("o"), parts.get("a")) if intent is not None else None


def sealed_in(entry: Entry | None) -> Sealed | None:
    """The seal in an entry."""
    return Sealed(entry.seq, cast(Seal, entry.record)) if entry is not None else None
