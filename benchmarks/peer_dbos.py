"""The same with DBOS; run by the interpreter of its own environment.

``peer_dbos.py speed URL``: steps a second, of trivial steps with a result of 200 bytes, printed as one JSON object. In SQLite DBOS runs
with a rollback journal and ``synchronous=FULL``, which it does not set; a file that is in WAL mode already it leaves so, still FULL.
``peer_dbos.py job URL ADDRESS EFFECTS``: a workflow of that many steps, each one request to a witness; started again, it goes on.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import peer_witness
from dbos import DBOS, SetWorkflowID

RESULT = "x" * 200
STEPS = 200
WORKFLOWS = 50
STEPS_EACH = 20
ROUNDS = 3
JOB = "job"


@DBOS.step()
def step(number: int) -> str:
    """Does nothing."""
    return RESULT


@DBOS.workflow()
def work(steps: int) -> int:
    """So many steps, one after another."""
    for number in range(steps):
        step(number)
    return steps


@DBOS.step()
async def async_step(number: int) -> str:
    """Does nothing."""
    return RESULT


@DBOS.workflow()
async def async_work(steps: int) -> int:
    """So many steps, one after another."""
    for number in range(steps):
        await async_step(number)
    return steps


@DBOS.step()
def request(address: str, what: str) -> int:
    """An effect on the world."""
    return peer_witness.perform(address, what)


@DBOS.workflow()
def job(address: str, effects: int) -> int:
    """So many effects, one after another."""
    for number in range(effects):
        request(address, f"effect {number}")
    return effects


def fifty() -> None:
    """Fifty workflows in threads."""
    handles = [DBOS.start_workflow(work, STEPS_EACH) for _ in range(WORKFLOWS)]
    for handle in handles:
        handle.get_result(polling_interval_sec=0.05)


async def async_fifty() -> None:
    """Fifty workflows in one event loop."""
    await asyncio.gather(*(async_work(STEPS_EACH) for _ in range(WORKFLOWS)))


def a_second(steps: int, act: Callable[[], Any]) -> float:
    """Steps a second."""
    start_ns = time.perf_counter_ns()
    act()
    return steps / (time.perf_counter_ns() - start_ns) * 1e9


async def async_a_second(steps: int, act: Callable[[], Any]) -> float:
    """Steps a second."""
    start_ns = time.perf_counter_ns()
    await act()
    return steps / (time.perf_counter_ns() - start_ns) * 1e9


async def async_rounds() -> tuple[list[float], list[float]]:
    """One by one, and fifty together."""
    await async_work(STEPS // 4)
    found = [
        (await async_a_second(STEPS, lambda: async_work(STEPS)), await async_a_second(WORKFLOWS * STEPS_EACH, async_fifty))
        for _ in range(ROUNDS)
    ]
    return [one for one, _ in found], [many for _, many in found]


def speed() -> dict[str, object]:
    """Medians over rounds, with threads and with an event loop."""
    work(STEPS // 4)
    found = [(a_second(STEPS, lambda: work(STEPS)), a_second(WORKFLOWS * STEPS_EACH, fifty)) for _ in range(ROUNDS)]
    one, many = asyncio.run(async_rounds())
    return {
        "version": importlib.metadata.version("dbos"),
        "sequential_per_s": statistics.median(each for each, _ in found),
        "fifty_per_s": statistics.median(each for _, each in found),
        "async_sequential_per_s": statistics.median(one),
        "async_fifty_per_s": statistics.median(many),
    }


def main(what: str, url: str, *rest: str) -> object:
    """What to print."""
    DBOS(config={"name": "peer", "system_database_url": url, "log_level": "CRITICAL", "run_admin_server": False})
    DBOS.launch()
    try:
        if what == "speed":
            return speed()
        address, effects = rest
        with SetWorkflowID(JOB):
            return DBOS.start_workflow(job, address, int(effects)).get_result(polling_interval_sec=0.05)
    finally:
        DBOS.destroy()


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
