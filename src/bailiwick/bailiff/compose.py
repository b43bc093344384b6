"""The composition root: the one place that chooses backends and introduces the parts to each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bailiwick.agents import Host
from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.settings import Settings, load
from bailiwick.clock import Clock, SystemClock
from bailiwick.gateway import Gateway
from bailiwick.grants import Purse
from bailiwick.ledger import Ledger
from bailiwick.mailboxes.backends.local import LocalMailboxes
from bailiwick.tools import Toolbox


def open_ledger(settings: Settings) -> Ledger:
    """The ledger that ``settings`` name, ready for writing. Raises `LedgerUnavailable` or `CorruptLedger`."""
    if settings.ledger == "memory":
        from bailiwick.ledger.backends.memory import MemoryLedger

        return MemoryLedger()
    from bailiwick.ledger.backends.sqlite import SqliteLedger

    return SqliteLedger.open(settings.ledger_path)


def read_ledger(settings: Settings) -> Ledger:
    """The ledger on disk, for reading only, also while another process writes it. Raises `NotFound` or `CorruptLedger`."""
    from bailiwick.ledger.backends.sqlite import SqliteLedger

    return SqliteLedger.open(settings.ledger_path, read_only=True)


@asynccontextmanager
async def open_bailiwick(settings: Settings, *, clock: Clock | None = None, ledger: Ledger | None = None) -> AsyncGenerator[Bailiwick]:
    """Everything an agent needs, put together; taken apart in good order at the end of the block, also after an error.

    ``ledger`` replaces the one that ``settings`` name; it is closed too.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as closing:
        ledger = ledger or open_ledger(settings)
        closing.push_async_callback(ledger.close)
        purse = Purse(settings.budget)
        gateway = Gateway(ledger, settings.charter, purse, clock)
        toolbox = Toolbox(clock, workers=settings.workers)
        closing.push_async_callback(toolbox.close)
        host = Host(gateway, LocalMailboxes(), clock, toolbox.actuator, mailbox_capacity=settings.mailbox_capacity)
        await host.open()
        closing.push_async_callback(host.close)
        yield Bailiwick(ledger, gateway, host, purse, clock)


@asynccontextmanager
async def session(*, clock: Clock | None = None, **settings: Any) -> AsyncGenerator[Bailiwick]:
    """``async with bailiwick.session(ledger="memory") as bw:`` a bailiwick with a session, for notebooks, tests and services.

    ``settings`` are the fields of `Settings`; files and environment supply the rest. Raises `BadInput`, `LedgerUnavailable`.
    """
    async with open_bailiwick(load(**settings), clock=clock) as bailiwick, bailiwick.session():
        yield bailiwick
