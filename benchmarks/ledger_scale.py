"""What a long record costs: a million entries, or as many as BAILIWICK_BENCHMARK_ENTRIES says, in segments of a million."""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bailiwick.effects import EffectClass, Intent, Kind, Outcome, Seal, Status
from bailiwick.ids import AgentId, EffectId, RunId, agent_of, ask_of, effect_id
from bailiwick.ledger import Ledger, Segmented
from bailiwick.ledger.backends.sqlite import SqliteLedger
from benchmarks.figure import Figure, Measure, of_rounds

ENTRIES = int(os.environ.get("BAILIWICK_BENCHMARK_ENTRIES", "1000000"))
SEGMENT_ENTRIES = 1_000_000
EFFECTS_A_RUN = 5_000
EFFECTS_A_BARRIER = 250
TAIL = 50
ROUNDS = 5
QUESTIONS = 2_000


class Built(NamedTuple):
    """A record on disk."""

    path: Path
    runs: int


def _run(number: int) -> RunId:
    """The root of a tree of runs; each began a second after the one before."""
    return RunId(f"run_{1_700_000_000_000 + 1_000 * number:012x}{number:020x}")


def _effect(number: int) -> EffectId:
    return effect_id(_run(number // EFFECTS_A_RUN), str(number % EFFECTS_A_RUN))


def _agent(run: int) -> AgentId:
    return agent_of(ask_of(_run(run)))


async def _fill(ledger: Ledger, entries: int) -> int:
    """Runs of 5,000 effects with arguments of 100 bytes and results of 40; the agent of each is sealed once. How many."""
    number = 0
    while ledger.head().seq < entries:
        run, agent = _run(number // EFFECTS_A_RUN), _agent(number // EFFECTS_A_RUN)
        for at in range(number, number + EFFECTS_A_BARRIER):
            effect, position = _effect(at), str(at % EFFECTS_A_RUN)
            ledger.append(
                Intent(
                    id=effect,
                    run=run,
                    agent=agent,
                    position=position,
                    kind=Kind.TOOL,
                    tool="ionisation_energy",
                    effect=EffectClass.IDEMPOTENT,
                    arguments=bytes(100),
                    at_ns=time.time_ns(),
                )
            )
            ledger.append(Outcome(id=effect, status=Status.DONE, value=bytes(40), started_ns=1, ended_ns=time.time_ns()))
        number += EFFECTS_A_BARRIER
        if number % EFFECTS_A_RUN == 0:
            ledger.append(Seal(agent=agent, state=bytes(500)))
            await ledger.barrier()
        elif number % (4 * EFFECTS_A_BARRIER) == 0:
            await ledger.barrier()
    return number // EFFECTS_A_RUN


@cache
def _built() -> Built:
    place = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None  # noqa: S108 -- `tempfile` makes the name below it
    folder = tempfile.TemporaryDirectory(dir=place, prefix="bailiwick-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / "ledger.sqlite"

    async def build() -> int:
        ledger = SqliteLedger.open(path, segment_entries=SEGMENT_ENTRIES)
        runs = await _fill(ledger, ENTRIES)
        await ledger.close()
        return runs

    return Built(path, asyncio.run(build()))


def _asked(question: Callable[[Ledger, random.Random], object]) -> list[float]:
    """Nanoseconds that each of many questions takes, of a ledger opened anew for each round; the first of a round are not counted."""
    found: list[float] = []

    async def ask(seed: int) -> None:
        ledger = SqliteLedger.open(_built().path, segment_entries=SEGMENT_ENTRIES)
        chance = random.Random(seed)
        for turn in range(QUESTIONS + 200):
            start_ns = time.perf_counter_ns()
            question(ledger, chance)
            if turn >= 200:
                found.append(time.perf_counter_ns() - start_ns)
        await ledger.close()

    for round_ in range(ROUNDS):
        asyncio.run(ask(round_))
    return found


def _spread(found: list[float], unit_ns: int, unit: str) -> Figure:
    """The median; as its spread what one in a hundred is faster and slower than."""
    cuts = statistics.quantiles(found, n=100)
    return Figure(value=statistics.median(found) / unit_ns, unit=unit, better="lower", low=cuts[0] / unit_ns, high=cuts[-1] / unit_ns)


def find_us() -> Figure:
    """Microseconds to find an effect of any age by its id, both records of it read."""
    runs = _built().runs

    def question(ledger: Ledger, chance: random.Random) -> None:
        if ledger.find(_effect(chance.randrange(runs * EFFECTS_A_RUN))) is None:
            raise RuntimeError("an effect on record was not found")

    return _spread(_asked(question), 1_000, "µs")


def miss_us() -> Figure:
    """Microseconds to know that an effect of an old run is not on record, as for each new effect of a run that is resumed."""
    runs = _built().runs

    def question(ledger: Ledger, chance: random.Random) -> None:
        if ledger.find(effect_id(_run(chance.randrange(runs)), str(chance.randrange(10**9, 10**12)))) is not None:
            raise RuntimeError("an effect was found that nobody recorded")

    return _spread(_asked(question), 1_000, "µs")


def seal_us() -> Figure:
    """Microseconds to find the newest seal of an agent of any age."""
    runs = _built().runs

    def question(ledger: Ledger, chance: random.Random) -> None:
        if ledger.last_seal(_agent(chance.randrange(runs))) is None:
            raise RuntimeError("a seal on record was not found")

    return _spread(_asked(question), 1_000, "µs")


def tail_ms() -> Figure:
    """Milliseconds to read the newest 50 entries."""

    def question(ledger: Ledger, chance: random.Random) -> None:
        if len(list(ledger.entries(ledger.head().seq - TAIL))) != TAIL:
            raise RuntimeError("the tail is not whole")

    return _spread(_asked(question), 1_000_000, "ms")


def open_ms() -> Figure:
    """Milliseconds until the ledger is open for writing."""
    found: list[float] = []
    path = _built().path

    async def opened() -> None:
        start_ns = time.perf_counter_ns()
        ledger = SqliteLedger.open(path, segment_entries=SEGMENT_ENTRIES)
        found.append((time.perf_counter_ns() - start_ns) / 1e6)
        await ledger.close()

    for _ in range(10 * ROUNDS):
        asyncio.run(opened())
    return of_rounds(found, "ms", better="lower")


def bytes_per_entry() -> Figure:
    """Bytes on disk for each entry, whose payloads are 76 bytes on average."""

    async def sizes() -> tuple[int, int]:
        ledger = SqliteLedger.open(_built().path, segment_entries=SEGMENT_ENTRIES)
        assert isinstance(ledger, Segmented)
        found = sum(segment.size_bytes or 0 for segment in ledger.segments()), ledger.head().seq
        await ledger.close()
        return found

    total_bytes, entries = asyncio.run(sizes())
    return Figure(value=total_bytes / entries, unit="bytes", better="lower")


FIGURES: dict[str, Measure] = {}

FULL: dict[str, Measure] = {
    "find_us": find_us,
    "miss_us": miss_us,
    "seal_us": seal_us,
    "tail_ms": tail_ms,
    "open_ms": open_ms,
    "bytes_per_entry": bytes_per_entry,
}
