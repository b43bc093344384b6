"""What it costs that something waits for people: ten thousand effects at once, over the memory ledger and through the desk."""

from __future__ import annotations

import asyncio
import gc
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import cache
from typing import TypeVar

from bailiwick import codec
from bailiwick.bailiff import Decide, Decided, ListWaiting, Settings, Waiting, approval_duties, ask_desk, desk
from bailiwick.charter import Approval
from bailiwick.clock import SystemClock
from bailiwick.effects import EffectClass, Intent, Kind, Record, Ruling, RulingVerdict
from bailiwick.gateway import Approvals, Docket
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.ledger.backends.memory import MemoryLedger
from benchmarks.figure import Figure, Measure

T = TypeVar("T")

PARKED = 10_000
RULED_AT_THE_DESK = 500
CHARTER = "9f" * 8
TWO = Approval(tool="pay", name="big payments", reason="over 100 EUR", ask=("ada", "bob"), need=2, escalate_to=("cfo",))


class Door:
    """As much of a gateway as approvals need."""

    def __init__(self) -> None:
        self.ledger = MemoryLedger()
        self.docket = Docket()
        self.approvals = Approvals(self.append, self.ledger, SystemClock(), principal="ada", docket=self.docket)

    def append(self, *records: Record) -> int:
        """Put them at the end."""
        last = self.ledger.append(*records)
        for seq, record in enumerate(records, last - len(records) + 1):
            self.docket.note(seq, record)
        return last

    async def barrier(self) -> None:
        """Memory is durable at once, as far as it is."""
        await self.ledger.barrier()


def asked(number: int) -> Intent:
    """An effect of a run of its own."""
    return Intent(
        id=EffectId(f"eff_0123456789ab{number:020x}"),
        run=RunId(f"run_0123456789ab{number:020x}"),
        agent=AgentId("agt_0123456789ab" + "01" * 10),
        position="1",
        kind=Kind.TOOL,
        tool="pay",
        effect=EffectClass.IRREVERSIBLE,
        arguments=codec.encode({"to": "DE02120300000000202051", "amount": number}),
    )


def ruling(door: Door, effect: EffectId, who: str) -> Ruling:
    """A yes to what is asked for now."""
    newest = door.docket.cases[effect].newest
    return Ruling(id=effect, action=newest.action, charter=CHARTER, number=newest.number, who=who, verdict=RulingVerdict.APPROVE)


async def park(door: Door, count: int) -> list[asyncio.Task[Intent]]:
    """So many effects that wait."""
    tasks = [asyncio.ensure_future(door.approvals.cleared(asked(number), [TWO], CHARTER)) for number in range(count)]
    while len(door.approvals.waiting()) < count:
        await SystemClock().sleep(timedelta(0))
    return tasks


async def leave(door: Door, tasks: list[asyncio.Task[Intent]]) -> None:
    """Take them all back."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await door.approvals.close()


@cache
def _measured() -> dict[str, float]:
    async def whole() -> dict[str, float]:
        door = Door()
        began_ns = time.process_time_ns()
        tasks = await park(door, PARKED)
        parked_ns = time.process_time_ns()
        with tempfile.TemporaryDirectory() as home:
            settings = Settings(home=home)
            async with desk(settings, approval_duties(door.approvals, door), admit=lambda _: ""):
                listed, list_s = await _timed(lambda: _listed(settings))
                assert listed == PARKED
                some = [asked(number).id for number in range(RULED_AT_THE_DESK)]
                _, desk_s = await _timed(lambda: _decided(settings, [ruling(door, effect, "ada") for effect in some]))
        rulings = [ruling(door, asked(number).id, who) for number in range(RULED_AT_THE_DESK, PARKED) for who in ("ada", "bob")]
        ruled_ns = time.process_time_ns()
        for one in rulings:
            door.approvals.rule(one)
        through_ns = time.process_time_ns()
        await asyncio.gather(*tasks[RULED_AT_THE_DESK:])
        await leave(door, tasks)
        return {
            "park_us": (parked_ns - began_ns) / PARKED / 1e3,
            "list_ms": list_s * 1e3,
            "rule_us": (through_ns - ruled_ns) / len(rulings) / 1e3,
            "desk_us": desk_s / RULED_AT_THE_DESK * 1e6,
        }

    return asyncio.run(whole())


async def _timed(work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
    began_ns = time.perf_counter_ns()
    found = await work()
    return found, (time.perf_counter_ns() - began_ns) / 1e9


async def _listed(settings: Settings) -> int:
    after = found = 0
    while True:
        page = await ask_desk(settings, ListWaiting(after=after), Waiting)
        found += len(page.pending)
        if not page.more:
            return found
        after = page.pending[-1].seq


async def _decided(settings: Settings, rulings: list[Ruling]) -> None:
    for one in rulings:
        await ask_desk(settings, Decide(rulings=(one,)), Decided)


def park_one() -> Figure:
    """Microseconds of CPU time until an effect waits and its request is on record."""
    return Figure(value=_measured()["park_us"], unit="us", better="lower")


def parked_bytes() -> Figure:
    """Bytes of memory that one parked effect takes, with its coroutine, its request in memory and on a record in memory."""

    async def whole() -> float:
        door = Door()
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tasks = await park(door, PARKED)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await leave(door, tasks)
        return (after - before) / PARKED

    return Figure(value=asyncio.run(whole()), unit="B", better="lower")


def list_all() -> Figure:
    """Milliseconds to list ten thousand over the desk's socket, in pages, decoded."""
    return Figure(value=_measured()["list_ms"], unit="ms", better="lower")


def rule_one() -> Figure:
    """Microseconds of CPU time to check a ruling and put it on record, with ten thousand waiting."""
    return Figure(value=_measured()["rule_us"], unit="us", better="lower")


def rule_at_the_desk() -> Figure:
    """Microseconds for the same over a connection of its own, with both sides in one process."""
    return Figure(value=_measured()["desk_us"], unit="us", better="lower")


FIGURES: dict[str, Measure] = {
    "park_one": park_one,
    "parked_bytes": parked_bytes,
    "list_all": list_all,
    "rule_one": rule_one,
    "rule_at_the_desk": rule_at_the_desk,
}
