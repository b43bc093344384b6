"""What the record costs: appends that are durable together, one by one, and in memory; and reading them back."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path

from bailiwick.codec import encode
from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Record, Status
from bailiwick.ids import agent_of, ask_of, effect_id, new_run_id
from bailiwick.ledger import GENESIS, Ledger, verify
from bailiwick.ledger.backends.memory import MemoryLedger
from bailiwick.ledger.backends.sqlite import SqliteLedger
from benchmarks.figure import Figure, Measure, of_rounds

PRODUCERS = 1_000
ROUNDS = 5
GROUPED_ENTRIES = 40_000
SINGLE_ENTRIES = 2_000
LATENCY_APPENDS = 300
MEMORY_ENTRIES = 20_000
VERIFIED_ENTRIES = 20_000
ROWS_A_COMMIT = 500


@cache
def effects() -> list[tuple[Intent, Outcome]]:
    """Effects of the size that those of a campaign have: the intent takes some 320 bytes, the outcome some 140."""
    run = new_run_id(time.time_ns())
    agent = agent_of(ask_of(run))
    made: list[tuple[Intent, Outcome]] = []
    for number in range(GROUPED_ENTRIES // 2):
        effect, now_ns = effect_id(run, str(number)), time.time_ns()
        intent = Intent(
            id=effect,
            run=run,
            agent=agent,
            position=str(number),
            kind=Kind.TOOL,
            tool="ionisation_energy",
            effect=EffectClass.IDEMPOTENT,
            arguments=bytes(100),
            at_ns=now_ns,
        )
        made.append((intent, Outcome(id=effect, status=Status.DONE, value=bytes(40), started_ns=now_ns, ended_ns=now_ns)))
    return made


@contextmanager
def _on_disk() -> Generator[Path]:
    """A directory that is not in memory, as ``/tmp`` may be."""
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 -- `tempfile` makes the name below it
    with tempfile.TemporaryDirectory(dir=place, prefix="bailiwick-") as where:
        yield Path(where)


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


def _appends_a_second(entries: int, max_batch: int | None = None) -> float:
    async def whole() -> float:
        with _on_disk() as where:
            ledger = SqliteLedger.open(where / "ledger.sqlite", max_batch=max_batch)
            try:
                return await _produce(ledger, entries)
            finally:
                await ledger.close()

    return asyncio.run(whole())


def appends_grouped() -> Figure:
    """Durable appends a second with a thousand producers, beside the same code bound to one append a commit."""
    ours: list[float] = []
    single: list[float] = []
    for turn in range(ROUNDS):  # Turn by turn, so that both meet the same disk; the slow one less often.
        ours.append(_appends_a_second(GROUPED_ENTRIES))
        if turn % 2 == 0:
            single.append(_appends_a_second(SINGLE_ENTRIES, max_batch=1))
    return of_rounds(ours, "appends/s", better="higher", peer="one commit per append", peer_value=statistics.median(single))


def append_latency() -> Figure:
    """Microseconds (median) until one producer's append is durable, beside a bare SQLite insert and commit of the same bytes."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        ours.append(asyncio.run(_latency_us()))
        bare.append(_bare_latency_us())
    return of_rounds(ours, "µs", better="lower", peer="bare SQLite commit", peer_value=statistics.median(bare))


async def _latency_us() -> float:
    found: list[int] = []
    with _on_disk() as where:
        ledger = SqliteLedger.open(where / "ledger.sqlite")
        for intent, _ in effects()[:LATENCY_APPENDS]:
            start_ns = time.perf_counter_ns()
            ledger.append(intent)
            await ledger.barrier()
            found.append(time.perf_counter_ns() - start_ns)
        await ledger.close()
    return statistics.median(found) / 1_000


def _bare_latency_us() -> float:
    found: list[int] = []
    with _on_disk() as where:
        connection = _bare(where)
        for row in _rows()[:LATENCY_APPENDS]:
            start_ns = time.perf_counter_ns()
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
            found.append(time.perf_counter_ns() - start_ns)
        connection.close()
    return statistics.median(found) / 1_000


def raw_sqlite() -> Figure:
    """Durable appends a second, beside bare SQLite that is handed the finished rows in batches of 500: nobody waits, nothing is hashed."""
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        ours.append(_appends_a_second(GROUPED_ENTRIES))
        bare.append(_bare_rows_a_second())
    return of_rounds(ours, "appends/s", better="higher", peer="bare SQLite, executemany", peer_value=statistics.median(bare))


def _bare_rows_a_second() -> float:
    rows = _rows()
    with _on_disk() as where:
        connection = _bare(where)
        start_ns = time.perf_counter_ns()
        for start in range(0, len(rows), ROWS_A_COMMIT):
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", rows[start : start + ROWS_A_COMMIT])
            connection.execute("COMMIT")
        found = len(rows) / (time.perf_counter_ns() - start_ns) * 1e9
        connection.close()
    return found


def _bare(where: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(where / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL, payload BLOB, erased BLOB)")
    return connection


@cache
def _rows() -> list[tuple[int, bytes, bytes, bytes, None]]:
    """The rows that ours comes to for the same records."""
    ledger = MemoryLedger()
    for record in _records(GROUPED_ENTRIES):
        ledger.append(record)
    return [(entry.seq, entry.hash, entry.body, entry.payload, None) for entry in ledger.entries()]


def _records(count: int) -> Sequence[Record]:
    return [record for pair in effects()[: count // 2] for record in pair]


def memory_append() -> Figure:
    """Microseconds of CPU time an append to the ledger in memory takes, beside encoding and hashing the same records."""
    records = _records(MEMORY_ENTRIES)
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        ledger = MemoryLedger()
        start_ns = time.process_time_ns()
        for record in records:
            ledger.append(record)
        ours.append((time.process_time_ns() - start_ns) / len(records) / 1_000)
        last = GENESIS
        start_ns = time.process_time_ns()
        for record in records:
            last = sha256(last + encode(record)).digest()
        bare.append((time.process_time_ns() - start_ns) / len(records) / 1_000)
    return of_rounds(ours, "µs", better="lower", peer="encoding and hashing alone", peer_value=statistics.median(bare))


def verify_chain() -> Figure:
    """Entries a second that are read from the file, decoded and checked against the chain, beside hashing them alone."""
    with _on_disk() as where:
        asyncio.run(_fill(where, VERIFIED_ENTRIES))
        reader = SqliteLedger.open(where / "ledger.sqlite", read_only=True)
        parts = [(entry.body, entry.payload) for entry in reader.entries()]
        ours: list[float] = []
        bare: list[float] = []
        for _ in range(ROUNDS):
            start_ns = time.perf_counter_ns()
            found = verify(reader.entries())
            ours.append(found.seq / (time.perf_counter_ns() - start_ns) * 1e9)
            last = GENESIS
            start_ns = time.perf_counter_ns()
            for body, payload in parts:
                last = sha256(last + sha256(payload).digest() + body).digest()
            bare.append(len(parts) / (time.perf_counter_ns() - start_ns) * 1e9)
            if (found.seq, found.hash) != (len(parts), last):
                raise RuntimeError(f"verified {found.seq} entries of {len(parts)}")
        asyncio.run(reader.close())
    return of_rounds(ours, "entries/s", better="higher", peer="hashing alone", peer_value=statistics.median(bare))


async def _fill(where: Path, entries: int) -> None:
    ledger = SqliteLedger.open(where / "ledger.sqlite")
    for record in _records(entries):
        ledger.append(record)
    await ledger.close()


FIGURES: dict[str, Measure] = {
    "appends_grouped": appends_grouped,
    "append_latency": append_latency,
    "memory_append": memory_append,
    "verify": verify_chain,
    "raw_sqlite": raw_sqlite,
}
