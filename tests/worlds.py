"""What many tests stand on: a bailiwick over a ledger in memory, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from bailiwick.bailiff import Bailiwick, Settings, open_bailiwick
from bailiwick.effects import Intent, Outcome, Record
from bailiwick.ledger import Ledger
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.testing import VirtualClock, run

T = TypeVar("T")


@asynccontextmanager
async def world(ledger: Ledger | None = None, **settings: Any) -> AsyncGenerator[Bailiwick]:
    """A bailiwick whose session is open."""
    async with bare_world(ledger, **settings) as bw, bw.session():
        yield bw


@asynccontextmanager
async def bare_world(ledger: Ledger | None = None, **settings: Any) -> AsyncGenerator[Bailiwick]:
    """A bailiwick in which nothing runs yet."""
    chosen = Settings(home="unused", ledger="memory", workers=1, **settings)
    async with open_bailiwick(chosen, clock=VirtualClock(), ledger=ledger or KeptLedger()) as bw:
        yield bw


def within(scenario: Callable[[Bailiwick], Awaitable[T]], ledger: Ledger | None = None, **settings: Any) -> T:
    """Run ``scenario`` in a `world` and return what it returns."""

    async def whole() -> T:
        async with world(ledger, **settings) as bw:
            return await scenario(bw)

    return run(whole())


class KeptLedger(MemoryLedger):
    """Stays open when the process that wrote it is over, so that the next one can go on with it."""

    async def close(self) -> None:
        return


class NotedLedger(KeptLedger):
    """Remembers where each append ended: the places at which a crash can cut the record."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[int] = []

    def append(self, *records: Record) -> int:
        self.ends.append(super().append(*records))
        return self.ends[-1]


def records(ledger: Ledger) -> list[Record]:
    return [entry.record for entry in ledger.entries()]


def copy_of(ledger: Ledger, *, first: int) -> KeptLedger:
    """What a crash leaves if it strikes after ``first`` entries."""
    copied = KeptLedger()
    for record in records(ledger)[:first]:
        copied.append(record)
    return copied


def intents(ledger: Ledger, tool: str) -> list[Intent]:
    return [record for record in records(ledger) if isinstance(record, Intent) and record.tool == tool]


def outcome_of(ledger: Ledger, intent: Intent) -> Outcome | None:
    past = ledger.find(intent.id)
    return past.outcome if past else None
