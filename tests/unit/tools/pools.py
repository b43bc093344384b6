"""How tests use worker processes, and see what becomes of them."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from bailiwick.clock import SystemClock
from bailiwick.effects import Tool
from bailiwick.tools.workers import ProcessActuator, WorkerPool
from tests.unit.tools import acts

T = TypeVar("T")

ROOT = Path(__file__).parents[3]


def with_pool(scenario: Callable[[WorkerPool], Awaitable[T]], *, size: int = 1, grace: timedelta = timedelta(seconds=5)) -> T:
    """Run ``scenario`` with a pool that is closed after it; nothing of it may be left then."""

    async def whole() -> T:
        pool = WorkerPool(size, SystemClock(), {"OMP_NUM_THREADS": "1"}, grace=grace)
        try:
            return await scenario(pool)
        finally:
            pids = pool.pids
            await pool.close()
            assert pool.pids == []
            assert [pid for pid in pids if exists(pid)] == []

    return asyncio.run(whole())


async def act(pool: WorkerPool, asked: Tool, *args: Any, agent: str = "agt_a") -> Any:
    result = await ProcessActuator(asked, pool).act(acts.intent(asked, *args, agent=agent))
    return asked.signature.unpack_result(result.value)


def begin(pool: WorkerPool, asked: Tool, *args: Any, agent: str = "agt_a") -> asyncio.Task[Any]:
    return asyncio.create_task(act(pool, asked, *args, agent=agent))


async def begin_to_hold(pool: WorkerPool, fifo: Path, asked: Tool = acts.hold, *, agent: str = "agt_a") -> tuple[asyncio.Task[Any], int]:
    """A call that will not end by itself, and the process that makes it; returns once the tool runs."""
    os.mkfifo(fifo)
    task = begin(pool, asked, str(fifo), agent=agent)
    return task, int(await asyncio.to_thread(fifo.read_text))


def exists(pid: int) -> bool:
    """Whether there is such a process, were it a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ended(pid: int) -> bool:
    """Wait for the end of any process, a child or not. False if it still runs after half a minute."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 30)[0])
    finally:
        os.close(descriptor)


def surroundings() -> dict[str, str]:
    """The environment for a program that imports us and the tools of the tests."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
