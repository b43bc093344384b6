"""What it costs to act: in the event loop, in a warm worker process, in one that must be started first.

The peer of worker processes is `concurrent.futures.ProcessPoolExecutor`, called from an event loop as we are. Its workers are
spawned, not forked: forking a host that has threads is no longer safe, and a spawned worker starts as clean as ours.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor

from bailiwick.clock import SystemClock
from bailiwick.effects import Intent, Kind, Tool, tool
from bailiwick.ids import AgentId, EffectId, RunId
from bailiwick.tools import Toolbox
from benchmarks.figure import Figure, Measure, of_rounds

ROUNDS = 7
PEER = "ProcessPoolExecutor"


@tool(effect="pure")
async def idle() -> None:
    """Nothing, in the event loop."""


where = tool(effect="read", where="process")(os.getpid)
"""Next to nothing, in a worker process; of a module that is there already, so that no import but the worker's own is measured."""


def _intent(asked: Tool) -> Intent:
    return Intent(
        id=EffectId("eff_" + "0" * 32),
        run=RunId("run_" + "0" * 32),
        agent=AgentId("agt_" + "0" * 32),
        position="1",
        kind=Kind.TOOL,
        tool=asked.name,
        effect=asked.effect,
        arguments=asked.signature.pack((), {}),
    )


async def _rounds(act: Callable[[], Awaitable[object]], clock_ns: Callable[[], int], calls: int) -> list[float]:
    """Microseconds for each of ``calls``, one after the other, in each round; the first round is warm already."""
    for _ in range(calls // 10):
        await act()
    rounds: list[float] = []
    for _ in range(ROUNDS):
        start_ns = clock_ns()
        for _ in range(calls):
            await act()
        rounds.append((clock_ns() - start_ns) / calls / 1e3)
    return rounds


def loop_tool_us() -> Figure:
    """CPU of one act of a tool that does nothing in the event loop."""

    async def measure() -> list[float]:
        toolbox = Toolbox(SystemClock())
        actuator, intent = toolbox.actuator(idle), _intent(idle)
        try:
            return await _rounds(lambda: actuator.act(intent), time.process_time_ns, 20_000)
        finally:
            await toolbox.close()

    return of_rounds(asyncio.run(measure()), "µs", better="lower")


def process_call_us() -> Figure:
    """Round trip of a call that does next to nothing, in a warm worker process."""

    async def ours() -> list[float]:
        toolbox = Toolbox(SystemClock(), workers=1)
        actuator, intent = toolbox.actuator(where), _intent(where)
        try:
            return await _rounds(lambda: actuator.act(intent), time.perf_counter_ns, 1_000)
        finally:
            await toolbox.close()

    async def peers() -> list[float]:
        loop = asyncio.get_running_loop()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
            return await _rounds(lambda: loop.run_in_executor(executor, os.getpid), time.perf_counter_ns, 1_000)

    rounds, peer_rounds = asyncio.run(ours()), asyncio.run(peers())
    return of_rounds(rounds, "µs", better="lower", peer=PEER, peer_value=sorted(peer_rounds)[ROUNDS // 2])


def worker_start_ms() -> Figure:
    """From nothing to the first answer of a worker process."""

    async def ours() -> float:
        start_ns = time.perf_counter_ns()
        toolbox = Toolbox(SystemClock(), workers=1)
        await toolbox.actuator(where).act(_intent(where))
        taken_ms = (time.perf_counter_ns() - start_ns) / 1e6
        await toolbox.close()
        return taken_ms

    async def peers() -> float:
        start_ns = time.perf_counter_ns()
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
            await asyncio.get_running_loop().run_in_executor(executor, os.getpid)
            return (time.perf_counter_ns() - start_ns) / 1e6

    pairs = [(asyncio.run(ours()), asyncio.run(peers())) for _ in range(ROUNDS)]
    peer_ms = sorted(peer for _, peer in pairs)[ROUNDS // 2]
    return of_rounds([own for own, _ in pairs], "ms", better="lower", peer=PEER, peer_value=peer_ms)


FIGURES: dict[str, Measure] = {
    "loop_tool_us": loop_tool_us,
    "process_call_us": process_call_us,
    "worker_start_ms": worker_start_ms,
}
