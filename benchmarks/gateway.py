"""What the door costs: a tool that does nothing, with everything that is checked and recorded around it."""

from __future__ import annotations

import asyncio
import time

from bailiwick import session, tool
from benchmarks.figure import Figure, Measure, of_rounds

USES_A_ROUND = 2_000
ROUNDS = 9


@tool(effect="pure")
async def nothing(number: int) -> int:
    """Does nothing."""
    return number


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


FIGURES: dict[str, Measure] = {"use_noop": use_noop}
