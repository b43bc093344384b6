"""What the same three things cost with academy-py and its local exchange; run by the interpreter of its own environment.

Prints one JSON object. Times are wall-clock: medians over rounds, so that one disturbed round does not decide.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import resource
import statistics
import time
from pathlib import Path

from academy.agent import Agent, action
from academy.exchange import LocalExchangeFactory
from academy.handle import Handle
from academy.manager import Manager

WARM_UP_CALLS = 200
CALLS_A_ROUND = 1_000
ROUNDS = 5
IN_FLIGHT = 100
IDLE_AGENTS = 2_000


class Echo(Agent):
    """Its one action does nothing."""

    @action
    async def nothing(self) -> None:
        return None


async def round_trip_us(echo: Handle[Echo]) -> float:
    """Median microseconds of one call, each made after the answer to the one before."""
    taken_ns: list[int] = []
    for _ in range(CALLS_A_ROUND):
        start_ns = time.perf_counter_ns()
        await echo.nothing()
        taken_ns.append(time.perf_counter_ns() - start_ns)
    return statistics.median(taken_ns) / 1_000


async def calls_per_s(echo: Handle[Echo]) -> float:
    """Calls answered in a second while ``IN_FLIGHT`` are open."""

    async def caller() -> None:
        for _ in range(CALLS_A_ROUND // IN_FLIGHT * 2):
            await echo.nothing()

    start_ns = time.perf_counter_ns()
    await asyncio.gather(*(caller() for _ in range(IN_FLIGHT)))
    return CALLS_A_ROUND * 2 / (time.perf_counter_ns() - start_ns) * 1e9


async def idle_agent_bytes(manager: Manager[object]) -> float:
    """Resident memory that one more idle agent takes."""
    before = resident_bytes()
    handles = [await manager.launch(Echo) for _ in range(IDLE_AGENTS)]
    for handle in handles:
        await handle.ping()
    return (resident_bytes() - before) / IDLE_AGENTS


def resident_bytes() -> int:
    """What this process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def main() -> dict[str, object]:
    """All figures, and the version they are of."""
    async with await Manager.from_exchange_factory(factory=LocalExchangeFactory()) as manager:
        echo = await manager.launch(Echo)
        for _ in range(WARM_UP_CALLS):
            await echo.nothing()
        one_by_one = [await round_trip_us(echo) for _ in range(ROUNDS)]
        together = [await calls_per_s(echo) for _ in range(ROUNDS)]
        return {
            "version": importlib.metadata.version("academy-py"),
            "round_trip_us": statistics.median(one_by_one),
            "calls_per_s": statistics.median(together),
            "idle_agent_bytes": await idle_agent_bytes(manager),
        }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main())))
