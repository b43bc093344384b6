"""Durable effects through the whole gateway, beside the steps of DBOS and LangGraph: one agent, and fifty at once.

An effect is an `idempotent` call of a tool that does nothing and returns 200 bytes: its intent is on disk before it begins, and its
outcome no later than whatever depends on it. A peer's step does nothing and returns 200 bytes, which are on disk before the next
begins. All in one run on one disk; SQLite in WAL mode with ``synchronous=FULL`` for all, and DBOS also as it comes, with a rollback
journal. PostgreSQL is one server with its usual settings for both. DBOS runs in threads and in an event loop; the faster one counts.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from bailiwick import Agent, action, session, tool
from benchmarks import peers
from benchmarks.figure import Figure, Measure, of_rounds

RESULT = "x" * 200
EFFECTS = 1_000
AGENTS = 50
EFFECTS_EACH = 20
ROUNDS = 5
"""Before the peers, and as many again after them: a machine that got slower or faster meanwhile did so for both."""


@tool(effect="idempotent")
async def step(number: int) -> str:
    """Does nothing."""
    return RESULT


class Worker(Agent):
    """One workflow."""

    @action
    async def work(self, effects: int) -> int:
        """So many effects, one after another."""
        for number in range(effects):
            await self.use(step, number)
        return effects


Rates = dict[str, list[float]]


async def _rates(**settings: Any) -> Rates:
    """Effects a second, one after another and from fifty agents."""
    found: Rates = {"sequential": [], "fifty": []}
    async with session(**settings) as bw:
        workers = [await bw.launch(Worker) for _ in range(AGENTS)]
        await workers[0].work(EFFECTS_EACH)
        for _ in range(ROUNDS):
            start_ns = time.perf_counter_ns()
            await workers[0].work(EFFECTS)
            found["sequential"].append(EFFECTS / (time.perf_counter_ns() - start_ns) * 1e9)
            start_ns = time.perf_counter_ns()
            await asyncio.gather(*(worker.work(EFFECTS_EACH) for worker in workers))
            found["fifty"].append(AGENTS * EFFECTS_EACH / (time.perf_counter_ns() - start_ns) * 1e9)
    return found


def _around(rates: Callable[[], Rates], *measure: Callable[[], peers.Peer]) -> tuple[Rates, list[peers.Peer]]:
    before, found, after = rates(), [each() for each in measure], rates()
    return {name: before[name] + after[name] for name in before}, found


@cache
def _sqlite() -> tuple[Rates, list[peers.Peer]]:
    """Ours; DBOS with a write-ahead log, and as it comes; LangGraph."""
    with _on_disk() as folder:
        log, journal = folder / "log.sqlite", folder / "journal.sqlite"
        with closing(sqlite3.connect(log)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
        return _around(
            lambda: asyncio.run(_rates(home=tempfile.mkdtemp(dir=folder))),
            lambda: peers.run("dbos", "speed", f"sqlite:///{log}"),
            lambda: peers.run("dbos", "speed", f"sqlite:///{journal}"),
            lambda: peers.run("langgraph", "speed", str(folder / "langgraph.sqlite")),
        )


@cache
def _postgres() -> tuple[Rates, list[peers.Peer]]:
    from tests.postgres import running

    with _on_disk() as folder, running("shared_buffers=128MB", "max_wal_size=4GB", under=str(folder.parent)) as server:
        schemas = iter(("before", "after"))
        peer = server.url("public").partition("&options=")[0].replace("@/postgres?", "@/dbos?")
        return _around(
            lambda: asyncio.run(_rates(home=tempfile.mkdtemp(dir=folder), ledger="postgres", postgres_url=server.url(next(schemas)))),
            lambda: peers.run("dbos", "speed", peer),
        )


@contextmanager
def _on_disk() -> Generator[Path]:
    """A folder on a disk, which ``/tmp`` may not be."""
    with tempfile.TemporaryDirectory(dir="/var/tmp" if os.access("/var/tmp", os.W_OK) else None) as folder:  # noqa: S108 -- `tempfile` makes the name
        yield Path(folder)


def _beside(measured: tuple[Rates, list[peers.Peer]], name: str, nth: int, how: str) -> Figure:
    rates, found = measured
    peer = found[nth]
    theirs = [value for key, value in peer.values.items() if key.removeprefix("async_") == f"{name}_per_s"]
    label = f"{peer.label} ({how})" if theirs else peer.label
    return of_rounds(rates[name], "effects/s", better="higher", peer=label, peer_value=max(theirs, default=None))


def sequential() -> Figure:
    """Of one agent on SQLite, each after the one before; beside DBOS with the same durability."""
    return _beside(_sqlite(), "sequential", 0, "WAL, FULL")


def fifty_workflows() -> Figure:
    """Of fifty agents on SQLite; beside fifty workflows of DBOS with the same durability."""
    return _beside(_sqlite(), "fifty", 0, "WAL, FULL")


def sequential_beside_default() -> Figure:
    """Of one agent; beside DBOS as it comes."""
    return _beside(_sqlite(), "sequential", 1, "rollback journal, FULL: as it comes")


def fifty_beside_default() -> Figure:
    """Of fifty agents; beside fifty workflows of DBOS as it comes."""
    return _beside(_sqlite(), "fifty", 1, "rollback journal, FULL: as it comes")


def sequential_beside_langgraph() -> Figure:
    """Of one agent; beside LangGraph with ``durability="sync"``."""
    return _beside(_sqlite(), "sequential", 2, "SqliteSaver, WAL, FULL")


def fifty_beside_langgraph() -> Figure:
    """Of fifty agents; beside fifty runs of LangGraph with ``durability="sync"``."""
    return _beside(_sqlite(), "fifty", 2, "AsyncSqliteSaver, WAL, FULL")


def postgres_sequential() -> Figure:
    """Of one agent on PostgreSQL, each after the one before; beside DBOS on the same server."""
    return _beside(_postgres(), "sequential", 0, "PostgreSQL")


def postgres_fifty() -> Figure:
    """Of fifty agents on PostgreSQL; beside fifty workflows of DBOS on the same server."""
    return _beside(_postgres(), "fifty", 0, "PostgreSQL")


FIGURES: dict[str, Measure] = {
    "sequential": sequential,
    "fifty_workflows": fifty_workflows,
    "sequential_beside_default": sequential_beside_default,
    "fifty_beside_default": fifty_beside_default,
    "sequential_beside_langgraph": sequential_beside_langgraph,
    "fifty_beside_langgraph": fifty_beside_langgraph,
    "postgres_sequential": postgres_sequential,
    "postgres_fifty": postgres_fifty,
}
