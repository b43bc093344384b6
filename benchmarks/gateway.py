"""What the door costs: a tool that does nothing, with everything that is checked and recorded around it, in memory and on disk."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from bailiwick import Agent, Bailiwick, Handle, action, session, tool
from bailiwick.effects import Intent, Kind, Outcome
from bailiwick.ledger.backends.sqlite import SqliteLedger
from benchmarks.figure import Figure, Measure, of_rounds

USES_A_ROUND = 2_000
ROUNDS = 9
DURABLE_ROUNDS = 5
DURABLE_EFFECTS = 2_000
AGENTS = 100
EFFECTS_EACH = 40
RESUMED_EFFECTS = 10_000
ROUNDS_OF_RESUMING = 3
WEIGHED_EFFECTS = 20_000


@tool(effect="pure")
async def nothing(number: int) -> int:
    """Does nothing."""
    return number


@tool(effect="idempotent")
async def touch(number: int) -> int:
    """Does nothing, and its class says that it may have done something: so its intent must be durable first."""
    return number


_at_the_end: list[Callable[[], None]] = []
"""Called where a worker has used the tool for the last time."""


class Worker(Agent):
    """Uses the tool, over and over."""

    @action
    async def work(self, effects: int) -> int:
        """So many effects, one after another."""
        for number in range(effects):
            await self.use(touch, number)
        for call in _at_the_end:
            call()
        return effects

    @action
    async def work_in_steps(self, effects: int) -> int:
        """The same in a loop that seals by itself."""
        async for number in self.steps(range(effects)):
            await self.use(touch, number)
        for call in _at_the_end:
            call()
        return effects


@contextmanager
def _on_disk() -> Generator[Path]:
    """A directory that is not in memory, as ``/tmp`` may be."""
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 -- `tempfile` makes the name below it
    with tempfile.TemporaryDirectory(dir=place, prefix="bailiwick-") as where:
        yield Path(where)


def use_noop() -> Figure:
    """Microseconds of CPU time that ``use()`` of a tool that does nothing takes, over the memory ledger."""

    async def whole() -> list[float]:
        rounds: list[float] = []
        async with session(ledger="memory", home="unused") as bw:
            for _ in range(ROUNDS):
                start_ns = time.process_time_ns()
                for number in range(USES_A_ROUND):
                    await bw.use(nothing, number)
                rounds.append((time.process_time_ns() - start_ns) / USES_A_ROUND / 1_000)
        return rounds

    return of_rounds(asyncio.run(whole()), "µs", better="lower")


def durable_one() -> Figure:
    """Durable effects a second of one agent, each after the one before; beside two SQLite commits an effect of the same bytes."""
    return _durable(1, DURABLE_EFFECTS)


def durable_hundred() -> Figure:
    """Durable effects a second of a hundred agents at once; beside two SQLite commits an effect of the same bytes."""
    return _durable(AGENTS, EFFECTS_EACH)


def _durable(agents: int, effects_each: int) -> Figure:
    """The intent is durable before the tool acts, the outcome no later than what depends on it; the agents' states are sealed."""
    ours: list[float] = []
    bare: list[float] = []

    async def a_round() -> None:
        async with session(home=str(where)) as bw:
            workers = [await bw.launch(Worker) for _ in range(agents)]
            await asyncio.gather(*(worker.work(2) for worker in workers))
            start_ns = time.perf_counter_ns()
            await asyncio.gather(*(worker.work(effects_each) for worker in workers))
            ours.append(agents * effects_each / (time.perf_counter_ns() - start_ns) * 1e9)

    for _ in range(DURABLE_ROUNDS):  # Turn by turn, so that both meet the same disk.
        with _on_disk() as where:
            asyncio.run(a_round())
        bare.append(_bare_effects_a_second())
    return of_rounds(ours, "effects/s", better="higher", peer="bare SQLite, two commits", peer_value=statistics.median(bare))


def _bare_effects_a_second() -> float:
    rows = _rows()
    with _on_disk() as where, closing(sqlite3.connect(where / "bare.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE entries (seq INTEGER PRIMARY KEY, hash BLOB NOT NULL, body BLOB NOT NULL, payload BLOB, erased BLOB)"
        )
        start_ns = time.perf_counter_ns()
        for row in rows:
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, NULL)", row)
        return len(rows) / 2 / (time.perf_counter_ns() - start_ns) * 1e9


@cache
def _rows() -> list[tuple[int, bytes, bytes, bytes | None]]:
    """What the effects of one agent leave on the record."""
    with _on_disk() as where:
        asyncio.run(_filled(where, DURABLE_EFFECTS // 4))
        reader = SqliteLedger.open(where / "ledger.sqlite", read_only=True)
        found = [entry for entry in reader.entries() if _of_a_tool(entry.record)]
        asyncio.run(reader.close())
    return [(seq, entry.hash, entry.body, entry.payload or None) for seq, entry in enumerate(found, 1)]


def _of_a_tool(record: object) -> bool:
    return (isinstance(record, Intent) and record.kind is Kind.TOOL) or isinstance(record, Outcome)


async def _filled(where: Path, effects: int) -> None:
    async with session(home=str(where)) as bw:
        await (await bw.launch(Worker)).work(effects)


def bytes_per_effect() -> Figure:
    """Bytes on disk for each effect without its arguments and its result: entries with all that the gateway puts into them, and index."""
    size_bytes, payload_bytes = _weights()
    return Figure(value=(size_bytes - payload_bytes) / WEIGHED_EFFECTS, unit="bytes", better="lower")


def bytes_per_effect_with_payload() -> Figure:
    """The same with an argument and a result that are one number each, and the salts that hide them."""
    return Figure(value=_weights()[0] / WEIGHED_EFFECTS, unit="bytes", better="lower")


@cache
def _weights() -> tuple[int, int]:
    with _on_disk() as where:
        asyncio.run(_filled(where, WEIGHED_EFFECTS))
        path = where / "ledger.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            payload_bytes: int = connection.execute("SELECT sum(length(payload)) FROM entries").fetchone()[0]
        return path.stat().st_size, payload_bytes


def resume_read() -> Figure:
    """Seconds from opening the record until a run that had used tools 10,000 times stands where a crash cut it off: all are read."""
    return _resume(lambda worker: worker.work(RESUMED_EFFECTS))


def resume_sealed() -> Figure:
    """The same for a loop that sealed by itself: what stands before the newest seal is not gone through."""
    return _resume(lambda worker: worker.work_in_steps(RESUMED_EFFECTS))


def _resume(work: Callable[[Handle[Worker]], Awaitable[int]]) -> Figure:
    rounds: list[float] = []
    with _on_disk() as where:
        copies = [where / str(number) for number in range(ROUNDS_OF_RESUMING)]

        async def main(bw: Bailiwick) -> None:
            await work(await bw.launch(Worker))

        async def first() -> None:
            async with session(home=str(where)) as bw:
                await bw.run(main)

        async def again(home: Path) -> None:
            async with session(home=str(home)) as bw:
                await bw.resume(main)

        with _calling(lambda: _copy(where / "ledger.sqlite", copies)):
            asyncio.run(first())
        for copy in copies:
            start_ns = time.perf_counter_ns()
            with _calling(lambda since_ns=start_ns: rounds.append((time.perf_counter_ns() - since_ns) / 1e9)):
                asyncio.run(again(copy))
    return of_rounds(rounds, "s", better="lower")


@contextmanager
def _calling(call: Callable[[], None]) -> Generator[None]:
    _at_the_end.append(call)
    try:
        yield
    finally:
        _at_the_end.remove(call)


def _copy(path: Path, homes: list[Path]) -> None:
    """The record as a crash would leave it now: what is durable is in the copies."""
    for home in homes:
        home.mkdir()
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(home / path.name)) as target:
            source.backup(target)


FIGURES: dict[str, Measure] = {
    "use_noop": use_noop,
    "durable_one": durable_one,
    "durable_hundred": durable_hundred,
    "bytes_per_effect": bytes_per_effect,
    "bytes_per_effect_with_payload": bytes_per_effect_with_payload,
    "resume_read": resume_read,
    "resume_sealed": resume_sealed,
}
