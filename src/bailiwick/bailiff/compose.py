"""The composition root: the one place that chooses backends and introduces the parts to each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from bailiwick.agents import Host
from bailiwick.bailiff.bailiwick import Bailiwick
from bailiwick.bailiff.root import Origin
from bailiwick.bailiff.settings import Settings, load
from bailiwick.bailiff.signing import notary_for
from bailiwick.clock import Clock, SystemClock
from bailiwick.effects import Actuator, Tool
from bailiwick.errors import LedgerUnavailable
from bailiwick.gateway import Gateway
from bailiwick.grants import Purse
from bailiwick.ids import new_grant_id
from bailiwick.ledger import Ledger
from bailiwick.mailboxes import Mailboxes
from bailiwick.mailboxes.backends.local import LocalMailboxes
from bailiwick.tools import Toolbox

ActuatorOf = Callable[[Tool], Actuator]
Around = Callable[[ActuatorOf], ActuatorOf]
Carrying = Callable[[Mailboxes], Mailboxes]


def open_ledger(settings: Settings) -> Ledger:
    """The ledger that ``settings`` name, ready for writing. Raises `LedgerUnavailable`, `CorruptLedger` or `BadInput`."""
    if settings.ledger == "memory":
        from bailiwick.ledger.backends.memory import MemoryLedger

        return MemoryLedger()
    if settings.ledger == "postgres":
        from bailiwick.ledger.backends.postgres import PostgresLedger

        return PostgresLedger.open(settings.postgres_url, stream=settings.stream)
    from bailiwick.ledger.backends.sqlite import SqliteLedger

    return SqliteLedger.open(settings.ledger_path, segment_entries=settings.segment_entries)


def read_ledger(settings: Settings) -> Ledger:
    """The ledger on disk, for reading only, also while another process writes it. Raises `NotFound`, `CorruptLedger` or `BadInput`."""
    if settings.ledger == "postgres":
        from bailiwick.ledger.backends.postgres import PostgresLedger

        return PostgresLedger.open(settings.postgres_url, stream=settings.stream, read_only=True)
    from bailiwick.ledger.backends.sqlite import SqliteLedger

    return SqliteLedger.open(settings.ledger_path, read_only=True)


@asynccontextmanager
async def open_record(settings: Settings, clock: Clock) -> AsyncGenerator[Ledger]:
    """The record that is there already, for one who adds to it while nobody acts; durable and signed at the end of the block.

    Raises `NotFound` where there is none, `LedgerUnavailable` while somebody writes it (fact ``pid``, or ``stream`` in PostgreSQL,
    where opening it would stop them), what `notary_for` does.
    """
    await read_ledger(settings).close()  # Where there is no record, none is made.
    if is_written_elsewhere(settings):
        raise LedgerUnavailable(f"stream `{settings.stream}` is being written; wait until that ends, or stop it", stream=settings.stream)
    ledger = open_ledger(settings)
    try:
        notary = notary_for(settings, ledger, clock, settings.anchors)
        yield ledger
        await ledger.barrier()
        if notary is not None:
            await notary.close()
    finally:
        await ledger.close()


def is_written_elsewhere(settings: Settings) -> bool:
    """Whether somebody, on whichever host, has the record open for writing, where the database tells; else False."""
    if settings.ledger != "postgres":
        return False
    from bailiwick.ledger.backends.postgres import is_written

    return is_written(settings.postgres_url, stream=settings.stream)


@asynccontextmanager
async def open_bailiwick(
    settings: Settings,
    *,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
    around: Around | None = None,
    carrying: Carrying | None = None,
) -> AsyncGenerator[Bailiwick]:
    """Everything an agent needs, put together; taken apart in good order at the end of the block, also after an error.

    ``ledger`` replaces the one that ``settings`` name; it is closed too. ``around`` is given what would act on each tool, and says what
    does instead; ``carrying`` likewise for what carries mail.
    """
    clock = clock or SystemClock()
    async with AsyncExitStack() as closing:
        signs = ledger is None
        ledger = ledger or open_ledger(settings)
        closing.push_async_callback(ledger.close)
        notary = notary_for(settings, ledger, clock, settings.anchors) if signs else None
        if notary is not None:
            closing.push_async_callback(notary.close)
        purse = Purse(settings.budget)
        gateway = Gateway(ledger, settings.charter, purse, clock, notary)
        toolbox = Toolbox(clock, workers=settings.workers)
        closing.push_async_callback(toolbox.close)
        actuator_of = around(toolbox.actuator) if around is not None else toolbox.actuator
        host = Host(
            gateway,
            carrying(LocalMailboxes()) if carrying is not None else LocalMailboxes(),
            clock,
            actuator_of,
            mailbox_capacity=settings.mailbox_capacity,
        )
        await host.open()
        closing.push_async_callback(host.close)
        origin = Origin(principal=settings.principal, grant=new_grant_id(clock.now_ns()), charter=settings.charter.digest)
        yield Bailiwick(ledger, gateway, host, purse, clock, origin)


@asynccontextmanager
async def session(*, clock: Clock | None = None, **settings: Any) -> AsyncGenerator[Bailiwick]:
    """``async with bailiwick.session(ledger="memory") as bw:`` a bailiwick with a session, for notebooks, tests and services.

    ``settings`` are the fields of `Settings`; files and environment supply the rest. Raises `BadInput`, `LedgerUnavailable`.
    """
    async with open_bailiwick(load(**settings), clock=clock) as bailiwick, bailiwick.session():
        yield bailiwick
