"""Opening a record: the one place that chooses backends, for those who run agents and for those who add to what agents left."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from bailiwick.bailiff.settings import Settings, load_charter
from bailiwick.bailiff.signing import notary_for
from bailiwick.charter import compile_verified
from bailiwick.charter.firewall import Judge
from bailiwick.clock import Clock
from bailiwick.errors import LedgerUnavailable
from bailiwick.gateway import Authority, Screen
from bailiwick.grants import Budget, GrantBook, Purse, Revocations
from bailiwick.ledger import Ledger


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


def authority_of(settings: Settings, clock: Clock, judge: Judge | None = None) -> Authority:
    """Under what everybody acts by ``settings``. Raises `BadInput` for a charter that cannot be read."""
    charter = compile_verified(*(load_charter(Path(file))[0] for file in settings.charters), settings.charter)
    purse = Purse(Budget.narrowest(settings.budget, charter.budget), clock=clock)
    screening = settings.charter.firewall
    screen = Screen(screening, clock, judge) if screening is not None else None
    return Authority(charter, purse, charter.principal or settings.principal, screen, GrantBook(Revocations(), clock))


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
