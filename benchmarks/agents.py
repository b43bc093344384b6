"""What asking an agent costs, and what an idle one weighs; beside academy-py and its local exchange."""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from bailiwick import Agent, Bailiwick, Handle, action, session
from benchmarks import peers
from benchmarks.figure import Figure, Measure, of_rounds

WARM_UP_CALLS = 200
CALLS_A_ROUND = 1_000
ROUNDS = 5
IN_FLIGHT = 100
IDLE_AGENTS = 10_000


class Echo(Agent):
    """Its one action does nothing."""

    @action
    async def nothing(self) -> None:
        return None


def action_round_trip() -> Figure:
    """Median microseconds of one recorded call of an action that does nothing, each made after the answer to the one before."""

    async def measure(bw: Bailiwick, echo: Handle[Echo]) -> float:
        taken_ns: list[int] = []
        for _ in range(CALLS_A_ROUND):
            start_ns = time.perf_counter_ns()
            await echo.nothing()
            taken_ns.append(time.perf_counter_ns() - start_ns)
        return statistics.median(taken_ns) / 1_000

    peer = peers.run("academy")
    return of_rounds(_rounds(measure), "µs", better="lower", peer=peer.label, peer_value=peer.get("round_trip_us"))


def actions_in_flight() -> Figure:
    """Recorded calls answered in a second while 100 are open."""

    async def measure(bw: Bailiwick, echo: Handle[Echo]) -> float:
        async def caller() -> None:
            for _ in range(CALLS_A_ROUND // IN_FLIGHT * 2):
                await echo.nothing()

        start_ns = time.perf_counter_ns()
        await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
        return CALLS_A_ROUND * 2 / (time.perf_counter_ns() - start_ns) * 1e9

    peer = peers.run("academy")
    return of_rounds(_rounds(measure), "calls/s", better="higher", peer=peer.label, peer_value=peer.get("calls_per_s"))


def idle_agent() -> Figure:
    """Bytes of resident memory that one more idle agent takes, its entries in the memory ledger included."""

    async def measure() -> float:
        async with session(ledger="memory", home="unused") as bw:
            await bw.launch(Echo)
            before = _resident_bytes()
            handles = [await bw.launch(Echo) for _ in range(IDLE_AGENTS)]
            return (_resident_bytes() - before) / len(handles)

    peer = peers.run("academy")
    return Figure(value=asyncio.run(measure()), unit="bytes", better="lower", peer=peer.label, peer_value=peer.get("idle_agent_bytes"))


FIGURES: dict[str, Measure] = {
    "action_round_trip": action_round_trip,
    "actions_in_flight": actions_in_flight,
    "idle_agent": idle_agent,
}


def _rounds(measure: Callable[[Bailiwick, Handle[Echo]], Awaitable[float]]) -> list[float]:
    async def whole() -> list[float]:
        async with session(ledger="memory", home="unused") as bw:
            echo = await bw.launch(Echo)
            for _ in range(WARM_UP_CALLS):
                await echo.nothing()
            return [await measure(bw, echo) for _ in range(ROUNDS)]

    return asyncio.run(whole())


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
